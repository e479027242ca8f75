"""`generate`: a folder of policies from demonstrations, or one line about what is wrong."""

from dataclasses import replace

import numpy as np
import pytest
from tests import tiny_generator

from makeanagent.policies.folder import load_policies
from makeanagent.trajectories import Trajectory
from makeanagent.trajectories.success import TERMINATION


@pytest.fixture
def generate(run, generator, demonstration, tmp_path):
    def call(name, *options, prompt=demonstration):
        folder = tmp_path / name
        out = run(
            "generate", "--prompt", prompt, "--out", folder, "--generator", generator, *options
        )
        return out, *load_policies(folder)

    return call


def test_policies_and_where_they_came_from(generate, demonstration):
    out, parameters, spec, metadata = generate("policies", "--num", 5)
    assert parameters.shape == (5, spec.num_parameters)
    assert "5 policies of 196 parameters from 1 demonstration(s)" in out
    assert "note" not in out
    assert metadata["prompt"] == str(demonstration)
    assert metadata["prompt_of_policy"] == [0] * 5
    assert metadata["prompts_without_success"] == []
    assert len(metadata["generator_sha256"]) == 64


def test_the_seed_makes_them(generate):
    one, again, other = (
        generate(name, "--num", 2, "--seed", seed)[1]
        for name, seed in (("one", 3), ("again", 3), ("other", 4))
    )
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 0


def test_several_demonstrations_prompt_by_turns(run, generate, env, tmp_path):
    run("record", "--env", env, "--out", tmp_path / "demos", "--num", 2)
    _, parameters, _, metadata = generate("policies", "--num", 5, prompt=tmp_path / "demos")
    assert metadata["prompt_of_policy"] == [0, 1, 0, 1, 0]
    assert metadata["env_ids"] == [env, env]
    assert len(parameters) == 5


def test_a_demonstration_without_success_is_noted(generate, demonstration, tmp_path):
    solved = Trajectory.load(demonstration)
    path = tmp_path / "failed.npz"
    Trajectory(
        observations=solved.observations,
        actions=solved.actions,
        success=np.zeros(len(solved)),
    ).save(path)
    out, *_, metadata = generate("policies", "--num", 1, prompt=path)
    assert "shows no success; its last 3 states stand in" in out
    assert metadata["prompts_without_success"] == [0]


def test_actions_in_other_units_are_said(generate, demonstration, tmp_path):
    shown = Trajectory.load(demonstration)
    path = tmp_path / "units.npz"
    replace(shown, actions=3 * np.sign(shown.actions) + shown.actions / 2).save(path)
    out, parameters, *_, metadata = generate("policies", "--num", 1, prompt=path)
    assert f"note: {path}: actions beyond [-1, 1], up to 3" in out
    assert metadata["action_bounds"] is None
    # They are what they were taken for.
    clipped = tmp_path / "clipped.npz"
    replace(shown, actions=np.sign(shown.actions)).save(clipped)
    out, expected, *_ = generate("again", "--num", 1, prompt=clipped)
    assert "beyond" not in out
    np.testing.assert_array_equal(parameters, expected)


def test_an_episodes_end_that_is_taken_for_success_is_said(generate, demonstration, tmp_path):
    path = tmp_path / "ended.npz"
    replace(Trajectory.load(demonstration), source=f"minari:x{TERMINATION}").save(path)
    out, *_, metadata = generate("policies", "--num", 1, prompt=path)
    assert "no success is recorded; the episode's termination is taken for it" in out
    assert metadata["success_by_termination"] == [0]


def test_a_reader_reads_a_short_demonstration_without_success_to_its_end(
    run, demonstration, tmp_path
):
    solved, path = Trajectory.load(demonstration), tmp_path / "short.npz"
    Trajectory(
        observations=solved.observations[:11], actions=solved.actions[:10], success=np.zeros(10)
    ).save(path)
    out = run(
        "generate", "--prompt", path, "--num", 2, "--out", tmp_path / "policies",
        "--generator", tiny_generator.save_reader(tmp_path / "reader"),
    )  # fmt: skip
    assert "demonstration 0 of" in out
    assert "shows no success; it is read to its end\n" in out


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (("--num", "0"), "--num 0: must be 1 or more"),
        (("--seed", "-1"), "--seed -1: must be 0 or more"),
        (("--prompt", "nowhere.npz"), "nowhere.npz: no such file"),
        (("--prompt", "pyproject.toml"), "not a demonstration"),
        (("--generator", "nothing"), "nothing: no such generator"),
    ],
)
def test_bad_options(fails, generator, demonstration, tmp_path, options, match):
    defaults = {"--prompt": demonstration, "--generator": generator}
    arguments = [item for pair in (defaults | dict([options])).items() for item in pair]
    fails(match, "generate", "--out", tmp_path / "policies", *arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_device_that_is_not_there(fails, generator, demonstration, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    fails(
        "finds no CUDA device", "generate", "--prompt", demonstration, "--generator", generator,
        "--out", tmp_path / "policies", "--device", "cuda",
    )  # fmt: skip


def test_demonstrations_that_do_not_fit(fails, generator, demonstration, tmp_path):
    good = Trajectory.load(demonstration)
    wide = Trajectory(
        observations=np.zeros((61, 11)), actions=good.actions[:60], success=good.success[:60]
    )
    short = Trajectory(
        observations=good.observations[:40], actions=good.actions[:39], success=good.success[:39]
    )
    for name, trajectory, match in (
        ("wide", wide, "'observations' are 11 wide; accepted are 10"),
        ("short", short, "39 steps are too few; a prompt needs the first 60"),
    ):
        path = tmp_path / f"{name}.npz"
        trajectory.save(path)
        out = tmp_path / f"{name}-policies"
        fails(match, "generate", "--prompt", path, "--out", out, "--generator", generator)
        assert not out.exists()


def test_nothing_is_overwritten(fails, generator, demonstration, tmp_path):
    (tmp_path / "mine").write_text("mine")
    fails(
        "not empty", "generate", "--prompt", demonstration, "--generator", generator,
        "--out", tmp_path,
    )  # fmt: skip
