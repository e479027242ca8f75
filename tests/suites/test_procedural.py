"""Drawn tasks as a suite: numbers, layouts, experts, films, and what users see."""

import json
import pickle
import subprocess
import sys

import numpy as np
import pytest
from tests.rollouts.test_scores import Memoryless

from makeanagent.errors import InputError
from makeanagent.rollouts.batched import run_batch
from makeanagent.rollouts.episodes import play, record_episode
from makeanagent.suites import find_task, layouts
from makeanagent.suites.procedural import KINDS, FamilyConfig, HandDynamics, ProceduralSuite
from makeanagent.suites.procedural.suite import ProceduralWorlds
from makeanagent.suites.procedural.tasks import find_kinds, find_tasks

SUITE = ProceduralSuite()
PROMPTS = layouts.PROMPTS[:5]


def list_arrays(record):
    """All arrays of a record, with their names."""
    for name, value in vars(record).items():
        if isinstance(value, np.ndarray):
            yield name, value
        else:
            yield from list_arrays(value)


def test_a_number_is_the_same_task_alone_and_in_company():
    numbers = np.array([17, 4, 10**9 + 5, 23, 99, 5])
    together, _ = find_tasks(numbers)
    for row, number in enumerate(numbers):
        alone, _ = find_tasks(np.array([number]))
        for (name, one), (_, many) in zip(
            list_arrays(alone), list_arrays(together.take(np.array([row]))), strict=True
        ):
            np.testing.assert_array_equal(one, many, err_msg=f"{number} {name}")


def test_numbers_differ():
    tasks, _ = find_tasks(np.arange(50))
    assert len(np.unique(tasks.scene.object, axis=0)) > 40
    assert len(np.unique(tasks.scene.hand, axis=0)) == 50
    moved = tasks.kinds > 0
    programs = tasks.program.offset[moved].reshape(moved.sum(), -1)
    assert len(np.unique(programs, axis=0)) == moved.sum() > 40


