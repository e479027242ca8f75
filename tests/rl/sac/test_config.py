"""Settings of SAC: what is accepted and what is refused."""

import pytest

from makeanagent.errors import InputError
from makeanagent.rl.sac.config import PRESETS, SACConfig


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_can_be_trained_with(preset):
    PRESETS[preset].check()


@pytest.mark.parametrize(
    "changes",
    [
        {"layout": 0},
        {"init_seed": None},
        {"init_seed": 0},
        {"num_demonstrations": 0, "noise_scales": ()},
        {"start_steps": 0},
        {"num_replay": 0},
        {"standardize": False},
        {"discount": 1.0, "tau": 1.0},
        {"demonstration_share": 0.0},
    ],
)
def test_the_ends_of_the_ranges_are_accepted(changes):
    SACConfig(**changes).check()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_runs": 0}, "num_runs 0: must be at least 1"),
        ({"layout": -1}, "layout -1: must be at least 0"),
        ({"init_seed": -1}, "init_seed -1: must be at least 0"),
        ({"batch_size": 0}, "batch_size 0: must be at least 1"),
        ({"return_steps": 0}, "return_steps 0: must be at least 1"),
        ({"num_checkpoints": -3}, "num_checkpoints -3: must be at least 1"),
        ({"updates_per_step": 0.0}, "updates_per_step 0.0: must be above 0"),
        ({"learning_rate": -1e-3}, "learning_rate -0.001: must be above 0"),
        ({"initial_temperature": 0.0}, "initial_temperature 0.0: must be above 0"),
        ({"learning_rate": float("nan")}, "learning_rate nan: must be above 0"),
        ({"discount": 1.1}, "discount 1.1: must be above 0 and at most 1"),
        ({"tau": 0.0}, "tau 0.0: must be above 0 and at most 1"),
        ({"demonstration_share": 1.0}, "demonstration_share 1.0: must be at least 0 and below 1"),
        ({"noise_scales": ()}, "noise_scales (): needs numbers of at least 0"),
        ({"noise_scales": (0.1, -0.1)}, "noise_scales (0.1, -0.1): needs numbers of at least 0"),
        ({"checkpoint_steps": 500}, "checkpoint_steps 500: must be a multiple of round_steps 200"),
    ],
)
def test_what_is_out_of_range_is_refused_in_one_line(changes, message):
    with pytest.raises(InputError) as caught:
        SACConfig(**changes).check()
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
