"""Episodes and many of them, in a simulator whose every outcome is known beforehand."""

from dataclasses import dataclass, replace
from zlib import crc32

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from makeanagent.errors import InputError
from makeanagent.parallel import open_pool
from makeanagent.policies.batch import PolicyBatch
from makeanagent.policies.spec import PolicySpec
from makeanagent.rollouts.actors import add_action_noise
from makeanagent.rollouts.batched import run_batch
from makeanagent.rollouts.episodes import record_episode, run_episode
from makeanagent.rollouts.recordings import record_actors
from makeanagent.rollouts.scores import Request, score_policies, score_requests
from makeanagent.suites import BatchStep, Step, Suite
from makeanagent.trajectories.space import Space

SPEC = PolicySpec(
    observation_dim=2, action_dim=1, hidden=(1,), activations=("relu",), heads=("mean",)
)
HORIZON = 20


def needed(layout):
    """Positive actions that solve a layout: a hash of its number, 1 to 24."""
    return crc32(int(layout).to_bytes(4, "little")) % 24 + 1


def layout_of(count):
    """The first layout that asks for so many."""
    return next(layout for layout in range(10_000) if needed(layout) == count)


class Counter:
    """Counts steps whose action is positive; solved once there are as many as the layout needs.

    Each step is worth what its action is, by the first number of it.
    """

    horizon = HORIZON

    def __init__(self, over_at=None, has_signal=True):
        self.over_at, self.has_signal = over_at, has_signal

    def reset(self, layout):
        self.needed, self.count, self.steps = needed(layout), 0, 0
        return np.array([layout, 0.0])

    def step(self, action):
        assert self.steps < HORIZON, "stepped past the horizon"
        self.steps += 1
        self.count += float(action[0]) > 0
        solved = self.count >= self.needed if self.has_signal else None
        ended = self.steps == self.over_at
        return Step(np.array([self.needed, self.count]), float(action[0]), solved, ended, ended)

    def close(self):
        pass


class Counters:
    """As many counters in one array."""

    horizon = HORIZON

    def __init__(self, over_at=None, has_signal=True):
        self.over_at, self.has_signal = over_at, has_signal

    def reset(self, layouts):
        self.worlds = [Counter(self.over_at, self.has_signal) for _ in layouts]
        self.steps = 0
        return np.stack(
            [world.reset(layout) for world, layout in zip(self.worlds, layouts, strict=True)]
        )

    def step(self, actions):
        steps = [world.step(action) for world, action in zip(self.worlds, actions, strict=True)]
        observations, rewards, success, terminated, over = map(np.array, zip(*steps, strict=True))
        return BatchStep(
            observations, rewards, success if self.has_signal else None, terminated, over
        )

    def close(self):
        pass


@dataclass(frozen=True)
class CounterSuite(Suite):
    name: str = "counter"
    has_signal: bool = True
    batched: bool = False
    over_at: int | None = None

    def tasks(self):
        return ("task",)

    def check_task(self, task):
        return task

    def space(self, task):
        return Space(observation_dim=2, action_dim=1)

    def make(self, task, *, render=False):
        assert not self.batched, "has many worlds at once"
        return Counter(self.over_at, self.has_signal)

    def make_batch(self, task):
        return Counters(self.over_at, self.has_signal) if self.batched else None


def press(observation):
    return np.ones(1)


def rest(observation):
    return -np.ones(1)


def make_policy(bias):
    """A policy that acts with tanh(bias) everywhere."""
    vector = np.zeros(SPEC.num_parameters, np.float32)
    vector[SPEC.layers[-1].bias] = bias
    return vector


def outcome(environment, act, count):
    found = run_episode(environment, act, layout_of(count))
    return found.success, found.num_steps


def test_an_episode_stops_at_its_first_success_or_its_end():
    assert outcome(Counter(), press, 5) == (True, 5)
    assert outcome(Counter(), press, HORIZON) == (True, HORIZON)
    assert outcome(Counter(), press, HORIZON + 1) == (False, HORIZON)
    assert outcome(Counter(), rest, 5) == (False, HORIZON)
    assert outcome(Counter(over_at=3), press, 5) == (False, 3)
    assert outcome(Counter(over_at=3), press, 3) == (True, 3)


