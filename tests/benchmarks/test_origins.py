"""What figures were measured of stands in their files, and where it does not, nothing is stale."""

import json
from dataclasses import asdict, replace
from types import SimpleNamespace

import numpy as np
import pytest
from benchmarks.experiments import novelty, representation
from benchmarks.origins import hash_zoo
from benchmarks.results import list_changes
from tests.tiny_zoo import SUITE, TASKS, TINY

from makeanagent.artifacts import as_json, hash_file, write_json
from makeanagent.training.presets import FAST
from makeanagent.zoo.store import Zoo


@pytest.fixture
def folder(tmp_path):
    """A training run's folder, as far as it tells what was trained on."""
    run = {"config": asdict(FAST), "tasks": list(TASKS)}
    write_json(tmp_path / "run" / "run.json", as_json(run))
    return tmp_path / "run"


def check(module, out, expected):
    """A file has these options, and today's settings with them as without."""
    result = json.loads(out.read_text())
    options = result["settings"]["options"]
    assert options.items() >= expected.items()
    assert list_changes(result, module.resolve_settings) == []
    for name in expected:
        del options[name]
    assert list_changes(result, module.resolve_settings) == []


def test_novelty_tells_generator_tasks_and_zoo(tiny_zoo, tmp_path, monkeypatch):
    class Generator:
        config = SimpleNamespace(training=None)

        @classmethod
        def from_pretrained(cls, name):
            return cls()

    monkeypatch.setattr(novelty, "MakeAnAgent", Generator)
    monkeypatch.setattr(novelty, "run_novelty", lambda *_: {})
    monkeypatch.setattr(novelty, "describe_training", lambda _: asdict(FAST))
    monkeypatch.setattr(novelty, "draw_novelty", lambda *_: None)
    monkeypatch.setattr(novelty, "write_figure", lambda *_: None)
    out = tmp_path / "novelty.json"
    novelty.Command(zoo=tiny_zoo.folder, generator="mine", tasks=TASKS[:1], out=out).run()
    told = {"generator": "mine", "tasks": [TASKS[0]], "zoo_sha256": hash_zoo(tiny_zoo)}
    check(novelty, out, told)


def test_representation_tells_its_run(folder, tiny_zoo, tmp_path, monkeypatch):
    class Run:
        tasks, data, training_seconds = TASKS, None, 1.0

        def __init__(self, *_):
            pass

        def load_autoencoder(self):
            pass

        load_behavior = load_autoencoder

    monkeypatch.setattr(representation, "TrainingRun", Run)
    monkeypatch.setattr(representation, "run_representation", lambda *_: {})
    out = tmp_path / "representation.json"
    representation.Command(zoo=tiny_zoo.folder, run_folder=folder, out=out).run()
    check(representation, out, {"run_sha256": hash_file(folder / "run.json")})


def test_another_zoo_has_another_hash(tiny_zoo, tmp_path):
    shard = tiny_zoo.load_task(TASKS[0])[0]
    hashes = []
    for number, shift in enumerate((0, 0, 1)):
        zoo = Zoo.create(tmp_path / str(number), SUITE, tiny_zoo.spec, "distillation", TINY, 0)
        zoo.add_shard(replace(shard, parameters=shard.parameters + np.float32(shift)))
        hashes.append(hash_zoo(zoo))
    assert hashes[0] == hashes[1] != hashes[2]
