"""The list of experiments, what each file must hold, and what stays out of the package's wheel."""

import ast
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from benchmarks.__main__ import EXPERIMENTS, main
from benchmarks.experiments import speed
from benchmarks.results import RESULTS, read_result
from setuptools import find_packages

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "benchmarks" / "experiments"
UNMEASURED = {"samples"}
"""Experiments whose figures are still to be measured."""


def test_the_list_names_every_experiment_quickly():
    code = (
        "import sys; from benchmarks.__main__ import main; assert main(['--list']) == 0;"
        " heavy = {'torch', 'matplotlib', 'metaworld', 'diffusers'} & set(sys.modules);"
        " sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    lines = found.stdout.splitlines()
    assert [line.split()[0] for line in lines] == [each.name for each in EXPERIMENTS]
    for line, experiment in zip(lines, EXPERIMENTS, strict=True):
        assert experiment.about in line and line.endswith(f"({experiment.result})")
        assert (ROOT / experiment.result).is_file() is (experiment.name not in UNMEASURED)


def owner_of(path: Path) -> str:
    """The experiment that a file belongs to: `unseen` has `unseen_cells.py` and others."""
    names = {experiment.name for experiment in EXPERIMENTS}
    return path.stem if path.stem in names else path.stem.rpartition("_")[0]


def test_each_file_belongs_to_one_experiment_and_imports_no_other():
    files = [path for path in FOLDER.glob("*.py") if path.name != "__init__.py"]
    assert {owner_of(path) for path in files} == {each.name for each in EXPERIMENTS}
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "benchmarks.experiments":
                pytest.fail(f"{path.name}: import a module by its whole name")
            if isinstance(node, ast.ImportFrom) and "benchmarks.experiments." in str(node.module):
                other = Path(str(node.module).rpartition(".")[2])
                assert owner_of(other) == owner_of(path), f"{path.name} imports {other}"


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.name)
def test_each_has_a_command_with_help_settings_and_a_page(experiment, capsys):
    with pytest.raises(SystemExit) as stop:
        main([experiment.name, "--help"])
    assert stop.value.code == 0
    assert f"python -m benchmarks {experiment.name}" in capsys.readouterr().out
    module = experiment.load()
    assert module.Command.run.__doc__ and module.resolve_settings.__doc__
    page = module.write_page()
    nothing = experiment.picture or experiment.name in UNMEASURED
    assert page == "" if nothing else page.startswith("## ") and page.endswith("\n\n")


def test_the_page_on_speed_does_without_a_suite_that_tells_its_physics(monkeypatch):
    result = read_result("speed")
    monkeypatch.setattr(speed, "read_optional", lambda name: result)
    assert "one core: physics alone, environment, policy and environment |" in speed.write_page()
    del result["rollouts"]["physics_steps_per_second_per_core"]
    assert "one core: environment, policy and environment |" in speed.write_page()


def test_the_list_ends_quietly_where_its_reader_does():
    # A reader that has gone before the first line, as `head` may have by the last.
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "benchmarks", "--list"]
    found = subprocess.run(command, cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (found.returncode, found.stderr) == (0, "")


def test_a_page_is_empty_where_nothing_was_measured(monkeypatch, tmp_path):
    monkeypatch.setattr("benchmarks.results.RESULTS", tmp_path)
    assert [experiment.load().write_page() for experiment in EXPERIMENTS] == [""] * len(EXPERIMENTS)


def test_an_unknown_experiment_is_refused_in_one_line(capsys):
    assert main(["nonsense"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert main([]) == 0
    assert "unseen" in capsys.readouterr().out


def test_every_file_of_figures_names_its_experiment():
    names = {experiment.name for experiment in EXPERIMENTS}
    found = {path.name: read_result(path.stem)["benchmark"] for path in RESULTS.glob("*.json")}
    assert len(found) >= 11
    assert set(found.values()) <= names
    for experiment in EXPERIMENTS:
        if not experiment.picture and experiment.name not in UNMEASURED:
            assert found[f"{experiment.name}.json"] == experiment.name


def test_a_wheel_holds_no_experiment():
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    where = config["tool"]["setuptools"]["packages"]["find"]["where"]
    packages = [name for folder in where for name in find_packages(ROOT / folder)]
    assert "makeanagent.suites" in packages
    assert {name.partition(".")[0] for name in packages} == {"makeanagent"}
    assert not list((ROOT / "src" / "makeanagent").rglob("*benchmark*"))