def test_returns_are_summed_until_the_first_success():
    assert run_episode(Counter(), press, layout_of(5)).total_reward == 5
    assert run_episode(Counter(), rest, layout_of(5)).total_reward == -HORIZON


def test_without_a_signal_an_episode_goes_on_to_its_end():
    silent = Counter(has_signal=False)
    assert run_episode(silent, press, layout_of(5)) == (None, HORIZON, HORIZON)
    trajectory = record_episode(silent, press, layout_of(5), min_steps=1)
    assert len(trajectory) == HORIZON
    assert trajectory.first_success is None


@given(
    layout=st.integers(1, 24),
    min_steps=st.integers(1, HORIZON + 5),
    steps_after_success=st.integers(0, 8),
    max_steps=st.none() | st.integers(1, HORIZON + 5),
)
def test_length_of_a_recorded_episode(layout, min_steps, steps_after_success, max_steps):
    trajectory = record_episode(
        Counter(),
        press,
        layout_of(layout),
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
            return super().step(action)._replace(success=self.steps in (2, 4, 7, 8))

    trajectory = record_episode(Flicker(), press, 0, min_steps=1, steps_after_success=5)
    assert np.flatnonzero(trajectory.success).tolist() == [1, 3, 6]
    assert len(trajectory) == 2 + 5


def test_a_recorded_episode_ends_where_the_environment_does():
    trajectory = record_episode(
        Counter(over_at=4), press, layout_of(2), env_id="counter/a", source="me"
    )
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


class Memoryless:
    """A function from an observation to an action, as an actor."""

    def __init__(self, act):
        self._act = act

    def reset(self, num_worlds):
        pass

    def act(self, observations):
        return np.stack([self._act(observation) for observation in observations])


def make_batch(*biases):
    return PolicyBatch(torch.from_numpy(np.stack([make_policy(bias) for bias in biases])), SPEC)


@pytest.fixture
def policies():
    return make_batch(1.0, -1.0, 0.5)


def score(actors, counts, num_workers=1, suite=None, **options):
    """On the layouts that need so many positive actions."""
    layouts = np.vectorize(layout_of)(counts)
    with open_pool(num_workers) as pool:
        scores = score_policies(pool, suite or CounterSuite(), "task", actors, layouts, **options)
    assert np.array_equal(scores.layouts, np.broadcast_to(layouts, scores.num_steps.shape))
    return scores


@pytest.fixture(params=[False, True], ids=["one world", "many worlds"])
def suite(request):
    return CounterSuite(batched=request.param)


def test_the_same_layouts_for_all_policies(policies, suite):
    scores = score(policies, [3, 24], suite=suite)
    assert scores.success.tolist() == [[True, False], [False, False], [True, False]]
    assert scores.num_steps.tolist() == [[3, 20], [20, 20], [3, 20]]
    strength = np.tanh([1.0, -1.0, 0.5])
    np.testing.assert_allclose(scores.returns, scores.num_steps * strength[:, None], rtol=1e-5)


def test_layouts_of_each_policys_own(policies, suite):
    scores = score(policies, np.array([[3, 24], [3, 4], [7, 20]]), suite=suite)
    assert scores.success.tolist() == [[True, False], [False, False], [True, True]]
    assert scores.num_steps.tolist() == [[3, 20], [20, 20], [7, 20]]


def test_a_task_without_a_signal_has_returns(policies, suite):
    scores = score(policies, [3, 24], suite=replace(suite, has_signal=False))
    assert scores.success is None
    assert (scores.num_steps == HORIZON).all()
    assert (scores.returns[0] > 0).all() and (scores.returns[1] < 0).all()
    with pytest.raises(InputError, match="no success signal"):
        scores.require_success()


def test_a_world_that_is_over_counts_no_further(policies):
    """Others go on; what it gives then is neither success nor reward."""
    scores = score(policies, [3, 5], suite=CounterSuite(batched=True, over_at=4))
    assert scores.success.tolist() == [[True, False], [False, False], [True, False]]
    assert scores.num_steps.tolist() == [[3, 4], [4, 4], [3, 4]]

    class Staggered(Counters):
        """Each world has a length of its own, and is solved after it."""

        def reset(self, layouts):
            observations = super().reset(layouts)
            for number, world in enumerate(self.worlds):
                world.over_at = 2 + number
            return observations

    layouts = np.array([layout_of(4)] * 3)
    found = run_batch(Staggered(), Memoryless(press), layouts)
    assert found.success.tolist() == [False, False, True]
    assert found.num_steps.tolist() == [2, 3, 4]
    assert found.total_reward.tolist() == [2, 3, 4]


class Alternating:
    """Presses at every second step of its own episode: it must remember where it is."""

    def reset(self, num_worlds):
        self.steps = np.zeros(num_worlds, int)

    def act(self, observations):
        assert len(observations) == len(self.steps)
        self.steps += 1
        return np.where(self.steps % 2 == 0, 1.0, -1.0)[:, None]


def test_actors_with_memory_begin_each_episode_anew(suite):
    scores = score([Alternating(), Memoryless(press)], [5, 3, 1], suite=suite)
    assert scores.success.all()
    assert scores.num_steps.tolist() == [[10, 6, 2], [5, 3, 1]]


def test_episodes_are_recorded_as_they_were_scored(policies):
    layouts = [layout_of(count) for count in (3, 24, 7)]
    with open_pool(1) as pool:
        episodes = record_actors(pool, CounterSuite(), "task", list(policies), layouts)
    assert [episode.first_success for episode in episodes] == [3, None, 7]
    assert [int(episode.observations[0, 0]) for episode in episodes] == layouts


def test_a_range_of_layouts(policies):
    with open_pool(1) as pool:
        scores = score_policies(pool, CounterSuite(), "task", policies, range(40))
    expected = [min(needed(layout), HORIZON) for layout in range(40)]
    assert scores.num_steps[0].tolist() == expected
    assert scores.layouts[2].tolist() == list(range(40))


def test_processes_find_the_same_in_the_same_order():
    rng = np.random.default_rng(0)
    policies = make_batch(*rng.standard_normal(70))
    layouts = rng.integers(1, 25, (70, 30))
    counts = []
    inline = score(policies, layouts, on_progress=counts.append)
    assert sum(counts) == layouts.size
    assert len(counts) > 10, "a bar moves while one task is scored"
    parallel = score(policies, layouts, num_workers=2)
    assert np.array_equal(inline.success, parallel.success)
    assert np.array_equal(inline.num_steps, parallel.num_steps)
    assert inline.success.any()
    assert not inline.success.all()


def test_requests_are_answered_one_by_one(policies):
    requests = [
        Request(policies[:1], [layout_of(3)]),
        Request(policies[1:], [layout_of(2), layout_of(4)]),
    ]
    with open_pool(1) as pool:
        first, second = score_requests(pool, CounterSuite(), "task", requests)
    assert first.success.tolist() == [[True]]
    assert first.layouts.tolist() == [[layout_of(3)]]
    assert second.success.tolist() == [[False, False], [True, True]]
    assert second.num_steps.tolist() == [[20, 20], [2, 4]]


def test_no_policies_give_empty_scores():
    scores = score([], [1, 2])
    assert scores.success.shape == scores.num_steps.shape == (0, 2)
    assert scores.success.dtype == bool


def test_requests_get_their_own_scores_though_they_are_played_at_once(policies):
    requests = [
        Request(policies, [layout_of(1), layout_of(2)]),
        Request([], [1, 2, 3]),
        # More than one job.
        Request(list(policies)[:2] * 40, [layout_of(5), layout_of(24)]),
        Request(policies[:2], np.vectorize(layout_of)([[3, 24], [4, 7]])),
    ]
    with open_pool(1) as pool:
        together = score_requests(pool, CounterSuite(), "task", requests)
        for scores, (actors, layouts) in zip(together, requests, strict=True):
            alone = score_policies(pool, CounterSuite(), "task", actors, layouts)
            for name in ("success", "returns", "num_steps", "layouts"):
                np.testing.assert_array_equal(getattr(scores, name), getattr(alone, name))
