"""Excerpts: which steps of a demonstration are looked at, and what is kept of those between."""

import numpy as np
import pytest

from makeanagent.errors import InputError
from makeanagent.trajectories import Trajectory
from makeanagent.trajectories.excerpt import Excerpts, cut_excerpts, excerpt_trajectories


def make_episode(steps, success=None, seed=0):
    """Its observations tell their number; solved from action number `success` on."""
    rng = np.random.default_rng(seed)
    return Trajectory(
        observations=np.repeat(np.arange(steps + 1.0)[:, None], 3, axis=1),
        actions=rng.uniform(-1, 1, (steps, 2)),
        success=np.arange(steps) >= (steps if success is None else success),
    )


def test_knots_lie_evenly_from_the_beginning_to_three_steps_after_success():
    # Solved in observation 18: read to number 21, whose last action is number 20.
    excerpt = excerpt_trajectories([make_episode(50, success=17)], 6)
    assert excerpt.steps[0].tolist() == [0, 4, 8, 12, 16, 20, 21]
    assert excerpt.observations[0, :, 0].tolist() == [0, 4, 8, 12, 16, 20, 21]
    assert excerpt.success.tolist() == [1]


def test_an_episode_that_ends_soon_after_its_success_is_read_to_its_end():
    excerpt = excerpt_trajectories([make_episode(18, success=17)], 4)
    assert excerpt.steps[0].tolist() == [0, 6, 11, 17, 18]


def test_without_success_an_episode_is_read_to_its_end():
    episode = make_episode(31)
    excerpt = excerpt_trajectories([episode], 4)
    assert excerpt.steps[0].tolist() == [0, 10, 20, 30, 31]
    assert excerpt.success.tolist() == [0]
    np.testing.assert_array_equal(excerpt.actions[0], episode.actions[[0, 10, 20, 30]])


def test_success_in_the_first_step_counts():
    excerpt = excerpt_trajectories([make_episode(50, success=0)], 4)
    assert excerpt.success.tolist() == [1]
    assert excerpt.steps[0].tolist() == [0, 1, 2, 3, 4]


def test_mean_actions_leave_out_none():
    episode = make_episode(40, success=30)
    excerpt = excerpt_trajectories([episode], 7)
    steps = excerpt.steps[0].astype(int)
    for knot, (first, end) in enumerate(zip(steps[:-1], steps[1:], strict=True)):
        expected = episode.actions[first:end].mean(axis=0)
        np.testing.assert_allclose(excerpt.mean_actions[0, knot], expected, atol=1e-6)
    # Together they are the sum of all that was done.
    total = (excerpt.mean_actions[0] * np.diff(excerpt.steps[0])[:, None]).sum(axis=0)
    np.testing.assert_allclose(total, episode.actions[: steps[-1]].sum(axis=0), atol=1e-5)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_short_episode_repeats_steps(steps):
    episode = make_episode(steps)
    excerpt = excerpt_trajectories([episode], 6)
    numbers = excerpt.steps[0].astype(int)
    assert numbers[0] == 0
    assert numbers[-2:].tolist() == [steps - 1, steps]
    assert set(numbers) == set(range(steps + 1))
    assert (np.diff(numbers) >= 0).all()
    # Where a step comes again at once, what it did is its own action.
    np.testing.assert_allclose(excerpt.mean_actions[0], episode.actions[numbers[:-1]], atol=1e-6)
    assert np.isfinite(excerpt.mean_actions).all()


def test_trajectories_of_several_lengths_are_each_cut_by_itself():
    episodes = [make_episode(40, 20, seed=1), make_episode(12, 9, seed=2), make_episode(25)]
    together = excerpt_trajectories(episodes, 5)
    assert len(together) == 3
    for row, episode in enumerate(episodes):
        alone = excerpt_trajectories([episode], 5)
        for name, array in vars(alone).items():
            assert array.dtype == np.float32
            np.testing.assert_array_equal(array[0], getattr(together, name)[row], name)


def test_episodes_in_one_array_may_be_shorter_than_it():
    episodes = [make_episode(40, 20, seed=1), make_episode(12, 9, seed=2), make_episode(25)]
    observations, actions = np.full((3, 41, 3), np.nan), np.full((3, 40, 2), 1e9)
    for row, episode in enumerate(episodes):
        observations[row, : len(episode.observations)] = episode.observations
        actions[row, : len(episode.actions)] = episode.actions
    # -1 is how the worlds of drawn tasks say that an episode never succeeded.
    cut = cut_excerpts(
        observations, actions, np.array([21, 10, -1]), 5, lengths=np.array([40, 12, 25])
    )
    expected = excerpt_trajectories(episodes, 5)
    for name, array in vars(expected).items():
        np.testing.assert_allclose(getattr(cut, name), array, atol=1e-6, err_msg=name)


def test_excerpts_are_taken_and_joined():
    excerpts = excerpt_trajectories([make_episode(9, 5, seed) for seed in range(4)], 3)
    parts = [excerpts.take(np.array([2, 0])), excerpts.take(slice(3, 4))]
    joined = Excerpts.join(parts)
    for name, array in vars(excerpts).items():
        np.testing.assert_array_equal(getattr(joined, name), array[[2, 0, 3]])


def test_nothing_to_read_is_refused():
    with pytest.raises(InputError, match="no demonstration"):
        excerpt_trajectories([], 4)
