"""Suites in files, and the example that other tests play in."""

import os
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from tests.suites.test_gymnasium import fails

from makeanagent.rollouts.episodes import record_episode, run_episode
from makeanagent.suites import find_suite, find_task
from makeanagent.trajectories import make_prompt

EXAMPLE = f"{Path(__file__).parents[2]}/examples/reacher_suite.py"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("own_"):
            del sys.modules[name]


HEADER = "from makeanagent.suites.gymnasium import GymnasiumSuite, GymnasiumTask\n"


def test_suite_in_a_file(folder):
    path = folder / "own_suite.py"
    path.write_text(
        HEADER + "def done(observation, info): return True\n"
        "suite = GymnasiumSuite((GymnasiumTask(env_id='Reacher-v5', name='a/b', success=done),))\n"
    )
    suite, task = find_task(f"{path}/a/b")
    assert task == "a/b"
    assert find_task(f"{suite.name}/{task}") == (suite, task)
    assert pickle.loads(pickle.dumps(suite)) == suite
    played = run_episode(suite.make(task), lambda _: np.zeros(2), 0)
    assert (played.success, played.num_steps) == (True, 1)
    assert find_task(f"{path}/Pusher-v5")[1] == "Pusher-v5"


def test_ids_of_any_suite_that_has_a_name_of_its_own_lead_back_to_its_file(folder):
    path = folder / "own_kind.py"
    path.write_text(
        "from dataclasses import dataclass\n"
        "from makeanagent.suites import Suite\n"
        "@dataclass(frozen=True)\n"
        "class Own(Suite):\n"
        "    name: str = 'own'\n"
        "    def tasks(self): return ('one',)\n"
        "    def check_task(self, task): return task\n"
        "    def space(self, task): raise NotImplementedError\n"
        "    def make(self, task, *, render=False): raise NotImplementedError\n"
        "suite = Own()\n"
    )
    suite, task = find_task(f"{path}/one")
    assert find_task(f"{suite.name}/{task}") == (suite, task)


@pytest.mark.parametrize(
    ("source", "match"),
    [
        (None, "no such file"),
        ("import own_nothing\n", "not importable: ModuleNotFoundError: .*own_nothing"),
        ("def (:\n", "not importable: SyntaxError"),
        ("tasks = ()\n", "defines no `suite`"),
        ("suite = ['reach']\n", "`suite` is a list; it must be a GymnasiumSuite or another"),
        (
            HEADER + "task = GymnasiumTask(env_id='Reacher-v5', success=lambda o, i: True)\n"
            "suite = GymnasiumSuite((task,))\n",
            "`suite` does not pickle",
        ),
    ],
)
def test_file_that_holds_no_suite(folder, source, match):
    path = folder / "own_broken.py"
    if source is not None:
        path.write_text(source)
    fails(f"^{path}: {match}", find_task, f"{path}/Reacher-v5")


def test_file_named_like_another_module(folder):
    path = folder / "json.py"
    path.write_text("suite = 1\n")
    fails("another module is called 'json'; rename the file", find_suite, str(path))


@pytest.mark.parametrize("env_id", ["reach-v3", "metaworld/", "/reach-v3", "my_suite.py", ""])
def test_ids_of_another_form(env_id):
    fails("not of the form <suite>/<task>", find_task, env_id)


def test_unknown_suite():
    fails("atari: no such suite; there are metaworld, gymnasium", find_task, "atari/Pong")


# The example


@pytest.fixture(scope="module")
def example():
    return find_suite(EXAMPLE)


@pytest.mark.parametrize("task", ["Reacher-v5", "Reacher-mirrored"])
def test_experts_of_the_example_succeed_and_hold(example, task):
    env, expert = example.make(task), example.expert(task)
    results = [run_episode(env, expert, layout) for layout in range(200)]
    assert np.mean([played.success and played.num_steps <= 50 for played in results]) >= 0.95
    holds = []
    for layout in range(40):
        trajectory = record_episode(env, expert, layout)
        make_prompt(trajectory)
        holds.append(trajectory.success[trajectory.success.argmax() :].all())
    assert np.mean(holds) >= 0.95


def test_tasks_of_the_example_differ_in_what_they_ask_for_alone(example):
    one, other = example.tasks()
    assert example.space(one) == example.space(other)
    env, mirrored = example.make(one), example.make(other)
    np.testing.assert_array_equal(env.reset(5), mirrored.reset(5))
    results = [run_episode(env, example.expert(other), layout).success for layout in range(40)]
    assert np.mean(results) < 0.2


def test_traces_of_the_example(example):
    env = example.make("Reacher-v5")
    trajectory = record_episode(env, example.expert("Reacher-v5"), 0)
    traces = example.traces("Reacher-v5", trajectory.observations)
    assert list(traces) == ["fingertip", "target"]
    data = env._env.unwrapped.data
    for name, path in traces.items():
        assert path.shape == (len(trajectory) + 1, 3)
        np.testing.assert_allclose(path[-1], data.body(name).xpos, atol=1e-6)
    assert example.traces("Pusher-v5", np.zeros((5, 23))) == {}


def play_example(suite):
    environment, expert = suite.make("Reacher-mirrored"), suite.expert("Reacher-mirrored")
    return [run_episode(environment, expert, layout) for layout in range(3)], hash(suite)


def test_example_in_a_spawned_worker(example):
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        (results, value), (_, again) = pool.map(play_example, [example, example])
    assert results == play_example(example)[0]
    assert value == again


@pytest.mark.parametrize("line", ["import sys; sys.exit(3)", "suite = 3", "1 / 0", "def"])
def test_a_file_that_defines_no_suite_is_refused_in_one_line(folder, line):
    path = folder / "own_wrong.py"
    path.write_text(f"{line}\n")
    fails(f"^{path}: ", find_suite, str(path))


def test_a_wrong_choice_of_opengl_costs_nothing_but_a_note():
    code = (
        "from makeanagent.suites import find_suite;"
        " env = find_suite('gymnasium').make('Reacher-v5'); print(env.reset(0).shape)"
    )
    environment = os.environ | {"MUJOCO_GL": "foo"}
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert found.stdout == "(10,)\n", found.stderr
    assert (
        found.stderr.startswith("note: MUJOCO_GL=foo is left out") and found.stderr.count("\n") == 1
    )