def test_another_process_draws_the_same_numbers():
    script = (
        "import json; from makeanagent.suites.procedural import ProceduralSuite as S;"
        "print(json.dumps([S().make(t).reset(k).tolist() for t in '08' for k in (3, 50_001)]))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    ours = [SUITE.make(task).reset(layout).tolist() for task in "08" for layout in (3, 50_001)]
    assert json.loads(result.stdout) == ours


def test_layouts_move_things_and_come_back():
    environment = SUITE.make(SUITE.groups["grasped"][0])
    first = environment.reset(7)
    other = environment.reset(8)
    assert np.abs(other - first)[4:6].max() > 0.001
    assert np.abs(other - first)[36:38].max() > 0.001
    np.testing.assert_array_equal(environment.reset(7), first)


@pytest.mark.parametrize("kind", KINDS)
def test_one_world_and_many_give_the_same_states(kind):
    task = SUITE.groups[kind][1]
    rng, expert = np.random.default_rng(0), SUITE.expert(task)
    worlds, environment = SUITE.make_batch(task), SUITE.make(task)
    many, one = worlds.reset(np.array([4, 9, 2])), environment.reset(9)
    for _ in range(120):
        np.testing.assert_array_equal(many[1], one)
        actions = np.stack([expert(each) for each in many])
        actions += 0.2 * rng.standard_normal(actions.shape).astype(np.float32)
        together, step = worlds.step(actions), environment.step(actions[1])
        assert together.success[1] == step.success
        assert together.rewards[1] == step.reward == float(step.success)
        many, one = together.observations, step.observation


def test_worlds_of_different_tasks_step_together():
    tasks, _ = find_tasks(np.arange(8))
    worlds = ProceduralWorlds(tasks, HandDynamics())
    observations = worlds.reset(np.full(8, 3))
    for number in range(8):
        np.testing.assert_array_equal(observations[number], SUITE.make(str(number)).reset(3))
    assert worlds.step(np.zeros((8, 4))).observations.shape == (8, 39)


@pytest.mark.parametrize("kind", KINDS)
def test_experts_succeed_on_other_layouts(kind):
    solved = []
    for task in SUITE.groups[kind][:4]:
        outcome = run_batch(
            SUITE.make_batch(task), Memoryless(SUITE.expert(task)), np.array(PROMPTS)
        )
        solved.append(outcome.success)
    assert np.mean(solved) >= 0.9


def test_observations_are_laid_out_as_metaworlds():
    task = SUITE.groups["two"][0]
    environment, space = SUITE.make(task), SUITE.space(task)
    before = environment.reset(0)
    step = environment.step(np.array([1.0, 0, 0, 1]))
    assert (space.observation_dim, space.action_dim) == (39, 4)
    np.testing.assert_array_equal(before[:18], before[18:36])
    np.testing.assert_array_equal(step.observation[18:36], before[:18])
    assert step.observation[0] > before[0]
    assert step.observation[3] < before[3] == 1
    np.testing.assert_array_equal(step.observation[36:], before[36:])


def test_only_the_horizon_ends_an_episode():
    environment = SUITE.make("0")
    environment.reset(0)
    steps = [environment.step(np.zeros(4)) for _ in range(environment.horizon)]
    assert [step.over for step in steps] == [False] * (environment.horizon - 1) + [True]
    assert not any(step.terminated for step in steps)
    environment.reset(0)
    assert not environment.step(np.zeros(4)).over


def test_groups_are_kinds_of_the_first_thousand():
    groups, kinds = SUITE.groups, find_kinds(np.arange(1000))
    assert sorted(int(task) for each in groups.values() for task in each) == list(range(1000))
    assert SUITE.tasks() == tuple(map(str, range(1000)))
    for name, tasks in groups.items():
        assert (kinds[[int(task) for task in tasks]] == KINDS.index(name)).all()
        assert KINDS[SUITE.find(tasks[0]).kinds[0]] == name


@pytest.mark.parametrize(("task", "name"), [("0", "0"), ("017", "17"), ("123456789012", None)])
def test_any_whole_number_is_a_task(task, name):
    suite, found = find_task(f"procedural/{task}")
    assert (suite, found) == (SUITE, name or task)


@pytest.mark.parametrize("task", ["-1", "1.5", "reach", "1e3", "²", str(2**63), " 1"])
def test_what_is_no_task_says_what_is(task):
    with pytest.raises(InputError, match=r"a task is a whole number of at least 0.*procedural/17"):
        SUITE.check_task(task)


def test_suites_pickle_and_hash():
    suite = ProceduralSuite(family=FamilyConfig(two=0))
    assert pickle.loads(pickle.dumps(suite)) == suite != SUITE
    assert len({suite, SUITE, ProceduralSuite()}) == 2


def test_the_teacher_is_the_program():
    observation = SUITE.make("3").reset(0)
    np.testing.assert_array_equal(SUITE.teacher("3")(observation), SUITE.expert("3")(observation))


def test_traces_name_what_is_there():
    tasks = {kind: SUITE.groups[kind] for kind in KINDS}
    both = SUITE.make(tasks["two"][0]).reset(0)[None]
    assert list(SUITE.traces("0", both)) == ["hand", "object", "second object", "goal"]
    one = SUITE.make(tasks["pushed"][0]).reset(0)[None]
    assert list(SUITE.traces("0", one)) == ["hand", "object", "goal"]


def test_a_picture_shows_what_moved():
    task = SUITE.groups["grasped"][0]
    environment, expert = SUITE.make(task, render=True), SUITE.expert(task)
    observation = environment.reset(0)
    first = environment.render()
    assert first.shape == (600, 480, 3) and first.dtype == np.uint8
    np.testing.assert_array_equal(environment.render(), first)
    for _ in range(60):
        observation = environment.step(expert(observation)).observation
    moved = (environment.render() != first).any(axis=2)
    # In the view from above and in that from the front.
    assert moved[:336].any() and moved[336:].any()


@pytest.mark.parametrize("number", range(0, 60, 3))
def test_every_scene_can_be_drawn(number):
    environment = SUITE.make(str(number))
    environment.reset(0)
    assert len(np.unique(environment.render().reshape(-1, 3), axis=0)) > 4


def test_a_demonstration_is_recorded_and_played_again(tmp_path):
    task = "17"
    trajectory = record_episode(
        SUITE.make(task), SUITE.expert(task), PROMPTS[0], env_id="procedural/17"
    )
    assert trajectory.first_success
    actions = iter(trajectory.actions)
    played = play(SUITE.make(task), lambda _: next(actions), PROMPTS[0], len(trajectory))
    for number, (observation, _, step) in enumerate(played):
        np.testing.assert_array_equal(observation, trajectory.observations[number])
        assert step.success == trajectory.success[number]
