"""Baselines on a published zoo: what is fitted sees no test, and the file says all of it."""

import json

import numpy as np
import pytest
from benchmarks.__main__ import main
from benchmarks.experiments import dataset
from benchmarks.results import list_changes

pytest.importorskip("pyarrow", reason="the extra `publish` is not installed")

SPLIT = np.array(["train"] * 30 + ["validation"] * 10 + ["test"] * 10)


def make_rows():
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((50, 200))
    inputs[:, 0] *= 30
    return inputs, inputs[:, :1] / 30 + 0.5


def test_ridge_finds_what_is_there_and_sees_no_test():
    inputs, targets = make_rows()
    predicted, penalty = dataset.fit_ridge(inputs, targets, SPLIT)
    test = SPLIT == "test"
    assert np.corrcoef(predicted[test, 0], targets[test, 0])[0, 1] > 0.9
    assert penalty in dataset._PENALTIES
    changed = np.where(test[:, None], 100.0, targets)
    assert np.array_equal(dataset.fit_ridge(inputs, changed, SPLIT)[0], predicted)


def test_rates_of_predictions():
    success, test = np.array([0.0, 0.5, 1.0, 1.0, 0.4]), np.arange(5) < 4
    task = np.array(["a", "a", "b", "b", "b"])
    perfect = dataset._rate(success, success, task, test)
    assert (perfect["rmse"], perfect["r2"]) == (0, 1)
    assert perfect["rank_correlation"] == pytest.approx(1), "b does not vary in the test"
    reversed_within = dataset._rate(np.array([0.2, 0.1, 0.9, 0.8, 0.0]), success, task, test)
    assert reversed_within["rank_correlation"] == pytest.approx(-1), "not across tasks"
    mean = dataset._rate(np.full(5, success[:4].mean()), success, task, test)
    assert mean["r2"] == pytest.approx(0) and mean["rank_correlation"] is None


def test_the_command_on_a_zoo(tiny_zoo, tmp_path, monkeypatch):
    out = tmp_path / "dataset.json"
    # The tiny zoo is too bad for qualified policies of each split: here all count as such.
    opened = dataset.load_published

    def load_lenient(folder):
        published = opened(folder)
        published.index["qualified"][:] = True
        return published

    monkeypatch.setattr(dataset, "load_published", load_lenient)
    options = ["--num-samples", "2", "--num-layouts", "2", "--workers", "1", "--out", str(out)]
    assert main(["dataset", "--zoo", str(tiny_zoo.folder), *options]) == 0
    result = json.loads(out.read_text())
    by_run, by_task = result["success"]
    assert by_run["methods"].keys() == {"weights", "layer statistics", "mean of the task"}
    assert by_task["methods"] is None, "two tasks leave none for validation"
    assert result["task"]["num_test"] == 6
    assert result["task"]["accuracy"]["most frequent task"] == 0.5
    for row in result["generate"]:
        assert row["gaussian"]["num_policies"] == 2
        assert row["gaussian"]["distance"] > 0
    assert list_changes(result, dataset.resolve_settings) == []
    monkeypatch.setattr(dataset, "read_optional", lambda name: result)
    assert "| run | weights | " in dataset.write_page()


def test_what_is_no_zoo_is_one_line(tmp_path, capsys):
    assert main(["dataset", "--zoo", str(tmp_path)]) == 2
    assert f"{tmp_path}: no published zoo here" in capsys.readouterr().err
