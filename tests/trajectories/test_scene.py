"""Moved states: positions move alike, all else stays, and experts do the same there."""

import numpy as np
import pytest
import torch

from makeanagent.rollouts.episodes import record_episode
from makeanagent.suites import find_suite
from makeanagent.trajectories import Trajectory
from makeanagent.trajectories.scene import (
    Scene,
    draw_moves,
    find_body,
    read_scene,
    translate,
)


def test_positions_move_along_x_and_y_and_nothing_else_does():
    states = torch.arange(1.0, 17.0).view(2, 8)
    moved = translate(states, torch.tensor([[0.5, -1.0], [2.0, 3.0]]), (1, 5))
    expected = torch.zeros(2, 8)
    expected[:, [1, 5]] = torch.tensor([[0.5], [2.0]])
    expected[:, [2, 6]] = torch.tensor([[-1.0], [3.0]])
    assert torch.equal(moved - states, expected)


def test_an_object_that_is_not_there_stays_away():
    states = torch.zeros(1, 6)
    states[0, 2] = 0.1
    moved = translate(states, torch.ones(1, 2), (0, 3))
    assert moved.tolist() == [[1, 1, pytest.approx(0.1), 0, 0, 0]]


def test_states_that_are_given_stay_as_they_are():
    states = torch.ones(3, 6)
    translate(states, torch.ones(3, 2), (0,))
    assert torch.equal(states, torch.ones(3, 6))


def test_moves_are_as_wide_as_they_should_be():
    moves = draw_moves(4000, 0.1, torch.Generator().manual_seed(0))
    assert moves.shape == (4000, 5)
    torch.testing.assert_close(moves.std(dim=0), torch.full((5,), 0.1), rtol=0.05, atol=0)


@pytest.mark.parametrize(
    "task", ["window-open-v3", "plate-slide-v3", "push-v3", "reach-v3", "button-press-topdown-v3"]
)
def test_metaworld_experts_do_the_same_where_all_has_moved(task):
    suite = find_suite("metaworld")
    environment, expert = suite.make(task), suite.expert(task)
    shown = record_episode(environment, expert, 0, min_steps=30, max_steps=60)
    moves = draw_moves(len(shown), 0.1, torch.Generator().manual_seed(0))[:, :2]
    states = torch.from_numpy(np.asarray(shown.observations[:-1], np.float32))
    moved = translate(states, moves, suite.space("reach-v3").positions).numpy()
    there = np.stack([expert(state) for state in moved])
    assert np.abs(there - shown.actions).mean() < 0.02
    # The test can fail: other numbers do matter to the expert.
    elsewhere = states.numpy().copy()
    elsewhere[:, :2] += moves.numpy()
    there = np.stack([expert(state) for state in elsewhere])
    assert np.abs(there - shown.actions).mean() > 0.1


def show(*tracks) -> Trajectory:
    """A demonstration whose observations are positions side by side, `[T, 3]` or `[3]` each."""
    count = max(len(track) for track in tracks if np.ndim(track) == 2)
    observations = np.hstack([np.broadcast_to(track, (count, 3)) for track in tracks])
    steps = len(observations) - 1
    return Trajectory(
        observations=observations, actions=np.zeros((steps, 2)), success=np.zeros(steps, bool)
    )


APPROACH = np.linspace([0.0, 0.6, 0.2], [0.1, 0.9, 0.1], 41)
"A body on its way to a target."
BEFORE = np.vstack([APPROACH[:1], APPROACH[:-1]])
"The same body one step earlier."
TARGET, BYSTANDER, ABSENT = [0.1, 0.9, 0.1], [-0.2, 0.6, 0.02], [0.0, 0.0, 0.0]
SLOTS = (0, 3, 6, 9, 12)


def test_what_a_body_neither_moves_nor_nears_moves_apart():
    shown = show(APPROACH, BYSTANDER, ABSENT, BEFORE, TARGET)
    scene = read_scene([shown], SLOTS, 0.1)
    assert scene == Scene(together=(0, 6, 9, 12), apart=(3,), free=True)


def test_an_object_that_moves_keeps_all_together_and_on_its_height():
    pushed = np.array(BYSTANDER) + np.linspace([0, 0, 0], [0.0, 0.05, 0.0], 41)
    shown = show(APPROACH, pushed, ABSENT, BEFORE, TARGET)
    assert read_scene([shown], SLOTS, 0.1) == Scene(together=SLOTS)
    idle = show(APPROACH, BYSTANDER, ABSENT, BEFORE, TARGET)
    assert read_scene([idle, shown], SLOTS, 0.1) == Scene(together=SLOTS)


