"""What training reads of a zoo, and the one rule by which runs are held out."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from benchmarks.prompts import record_zoo_prompts
from tests.tiny_zoo import TASKS

from makeanagent.errors import InputError
from makeanagent.parallel import open_pool
from makeanagent.policies.batch import PolicyBatch
from makeanagent.suites import find_suite
from makeanagent.training.data import find_held_out, load_training_data
from makeanagent.trajectories import PromptWindow
from makeanagent.zoo.recipes.distillation_config import DistillationConfig
from makeanagent.zoo.store import Zoo

WINDOW = PromptWindow()


@pytest.fixture(scope="module")
def shard(tiny_zoo):
    """Three runs of three checkpoints, that all succeeded."""
    (shard,) = tiny_zoo.load_task(TASKS[0])
    return replace(shard, success=np.ones_like(shard.success))


def make_zoo(folder, tiny_zoo, *shards, recipe="distillation"):
    zoo = Zoo.create(folder, tiny_zoo.suite, tiny_zoo.spec, recipe, DistillationConfig(), 0)
    for shard in shards:
        zoo.add_shard(shard)
    return zoo


def spread(shard, runs, success=None):
    """A shard of as many policies as there are `runs`, one layout each."""
    rows = np.arange(len(runs)) % len(shard.run)
    success = np.ones(len(runs), bool) if success is None else np.asarray(success)
    return replace(
        shard,
        parameters=shard.parameters[rows],
        run=np.asarray(runs),
        step=shard.step[rows],
        success=success[:, None],
        rollouts=[shard.rollouts[row] for row in rows],
    )


@pytest.mark.parametrize(
    ("num_runs", "asked", "expected"),
    [
        (1, 2, []),  # None can be spared.
        (2, 2, [1]),
        (3, 2, [2]),  # A quarter at most, but one.
        (8, 2, [6, 7]),
        (8, 1, [7]),
        (8, 5, [6, 7]),
        (8, 0, []),
    ],
)
def test_the_last_runs_are_held_out(tiny_zoo, shard, num_runs, asked, expected):
    runs = np.repeat(np.arange(num_runs), 2)
    held_out = find_held_out(tiny_zoo, spread(shard, runs), asked)
    assert held_out.dtype == bool
    assert sorted(set(runs[held_out])) == expected
    assert held_out.sum() == 2 * len(expected)


def test_runs_without_a_good_policy_do_not_count(tiny_zoo, shard):
    runs = np.arange(8)
    part = spread(shard, runs, success=runs < 5)
    assert np.flatnonzero(find_held_out(tiny_zoo, part, 2)).tolist() == [4]
    nobody = spread(shard, runs, success=runs < 0)
    assert not find_held_out(tiny_zoo, nobody, 2).any()


def test_all_policies_of_a_sac_zoo_serve(tiny_zoo, shard, tmp_path):
    runs = np.arange(8)
    part = spread(shard, runs, success=runs < 5)
    zoo = make_zoo(tmp_path / "sac", tiny_zoo, part, recipe="sac")
    assert np.flatnonzero(find_held_out(zoo, part, 2)).tolist() == [6, 7]
    data = load_training_data(zoo, TASKS[:1], WINDOW)
    assert torch.nonzero(data.held_out).flatten().tolist() == [6, 7]


def test_training_holds_out_by_the_rule_however_many_policies_it_reads(tiny_zoo, shard, tmp_path):
    runs = np.repeat(np.arange(8), 3)
    part = spread(shard, runs)
    zoo = make_zoo(tmp_path / "zoo", tiny_zoo, part)
    expected = set(runs[find_held_out(zoo, part, 2)])
    for count in (None, 12, 6, 4):
        data = load_training_data(zoo, TASKS[:1], WINDOW, max_policies=count)
        assert len(data.held_out) == (count or 24)
        assert set(data.run[data.held_out].tolist()) <= expected
        assert not set(data.run[~data.held_out].tolist()) & expected


def test_every_ninth_demonstration_is_held_out(tiny_zoo, shard, tmp_path):
    zoo = make_zoo(tmp_path / "zoo", tiny_zoo, shard)
    data = load_training_data(zoo, TASKS[:1], WINDOW)
    assert torch.nonzero(data.demonstrations_held_out).flatten().tolist() == [0, 9]
    assert len(data.demonstrations_held_out) == 12


def test_rollouts_in_place_of_demonstrations_are_held_out_with_their_runs(
    tiny_zoo, shard, tmp_path
):
    alone = replace(spread(shard, np.repeat(np.arange(8), 3)), demonstrations=[])
    zoo = make_zoo(tmp_path / "zoo", tiny_zoo, alone)
    for count in (None, 12):
        data = load_training_data(zoo, TASKS[:1], WINDOW, max_policies=count)
        assert data.held_out.any()
        assert torch.equal(data.demonstrations_held_out, data.held_out)
        assert torch.equal(data.demonstrations.states, data.rollouts.states)


def test_states_are_those_of_the_demonstration_from_first_to_last(tiny_zoo, shard, tmp_path):
    zoo = make_zoo(tmp_path / "zoo", tiny_zoo, shard)
    data = load_training_data(zoo, TASKS[:1], WINDOW, num_states=5)
    for prompts, episodes in (
        (data.rollouts, shard.rollouts),
        (data.demonstrations, shard.demonstrations),
    ):
        for states, episode in zip(prompts.states, episodes, strict=True):
            assert torch.equal(states[0], torch.from_numpy(episode.observations[0]))
            last = episode.observations[len(episode) - 1]
            assert torch.equal(states[-1], torch.from_numpy(last))


def test_zoo_prompts_come_from_no_run_that_training_sees(tiny_zoo, shard, tmp_path):
    zoo = make_zoo(tmp_path / "zoo", tiny_zoo, shard)
    with open_pool(1) as pool:
        prompts = record_zoo_prompts(pool, find_suite(zoo.suite), TASKS[0], zoo, 4, WINDOW, 2)
    data = load_training_data(zoo, TASKS[:1], WINDOW, held_out_runs=2)
    assert data.held_out.any()
    for prompt in prompts:
        states = torch.from_numpy(prompt.observations[:-1])
        # Each policy's actions on the prompt's states: whose are they?
        actions = PolicyBatch(data.parameters, data.spec).act(
            states.expand(len(data.parameters), -1, -1)
        )
        difference = (actions - torch.from_numpy(prompt.actions)).abs().amax(dim=(1, 2))
        assert difference[data.held_out].min() < 1e-4
        assert difference[~data.held_out].min() > 1e-3


def test_zoo_prompts_need_a_run_to_spare(tiny_zoo, shard, tmp_path):
    alone = replace(shard, run=np.zeros_like(shard.run))
    zoo = make_zoo(tmp_path / "zoo", tiny_zoo, alone)
    with open_pool(1) as pool, pytest.raises(InputError, match="in the held-out runs"):
        record_zoo_prompts(pool, find_suite(zoo.suite), TASKS[0], zoo, 4, WINDOW, 2)
