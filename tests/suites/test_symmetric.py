"""Mirrored and turned tasks: every episode goes as in the original, seen from another side."""

import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from tests.rollouts.test_scores import Memoryless

from makeanagent.errors import InputError
from makeanagent.policies.frames import reframe_policies
from makeanagent.policies.initialization import initialize_actor
from makeanagent.policies.policy import Policy
from makeanagent.policies.spec import PolicySpec
from makeanagent.rollouts.batched import run_batch
from makeanagent.rollouts.episodes import record_episode, run_episode
from makeanagent.suites import Step, Suite, find_suite, find_task
from makeanagent.suites.layouts import PROMPTS
from makeanagent.suites.metaworld import SEEN_TASKS, MetaWorldSuite
from makeanagent.suites.procedural import ProceduralSuite
from makeanagent.suites.symmetric import SymmetricSuite
from makeanagent.suites.tasks import expand_tasks
from makeanagent.trajectories.space import SYMMETRIES, Space
from makeanagent.trajectories.symmetry import find_present

SUITE = find_suite("metaworld-symmetric")
DRAWN = find_suite("procedural-symmetric")
ORIGINAL = MetaWorldSuite()
# Where the hand at (x, y) stands in the moved world, about (0, 0.65).
HANDS = {
    "mirrored": lambda x, y: (-x, y),
    "turned90": lambda x, y: (0.65 - y, 0.65 + x),
    "turned180": lambda x, y: (-x, 1.3 - y),
    "turned270": lambda x, y: (y - 0.65, 0.65 - x),
}


@pytest.mark.parametrize("name", HANDS)
def test_positions_are_moved_and_actions_push_along_what_is_seen(name):
    task = f"drawer-open-v3.{name}"
    environment, original = SUITE.make(task), ORIGINAL.make("drawer-open-v3")
    seen, there = environment.reset(PROMPTS[0]), original.reset(PROMPTS[0])
    for start in (0, 4, 18, 22, 36):
        expected = HANDS[name](there[start], there[start + 1])
        np.testing.assert_allclose(seen[start : start + 2], expected, atol=1e-12)
        assert seen[start + 2] == there[start + 2]
    # There is no second object, and the gripper and rotations are as they were.
    assert not seen[11:14].any() and not seen[29:32].any()
    for place in (slice(3, 4), slice(7, 11), slice(21, 22), slice(25, 29)):
        np.testing.assert_array_equal(seen[place], there[place])
    for action in ((1, 0, 0, 0), (0, 1, 0, 0)):
        before = environment.reset(PROMPTS[0])
        for _ in range(5):
            step = environment.step(np.array(action, np.float64))
        movement = (step.observation - before)[:3]
        assert movement @ action[:3] > 0.01
        assert np.abs(movement).sum() < 1.5 * np.abs(movement).max()


@pytest.mark.parametrize("name", ["mirrored", "turned90", "mirrored-turned270"])
@pytest.mark.parametrize("task", ["window-close-v3", "pick-place-v3", "reach-v3"])
@pytest.mark.parametrize("who", ["expert", "teacher"])
def test_experts_and_teachers_do_as_in_the_original(task, name, who):
    moved = f"{task}.{name}"
    environment, original = SUITE.make(moved), ORIGINAL.make(task)
    for layout in PROMPTS[:2]:
        expected = run_episode(original, getattr(ORIGINAL, who)(task), layout)
        found = run_episode(environment, getattr(SUITE, who)(moved), layout)
        assert (found.success, found.num_steps) == (expected.success, expected.num_steps)
        assert found.total_reward == pytest.approx(expected.total_reward, rel=1e-6)


@pytest.mark.parametrize("name", SYMMETRIES)
def test_a_moved_policy_does_as_in_the_original(name):
    task = "window-close-v3"
    original_task, symmetry = SUITE.find(f"{task}.{name}")
    space = SUITE.space(f"{task}.{name}")
    spec = PolicySpec(observation_dim=39, action_dim=4)
    parameters = initialize_actor(spec, seed=3).numpy()
    expected = record_episode(
        ORIGINAL.make(original_task), Policy(parameters, spec), PROMPTS[0], max_steps=40
    )
    present = find_present(expected.observations, space)
    moved = reframe_policies(parameters, spec, *symmetry.map_policies(space, present))
    environment = SUITE.make(f"{task}.{name}")
    found = record_episode(environment, Policy(moved, spec), PROMPTS[0], max_steps=40)
    expected = symmetry.move_trajectory(expected, space)
    assert np.ptp(expected.observations[:, :3], axis=0).max() > 0.05
    np.testing.assert_allclose(found.observations, expected.observations, atol=1e-4)
    np.testing.assert_allclose(found.actions, expected.actions, atol=1e-3)


