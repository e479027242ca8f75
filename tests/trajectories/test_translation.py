"""Moved states: positions move alike, all else stays, and experts do the same there."""

import numpy as np
import pytest
import torch

from makeanagent.environments import find_suite
from makeanagent.evaluation.rollouts import record_episode
from makeanagent.trajectories.translation import draw_moves, translate


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
    assert moves.shape == (4000, 2)
    torch.testing.assert_close(moves.std(dim=0), torch.full((2,), 0.1), rtol=0.05, atol=0)


@pytest.mark.parametrize(
    "task", ["window-open-v3", "plate-slide-v3", "push-v3", "reach-v3", "button-press-topdown-v3"]
)
def test_metaworld_experts_do_the_same_where_all_has_moved(task):
    suite = find_suite("metaworld")
    environment, expert = suite.make(task), suite.expert(task)
    shown = record_episode(environment, expert, 0, min_steps=30, max_steps=60)
    moves = draw_moves(len(shown), 0.1, torch.Generator().manual_seed(0))
    states = torch.from_numpy(np.asarray(shown.observations[:-1], np.float32))
    moved = translate(states, moves, suite.positions).numpy()
    there = np.stack([expert(state) for state in moved])
    assert np.abs(there - shown.actions).mean() < 0.02
    # The test can fail: other numbers do matter to the expert.
    elsewhere = states.numpy().copy()
    elsewhere[:, :2] += moves.numpy()
    there = np.stack([expert(state) for state in elsewhere])
    assert np.abs(there - shown.actions).mean() > 0.1
