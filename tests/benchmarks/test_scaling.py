"""Generators of drawn tasks alone: variants that differ in one thing, and what each is worth."""

from dataclasses import asdict, dataclass, replace
from functools import partial

import numpy as np
import pytest
import torch
from benchmarks.__main__ import main
from benchmarks.experiments import scaling, scaling_training
from benchmarks.experiments.scaling_measures import draw_held_out, measure_error, summarize
from benchmarks.experiments.scaling_training import Variant, list_variants
from tests.tiny_reader import TRAINING

from makeanagent.artifacts import read_json
from makeanagent.generator import MakeAnAgent
from makeanagent.parallel import open_pool
from makeanagent.suites.procedural import FamilyConfig, ProceduralSuite
from makeanagent.training.drawn import DrawnConfig

TASKS = ("3", "5")
TINY = replace(TRAINING, gradient_steps=2)
VARIANTS = (
    Variant(kind="tasks", name="tasks-4", num_tasks=4, training=TINY),
    Variant(kind="network", name="plain", num_tasks=4, training=TINY),
    Variant(
        kind="family",
        name="no-habits",
        num_tasks=4,
        family=FamilyConfig(habits=False),
        training=TINY,
    ),
)
tiny_drawn = partial(
    DrawnConfig, tasks_per_shard=4, num_layouts=1, num_states=12, num_knots=6, failures=1.0
)


@dataclass(frozen=True)
class FewSuite(ProceduralSuite):
    """Two drawn tasks, of which one is unseen."""

    @property
    def groups(self):
        return {"unseen": TASKS[1:]}

    def tasks(self):
        return TASKS


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The experiment on tiny trainings, with the rows that it wrote."""
    monkeypatch.setattr(scaling, "list_variants", lambda: iter(VARIANTS))
    monkeypatch.setattr(scaling_training, "DrawnConfig", tiny_drawn)
    monkeypatch.setattr(scaling, "find_suite", lambda name: FewSuite())
    monkeypatch.setattr(scaling, "draw_held_out", partial(draw_held_out, num_tasks=12))
    monkeypatch.setattr(scaling, "open_pool", lambda count=1: open_pool(1))

    def call(*options):
        common = ["--lessons", tmp_path / "lessons", "--runs", tmp_path / "runs"]
        out = tmp_path / "scaling.json"
        code = main(["scaling", *map(str, [*common, "--out", out, "--num-prompts", 1, *options])])
        return code, read_json(out)["rows"] if code == 0 else None

    call.folder = tmp_path
    return call


def test_variants_differ_in_one_thing():
    variants = {variant.name: variant for variant in list_variants()}
    assert len(variants) == len(list(list_variants()))
    plain = variants["tasks-60000"]
    for variant in variants.values():
        changed = [
            name
            for name in ("num_tasks", "family", "training")
            if getattr(variant, name) != getattr(plain, name)
        ]
        if variant.kind == "width":
            assert changed == ["num_tasks", "training"]
        else:
            wanted = {"tasks": ["num_tasks"], "network": ["training"], "family": ["family"]}
            assert changed == (wanted[variant.kind] if variant is not plain else [])
        training, other = asdict(variant.training), asdict(plain.training)
        shapes = {name for name in training if training[name] != other[name]}
        assert shapes <= {"reader", "basis", "denoiser"}


def test_each_is_trained_played_and_kept(run, capsys):
    code, rows = run()
    assert code == 0, capsys.readouterr().err
    assert [row["name"] for row in rows] == ["tasks-4", "plain", "no-habits"]
    for row in rows:
        assert {task: np.shape(success) for task, success in row["success"].items()} == {
            task: (1, 3) for task in TASKS
        }
        assert row["num_prompts"] == 2 * TINY.batch_size
    # The same training twice, but for its name; another family has lessons of its own.
    assert rows[0]["error"] == rows[1]["error"] != rows[2]["error"]
    lessons = run.folder / "lessons"
    first, other = (
        (folder / "drawn" / "00000.safetensors").read_bytes()
        for folder in (lessons, lessons / "no-habits")
    )
    assert first != other
    cell = run.folder / "runs" / "cells" / "plain.json"
    before = cell.stat().st_mtime_ns
    assert run()[1] == rows
    assert cell.stat().st_mtime_ns == before
    cell.write_text(cell.read_text().replace('"num_prompts": 1', '"num_prompts": 2'))
    assert run()[1] == rows
    assert cell.stat().st_mtime_ns != before


def test_a_longer_training_is_a_row_beside(run, capsys):
    run("--variants", "tasks-4")
    folder = run.folder / "runs" / "tasks-4" / "generator"
    code, rows = run("--variants", "plain", "--longer", folder)
    assert code == 0, capsys.readouterr().err
    assert [row["name"] for row in rows] == ["plain", "tasks-4"]
    assert rows[1]["kind"] == "longer"
    assert rows[1]["num_prompts"] == rows[0]["num_prompts"]
    assert rows[1]["error"] == rows[0]["error"]


def test_what_it_cannot_measure_is_refused_in_one_line(run, capsys):
    assert run("--variants", "nonsense")[0] == 2
    assert "no-habits" in capsys.readouterr().err
    assert run("--variants", "plain", "--longer", "metaworld-41")[0] == 2
    error = capsys.readouterr().err
    assert "must be a generator of drawn tasks alone" in error and error.count("\n") == 1


def test_the_error_is_of_what_policies_do():
    generator = MakeAnAgent.from_pretrained("metaworld-41")
    found = measure_error(generator, draw_held_out(generator, 12))
    assert 0 < found < 0.15
    worse = MakeAnAgent.from_pretrained("metaworld-41")
    torch.nn.init.zeros_(worse.denoiser.head.weight)
    assert measure_error(worse, draw_held_out(worse, 12)) > 2 * found


def test_means_are_over_tasks():
    found = summarize({"a": [[1, 1], [0, 0]], "b": [[0, 0], [0, 0]], "c": [[1, 1]]}, ["a", "c"])
    assert found["mean"] == pytest.approx(0.5)
    assert found["nine"] == pytest.approx(0.75)
    assert found["standard_error"] == pytest.approx(0.5 / 3**0.5)
    assert found["never"] == ["b"]
