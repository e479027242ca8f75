"""Teachers succeed where Meta-World's experts fail, by the observation alone."""

from contextlib import closing

import numpy as np
import pytest

from makeanagent.suites.metaworld import MetaWorldSuite

# Meta-World's experts say so at nearly every step; `expert` clips their actions.
pytestmark = pytest.mark.filterwarnings("ignore:Constant.s. may be too high:UserWarning")

SUITE = MetaWorldSuite()
TASKS = (
    "peg-insert-side-v3",
    "peg-unplug-side-v3",
    "pick-out-of-hole-v3",
    "push-back-v3",
    "reach-wall-v3",
    "stick-pull-v3",
)
STEPS = 250
"""Environment steps of an episode: so many has a round of DAgger."""


def play(environment, act, layout, error=0.0):
    """Whether an actor succeeds whose every action has the same random error."""
    observation = environment.reset(layout)
    lasting = error * np.random.default_rng(layout).normal(size=4)
    for _ in range(STEPS):
        observation, _, success, *_ = environment.step(act(observation) + lasting)
        if success:
            return True
    return False


@pytest.mark.parametrize(
    ("task", "layouts"),
    [
        ("peg-insert-side-v3", (5, 23)),
        ("push-back-v3", (2, 5)),
        ("stick-pull-v3", (17, 22)),
    ],
)
def test_teachers_succeed_where_experts_fail(task, layouts):
    with closing(SUITE.make(task)) as environment:
        for layout in layouts:
            assert not play(environment, SUITE.expert(task), layout)
            assert play(environment, SUITE.teacher(task), layout)


@pytest.mark.parametrize(
    ("task", "layouts"),
    [
        ("peg-unplug-side-v3", (2, 6)),
        ("pick-out-of-hole-v3", (2, 6)),
        ("reach-wall-v3", (3, 5)),
    ],
)
def test_teachers_bear_an_error_that_experts_do_not(task, layouts):
    with closing(SUITE.make(task)) as environment:
        for layout in layouts:
            assert not play(environment, SUITE.expert(task), layout, error=0.1)
            assert play(environment, SUITE.teacher(task), layout, error=0.1)


@pytest.mark.parametrize("task", TASKS)
def test_teachers_remember_nothing_and_change_no_observation(task):
    rng = np.random.default_rng(3)
    observations = [_near_an_object(rng) for _ in range(200)]
    kept = np.array(observations)
    teacher = SUITE.teacher(task)
    forward = np.array([teacher(observation) for observation in observations])
    backward = [teacher(observation) for observation in reversed(observations)]
    np.testing.assert_array_equal(forward, backward[::-1])
    np.testing.assert_array_equal(observations, kept)
    assert np.abs(forward).max() <= 1.0
    assert forward.shape == (200, 4)


@pytest.mark.parametrize("task", TASKS)
def test_teachers_are_continuous(task):
    rng = np.random.default_rng(4)
    teacher = SUITE.teacher(task)
    for _ in range(200):
        observation = _near_an_object(rng)
        moved = observation + 1e-6 * rng.normal(size=39)
        # A switch would show as a jump of up to 2.
        assert np.abs(teacher(moved) - teacher(observation)).max() < 1e-2


def _near_an_object(rng):
    """An observation with hand, objects and goal so close that every phase comes up."""
    observation = np.zeros(39)
    observation[4:7] = rng.uniform((-0.3, 0.4, 0.02), (0.3, 0.9, 0.25))
    spread = rng.choice((0.01, 0.1))
    observation[0:3] = observation[4:7] + (0.0, 0.0, 0.03) + spread * rng.normal(size=3)
    observation[3] = rng.uniform(0.25, 1.0)
    observation[11:14] = observation[4:7] + spread * rng.normal(size=3)
    observation[36:39] = observation[4:7] + 0.1 * rng.normal(size=3)
    return observation
