"""`benchmark paper` from end to end on a small suite: both zoos, all experiments, and resuming."""

import json
from dataclasses import replace

import numpy as np
import pytest
from benchmarks.__main__ import main
from tests.tiny_zoo import SUITE, TASKS, TINY

from makeanagent.rl.sac.config import SMOKE as SAC_SMOKE
from makeanagent.training import presets as training
from makeanagent.zoo.replay import save_replay
from makeanagent.zoo.store import Zoo

SHORT = replace(
    training.SMOKE,
    behavior=replace(training.SMOKE.behavior, gradient_steps=20),
    diffusion=replace(training.SMOKE.diffusion, gradient_steps=20, validate_steps=10),
)


@pytest.fixture(scope="module")
def files(tiny_zoo, tmp_path_factory):
    """A distilled zoo of one task whose policies all count, the same as a SAC zoo, and prompts."""
    folder = tmp_path_factory.mktemp("paper")
    for name, recipe, config in (("zoo", "distillation", TINY), ("sac", "sac", SAC_SMOKE)):
        zoo = Zoo.create(folder / name, SUITE, tiny_zoo.spec, recipe, config, 0)
        shard = tiny_zoo.load_task(TASKS[0])[0]
        zoo.add_shard(replace(shard, success=np.ones_like(shard.success)))
    for task in TASKS:
        episodes = tiny_zoo.load_task(task)[0].demonstrations
        save_replay(folder / "replay", task, episodes[:3], {})
    return folder


@pytest.fixture
def command(files, monkeypatch):
    monkeypatch.setitem(training.PRESETS, "smoke", SHORT)
    monkeypatch.setitem(training.PRESETS, "paper", SHORT)
    return [
        "--zoo", files / "zoo", "--sac-zoo", files / "sac", "--replay", files / "replay",
        "--runs", files / "runs", "--out", files / "out", "--pictures", files / "pictures",
        "--tasks", *TASKS, "--preset", "smoke", "--seeds", "1", "--num-prompts", "2",
    ]  # fmt: skip


def run(*arguments):
    return main([*map(str, arguments)])


def test_all_experiments_in_one_go_and_again_from_their_cells(files, command, capsys):
    assert run("paper", *command, "--sources", "expert", "replay") == 0
    results = {path.stem: json.loads(path.read_text()) for path in (files / "out").iterdir()}
    assert sorted(results) == ["alignment", "figure5", "figure7", "table4"]
    assert {(row["zoo"], row["source"], row["task"]) for row in results["table4"]["rows"]} == {
        (zoo, source, task)
        for zoo, source in (("distilled", "expert"), ("distilled", "replay"), ("sac", "replay"))
        for task in TASKS
    }
    assert {mean["zoo"] for mean in results["alignment"]["means"]} == {"sac", "sac-aligned"}
    assert all(point["zoo"] == "distilled" for point in results["figure7"]["points"])
    assert sorted(path.name for path in (files / "pictures").iterdir()) == [
        "figure5.png",
        "figure7.png",
    ]
    cells = {path: path.stat().st_mtime_ns for path in (files / "runs" / "cells").iterdir()}
    # 2 sources + SAC on two tasks, three noises on the unseen one, the aligned zoo on the seen.
    assert len(cells) == 3 * 2 + 3 + 1
    capsys.readouterr()
    assert run("figure7", *command) == 0
    assert cells == {path: path.stat().st_mtime_ns for path in cells}


def test_a_row_of_the_papers_preset_on_a_share_of_its_schedule(files, command, tmp_path):
    # A second training seed for the others, none for it.
    options = ("--seeds", "2", "--sources", "replay", "--out", tmp_path, "--paper-schedule", "0.5")
    assert run("table4", *command, *options) == 0
    table = json.loads((tmp_path / "table4.json").read_text())
    assert table["paper_schedule"] == 0.5
    seeds = {mean["zoo"]: mean["num_seeds"] for mean in table["means"]}
    assert seeds == {"distilled": 2, "distilled-paper": 1, "sac": 2}


def test_what_is_missing_is_said_in_one_line(files, command, tmp_path, capsys):
    assert run("table4", *command, "--sources", "zoo") == 2
    assert f"no zoo holds policies of {TASKS[1]}" in capsys.readouterr().err
    missing = ["--replay", tmp_path, "--runs", tmp_path / "runs", "--sources", "replay"]
    assert run("table4", *command, *missing) == 2
    error = capsys.readouterr().err
    assert "no replay prompts here" in error
    assert run("table4", *command, "--seeds", "0") == 2
    assert "--seeds 0: must be 1 or more" in capsys.readouterr().err
    assert run("table4", *command, "--paper-schedule", "0") == 2
    assert "--paper-schedule 0.0: must be in (0, 1]" in capsys.readouterr().err
    assert run("alignment", *command, "--sac-zoo", "None") == 2
    assert "give --sac-zoo as well" in capsys.readouterr().err
