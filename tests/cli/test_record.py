"""`record`: demonstrations that a generator can read, and nothing overwritten."""

import numpy as np
import pytest

from makeanagent.suites import find_task, layouts
from makeanagent.trajectories import Trajectory, make_prompt, read_demonstrations


def test_a_demonstration_serves_as_a_prompt(run, env, tmp_path):
    path = tmp_path / "new" / "demo.npz"
    out = run("record", "--env", env, "--out", path)
    trajectory = Trajectory.load(path)
    assert make_prompt(trajectory).has_success
    assert (trajectory.env_id, trajectory.source) == (env, "expert")
    assert out == f"{path}: {len(trajectory)} steps, success at step {trajectory.first_success}\n"


def test_noise_layout_and_seed_make_it(run, env, tmp_path):
    def actions(*options):
        path = tmp_path / f"{'_'.join(options) or 'default'}.npz"
        run("record", "--env", env, "--out", path, *options)
        return Trajectory.load(path).actions[:60]

    default, *others = map(
        lambda options: actions(*options),
        [(), ("--seed", "1"), ("--layout", "1"), ("--noise", "0")],
    )
    assert all(np.abs(default - other).max() > 1e-3 for other in others)
    np.testing.assert_array_equal(default, actions("--seed", "0"))


def test_several_go_into_a_folder_each_on_its_own_layout(run, env, tmp_path):
    folder = tmp_path / "demos"
    run("record", "--env", env, "--out", folder, "--num", 3, "--layout", 5)
    starts = np.array([demo.observations[0] for demo in read_demonstrations(folder)])
    assert sorted(path.name for path in folder.iterdir()) == [
        "demo-000.npz", "demo-001.npz", "demo-002.npz",
    ]  # fmt: skip
    assert len(np.unique(starts, axis=0)) == 3
    run("record", "--env", env, "--out", tmp_path / "one.npz", "--layout", 6)
    second = Trajectory.load(tmp_path / "one.npz")
    np.testing.assert_array_equal(second.observations[0], starts[1])


def test_layouts_are_those_set_aside_and_each_has_noise_of_its_own(run, env, tmp_path):
    run("record", "--env", env, "--out", tmp_path / "demos", "--num", 2, "--layout", 5)
    suite, task = find_task(env)
    environment, expert = suite.make(task), suite.expert(task)
    demos = [Trajectory.load(tmp_path / "demos" / f"demo-00{number}.npz") for number in range(2)]
    for number, demo in enumerate(demos):
        start = environment.reset(layouts.PROMPTS[5 + number])
        np.testing.assert_allclose(demo.observations[0], start, atol=1e-6)
    wanted = np.array([[expert(one) for one in demo.observations[:60]] for demo in demos])
    noise = np.array([demo.actions[:60] for demo in demos]) - wanted
    free = (np.abs(wanted) < 0.5).all(axis=0)
    assert free.sum() > 20, "steps whose noise is not cut off"
    assert np.abs(noise[0] - noise[1])[free].mean() > 0.05


def test_an_episode_too_short_for_a_prompt_says_so(run, tmp_path):
    suite = tmp_path / "short_suite.py"
    suite.write_text(
        "from makeanagent.suites.gymnasium import GymnasiumSuite, GymnasiumTask\n"
        "def done(observation, info): return False\n"
        "def still(observation): return [0.0, 0.0]\n"
        "task = GymnasiumTask(env_id='Reacher-v5', success=done, expert=still, horizon=20)\n"
        "suite = GymnasiumSuite((task,))\n"
    )
    out = run("record", "--env", f"{suite}/Reacher-v5", "--out", tmp_path / "short.npz")
    assert out.endswith("20 steps, no success; a prompt needs 60 steps\n")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (("--num", "0"), "--num 0: must be 1 or more"),
        (("--layout", "-1"), "--layout -1: must be 0 or more"),
        (("--layout", "10000"), "numbered 0 to 9999"),
        (("--noise", "-0.1"), "--noise -0.1: must be 0 or more"),
        (("--noise", "nan"), "--noise nan: must be 0 or more"),
        (("--seed", "-1"), "--seed -1: must be 0 or more"),
        (("--out", "demo.txt"), "ends in .npz"),
    ],
)
def test_bad_options(fails, env, tmp_path, options, match):
    fails(match, "record", "--env", env, "--out", tmp_path / "demo.npz", *options)
    assert list(tmp_path.iterdir()) == []


def test_unknown_tasks_and_tasks_without_expert(fails, tmp_path):
    out = ("--out", tmp_path / "demo.npz")
    fails("no such task", "record", "--env", "gymnasium/Reachr", *out)
    fails("has no expert", "record", "--env", "gymnasium/Reacher-v5", *out)
    fails("not of the form", "record", "--env", "reach-v3", *out)


def test_nothing_is_overwritten(fails, env, tmp_path):
    path = tmp_path / "demo.npz"
    path.write_text("mine")
    fails(f"--out {path}: exists", "record", "--env", env, "--out", path)
    fails("not empty", "record", "--env", env, "--out", tmp_path, "--num", 2)
    assert path.read_text() == "mine"
