"""The paper's experiments from end to end on a small suite: both zoos, shared cells, resuming."""

import json
from dataclasses import replace

import numpy as np
import pytest
from benchmarks.__main__ import main
from benchmarks.experiments import table4
from benchmarks.results import list_changes
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
        "--runs", files / "runs", "--tasks", *TASKS, "--preset", "smoke", "--seeds", "1",
        "--num-prompts", "2", "--note", "A small one.",
    ]  # fmt: skip


def run(name, command, out, *options):
    assert main([name, *map(str, [*command, "--out", out, *options])]) == 0
    return json.loads(out.read_text())


def test_the_experiments_share_training_runs_and_cells(files, command, tmp_path):
    table = run("table4", command, tmp_path / "table4.json", "--sources", "expert", "replay")
    assert {(row["zoo"], row["source"], row["task"]) for row in table["rows"]} == {
        (zoo, source, task)
        for zoo, source in (("distilled", "expert"), ("distilled", "replay"), ("sac", "replay"))
        for task in TASKS
    }
    options = table["settings"]["options"]
    assert (options["sources"], options["tasks"]) == (["expert", "replay"], sorted(TASKS))
    assert list_changes(table, table4.resolve_settings) == []
    folder = files / "runs" / "cells"
    cells = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    # 2 sources + SAC on two tasks.
    assert len(cells) == 3 * 2
    picture = tmp_path / "figure5.png"
    run("figure5", command, tmp_path / "figure5.json", "--figure", picture)
    assert picture.stat().st_size > 10_000
    # Figure 5 reads what Table 4 has filled.
    assert cells == {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    picture = tmp_path / "figure7.png"
    noisy = run("figure7", command, tmp_path / "figure7.json", "--figure", picture)
    assert all(point["zoo"] == "distilled" for point in noisy["points"])
    assert picture.stat().st_size > 10_000
    aligned = run("alignment", command, tmp_path / "alignment.json")
    assert {mean["zoo"] for mean in aligned["means"]} == {"sac", "sac-aligned"}
    # Three noises on the unseen task, the aligned zoo on the seen one.
    assert len(list(folder.iterdir())) == 3 * 2 + 3 + 1


def test_a_row_of_the_papers_preset_on_a_share_of_its_schedule(command, tmp_path):
    # A second training seed for the others, none for it.
    options = ("--seeds", "2", "--sources", "replay", "--paper-schedule", "0.5")
    table = run("table4", command, tmp_path / "table4.json", *options)
    seeds = {mean["zoo"]: mean["num_seeds"] for mean in table["means"]}
    assert seeds == {"distilled": 2, "distilled-paper": 1, "sac": 2}
    assert table["note"] == "A small one."
    settings = table["settings"]
    assert settings["options"]["paper_schedule"] == 0.5
    assert settings["cells"]["num_prompts"] == 2
    # What each kind of generator was trained with, as it was resolved.
    steps = {zoo: each["behavior"]["gradient_steps"] for zoo, each in settings["training"].items()}
    assert steps == {"distilled": 20, "distilled-paper": 10, "sac": 20}
    shares = {
        zoo: each["diffusion"]["demonstration_share"] for zoo, each in settings["training"].items()
    }
    assert shares["sac"] == 0.0 < shares["distilled"]


def test_what_is_missing_is_said_in_one_line(command, tmp_path, capsys):
    def fail(name, *options):
        assert main([name, *map(str, [*command, *options])]) == 2
        return capsys.readouterr().err

    assert f"no zoo holds policies of {TASKS[1]}" in fail("table4", "--sources", "zoo")
    missing = ["--replay", tmp_path, "--runs", tmp_path / "runs", "--sources", "replay"]
    assert "no replay prompts here" in fail("table4", *missing)
    assert "--seeds 0: must be 1 or more" in fail("table4", "--seeds", "0")
    error = fail("table4", "--paper-schedule", "0")
    assert "--paper-schedule 0.0: must be in (0, 1]" in error
    assert "give --sac-zoo as well" in fail("alignment", "--sac-zoo", "None")
    assert "none is unseen" in fail("figure7", "--tasks", TASKS[0])
