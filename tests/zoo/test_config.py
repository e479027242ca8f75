import re
from dataclasses import replace

import pytest

from makeanagent.errors import InputError
from makeanagent.zoo.recipes.distillation_config import DistillationConfig


def test_the_defaults_pass():
    DistillationConfig().check()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_runs", 0),
        ("num_checkpoints", 0),
        ("min_rounds", 0),
        ("num_score_layouts", 0),
        ("steps_after_success", -1),
        ("noise_scales", ()),
        ("noise_scales", (0.1, -0.1)),
        ("run_share", 0.0),
        ("run_share", 1.1),
        ("learning_rate", 0.0),
        ("final_learning_rate", float("nan")),
        ("elastic_pull", -1.0),
        ("num_demonstrations", 501),
        ("max_rounds", 34),
    ],
)
def test_what_makes_no_population_is_refused(field, value):
    with pytest.raises(InputError, match=f"^{field} {re.escape(str(value))}"):
        replace(DistillationConfig(), **{field: value}).check()