@pytest.mark.parametrize("name", ["mirrored", "turned90", "mirrored-turned270"])
def test_many_worlds_go_as_one_and_as_the_original(name):
    original, task = ProceduralSuite(), f"17.{name}"
    where = np.array(PROMPTS[:8])
    expected = run_batch(original.make_batch("17"), Memoryless(original.expert("17")), where)
    found = run_batch(DRAWN.make_batch(task), Memoryless(DRAWN.expert(task)), where)
    assert expected.success.any()
    np.testing.assert_array_equal(found.success, expected.success)
    np.testing.assert_array_equal(found.num_steps, expected.num_steps)
    worlds, environment = DRAWN.make_batch(task), DRAWN.make(task)
    many, one = worlds.reset(where), environment.reset(where[2])
    actions = np.random.default_rng(0).uniform(-1, 1, (30, 8, 4)).astype(np.float32)
    for each in actions:
        np.testing.assert_array_equal(many[2], one)
        many, one = worlds.step(each).observations, environment.step(each[2]).observation
    worlds.close(), environment.close()


def test_pictures_are_of_the_original_and_paths_of_what_is_seen():
    task, original = "17.turned90", ProceduralSuite()
    environment, other = DRAWN.make(task, render=True), original.make("17", render=True)
    seen = np.stack([environment.reset(3)])
    other.reset(3)
    np.testing.assert_array_equal(environment.render(), other.render())
    np.testing.assert_array_equal(DRAWN.traces(task, seen)["hand"], seen[:, :3])


def test_ids_lead_to_tasks_and_back():
    suite, task = find_task("metaworld-symmetric/window-close.mirrored")
    assert (suite, task) == (SUITE, "window-close-v3.mirrored")
    assert find_task(f"{suite.name}/{task}") == (suite, task)
    assert suite.check_task("window-close") == "window-close-v3"
    assert suite.space(task) == ORIGINAL.space("window-close-v3")
    assert find_task("procedural-symmetric/017.turned90")[1] == "17.turned90"
    # An id without an ending is the original itself.
    assert type(SUITE.make("reach-v3")) is type(ORIGINAL.make("reach-v3"))
    assert pickle.loads(pickle.dumps(suite)) == suite
    assert hash(pickle.loads(pickle.dumps(suite))) == hash(suite) == hash(SUITE)
    assert suite != DRAWN


def test_groups_come_moved_too():
    assert len(SUITE.tasks()) == len(set(SUITE.tasks())) == 8 * len(ORIGINAL.tasks())
    assert all(SUITE.check_task(task) == task for task in SUITE.tasks())
    assert expand_tasks(SUITE, ["seen"]) == SEEN_TASKS
    moved = expand_tasks(SUITE, ["seen.turned90"])
    assert moved == tuple(f"{task}.turned90" for task in SEEN_TASKS)


@dataclass(frozen=True)
class Line(Suite):
    """One task on a line, which states no symmetry."""

    name: str = "line"

    def tasks(self):
        return ("walk",)

    def check_task(self, task):
        if task != "walk":
            raise InputError(f"line/{task}: no such task")
        return task

    def space(self, task):
        return Space(observation_dim=1, action_dim=1)

    def make(self, task, *, render=False):
        return self

    def step(self, action):
        return Step(np.zeros(1), 0.0, None, False, True)


def test_a_suite_without_symmetries_stays_as_it_is():
    suite = SymmetricSuite(Line())
    assert (suite.name, suite.tasks(), suite.groups) == ("line-symmetric", ("walk",), {})
    assert suite.make("walk") == Line()
    with pytest.raises(InputError, match="line/walk states no symmetry 'mirrored'; it has iden"):
        suite.check_task("walk.mirrored")
    with pytest.raises(InputError, match="has no expert"):
        suite.expert("walk")


@pytest.mark.parametrize("task", ["window-shut.mirrored", "window-close-v3.mirror", "mirrored"])
def test_tasks_that_there_are_not(task):
    with pytest.raises(InputError, match="no such task"):
        SUITE.check_task(task)
