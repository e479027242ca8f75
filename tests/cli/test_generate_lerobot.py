"""From a dataset of the layout of `lerobot/metaworld_mt50` to policies, as a user would."""

import numpy as np
import pytest

from makeanagent.cli import main
from makeanagent.policies.folder import load_policies
from makeanagent.suites import find_suite
from makeanagent.trajectories import Trajectory

pytest.importorskip("pyarrow", reason="needs the extra lerobot")

from tests.trajectories.lerobot_datasets import write_v2  # noqa: E402

TASKS = {"window-close-v3": "Push and close a window", "drawer-open-v3": "Open a drawer"}


def record(task, layout):
    """An expert's episode until its success, with its actions as it names them: beyond [-1, 1]."""
    from metaworld import policies

    suite = find_suite("metaworld")
    environment = suite.make(task)
    name = "".join(word.capitalize() for word in task.removesuffix("-v3").split("-"))
    expert = getattr(policies, f"Sawyer{name}V3Policy")()
    observations, actions, success = [environment.reset(layout)], [], [False]
    while not success[-1]:
        actions.append(expert.get_action(np.array(observations[-1], np.float64)))
        step = environment.step(actions[-1])
        observations.append(step.observation)
        success.append(step.success)
    environment.close()
    return np.array(observations, np.float32), np.array(actions, np.float32), success[1:]


@pytest.fixture(scope="module")
def recorded():
    return [(task, *record(task, layout)) for task in TASKS for layout in (0, 1)]


@pytest.fixture(scope="module")
def dataset(recorded, tmp_path_factory):
    episodes = [
        {
            "task": TASKS[task],
            "observation.state": observations[:-1, :4],
            "observation.environment_state": observations[:-1],
            "action": actions,
            "next.reward": np.linspace(0, 10, len(actions), dtype=np.float32),
            "next.success": np.array(success),
        }
        for task, observations, actions, success in recorded
    ]
    return write_v2(tmp_path_factory.mktemp("lerobot") / "metaworld_mt50", episodes)


def test_an_episode_prompts_as_what_was_executed_in_it(run, dataset, recorded, tmp_path):
    # Two ways to say which one.
    _, observations, actions, success = recorded[1]
    assert np.abs(actions).max() > 2
    said = run(
        "generate", "--prompt", dataset, "--episodes", 1, "--num", 2, "--out", tmp_path / "a"
    )
    assert f"note: {dataset}: observations are observation.environment_state\n" in said
    assert "the observation before it stands for it" in said
    assert f"note: {dataset}, episode 1: actions beyond [-1, 1]" in said
    assert "warning" not in said
    found, _, metadata = load_policies(tmp_path / "a")
    assert metadata["read"]["episodes"] == [1]
    assert metadata["demonstrations"] == [f"{dataset}, episode 1"]
    # Meta-World clips actions; the last observation is that before the last action.
    Trajectory(
        observations=[*observations[:-1], observations[-2]],
        actions=np.clip(actions, -1, 1),
        success=success,
    ).save(tmp_path / "demo.npz")
    run("generate", "--prompt", tmp_path / "demo.npz", "--num", 2, "--out", tmp_path / "b")
    assert np.array_equal(found, load_policies(tmp_path / "b")[0])


def test_a_tasks_episodes_prompt_together(run, dataset, tmp_path):
    said = run(
        "generate", "--prompt", dataset, "--group", "window", "--together", "--num", 1,
        "--out", tmp_path / "policies",
    )  # fmt: skip
    assert "from 2 demonstrations" in said
    metadata = load_policies(tmp_path / "policies")[2]
    assert metadata["demonstrations"] == [f"{dataset}, episode {number}" for number in (0, 1)]


def test_mistakes_are_one_line(fails, dataset, tmp_path):
    policies = ("--out", tmp_path / "policies", "--num", 1)
    for match, *options in (
        ("no episode 9; there are 0, 1, 2, 3", "--episodes", 9),
        ("no task has 'fly'", "--group", "fly"),
        ("no vectors 'sight' for --observation", "--observation", "sight"),
        ("no column 'next.done'", "--success", "done"),
        ("rewards of 0 and 1 alone", "--success", "reward"),
        ("'observations' are 4 wide", "--observation", "observation.state"),
    ):
        fails(match, "generate", "--prompt", dataset, *options, *policies)
    assert not (tmp_path / "policies").exists()


def test_convert_there_and_back_again(run, dataset, tmp_path):
    said = run(
        "convert", dataset, "--episodes", 0, 2, "--to", "lerobot", "--fps", 80,
        "--out", tmp_path / "new",
    )  # fmt: skip
    assert "note: what does not come along: observation.state, next.reward, timestamp" in said
    assert "2 demonstrations" in said
    chain = {"minari": "mine", "robomimic": "demos.hdf5", "npz": "demos"}
    source = tmp_path / "new"
    for form, name in chain.items():
        run("convert", source, "--to", form, "--out", tmp_path / name)
        source = tmp_path / name
    run("convert", source, "--episodes", 1, "--to", "npz", "--out", tmp_path / "one.npz")
    found = Trajectory.load(tmp_path / "one.npz")
    run("convert", dataset, "--episodes", 2, "--to", "npz", "--out", tmp_path / "two.npz")
    expected = Trajectory.load(tmp_path / "two.npz")
    for name in ("observations", "actions", "success"):
        assert np.array_equal(getattr(found, name), getattr(expected, name))
    assert (found.task, found.source) == ("Open a drawer", "lerobot:metaworld_mt50")
    assert np.abs(found.actions).max() > 1


def test_convert_overwrites_nothing(fails, dataset, tmp_path):
    (tmp_path / "a.npz").write_text("x")
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "file").touch()
    for match, form, name in (
        ("exists; give another name", "npz", "a.npz"),
        ("not empty", "npz", "used"),
        ("not empty", "minari", "used"),
        ("say them with --fps", "lerobot", "new"),
        ("ends in .hdf5", "robomimic", "new"),
        ("holds one demonstration, not 4", "npz", "new.npz"),
    ):
        fails(match, "convert", dataset, "--to", form, "--out", tmp_path / name)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.npz", "file", "used"]
    assert main(["convert", str(tmp_path / "used"), "--to", "npz", "--out", "x.npz"]) == 2
