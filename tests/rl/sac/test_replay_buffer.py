"""Transitions against returns worked out by hand, and what a buffer draws."""

import numpy as np
import pytest
import torch

from makeanagent.policies.spec import PolicySpec
from makeanagent.rl.sac.replay_buffer import ReplayBuffer, make_transitions

SPEC = PolicySpec(observation_dim=1, action_dim=1)
OBSERVATIONS = np.array([[0.0], [1.0], [2.0], [3.0]])
ACTIONS = np.array([[10.0], [20.0], [30.0]])
REWARDS = np.array([1.0, 2.0, 4.0])


@pytest.mark.parametrize(
    ("steps", "terminated", "returns", "discounts", "then"),
    [
        (1, False, [1, 2, 4], [0.5, 0.5, 0.5], [1, 2, 3]),
        (1, True, [1, 2, 4], [0.5, 0.5, 0], [1, 2, 3]),
        (2, False, [2, 4, 4], [0.25, 0.25, 0.5], [2, 3, 3]),
        (2, True, [2, 4, 4], [0.25, 0, 0], [2, 3, 3]),
        (3, False, [3, 4, 4], [0.125, 0.25, 0.5], [3, 3, 3]),
        (10, False, [3, 4, 4], [0.125, 0.25, 0.5], [3, 3, 3]),
        (10, True, [3, 4, 4], [0, 0, 0], [3, 3, 3]),
    ],
)
def test_returns_discounts_and_what_follows(steps, terminated, returns, discounts, then):
    rows = make_transitions(OBSERVATIONS, ACTIONS, REWARDS, terminated, 0.5, steps)
    assert rows.dtype == np.float32
    expected = [[0, 1, 2], [10, 20, 30], returns, discounts, then]
    assert rows.T.tolist() == expected


def test_one_step_of_an_episode():
    rows = make_transitions(OBSERVATIONS[:2], ACTIONS[:1], REWARDS[:1], False, 0.9, 5)
    np.testing.assert_allclose(rows, [[0, 10, 1, 0.9, 1]], rtol=1e-6)


def test_wide_observations_lie_side_by_side():
    observations, actions = np.arange(12.0).reshape(4, 3), -np.arange(6.0).reshape(3, 2)
    rows = make_transitions(observations, actions, REWARDS, False, 1.0, 2)
    assert rows.shape == (3, 2 * 3 + 2 + 2)
    assert rows[0].tolist() == [0, 1, 2, 0, -1, 3, 1, 6, 7, 8]


def number_rows(num_agents, num_rows, offset):
    """Rows that tell whose they are and which: agent a's row k is a * 1000 + offset + k."""
    numbers = 1000 * np.arange(num_agents)[:, None] + offset + np.arange(num_rows)
    return np.repeat(numbers[..., None], 5, axis=2).astype(np.float32)


def fill_buffer(num_demonstrations=4):
    buffer = ReplayBuffer(SPEC, 8, number_rows(3, num_demonstrations, 500))
    buffer.add(number_rows(3, 2, 0))
    buffer.add(number_rows(3, 3, 2))
    return buffer


def draw(buffer, size, share, seed=0):
    batch = buffer.sample(size, share, torch.Generator().manual_seed(seed))
    assert batch.shape == (3, size, 5)
    assert (batch == batch[..., :1]).all(), "rows stay whole"
    return batch[..., 0]


def test_each_agent_draws_its_own_rows_and_only_those_that_are_there():
    for agent, numbers in enumerate(draw(fill_buffer(), 400, 0.0)):
        assert set((numbers - 1000 * agent).tolist()) == set(range(5))


def test_demonstrations_have_their_share():
    for agent, numbers in enumerate(draw(fill_buffer(), 400, 0.25)):
        numbers = numbers - 1000 * agent
        assert (numbers >= 500).sum() == 100
        assert set(numbers.tolist()) == {*range(5), *range(500, 504)}
    assert (draw(fill_buffer(), 3, 0.9)[0] >= 500).all()


def test_without_demonstrations_all_rows_are_the_agents_own():
    assert (draw(fill_buffer(0), 400, 0.5) % 1000 < 5).all()


def test_the_generator_alone_decides():
    buffer = fill_buffer()
    assert torch.equal(draw(buffer, 50, 0.5), draw(fill_buffer(), 50, 0.5))
    assert not torch.equal(draw(buffer, 50, 0.5), draw(buffer, 50, 0.5, seed=1))


def test_all_rows_come_demonstrations_first():
    rows = fill_buffer().rows()[1, :, 0].tolist()
    assert rows == [1500, 1501, 1502, 1503, 1000, 1001, 1002, 1003, 1004]