def test_without_a_target_nothing_is_free():
    assert read_scene([show(APPROACH, BEFORE)], (0, 3), 0.1) == Scene(together=(0, 3))
    resting = show(np.tile(TARGET, (41, 1)), BYSTANDER)
    assert read_scene([resting], (0, 3), 0.1) == Scene(together=(0, 3))


def test_the_nearest_is_the_target_even_where_nothing_is_near():
    shown = show(APPROACH, BYSTANDER, [0.1, 1.2, 0.1])
    assert read_scene([shown], (0, 3, 6), 0.1).apart == (6,)


def test_a_free_scene_moves_its_parts_by_moves_of_their_own():
    shown = show(APPROACH, BYSTANDER, ABSENT, BEFORE, TARGET)
    states = torch.from_numpy(shown.observations[:2])
    moves = torch.tensor([[1.0, 2, 3, 4, 5], [6.0, 7, 8, 9, 10]])
    moved = read_scene([shown], SLOTS, 0.1).move(states, moves) - states
    expected = [[1, 2, 3, 4, 5, 0, 0, 0, 0, 1, 2, 3, 1, 2, 3]]
    expected += [[6, 7, 8, 9, 10, 0, 0, 0, 0, 6, 7, 8, 6, 7, 8]]
    torch.testing.assert_close(moved, torch.tensor(expected, dtype=moved.dtype))


def push(length: int = 60) -> Trajectory:
    """A sieve that shakes, a hand that goes where it is pushed, and a ball that it takes up.

    These are the positions; the ball goes with the hand from step 30 on.
    """
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1, 1, size=(length, 3))
    hand, step = np.zeros((length + 1, 3)), np.zeros(3)
    for number in range(length):
        step = [0.5, 0.0, 0.2] * step + [0.05, 0.1, 0.05] * actions[number]
        hand[number + 1] = hand[number] + step
    sieve = np.outer(np.sin(np.arange(length + 1)), [0.4, 0.0, 0.0]) + [0.0, 3.0, 0.1]
    ball = np.vstack([np.tile(hand[30], (30, 1)), hand[30:]]) + [0.0, 0.0, 0.05]
    return Trajectory(
        observations=np.hstack([sieve, hand, ball]), actions=actions, success=np.zeros(length)
    )


def test_the_body_that_acts_is_the_one_that_actions_explain():
    """The sieve moves farther, and comes first."""
    assert find_body(push(), (0, 3, 6)) == 3
    assert find_body(push(), (0, 6)) == 6
    assert find_body(push(), (6, 3, 0)) == 3


def test_what_stands_near_the_body_that_acts_stays_with_it():
    """A follower, 4 cm behind, nears the bystander; the body that acts does not."""
    rng = np.random.default_rng(0)
    actions = rng.normal([0.0, 1.0, 0.0], [0.1, 0.2, 0.1], size=(40, 3))
    acting = np.vstack([np.zeros(3), (0.01 * actions).cumsum(axis=0)]) + [0.0, 0.5, 0.2]
    smooth = np.linspace(acting[0], acting[-1], 41) - [0.04, 0.0, 0.0]
    bystander, target = acting[20] - [0.12, 0.0, 0.0], acting[-1] + [0.02, 0.0, 0.0]
    tracks = (smooth, acting, bystander, target)
    shown = Trajectory(
        observations=np.hstack([np.broadcast_to(track, (41, 3)) for track in tracks]),
        actions=actions,
        success=np.zeros(40),
    )
    scene = read_scene([shown], (0, 3, 6, 9), 0.1)
    assert scene == Scene(together=(0, 3, 9), apart=(6,), free=True)


@pytest.mark.parametrize("task, free", [("reach-v3", True), ("push-v3", False)])
def test_metaworld_shows_what_is_touched(task, free):
    suite = find_suite("metaworld")
    environment, expert = suite.make(task), suite.expert(task)
    shown = record_episode(environment, expert, 0, max_steps=150)
    scene = read_scene([shown], suite.space("reach-v3").positions, 0.1)
    assert scene.free == free
    # The puck, now and a step ago, stands where it is while the hand reaches for the goal.
    assert scene.apart == ((4, 22) if free else ())
    if free:
        moves = draw_moves(len(shown), 0.1, torch.Generator().manual_seed(0))
        states = torch.from_numpy(np.asarray(shown.observations[:-1], np.float32))
        there = np.stack([expert(state) for state in scene.move(states, moves).numpy()])
        assert np.abs(there - shown.actions).mean() < 0.02
