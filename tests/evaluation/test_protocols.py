"""Both protocols on a suite whose outcomes are known beforehand."""

import json
from dataclasses import dataclass, field
from zlib import crc32

import numpy as np
import pytest
import torch

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
from makeanagent.policies.batch import PolicyBatch
from makeanagent.rollouts.scores import score_requests
from makeanagent.suites import Step, Suite, layouts
from makeanagent.trajectories.space import Space

SPEC = PolicySpec(
    observation_dim=1, action_dim=1, hidden=(1,), activations=("relu",), heads=("mean",)
)
CONFIG = ProtocolConfig()


def draw(skill, layout):
    """A number in [0, 1) that neither skill nor layout tells beforehand."""
    return crc32(f"{skill:.2f} on {layout}".encode()) / 2**32


class LotteryEnvironment:
    """Solved in one step by an action above what its own lot on the layout is.

    So a policy succeeds on a share of the layouts that is its skill, but no layout is like another,
    and nobody's success tells another's.
    """

    def __init__(self, has_signal, played):
        self.has_signal, self.played = has_signal, played
        self.horizon = 2 if has_signal else 1

    def reset(self, layout):
        self.layout = layout
        self.played.append(layout)
        return np.ones(1)

    def step(self, action):
        solved = bool(action[0] > draw(action[0], self.layout))
        return Step(np.ones(1), float(solved), solved if self.has_signal else None, False, False)


@dataclass(frozen=True, eq=False)
class LotterySuite(Suite):
    name: str = "toy"
    has_signal: bool = True
    played: list = field(default_factory=list)
    "Layouts, in the order of the episodes."

    def tasks(self):
        return ("lottery",)

    def check_task(self, task):
        return task

    def space(self, task):
        return Space(observation_dim=1, action_dim=1)

    def make(self, task, *, render=False):
        return LotteryEnvironment(self.has_signal, self.played)


def skilled(skills):
    """Policies that always act by their skill: the mean head's bias, squashed by tanh."""
    parameters = np.zeros((len(skills), SPEC.num_parameters), np.float32)
    parameters[:, SPEC.layers[-1].bias] = np.arctanh(skills)[:, None]
    return PolicyBatch(torch.from_numpy(parameters), SPEC)


def evaluate(skills, config=CONFIG, suite=None, **kwargs):
    suite = suite or LotterySuite()
    with open_pool(1) as pool:
        return evaluate_policies(pool, suite, "lottery", skilled(skills), config, **kwargs)


def solved(skills, where):
    """Success 0 or 1 of each skill on its row of layouts, or on the same ones for all."""
    where = np.broadcast_to(where, (len(skills), np.shape(where)[-1]))
    return np.array(
        [
            [int(skill > draw(skill, layout)) for layout in row]
            for skill, row in zip(skills, where, strict=True)
        ]
    )


@pytest.mark.parametrize("score_on", ["scoring", "sealed"])
def test_no_two_purposes_and_no_two_seeds_share_a_layout(score_on):
    # As large as a block allows, and all blocks that there are.
    sizes = {"paper_layouts": 250, "held_out_layouts": 250, "selection_layouts": 500}
    configs = [ProtocolConfig(layout_seed=seed, score_on=score_on, **sizes) for seed in range(20)]
    scoring = [one for config in configs for one in (config.paper_range, config.held_out_range)]
    selection = [config.selection_range for config in configs]
    whole = {"scoring": layouts.SCORING, "sealed": layouts.SEALED}[score_on]
    for ranges, room in ((scoring, whole), (selection, layouts.SELECTION)):
        numbers = [number for one in ranges for number in one]
        assert len(set(numbers)) == len(numbers)
        assert set(numbers) <= set(room)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"layout_seed": 20}, "layout_seed 20: must be 0 to 19"),
        ({"layout_seed": -1}, "layout_seed -1: must be 0 to 19"),
        ({"paper_layouts": 0}, "paper_layouts 0: must be 1 to 250"),
        ({"paper_layouts": 251}, "paper_layouts 251: must be 1 to 250"),
        ({"held_out_layouts": 251}, "held_out_layouts 251: must be 1 to 250"),
        ({"layouts_per_policy": 0}, "layouts_per_policy 0: must be 1 to 50"),
        ({"layouts_per_policy": 51}, "layouts_per_policy 51: must be 1 to 50"),
        ({"selection_layouts": 501}, "selection_layouts 501: must be 1 to 500"),
        ({"best_of": 0}, "best_of 0: must be 1 or more"),
    ],
)
def test_sizes_that_the_layouts_do_not_allow(fields, message):
    with pytest.raises(InputError) as caught:
        ProtocolConfig(**fields)
    assert str(caught.value) == message


