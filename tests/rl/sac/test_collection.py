"""What agents live through: where episodes begin, how long they are, and what acts in them."""

from dataclasses import replace

import numpy as np
import pytest
from tests.tiny_sac import SPEC, SUITE, TINY, WINDOW

from makeanagent.policies.initialization import initialize_actor
from makeanagent.policies.policy import Policy
from makeanagent.rl.sac.collection import (
    Course,
    Episode,
    cut_trajectory,
    demonstrate,
    explore,
    try_actor,
)
from makeanagent.suites import find_suite
from makeanagent.suites.layouts import ZOO

LAYOUT = 3
CONFIG = replace(TINY, layout=LAYOUT, horizon=15, round_steps=40)
ACTOR = initialize_actor(SPEC, 4).numpy()


def make_course(config=CONFIG):
    return Course(suite=find_suite(SUITE), spec=SPEC, config=config, window=WINDOW)


def begin_of(layout, task="reach-v1"):
    return find_suite(SUITE).make(task).reset(ZOO[layout]).astype(np.float32)


def actions_of(episodes):
    return np.concatenate([episode.actions for episode in episodes])


@pytest.mark.parametrize("actor", [None, ACTOR])
def test_a_round_is_of_episodes_on_the_training_layout(actor):
    episodes = explore(make_course(), "reach-v1", actor, (1, 2))
    assert [len(episode.actions) for episode in episodes] == [15, 15, 10]
    for episode in episodes:
        assert np.array_equal(episode.observations[0], begin_of(LAYOUT))
        assert len(episode.observations) == len(episode.actions) + 1
        assert len(episode.rewards) == len(episode.success) == len(episode.actions)
    assert not np.array_equal(begin_of(LAYOUT), begin_of(0))


def test_without_an_actor_all_actions_are_as_likely():
    course = make_course(replace(CONFIG, round_steps=400))
    actions = actions_of(explore(course, "reach-v1", None, (0,)))
    counts, _ = np.histogram(actions, bins=4, range=(-1, 1))
    assert counts.sum() == 800
    assert (abs(counts - 200) < 60).all()


def test_an_actor_explores_with_the_noise_of_its_seed():
    course = make_course()
    episodes = explore(course, "reach-v1", ACTOR, (1, 2, 0))
    again = explore(course, "reach-v1", ACTOR, (1, 2, 0))
    assert actions_of(again).tobytes() == actions_of(episodes).tobytes()
    policy = Policy(ACTOR, SPEC)
    for other in ((1, 2, 1), (1, 3, 0), (2, 2, 0)):
        found = actions_of(explore(course, "reach-v1", ACTOR, other))
        assert not np.allclose(found, actions_of(episodes))
    means = policy.act(episodes[0].observations[:-1])
    assert abs(episodes[0].actions - means).max() > 0.1
    assert not np.array_equal(episodes[0].actions, episodes[1].actions)


def test_experts_show_the_training_layout_with_each_noise_in_turn():
    scales = (0.0, 0.3, 0.1)
    config = replace(CONFIG, num_demonstrations=5, noise_scales=scales)
    course = make_course(config)
    expert = course.suite.expert("reach-v1")
    episodes = demonstrate(course, "reach-v1", seed=6)
    spreads = []
    for episode in episodes:
        assert np.array_equal(episode.observations[0], begin_of(LAYOUT))
        assert len(episode.actions) == 15
        wanted = np.array([expert(state) for state in episode.observations[:-1]])
        free = abs(wanted) < 0.5  # Where no noise is clipped.
        spreads.append(float(abs(episode.actions - wanted)[free].mean()))
    first, second, third, again, _ = spreads
    assert first < 1e-6 and again < 1e-6
    assert second > 1.5 * third > 0.05
    assert (
        actions_of(demonstrate(course, "reach-v1", 6)).tobytes() == actions_of(episodes).tobytes()
    )
    other = demonstrate(course, "reach-v1", 7)
    assert not np.array_equal(other[1].actions, episodes[1].actions)
    assert not np.array_equal(episodes[1].actions, episodes[4].actions)
    assert demonstrate(make_course(replace(config, num_demonstrations=0)), "alone-v1", 0) == []


def test_an_actor_is_tried_on_the_training_layout_without_noise():
    rollout = try_actor(make_course(), "drift-v1", ACTOR)
    assert np.array_equal(rollout.observations[0], begin_of(LAYOUT, "drift-v1"))
    np.testing.assert_allclose(
        Policy(ACTOR, SPEC).act(rollout.observations[:-1]), rollout.actions, atol=1e-6
    )
    assert WINDOW.num_steps <= len(rollout) <= 15
    assert (rollout.env_id, rollout.source) == (f"{SUITE}/drift-v1", "zoo")


def make_episode(length=30, first_success=None, terminated=False):
    """Of rewards 1, 2, ..., and solved from a step on."""
    success = np.arange(1, length + 1) >= (first_success or length + 1)
    return Episode(
        observations=np.arange(4.0 * (length + 1)).reshape(-1, 4).astype(np.float32),
        actions=np.zeros((length, 2), np.float32),
        rewards=np.arange(1.0, length + 1),
        success=success,
        terminated=terminated,
    )


def test_transitions_are_of_the_settings():
    config = replace(TINY, discount=0.5, return_steps=2)
    for terminated, last in ((False, [0.25, 0.5]), (True, [0.0, 0.0])):
        rows = make_episode(3, terminated=terminated).transitions(config)
        # Return, then what the value after it counts; 1 + 0.5 * 2, 2 + 0.5 * 3, and 3.
        assert rows[:, 6].tolist() == [2.0, 3.5, 3.0]
        assert rows[:, 7].tolist() == [0.25, *last]


@pytest.mark.parametrize(
    ("first_success", "length"),
    [
        (None, 30),
        (2, WINDOW.num_steps),
        (15, 15 + WINDOW.num_outcome_states),
        (30, 30),
    ],
)
def test_episodes_are_cut_where_a_prompt_has_all_it_needs(first_success, length):
    trajectory = cut_trajectory(
        make_course(), "reach-v1", make_episode(30, first_success), "replay"
    )
    assert len(trajectory) == length
    assert len(trajectory.observations) == length + 1
    assert trajectory.first_success == first_success
    assert (trajectory.env_id, trajectory.source) == (f"{SUITE}/reach-v1", "replay")
