"""`evaluate`: both protocols over a folder of policies, and a JSON that says what was played."""

import json

import numpy as np
import pytest

from makeanagent.artifacts import hash_file
from makeanagent.cli import main
from makeanagent.policies.folder import load_policies, save_policies
from makeanagent.rollouts import scores


@pytest.fixture(scope="module")
def policies(tmp_path_factory, generator, demonstration):
    folder = tmp_path_factory.mktemp("generated") / "policies"
    arguments = ["generate", "--prompt", demonstration, "--out", folder, "--generator", generator]
    assert main([*map(str, arguments), "--num", "2"]) == 0
    return folder


def test_result_beside_the_folder(run, env, policies):
    out = run("evaluate", policies, "--env", env, "--workers", 1)
    path = policies.with_name("policies-Reacher-v5.json")
    assert f"written: {path}" in out
    result = json.loads(path.read_text())
    assert result["task"] == env
    # Two policies on 5 + 5 + 5 layouts, and both once more on the 50 held-out ones.
    assert result["num_rollouts"] == 2 * 15 + 2 * 50
    assert result["held_out"]["first_sample_policies"] == [0, 1]
    assert result["policies_sha256"] == hash_file(policies / "policies.safetensors")
    assert "git_commit" in result["provenance"]
    for text in ("qualified", "no selection", "best of 2, chosen on 5 others", "95% interval"):
        assert text in out


def test_of_several_prompts_only_first_samples_are_scored_without_selection(
    run, env, policies, tmp_path
):
    parameters, spec, _ = load_policies(policies)
    folder = tmp_path / "by-turns"
    save_policies(folder, np.tile(parameters, (2, 1)), spec, {"prompt_of_policy": [0, 1, 0, 1]})
    out = tmp_path / "out.json"
    run(
        "evaluate", folder, "--env", env, "--workers", 1, "--layouts-per-policy", 3, "--out", out,
    )  # fmt: skip
    held_out = json.loads(out.read_text())["held_out"]
    assert held_out["first_sample_policies"] == [0, 1]
    assert np.shape(held_out["first_sample_success"]) == (2, 3)
    assert len(held_out["selection_success"]) == 4


def test_nothing_is_overwritten(fails, env, policies, tmp_path):
    path = tmp_path / "mine.json"
    path.write_text("mine")
    fails(f"--out {path}: exists", "evaluate", policies, "--env", env, "--out", path)
    assert path.read_text() == "mine"
    # Known before anything is played.
    fails("mine.json is no folder", "evaluate", policies, "--env", env, "--out", path / "out.json")
    fails("File name too long", "evaluate", policies, "--env", env, "--out", tmp_path / ("a" * 300))


@pytest.mark.parametrize("number", ["0", "51"])
def test_layouts_that_there_are_not(fails, env, policies, tmp_path, number):
    fails(
        "must be 1 to 50", "evaluate", policies, "--env", env, "--layouts-per-policy", number,
        "--out", tmp_path / "out.json",
    )  # fmt: skip


def test_policies_of_another_width(fails, policies, tmp_path):
    out = ("--out", tmp_path / "out.json")
    fails(
        "policies map 10 numbers to 2, but gymnasium/Pusher-v5 has observations of 23 and actions"
        " of 7", "evaluate", policies, "--env", "gymnasium/Pusher-v5", *out,
    )  # fmt: skip


def test_what_is_no_folder_of_policies(fails, env, tmp_path):
    fails("no such file", "evaluate", tmp_path / "nowhere", "--env", env)
    fails("no such file", "evaluate", tmp_path, "--env", env)


def test_bad_workers(fails, env, policies, tmp_path):
    out = ("--out", tmp_path / "out.json")
    fails("must be at least 1", "evaluate", policies, "--env", env, "--workers", 0, *out)


@pytest.fixture
def stop_at(monkeypatch):
    """Let Ctrl-C come as a job begins; gives the numbers of the jobs that are played, from 1 on."""
    played, score = [], scores._score_block

    def set_stop(number):
        played.clear()

        def play(*job):
            if len(played) + 1 == number:
                raise KeyboardInterrupt
            played.append(job)
            return score(*job)

        monkeypatch.setattr(scores, "_score_block", play)
        return played

    return set_stop


def test_what_was_stopped_goes_on_where_it_was(env, policies, tmp_path, stop_at, capsys):
    whole, path, begun = (tmp_path / name for name in ("whole.json", "out.json", ".out.json.begun"))

    def evaluate(out, *options):
        arguments = ["evaluate", policies, "--env", env, "--workers", 1, "--out", out, *options]
        return main([*map(str, arguments)])

    played = stop_at(None)
    assert evaluate(whole) == 0
    assert len(played) == 5, "jobs of two policies"
    stop_at(5)  # The last job but one is of those that wait for the choice.
    assert evaluate(path) == 130
    assert "interrupted; nothing that was finished is lost" in capsys.readouterr().err
    assert not path.exists()
    with begun.open("a") as file:
        file.write('{"number": 4, "succ')  # As a kill leaves it.
    played = stop_at(None)
    assert evaluate(path) == 0
    assert len(played) == 1
    assert not begun.exists()
    ours, theirs = (json.loads(file.read_text()) for file in (path, whole))
    for result in (ours, theirs):
        result["provenance"].pop("created")
    assert ours == theirs


@pytest.mark.parametrize("options", [["--layouts-per-policy", "3"], []])
def test_what_is_kept_is_of_the_same_settings_alone(env, policies, tmp_path, stop_at, options):
    def evaluate(folder, *options):
        out = ["--out", tmp_path / "out.json", "--workers", 1]
        return main([*map(str, ["evaluate", folder, "--env", env, *out, *options])])

    stop_at(4)
    assert evaluate(policies) == 130
    other = policies
    if not options:  # Other policies in their place.
        parameters, spec, metadata = load_policies(policies)
        other = tmp_path / "other"
        save_policies(other, parameters[::-1].copy(), spec, metadata)
    played = stop_at(None)
    assert evaluate(other, *options) == 0
    assert len(played) == 5