@pytest.mark.parametrize(("num_policies", "per_policy"), [(20, 10), (20, 5), (3, 50), (7, 3)])
def test_layouts_are_dealt_evenly(num_policies, per_policy):
    dealt = deal_layouts(range(100, 150), num_policies, per_policy)
    assert dealt.shape == (num_policies, per_policy)
    assert all(len(set(row)) == per_policy for row in dealt)
    counts = np.bincount(dealt.ravel() - 100, minlength=50)
    assert counts.max() - counts.min() <= 1
    assert deal_layouts(range(4), 2, 9).tolist() == [[0, 1, 2, 3]] * 2


# Chosen on SELECTION they rank otherwise than on the layouts that score them, see below.
SKILLS = [0.3, 0.56, 0.41, 0.61, 0.63, 0.16, 0.11]


def rank(skills, where):
    """The five that succeed most often, the earlier first among equals."""
    return sorted(range(len(skills)), key=lambda row: -solved(skills, where)[row].sum())[:5]


def test_the_choice_is_made_on_layouts_of_its_own():
    chosen = evaluate(SKILLS)["held_out"]["chosen_policies"]
    assert chosen == rank(SKILLS, CONFIG.selection_range)
    # The test could not fail otherwise.
    for other in (CONFIG.held_out_range, CONFIG.held_out_range[:5], CONFIG.paper_range):
        assert chosen != rank(SKILLS, other)


def test_equals_are_chosen_in_their_order():
    # So many that numpy's quicker sorting would mix them up.
    held_out = evaluate([0.0] * 20 + [0.99] * 20)["held_out"]
    assert np.array(held_out["selection_success"])[20:].any()
    assert held_out["chosen_policies"] == [20, 21, 22, 23, 24]


def test_each_protocol_reports_what_happened():
    skills = SKILLS
    result = evaluate(skills, ProtocolConfig(layouts_per_policy=10))
    assert json.loads(json.dumps(result)) == result
    paper, held_out = result["paper"], result["held_out"]
    assert result["task"] == "toy/lottery"

    success = solved(skills, CONFIG.paper_range)
    assert paper["success"] == success.tolist()
    assert paper["qualified_rate"] == pytest.approx(success.all(axis=1).mean())
    low, high = wilson_interval(success.all(axis=1).sum(), len(skills))
    assert paper["qualified_interval_95"] == pytest.approx([low, high])
    assert paper["mean_success"] == pytest.approx(success.mean())
    rates = np.sort(success.mean(axis=1))
    assert paper["best"] == rates[-1]
    assert paper["top_5"] == pytest.approx(rates[-5:].mean())
    assert paper["top_10"] == pytest.approx(success.mean())

    assert held_out["selection_success"] == solved(skills, CONFIG.selection_range).tolist()
    chosen = solved([skills[row] for row in held_out["chosen_policies"]], CONFIG.held_out_range)
    assert held_out["chosen_success"] == chosen.tolist()
    assert held_out["top_5_of_n"]["mean"] == pytest.approx(chosen.mean())
    assert held_out["best_of_n"]["mean"] == pytest.approx(chosen[0].mean())
    low, high = wilson_interval(chosen[0].sum(), 50)
    assert held_out["best_of_n"]["interval_95"] == pytest.approx([low, high])

    outcomes = solved(skills, held_out["first_sample_layouts"])
    assert held_out["first_sample_success"] == outcomes.tolist()
    assert held_out["first_sample"]["mean"] == pytest.approx(outcomes.mean())
    assert held_out["first_sample"]["num_rollouts"] == outcomes.size

    # Solved in one step, or played to the end after two.
    every = [paper["success"], held_out["selection_success"]]
    every += [held_out["first_sample_success"], held_out["chosen_success"]]
    assert result["num_rollouts"] == sum(np.size(one) for one in every) == 7 * 20 + 5 * 50
    assert result["num_steps"] == sum(2 * np.size(one) - np.sum(one) for one in every)


def test_another_seed_plays_other_layouts():
    config = ProtocolConfig(layout_seed=3)
    result = evaluate(SKILLS, config)
    for success, where in (
        (result["paper"]["success"], config.paper_range),
        (result["held_out"]["selection_success"], config.selection_range),
        (result["held_out"]["first_sample_success"], config.held_out_range),
    ):
        assert success == solved(SKILLS, where).tolist()
    assert result["paper"]["layouts"] == list(range(51_500, 51_505))
    assert result["held_out"]["layouts"] == [51_750, 51_800]
    assert result["held_out"]["selection_layouts"] == list(range(41_500, 41_505))


