"""Both protocols on a suite whose outcomes are known beforehand."""

import json
from dataclasses import dataclass

import numpy as np
import pytest

from makeanagent.errors import InputError
from makeanagent.evaluation.metrics import wilson_interval
from makeanagent.evaluation.protocols import (
    ProtocolConfig,
    count_held_out,
    count_rollouts,
    deal_layouts,
    evaluate_policies,
    held_out_grid,
)
from makeanagent.parallel import open_pool
from makeanagent.policies import PolicySpec
from makeanagent.suites import layouts

SPEC = PolicySpec(
    observation_dim=1, action_dim=1, hidden=(1,), activations=("relu",), heads=("mean",)
)
CONFIG = ProtocolConfig()


class ThresholdEnvironment:
    """Solved in one step by actions above a threshold that depends on the layout."""

    horizon = 2

    def reset(self, layout):
        self.threshold = 0.1 * (layout % 10)
        return np.ones(1)

    def step(self, action):
        return np.ones(1), bool(action[0] > self.threshold), False


@dataclass(frozen=True)
class ThresholdSuite:
    name = "toy"

    def make(self, task, *, render=False):
        return ThresholdEnvironment()


def skilled(skills):
    """Policies that always act by their skill: the mean head's bias, squashed by tanh."""
    parameters = np.zeros((len(skills), SPEC.num_parameters), np.float32)
    parameters[:, SPEC.layers[-1].bias] = np.arctanh(skills)[:, None]
    return parameters


def evaluate(skills, config=CONFIG, **kwargs):
    with open_pool(1) as pool:
        return evaluate_policies(
            pool, ThresholdSuite(), "threshold", skilled(skills), SPEC, config, **kwargs
        )


def solved(skills, where):
    return (np.array(skills)[:, None] > 0.1 * (np.array(where) % 10)).astype(int)


@pytest.mark.parametrize("score_on", ["scoring", "sealed"])
@pytest.mark.parametrize("seed", [0, 1, 18])
def test_no_two_purposes_share_a_layout(seed, score_on):
    config, following = (
        ProtocolConfig(layout_seed=number, score_on=score_on, held_out_layouts=250)
        for number in (seed, seed + 1)
    )
    ranges = [config.paper_range, config.held_out_range, config.selection_range]
    ranges += [following.paper_range, following.selection_range]
    numbers = [number for one in ranges for number in one]
    assert len(set(numbers)) == len(numbers)
    scoring = {"scoring": layouts.SCORING, "sealed": layouts.SEALED}[score_on]
    for each in (config, following):
        for one in (each.paper_range, each.held_out_range):
            assert set(one) <= set(scoring)
        assert set(each.selection_range) <= set(layouts.SELECTION)


@pytest.mark.parametrize(
    ("field", "value", "most"),
    [
        ("layout_seed", 20, "0 to 19"),
        ("layout_seed", -1, "0 to 19"),
        ("held_out_layouts", 251, "1 to 250"),
        ("selection_layouts", 0, "1 to 250"),
    ],
)
def test_layouts_beyond_their_block_are_refused(field, value, most):
    with pytest.raises(InputError, match=f"{field} {value}: must be {most}"):
        ProtocolConfig(**{field: value})


@pytest.mark.parametrize(("num_policies", "per_policy"), [(20, 10), (20, 5), (3, 50), (7, 3)])
def test_layouts_are_dealt_evenly(num_policies, per_policy):
    dealt = deal_layouts(range(100, 150), num_policies, per_policy)
    assert dealt.shape == (num_policies, per_policy)
    assert all(len(set(row)) == per_policy for row in dealt)
    counts = np.bincount(dealt.ravel() - 100, minlength=50)
    assert counts.max() - counts.min() <= 1
    assert deal_layouts(range(4), 2, 9).tolist() == [[0, 1, 2, 3]] * 2


