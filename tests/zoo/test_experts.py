"""Expert episodes: measured without noise, recorded with it, and kept where they succeed."""

import numpy as np
import pytest
from tests.tiny_sac import SUITE

from makeanagent.errors import InputError
from makeanagent.suites import find_suite, layouts
from makeanagent.zoo.experts import measure_expert, record_demonstrations

TASK = "drift-v1"
WHERE = range(40, 70)


@pytest.fixture
def environment():
    return find_suite(SUITE).make(TASK)


def distance(environment, layout):
    """Of the goal from the start: who goes there succeeds where it is more than 0.2."""
    return float(np.linalg.norm(environment.reset(layout)[2:]))


def record(environment, where=WHERE, scales=(0.0,), seed=0, min_steps=12, after=3, task=TASK):
    return record_demonstrations(
        find_suite(SUITE), task, environment, where, scales, seed, min_steps, after
    )


def test_the_expert_is_measured_on_layouts_of_its_own(environment, monkeypatch):
    expert = find_suite(SUITE).expert(TASK)
    reset, played = environment.reset, []
    monkeypatch.setattr(environment, "reset", lambda layout: played.append(layout) or reset(layout))
    measure_expert(environment, expert)
    assert played == list(layouts.ZOO_SCORES[50:70])
    goals = [distance(environment, layout) for layout in layouts.ZOO_SCORES[50:70]]
    assert measure_expert(environment, expert) == np.mean(np.array(goals) > 0.2) < 1


def test_only_episodes_that_succeed_are_kept(environment):
    solvable = [layout for layout in WHERE if distance(environment, layout) > 0.2]
    kept = record(environment)
    assert 0 < len(solvable) < len(WHERE)
    assert len(kept) == len(solvable)
    for episode, layout in zip(kept, solvable, strict=True):
        assert episode.first_success is not None
        assert np.array_equal(episode.observations[0], environment.reset(layout).astype(np.float32))
        assert (episode.env_id, episode.source) == (f"{SUITE}/{TASK}", "expert")


def test_an_expert_that_never_succeeds_is_refused(environment):
    with pytest.raises(InputError, match="has not succeeded in 30 episodes"):
        record(find_suite(SUITE).make("never-v1"), task="never-v1")


def test_noise_scales_take_turns_over_the_layouts(environment):
    far = [layout for layout in WHERE if distance(environment, layout) > 0.3][:6]
    expert = find_suite(SUITE).expert(TASK)
    spreads = []
    for episode in record(environment, far, (0.0, 0.4, 0.1), min_steps=60):
        wanted = np.array([expert(state) for state in episode.observations[:-1]])
        free = abs(wanted) < 0.5  # Where no noise is clipped.
        spreads.append(float(abs(episode.actions - wanted)[free].mean()))
    assert spreads[0] < 1e-6 and spreads[3] < 1e-6
    for large, little in (spreads[1:3], spreads[4:]):
        assert large > 1.5 * little > 0.05


def test_noise_is_of_the_seed_and_the_layout(environment):
    far = [layout for layout in WHERE if distance(environment, layout) > 0.3][:2]
    expert = find_suite(SUITE).expert(TASK)
    noises = {}
    for seed in (0, 0, 1):
        episodes = record(environment, far, (0.1,), seed, min_steps=60)
        for episode, layout in zip(episodes, far, strict=True):
            # Once it is there, and no action reaches its limit.
            wanted = np.array([expert(state) for state in episode.observations[40:60]])
            noise = np.round(episode.actions[40:60] - wanted, 3)
            assert abs(episode.actions[40:60]).max() < 1
            noises.setdefault((seed, layout), set()).add(tuple(noise.flatten().tolist()))
    assert all(len(values) == 1 for values in noises.values())
    assert len(set.union(*noises.values())) == 4


@pytest.mark.parametrize(("min_steps", "after"), [(12, 3), (40, 3), (12, 30)])
def test_episodes_go_on_for_long_enough(environment, min_steps, after):
    for episode in record(environment, min_steps=min_steps, after=after):
        assert len(episode) == max(min_steps, episode.first_success + after)