def test_intervals_know_that_a_policys_rollouts_are_alike():
    rate = evaluate([0.99] * 5 + [0.0] * 5)["held_out"]["first_sample"]
    successes = round(rate["mean"] * rate["num_rollouts"])
    low, high = wilson_interval(successes, rate["num_rollouts"])
    assert rate["interval_95"][1] - rate["interval_95"][0] > 4 * (high - low)


def test_first_samples_alone_are_scored_without_selection():
    result = evaluate(SKILLS, first_samples=np.array([0, 2]))
    held_out = result["held_out"]
    assert held_out["first_sample_policies"] == [0, 2]
    success = solved([SKILLS[0], SKILLS[2]], CONFIG.held_out_range)
    assert held_out["first_sample_success"] == success.tolist()
    assert held_out["first_sample"]["mean"] == pytest.approx(success.mean())
    assert len(result["paper"]["success"]) == len(held_out["selection_success"]) == 7


@pytest.mark.parametrize("best_of", [None, 2, 20])
@pytest.mark.parametrize("num_policies", [1, 3, 8])
def test_rollouts_are_counted_beforehand(num_policies, best_of):
    config, done = ProtocolConfig(layouts_per_policy=7, best_of=best_of), []
    result = evaluate([0.5] * num_policies, config, on_progress=done.append)
    assert sum(done) == result["num_rollouts"]
    assert sum(done) == count_rollouts(config, num_policies, num_policies)


def test_the_best_is_chosen_among_the_first():
    held_out = evaluate([0.05, 0.45, 0.99], ProtocolConfig(best_of=2))["held_out"]
    assert held_out["chosen_policies"] == [1, 0]
    assert len(held_out["selection_success"]) == 2
    assert len(held_out["first_sample_success"]) == 3


def test_what_waits_for_no_choice_goes_out_together(monkeypatch):
    from makeanagent.evaluation import protocols

    sent = []

    def count_requests(pool, suite, task, requests, *options):
        sent.append([len(actors) for actors, _ in requests])
        return score_requests(pool, suite, task, requests, *options)

    monkeypatch.setattr(protocols, "score_requests", count_requests)
    evaluate(SKILLS, ProtocolConfig(best_of=6), first_samples=np.array([0, 2]))
    assert sent == [[7, 2, 6], [5]]


def test_grid_of_held_out_layouts():
    config = ProtocolConfig(layouts_per_policy=10)
    # Not in their own order, as a caller may give them.
    result = evaluate(SKILLS, config, first_samples=np.array([6, 4, 2, 0]))
    chosen = result["held_out"]["chosen_policies"]
    everything = solved(SKILLS, config.held_out_range)
    expected = np.full((7, 50), -1)
    for place, row in enumerate((6, 4, 2, 0)):
        expected[row, 10 * place : 10 * place + 10] = everything[row, 10 * place : 10 * place + 10]
    expected[chosen] = everything[chosen]
    assert {0, 2, 4, 6} - set(chosen), "one that has played ten layouts only"
    np.testing.assert_array_equal(held_out_grid(result), expected)
    successes, trials = count_held_out(result)
    np.testing.assert_array_equal(trials, (expected >= 0).sum(axis=1))
    np.testing.assert_array_equal(successes, (expected == 1).sum(axis=1))


def test_the_layouts_that_are_told_are_those_that_were_played():
    suite = LotterySuite()
    config = ProtocolConfig(layouts_per_policy=3, held_out_layouts=7, layout_seed=4)
    result = evaluate([0.5, 0.9], config, suite)
    paper, held_out = result["paper"], result["held_out"]
    told = [*paper["layouts"] * 2, *np.ravel(held_out["first_sample_layouts"])]
    told += held_out["selection_layouts"] * 2
    told += [*range(*held_out["layouts"])] * len(held_out["chosen_policies"])
    assert sorted(told) == sorted(suite.played)


def test_without_a_success_signal_returns_are_told_and_choose():
    skills = [0.3, 0.95, 0.6]
    expected = evaluate(skills)
    result = evaluate(skills, suite=LotterySuite(has_signal=False))
    assert not result["has_success"] and "qualified_rate" not in result["paper"]
    assert result["paper"]["returns"] == expected["paper"]["success"]
    assert result["held_out"]["chosen_policies"] == expected["held_out"]["chosen_policies"]
    best = expected["held_out"]["best_of_n"]["mean"]
    assert result["held_out"]["best_of_n_return"] == pytest.approx(best)
