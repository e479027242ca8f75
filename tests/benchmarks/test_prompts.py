"""Prompts of zoo policies and experts: whose they are, and on which layouts."""

from dataclasses import replace

import numpy as np
import pytest
from benchmarks.prompts import EXPERT_NOISE, record_expert_prompts, record_zoo_prompts
from tests.tiny_zoo import SUITE, TASKS, TINY

from benchmarks import prompts
from makeanagent.errors import InputError
from makeanagent.parallel import open_pool
from makeanagent.suites import find_suite, layouts
from makeanagent.trajectories import PromptWindow
from makeanagent.zoo.store import Zoo

WINDOW = PromptWindow()


@pytest.fixture(scope="module")
def zoo(tiny_zoo, tmp_path_factory):
    """The tiny zoo with some policies of each run passed for qualified."""
    zoo = Zoo.create(
        tmp_path_factory.mktemp("prompts") / "zoo", SUITE, tiny_zoo.spec, "distillation", TINY, 0
    )
    shard = tiny_zoo.load_task(TASKS[0])[0]
    success = np.ones_like(shard.success)
    # The first checkpoint of each run is not.
    success[shard.step == shard.step.min()] = False
    zoo.add_shard(replace(shard, success=success))
    return zoo


@pytest.fixture
def played(monkeypatch):
    """Policies and layouts of the episodes that were recorded."""
    found = []
    record = prompts.record_episode

    def spy(environment, act, layout, **options):
        found.append((act, layout))
        return record(environment, act, layout, **options)

    monkeypatch.setattr(prompts, "record_episode", spy)
    return found


def test_zoo_prompts_come_from_runs_that_training_held_out(zoo, played):
    with open_pool(1) as pool:
        recorded = record_zoo_prompts(
            pool, find_suite(SUITE), TASKS[0], zoo, 5, WINDOW, held_out_runs=1
        )
    assert len(recorded) == 5
    assert [layout for _, layout in played] == list(layouts.PROMPTS[:5])
    (shard,) = zoo.load_task(TASKS[0])
    assert len(np.unique(shard.run)) == 3
    allowed = shard.parameters[shard.qualified & (shard.run == shard.run.max())]
    for policy, _ in played:
        assert any(np.array_equal(policy.parameters, vector) for vector in allowed)


def test_expert_prompts_take_turns_with_their_noise(monkeypatch, played):
    scales = []
    noise = prompts.add_action_noise

    def spy(act, scale, rng):
        scales.append(scale)
        return noise(act, scale, rng)

    monkeypatch.setattr(prompts, "add_action_noise", spy)
    with open_pool(1) as pool:
        record_expert_prompts(pool, find_suite(SUITE), TASKS[0], 4, WINDOW, offset=2)
    # An attempt that failed was repeated: each layout has its own scale.
    by_layout = {layout: scale for (_, layout), scale in zip(played, scales, strict=True)}
    assert by_layout == {
        layouts.PROMPTS[number]: EXPERT_NOISE[number % 4] for number in range(2, 6)
    }


def test_where_an_expert_always_fails_another_layout_is_taken(monkeypatch, played):
    """At once without noise, and after ten tries with it."""
    record = prompts.record_episode

    def fail(environment, act, layout, **options):
        episode = record(environment, act, layout, **options)
        if layout in (layouts.PROMPTS[0], layouts.PROMPTS[1]):
            return replace(episode, success=np.zeros_like(episode.success))
        return episode

    monkeypatch.setattr(prompts, "record_episode", fail)
    with open_pool(1) as pool:
        recorded = record_expert_prompts(pool, find_suite(SUITE), TASKS[0], 3, WINDOW)
    assert len(recorded) == 3
    assert all(each.first_success is not None for each in recorded)
    used = [layout for _, layout in played]
    assert used.count(layouts.PROMPTS[0]) == 1
    assert used.count(layouts.PROMPTS[1]) == 10
    others = set(used) - {*layouts.PROMPTS[:3]}
    assert others and others <= {*layouts.PROMPTS[-400:]}


def test_an_expert_that_never_succeeds_is_told(monkeypatch):
    record = prompts.record_episode

    def fail(*arguments, **options):
        episode = record(*arguments, **options)
        return replace(episode, success=np.zeros_like(episode.success))

    monkeypatch.setattr(prompts, "record_episode", fail)
    with open_pool(1) as pool, pytest.raises(InputError, match="the expert failed 20 times"):
        record_expert_prompts(pool, find_suite(SUITE), TASKS[0], 1, WINDOW)
