"""`demo`: a report and policies from one demonstration, and nothing of the user's touched."""

import json

import numpy as np
import pytest

from makeanagent import demo
from makeanagent.errors import InputError
from makeanagent.methods.cloning import CloningConfig
from makeanagent.methods.method import MethodConfig
from makeanagent.policies.folder import load_policies
from makeanagent.suites import layouts
from makeanagent.suites.metaworld import SEEN_TASKS, UNSEEN_TASKS
from makeanagent.trajectories import Trajectory, make_prompt


@pytest.fixture
def arguments(monkeypatch, generator, demonstration, tmp_path):
    # Pictures of the scene take seconds, and need what not every machine has.
    def refuse(*_):
        raise InputError("no film: not in tests")

    monkeypatch.setattr(demo, "film_scenes", refuse)
    quick = MethodConfig(cloning=CloningConfig(num_steps=30))
    monkeypatch.setattr(demo, "MethodConfig", lambda: quick)
    out = tmp_path / "demo"
    return (
        "demo", "--prompt", demonstration, "--generator", generator, "--out", out,
        "--num", "3", "--workers", "1",
    )  # fmt: skip


def test_report_policies_and_table(run, arguments, env, tmp_path):
    out = run(*arguments)
    folder = tmp_path / "demo"
    assert sorted(path.name for path in folder.iterdir()) == [
        "demo.json", "demonstration.npz", "evaluation.json", "policies", "report.html",
    ]  # fmt: skip
    parameters, _, metadata = load_policies(folder / "policies")
    assert (len(parameters), metadata["seed"]) == (3, 0)
    result = json.loads((folder / "evaluation.json").read_text())
    assert result["task"] == env
    assert len(result["paper"]["success"]) == 3
    for text in (
        "95% interval", "no selection", "by expert", "load ", "generate ", "rollouts ", "report ",
        "no film: not in tests", "to compare:", "by behaviour cloning", f"{folder / 'report.html'}",
    ):  # fmt: skip
        assert text in out
    assert "3 policies from one demonstration" in (folder / "report.html").read_text()


def test_an_earlier_demo_is_replaced_and_other_files_stay(run, arguments, tmp_path):
    run(*arguments)
    folder = tmp_path / "demo"
    first = load_policies(folder / "policies")[0]
    (folder / "notes.txt").write_text("mine")
    run(*arguments, "--seed", "1")
    assert np.abs(load_policies(folder / "policies")[0] - first).max() > 0
    assert (folder / "notes.txt").read_text() == "mine"


def test_a_users_files_among_the_policies_are_not_mixed_with_them(fails, arguments, tmp_path):
    mine = tmp_path / "demo" / "policies" / "mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    fails("policies: not of an earlier demo, which leaves demo.json beside it", *arguments)
    assert mine.read_text() == "mine"


def test_files_among_an_earlier_demos_policies_are_not_mixed_with_them(
    run, fails, arguments, tmp_path
):
    run(*arguments)
    mine = tmp_path / "demo" / "policies" / "mine.txt"
    mine.write_text("mine")
    fails("policies: not empty", *arguments)
    assert mine.read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (("--num", "0"), "--num 0: must be 1 or more"),
        (("--seed", "-1"), "--seed -1: must be 0 or more"),
        (("--prompt", "nowhere.npz"), "nowhere.npz: no such file"),
        (("--generator", "nothing"), "nothing: no such generator"),
        (("--env", "gymnasium/Pusher-v5"), "policies map 10 numbers to 2, but gymnasium/Pusher-v5"),
        (("--env", "reach"), "not of the form <suite>/<task>"),
    ],
)
def test_bad_options(fails, arguments, tmp_path, options, match):
    fails(match, *arguments, *options)
    assert list(tmp_path.iterdir()) == []


def test_the_folder_is_a_file(fails, arguments, tmp_path):
    (tmp_path / "demo").write_text("mine")
    fails("demo", *arguments)
    assert (tmp_path / "demo").read_text() == "mine"


def test_tasks_without_a_bundled_demonstration(fails, env, generator):
    for task in (env, "metaworld/hammer-v3"):
        fails("no demonstration is bundled; make one", "demo", "--env", task)


def test_a_prompt_that_names_no_task(fails, demonstration, generator, tmp_path):
    solved = Trajectory.load(demonstration)
    path = tmp_path / "nameless.npz"
    Trajectory(
        observations=solved.observations, actions=solved.actions, success=solved.success
    ).save(path)
    fails("names no task ('env_id'); give --env", "demo", "--prompt", path)


@pytest.mark.parametrize("task", SEEN_TASKS + UNSEEN_TASKS)
def test_bundled_demonstrations(task):
    path = demo.PROMPTS / f"{task}.npz"
    assert path.stat().st_size < 16_000
    trajectory = Trajectory.load(path)
    assert trajectory.env_id == f"metaworld/{task}"
    assert trajectory.source == "expert"
    assert make_prompt(trajectory).has_success


def test_bundled_demonstrations_come_from_layouts_for_prompts():
    from makeanagent.suites.metaworld import MetaWorldSuite

    first = MetaWorldSuite().make("reach-v3").reset(layouts.PROMPTS[0])
    demonstrated = Trajectory.load(demo.PROMPTS / "reach-v3.npz").observations[0]
    np.testing.assert_allclose(demonstrated, first, atol=1e-6)
