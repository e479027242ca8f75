"""The fuzzer finds what it is to find, and finds nothing in what the package reads."""

import json
import time

import numpy as np
import pytest
from benchmarks.experiments import fuzz as experiment
from benchmarks.experiments.fuzz import Kind, attempt, change, fuzz, prepare
from tests import tiny_zoo

from makeanagent.errors import InputError


def explode(path):
    raise ValueError("no")


def ramble(path):
    raise InputError("one\ntwo")


def wait(path):
    time.sleep(5)


def hoard(path):
    return np.ones(2**31, np.uint8)


def refuse(path):
    raise InputError("no")


@pytest.mark.parametrize(
    ("read", "outcome"),
    [
        (lambda path: None, "read"),
        (refuse, "refused"),
        (explode, "ValueError"),
        (ramble, "more than a line"),
        (wait, "more than 1 s"),
        (hoard, "MemoryError"),
    ],
)
def test_what_comes_of_reading_is_told(monkeypatch, tmp_path, read, outcome):
    monkeypatch.setattr(experiment, "SECONDS", 1)
    assert attempt(read, tmp_path) == outcome


def test_faults_are_named_and_counted(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"a": [1, {"b": 2}], "c": "x"}))
    found = fuzz({"a": Kind(whole=path, read=explode)}, 5, 0, lambda: None)
    assert found["outcomes"] == [{"kind": "a", "ValueError": 5}]
    assert [fault["number"] for fault in found["faults"]] == list(range(5))
    assert path.read_text() == json.dumps({"a": [1, {"b": 2}], "c": "x"})


def test_a_change_is_made_and_is_the_seeds(tmp_path):
    words = set()
    for seed in range(60):
        for name in ("one.json", "two.json"):
            (tmp_path / name).write_text(json.dumps({"a": [1, {"b": 2}], "c": "x"}))
        before = (tmp_path / "one.json").read_bytes()
        first = change(tmp_path / "one.json", np.random.default_rng(seed))
        second = change(tmp_path / "two.json", np.random.default_rng(seed))
        assert first.partition(":")[2] == second.partition(":")[2]
        after = (tmp_path / "one.json").read_bytes()
        assert (tmp_path / "two.json").read_bytes() == after
        words.add(first.split(" ")[1] if after != before else "same")
    assert len(words) >= 4


def test_nothing_that_is_read_breaks(tmp_path):
    tiny_zoo.build(tmp_path / "zoo")
    folder = tmp_path / "kinds"
    folder.mkdir()
    kinds = prepare(folder, tmp_path / "zoo")
    # Others than those of the figures.
    found = fuzz(kinds, 210, 77, lambda: None)
    assert found["faults"] == []
    assert all(row["refused"] >= 3 and row["read"] >= 1 for row in found["outcomes"])
