"""`make-an-agent zoo`, as a user types it: results, refusals in one line, Ctrl-C and kill -9."""

import json
import os
import shutil
import signal
import subprocess
import sysconfig
import time
from pathlib import Path

import pytest
from tests.tiny_sac import SUITE as EASY
from tests.tiny_sac import TASKS as EASY_TASKS
from tests.tiny_zoo import SUITE, TASKS, as_options, bytes_of

from makeanagent.cli import main
from makeanagent.zoo.replay import load_replay
from makeanagent.zoo.store import Zoo

COMMAND = str(Path(sysconfig.get_path("scripts")) / "make-an-agent")
BUILD = ("zoo", "build", "--suite", SUITE, "--tasks", *TASKS, *as_options())
TIMEOUT = 60
needs_proc = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="no /proc to look for processes that were left"
)


def run(*arguments):
    return main([str(argument) for argument in arguments])


def refuse(capsys, *arguments):
    """The one line that a refused command prints."""
    assert run(*arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("make-an-agent: error: ")
    return line.removeprefix("make-an-agent: error: ")


def start(folder):
    """Start a build in a process group of its own, as a terminal does."""
    return subprocess.Popen(
        [COMMAND, *BUILD, "--out", str(folder), "--workers", "2"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_until(condition, what):
    end = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < end, f"waited {TIMEOUT} s for {what}"
        time.sleep(0.01)


def read_stat(pid):
    """State and parent of a process; None once it is over."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in "ZX" else (state, int(parent))


def children_of(pid):
    running = {int(path.name): read_stat(path.name) for path in Path("/proc").glob("[0-9]*")}
    return {child for child, stat in running.items() if stat and stat[1] == pid}


MOMENTS = {
    "begun": lambda folder: (folder / "zoo.json").exists(),
    "trained": lambda folder: any(folder.glob(".*.partial")),
    "a shard is done": lambda folder: any(folder.glob("Reacher*.json")),
}


@needs_proc
def test_kill_9_costs_no_more_than_the_work_in_flight(tmp_path, tiny_zoo, capsys):
    folder = tmp_path / "zoo"
    for moment, has_come in MOMENTS.items():
        process = start(folder)
        wait_until(lambda: has_come(folder) or process.poll() is not None, moment)  # noqa: B023
        workers = children_of(process.pid)
        assert len(workers) >= 2 or moment == "begun"
        process.kill()
        _, errors = process.communicate()
        assert process.returncode == -signal.SIGKILL, errors
        wait_until(lambda: not any(map(read_stat, workers)), "workers to go")  # noqa: B023
    finished = Zoo.open(folder).shard_names()
    assert finished
    before = (folder / f"{finished[0]}.safetensors").stat().st_mtime_ns

    assert run(*BUILD, "--out", folder, "--workers", 1) == 0
    assert run("zoo", "verify", folder) == 0
    assert "2 shards, all whole" in capsys.readouterr().out
    assert (folder / f"{finished[0]}.safetensors").stat().st_mtime_ns == before
    assert bytes_of(Zoo.open(folder)) == bytes_of(tiny_zoo)
    assert not list(folder.glob(".*")), "nothing of the killed jobs is left"


@needs_proc
@pytest.mark.parametrize("moment", ["begun", "trained"])
def test_ctrl_c_ends_at_once_and_leaves_the_zoo_resumable(tmp_path, tiny_zoo, moment):
    folder = tmp_path / "zoo"
    process = start(folder)
    wait_until(lambda: MOMENTS[moment](folder) or process.poll() is not None, moment)
    workers = children_of(process.pid)
    begin = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)  # As a terminal does: to the workers too.
    _, errors = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130, errors
    assert time.monotonic() - begin < 10
    *bar, line = errors.splitlines()
    assert line == "make-an-agent: interrupted; nothing that was finished is lost"
    assert len(bar) <= 1, errors
    wait_until(lambda: not any(map(read_stat, workers)), "workers to go")

    assert run(*BUILD, "--out", folder, "--workers", 1) == 0
    assert bytes_of(Zoo.open(folder)) == bytes_of(tiny_zoo)


def test_list_shows_every_task(tiny_zoo, capsys):
    assert run("zoo", "list", tiny_zoo.folder) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    for task in TASKS:
        (row,) = (row for row in rows if task in row)
        assert row[3:6:2] == ["9", "3"], "policies and runs"


def test_show_tells_how_the_zoo_and_a_task_were_made(tiny_zoo, capsys):
    assert run("zoo", "show", tiny_zoo.folder) == 0
    assert '"recipe": "distillation"' in capsys.readouterr().out
    assert run("zoo", "show", tiny_zoo.folder, "Reacher-v5") == 0
    first, *runs = capsys.readouterr().out.splitlines()
    assert first == "Reacher-v5-000: expert success 1.00, seed 0"
    assert [line.split(",")[0] for line in runs] == [f"  run {k}: 3 checkpoints" for k in range(3)]


def test_verify_passes_a_whole_zoo(tiny_zoo, capsys):
    assert run("zoo", "verify", tiny_zoo.folder) == 0
    assert capsys.readouterr().out == f"{tiny_zoo.folder}: 2 shards, all whole\n"


@pytest.fixture
def damaged(tmp_path, tiny_zoo):
    folder = tmp_path / "damaged"
    shutil.copytree(tiny_zoo.folder, folder)
    path = folder / "Reacher-v5-000.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    return path


def test_verify_names_a_damaged_shard_and_a_rebuild_mends_it(damaged, tiny_zoo, capsys):
    assert run("zoo", "verify", damaged.parent) == 2
    captured = capsys.readouterr()
    assert captured.out.startswith(f"{damaged}: altered: ")
    assert captured.err.startswith(f"make-an-agent: error: {damaged.parent}: 1 fault")
    assert len(captured.err.splitlines()) == 1

    damaged.with_suffix(".json").unlink()
    assert run(*BUILD, "--out", damaged.parent, "--workers", 1) == 0
    assert run("zoo", "verify", damaged.parent) == 0
    assert bytes_of(Zoo.open(damaged.parent)) == bytes_of(tiny_zoo)


def test_a_damaged_index_is_named_in_one_line(damaged, capsys):
    index = damaged.with_suffix(".json")
    index.write_text(index.read_text()[:50])
    assert refuse(capsys, "zoo", "list", damaged.parent).startswith(
        f"{index}: not readable as JSON"
    )
    assert refuse(capsys, "zoo", "show", damaged.parent, "Reacher-v5").startswith(f"{index}: ")


def test_unknown_zoos_and_tasks_are_refused_in_one_line(tmp_path, tiny_zoo, capsys):
    for verb in ("list", "show", "verify"):
        assert refuse(capsys, "zoo", verb, tmp_path).startswith(f"{tmp_path}: no zoo here")
        missing = tmp_path / "missing"
        assert refuse(capsys, "zoo", verb, missing).startswith(f"{missing}: no zoo here")
    assert refuse(capsys, "zoo", "show", tiny_zoo.folder, "reach") == (
        f"{tiny_zoo.folder}: no policies of reach; its tasks: Reacher-mirrored, Reacher-v5"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--workers", "0"], "--workers 0: "),
        (["--blocks", "0"], "--blocks 0: "),
        (["--window-steps", "0"], "--window-steps 0: "),
        (["--window-steps", "61"], "PromptWindow: num_steps 61 is no multiple of group_steps 3"),
        (["--seed", "-1"], "--seed -1: "),
        (["--num-runs", "0"], "num_runs 0: "),
        (["--suite", "nothing"], "nothing: no such suite"),
        (["--suite", "nothing.py"], "nothing.py: no such file"),
        (["--tasks", "nothing"], f"{SUITE}/nothing: no such task"),
        (["--tasks"], f"{SUITE}: no task is given"),
        (["--suite", "gymnasium", "--tasks", "Reacher-v5"], "gymnasium/Reacher-v5: has no expert"),
    ],
)
def test_a_build_that_cannot_be_is_refused_before_it_begins(tmp_path, capsys, options, message):
    folder = tmp_path / "zoo"
    line = refuse(capsys, *BUILD, "--out", folder, *options)
    assert line.startswith(message)
    assert not folder.exists()


def test_a_build_goes_on_with_the_same_settings_alone(tiny_zoo, capsys):
    line = refuse(capsys, *BUILD, "--out", tiny_zoo.folder, "--window-steps", "30")
    assert line.startswith(f"{tiny_zoo.folder}: this zoo was begun with num_steps 60, not 30")


def test_a_folder_of_other_things_is_no_place_for_a_zoo(tmp_path, capsys):
    (tmp_path / "notes.txt").touch()
    assert refuse(capsys, *BUILD, "--out", tmp_path).startswith(f"{tmp_path}: not empty")


SAC = ("--recipe", "sac", "--preset", "smoke")
SAC_BUILD = ("zoo", "build", "--suite", EASY, "--tasks", *EASY_TASKS, *SAC, "--workers", "1")


@pytest.fixture(scope="module")
def sac_zoo(tmp_path_factory):
    """A zoo of SAC agents; tests must not alter it."""
    folder = tmp_path_factory.mktemp("sac") / "zoo"
    assert run(*SAC_BUILD, "--out", folder) == 0
    return folder


def test_a_sac_zoo_is_built_listed_shown_and_verified(sac_zoo, capsys):
    zoo = Zoo.open(sac_zoo)
    assert zoo.header["recipe"] == "sac"
    assert zoo.header["config"]["env_steps"] == 1_200
    assert zoo.header["given"] == {"preset": "smoke"}
    assert zoo.tasks() == sorted(EASY_TASKS)
    assert not list(sac_zoo.glob(".*"))

    assert run("zoo", "list", sac_zoo) == 0
    listed = capsys.readouterr().out
    assert all(task in listed for task in EASY_TASKS)
    assert run("zoo", "show", sac_zoo) == 0
    assert '"recipe": "sac"' in capsys.readouterr().out
    assert run("zoo", "show", sac_zoo, "drift-v1") == 0
    first, *runs = capsys.readouterr().out.splitlines()
    assert first == "drift-v1-000: expert success 0.85, seed 0"
    assert runs and all("checkpoints, success" in line for line in runs)
    assert run("zoo", "verify", sac_zoo) == 0
    assert capsys.readouterr().out == f"{sac_zoo}: 2 shards, all whole\n"


def test_a_finished_sac_zoo_is_left_as_it_is(sac_zoo, capsys):
    before = {path: path.stat().st_mtime_ns for path in sac_zoo.iterdir()}
    assert run(*SAC_BUILD, "--out", sac_zoo) == 0
    assert {path: path.stat().st_mtime_ns for path in sac_zoo.iterdir()} == before
    capsys.readouterr()
    line = refuse(capsys, *SAC_BUILD, "--out", sac_zoo, "--num-runs", "1")
    assert line.startswith(f"{sac_zoo}: this zoo was begun with config num_runs 2, not 1; ")


def test_an_expert_is_needed_for_demonstrations_alone(tmp_path, capsys):
    arguments = ("zoo", "build", "--suite", EASY, "--tasks", "alone-v1", *SAC, "--workers", "1")
    line = refuse(capsys, *arguments, "--out", tmp_path / "with")
    assert line.startswith(f"{EASY}/alone-v1: has no expert")
    assert not (tmp_path / "with").exists()
    options = ("--num-demonstrations", "0", "--no-standardize", "--env-steps", "600")
    assert run(*arguments, *options, "--out", tmp_path / "without") == 0
    assert run("zoo", "verify", tmp_path / "without") == 0
    assert run("zoo", "show", tmp_path / "without", "alone-v1") == 0
    assert "expert success -, seed 0" in capsys.readouterr().out


def test_replay_is_written_once_for_each_task(sac_zoo, tmp_path, capsys):
    out = tmp_path / "replay"
    assert run("zoo", "replay", sac_zoo, "--out", out) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    zoo = Zoo.open(sac_zoo)
    for task, line in zip(zoo.tasks(), lines, strict=True):
        (shard,) = zoo.load_task(task)
        count = len(shard.replay)
        assert line == f"{out / task}: {count} episodes"
        assert len(load_replay(out, task, count)) == count > 0
        metadata = json.loads((out / task / "data" / "metadata.json").read_text())
        assert sorted(metadata["origin"]["agent"]) == sorted(shard.replay_run.tolist())
        assert metadata["origin"]["config"]["num_runs"] == 2
        assert metadata["origin"]["provenance"] == zoo.header["provenance"]
    assert run("zoo", "replay", sac_zoo, "--out", out) == 0
    assert capsys.readouterr().out == "", "what is there stays"


def test_replay_that_was_stopped_is_written_anew(sac_zoo, tmp_path):
    out = tmp_path / "replay"
    (out / "drift-v1").mkdir(parents=True)  # As a full disk leaves it.
    assert run("zoo", "replay", sac_zoo, "--out", out) == 0
    assert load_replay(out, "drift-v1", 1)


def test_a_zoo_without_replay_is_refused(tiny_zoo, tmp_path, capsys):
    line = refuse(capsys, "zoo", "replay", tiny_zoo.folder, "--out", tmp_path / "replay")
    assert line == f"{tiny_zoo.folder}: a zoo of distillation has no replay"
    assert not (tmp_path / "replay").exists()
    line = refuse(capsys, "zoo", "replay", tmp_path, "--out", tmp_path / "replay")
    assert line.startswith(f"{tmp_path}: no zoo here")


def test_a_task_that_no_agent_solves_is_named_in_one_line(tmp_path, capsys):
    arguments = ("zoo", "build", "--suite", EASY, "--tasks", "never-v1", *SAC, "--workers", "1")
    assert run(*arguments, "--env-steps", "400", "--out", tmp_path / "zoo") == 2
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith(f"make-an-agent: error: {EASY}/never-v1: none of 2 agents solved")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            [*SAC, "--elastic-pull", "0"],
            "--elastic-pull: an option of --recipe distillation, not of sac",
        ),
        (["--preset", "smoke"], "--preset smoke: --recipe distillation has fast alone"),
        (["--env-steps", "4"], "--env-steps: an option of --recipe sac, not of distillation"),
        ([*SAC, "--num-runs", "0"], "num_runs 0: must be at least 1"),
        ([*SAC, "--tau", "2"], "tau 2.0: must be above 0 and at most 1"),
        ([*SAC, "--layout", "10000"], "layout 10000: "),
        ([*SAC, "--checkpoint-steps", "300"], "checkpoint_steps 300: must be a multiple"),
    ],
)
def test_settings_of_the_wrong_recipe_or_range_are_refused(tmp_path, capsys, options, message):
    arguments = ("zoo", "build", "--suite", EASY, "--tasks", *EASY_TASKS, "--workers", "1")
    line = refuse(capsys, *arguments, *options, "--out", tmp_path / "zoo")
    assert line.startswith(message)
    assert not (tmp_path / "zoo").exists()