def test_each_protocol_reports_what_happened():
    skills = [0.05, 0.95, 0.45, 0.99, 0.0, 0.75]
    result = evaluate(skills, ProtocolConfig(layouts_per_policy=10))
    assert json.loads(json.dumps(result)) == result
    paper, held_out = result["paper"], result["held_out"]
    assert result["task"] == "toy/threshold"

    success = solved(skills, CONFIG.paper_range)
    assert paper["success"] == success.tolist()
    assert paper["qualified_rate"] == pytest.approx(success.all(axis=1).mean())
    low, high = wilson_interval(success.all(axis=1).sum(), len(skills))
    assert paper["qualified_interval_95"] == pytest.approx([low, high])
    assert paper["mean_success"] == pytest.approx(success.mean())
    assert (paper["best"], paper["top_10"]) == (1.0, pytest.approx(success.mean()))

    # Four skills pass all layouts of the choice: they come in their own order.
    assert held_out["chosen_policies"] == [1, 2, 3, 5, 0]
    assert held_out["selection_success"] == solved(skills, CONFIG.selection_range).tolist()
    chosen = solved([skills[row] for row in held_out["chosen_policies"]], CONFIG.held_out_range)
    assert held_out["chosen_success"] == chosen.tolist()
    assert held_out["top_5_of_n"]["mean"] == pytest.approx(chosen.mean())
    assert held_out["best_of_n"]["mean"] == pytest.approx(chosen[0].mean())
    low, high = wilson_interval(chosen[0].sum(), 50)
    assert held_out["best_of_n"]["interval_95"] == pytest.approx([low, high])

    dealt = np.array(held_out["first_sample_layouts"])
    outcomes = np.array([solved([skill], row)[0] for skill, row in zip(skills, dealt, strict=True)])
    assert held_out["first_sample_success"] == outcomes.tolist()
    assert held_out["first_sample"]["mean"] == pytest.approx(outcomes.mean())
    assert held_out["first_sample"]["num_rollouts"] == outcomes.size


def test_intervals_know_that_a_policys_rollouts_are_alike():
    rate = evaluate([0.95] * 5 + [0.0] * 5)["held_out"]["first_sample"]
    successes = round(rate["mean"] * rate["num_rollouts"])
    low, high = wilson_interval(successes, rate["num_rollouts"])
    assert rate["interval_95"][1] - rate["interval_95"][0] > 4 * (high - low)


def test_first_samples_alone_are_scored_without_selection():
    result = evaluate([0.95, 0.0, 0.45, 0.0], first_samples=np.array([0, 2]))
    held_out = result["held_out"]
    assert held_out["first_sample_policies"] == [0, 2]
    assert held_out["first_sample_success"] == solved([0.95, 0.45], CONFIG.held_out_range).tolist()
    assert len(result["paper"]["success"]) == 4


@pytest.mark.parametrize("best_of", [None, 2, 20])
@pytest.mark.parametrize("num_policies", [1, 3, 8])
def test_rollouts_are_counted_beforehand(num_policies, best_of):
    config, done = ProtocolConfig(layouts_per_policy=7, best_of=best_of), []
    result = evaluate([0.5] * num_policies, config, on_progress=done.append)
    assert sum(done) == result["num_rollouts"]
    assert sum(done) == count_rollouts(config, num_policies, num_policies)


def test_the_best_is_chosen_among_the_first():
    held_out = evaluate([0.05, 0.45, 0.95], ProtocolConfig(best_of=2))["held_out"]
    assert held_out["chosen_policies"] == [1, 0]
    assert len(held_out["selection_success"]) == 2
    assert len(held_out["first_sample_success"]) == 3


def test_grid_of_held_out_layouts():
    skills = [0.95, 0.05, 0.65, 0.55, 0.75, 0.85, 0.0]
    result = evaluate(skills, ProtocolConfig(layouts_per_policy=10), first_samples=np.arange(1, 7))
    grid = held_out_grid(result)
    chosen = result["held_out"]["chosen_policies"]
    everything = solved(skills, CONFIG.held_out_range)
    assert grid.shape == (7, 50)
    np.testing.assert_array_equal(grid[chosen], everything[chosen])
    np.testing.assert_array_equal(grid[grid >= 0], everything[grid >= 0])
    successes, trials = count_held_out(result)
    assert [trials[row] for row in range(7) if row not in chosen] == [10, 10]
    np.testing.assert_array_equal(successes[chosen], everything[chosen].sum(axis=1))
