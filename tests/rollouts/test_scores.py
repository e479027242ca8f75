"""Episodes and many of them, in a simulator whose every outcome is known beforehand."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from makeanagent.parallel import open_pool
from makeanagent.policies.spec import PolicySpec
from makeanagent.rollouts.scores import (
    add_action_noise,
    record_episode,
    run_episode,
    score_many,
    score_policies,
)

SPEC = PolicySpec(
    observation_dim=2, action_dim=1, hidden=(1,), activations=("relu",), heads=("mean",)
)
HORIZON = 20


class Counter:
    """Counts steps whose action is positive; solved while the count is at least the layout."""

    horizon = HORIZON

    def __init__(self, over_at=None):
        self.over_at = over_at

    def reset(self, layout):
        self.layout, self.count, self.steps = layout, 0, 0
        return np.array([layout, 0.0])

    def step(self, action):
        assert self.steps < HORIZON, "stepped past the horizon"
        self.steps += 1
        self.count += float(action[0]) > 0
        solved = self.count >= self.layout
        return np.array([self.layout, self.count]), solved, self.steps == self.over_at

    def close(self):
        pass


@dataclass(frozen=True)
class CounterSuite:
    name: str = "counter"

    def make(self, task):
        return Counter()


def press(observation):
    return np.ones(1)


def rest(observation):
    return -np.ones(1)


def make_policy(bias):
    """A policy that acts with tanh(bias) everywhere."""
    vector = np.zeros(SPEC.num_parameters, np.float32)
    vector[SPEC.layers[-1].bias] = bias
    return vector


def test_an_episode_stops_at_its_first_success_or_its_end():
    assert run_episode(Counter(), press, 5) == (True, 5)
    assert run_episode(Counter(), press, HORIZON) == (True, HORIZON)
    assert run_episode(Counter(), press, HORIZON + 1) == (False, HORIZON)
    assert run_episode(Counter(), rest, 5) == (False, HORIZON)
    assert run_episode(Counter(over_at=3), press, 5) == (False, 3)
    assert run_episode(Counter(over_at=3), press, 3) == (True, 3)


@given(
    layout=st.integers(1, HORIZON + 5),
    min_steps=st.integers(1, HORIZON + 5),
    steps_after_success=st.integers(0, 8),
    max_steps=st.none() | st.integers(1, HORIZON + 5),
)
def test_length_of_a_recorded_episode(layout, min_steps, steps_after_success, max_steps):
    trajectory = record_episode(
        Counter(),
        press,
        layout,
        min_steps=min_steps,
        steps_after_success=steps_after_success,
        max_steps=max_steps,
    )
    end = min(HORIZON, max_steps or HORIZON)
    wanted = max(min_steps, layout + steps_after_success) if layout <= end else end
    assert len(trajectory) == min(end, wanted)
    assert trajectory.first_success == (layout if layout <= end else None)
    assert trajectory.observations[:, 1].tolist() == list(range(len(trajectory) + 1))


def test_the_first_success_alone_sets_the_end():
    class Flicker(Counter):
        def step(self, action):
            observation, _, over = super().step(action)
            return observation, self.steps in (2, 4, 7, 8), over

    trajectory = record_episode(Flicker(), press, 1, min_steps=1, steps_after_success=5)
    assert np.flatnonzero(trajectory.success).tolist() == [1, 3, 6]
    assert len(trajectory) == 2 + 5


def test_a_recorded_episode_ends_where_the_environment_does():
    trajectory = record_episode(Counter(over_at=4), press, 2, env_id="counter/a", source="me")
    assert len(trajectory) == 4
    assert (trajectory.env_id, trajectory.source) == ("counter/a", "me")


def test_noise_is_gaussian_clipped_and_seeded():
    def still(observation):
        return np.zeros(1_000)

    noisy = add_action_noise(still, 0.3, np.random.default_rng(0))
    first, second = noisy(None), noisy(None)
    assert abs(first.std() - 0.3) < 0.03
    assert not np.array_equal(first, second)
    assert np.array_equal(first, add_action_noise(still, 0.3, np.random.default_rng(0))(None))
    wild = add_action_noise(still, 9.0, np.random.default_rng(0))(None)
    assert (wild.min(), wild.max()) == (-1.0, 1.0)
    assert np.array_equal(add_action_noise(press, 0.0, np.random.default_rng(0))(None), [1.0])


@pytest.fixture
def parameters():
    return np.stack([make_policy(bias) for bias in (1.0, -1.0, 0.5)])


def score(parameters, layouts, num_workers=1, **options):
    with open_pool(num_workers) as pool:
        return score_policies(pool, CounterSuite(), "task", parameters, SPEC, layouts, **options)


def test_the_same_layouts_for_all_policies(parameters):
    scores = score(parameters, [3, 25])
    assert scores.success.tolist() == [[True, False], [False, False], [True, False]]
    assert scores.num_steps.tolist() == [[3, 20], [20, 20], [3, 20]]


def test_layouts_of_each_policys_own(parameters):
    scores = score(parameters, np.array([[3, 25], [3, 4], [7, 20]]))
    assert scores.success.tolist() == [[True, False], [False, False], [True, True]]
    assert scores.num_steps.tolist() == [[3, 20], [20, 20], [7, 20]]


def test_a_range_of_layouts(parameters):
    assert score(parameters, range(1, 4)).num_steps[0].tolist() == [1, 2, 3]


def test_processes_find_the_same_in_the_same_order():
    rng = np.random.default_rng(0)
    parameters = np.stack([make_policy(bias) for bias in rng.standard_normal(70)])
    layouts = rng.integers(1, 25, (70, 30))
    counts = []
    inline = score(parameters, layouts, on_progress=counts.append)
    assert sum(counts) == layouts.size
    assert len(counts) > 10, "a bar moves while one task is scored"
    parallel = score(parameters, layouts, num_workers=2)
    assert np.array_equal(inline.success, parallel.success)
    assert np.array_equal(inline.num_steps, parallel.num_steps)
    assert inline.success.any()
    assert not inline.success.all()


def test_no_policies_give_empty_scores():
    scores = score(np.zeros((0, SPEC.num_parameters), np.float32), [1, 2])
    assert scores.success.shape == scores.num_steps.shape == (0, 2)
    assert scores.success.dtype == bool


def test_groups_get_their_own_scores_though_they_are_played_at_once(parameters):
    groups = [
        (parameters, range(1, 3)),
        (parameters[:0], [1, 2, 3]),
        # More than one job.
        (np.repeat(parameters[:2], 40, axis=0), [5, 25]),
        (parameters[:2], np.array([[3, 25], [4, 7]])),
    ]
    with open_pool(1) as pool:
        together = score_many(pool, CounterSuite(), "task", SPEC, groups)
    assert len(together) == 4
    for scores, (rows, layouts) in zip(together, groups, strict=True):
        alone = score(rows, layouts)
        np.testing.assert_array_equal(scores.success, alone.success)
        np.testing.assert_array_equal(scores.num_steps, alone.num_steps)
