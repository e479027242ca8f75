"""The log of sealed layouts."""

import ast
from pathlib import Path

import pytest
from benchmarks.sealed import log_use, read_log

from makeanagent.errors import InputError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def use(tmp_path):
    def run(name="run", plan=("cell",), layouts=((60_000, 60_050),)):
        return log_use(
            tmp_path / name,
            experiment="toy",
            generators={"0": "ab"},
            layouts=layouts,
            plan=list(plan),
            log=tmp_path / "log.jsonl",
        )

    return run


def test_a_use_is_one_line_that_says_who_played_where(use, tmp_path):
    entry = use()
    assert read_log(tmp_path / "log.jsonl") == [entry]
    assert (tmp_path / "log.jsonl").read_text().count("\n") == 1
    assert entry["experiment"] == "toy" and entry["generators_sha256"] == {"0": "ab"}
    assert entry["layouts"] == [[60_000, 60_050]]
    assert set(entry) >= {"when", "commit", "uses_before"}


def test_a_run_that_goes_on_is_not_counted_twice(use, tmp_path):
    assert use() == use() == use()
    assert use(plan=("cell", "another"))["uses_before"] == 1
    assert use("elsewhere")["uses_before"] == 2
    # One that goes on with either of its plans finds its own line.
    assert use()["uses_before"] == 0 and use(plan=("cell", "another"))["uses_before"] == 1
    assert len(read_log(tmp_path / "log.jsonl")) == 3


def test_uses_of_other_layouts_are_not_counted(use):
    use()
    assert use("b", layouts=((60_050, 60_100),))["uses_before"] == 0
    assert use("c", layouts=((60_500, 60_550), (60_049, 60_051)))["uses_before"] == 2


def test_a_run_whose_line_was_lost_is_logged_anew(use, tmp_path):
    use()
    (tmp_path / "log.jsonl").unlink()
    assert read_log(tmp_path / "log.jsonl") == []
    use()
    assert len(read_log(tmp_path / "log.jsonl")) == 1
    (tmp_path / "log.jsonl").write_text("{\n")
    with pytest.raises(InputError, match="a line is no JSON"):
        use()


def test_only_what_logs_asks_for_sealed_layouts():
    # Protocols read the range, and only the experiment that logs asks them for it; `folds` reads it
    # and logs that itself.
    files = [*(ROOT / "src").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    readers, askers = set(), set()
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute | ast.Name):
                name = node.attr if isinstance(node, ast.Attribute) else node.id
                if name == "SEALED" and path.name != "layouts.py":
                    readers.add(path.name)
            if isinstance(node, ast.keyword) and node.arg == "score_on":
                askers.add(path.name)
    assert readers == {"protocols.py", "folds_cells.py"}
    assert "sealed.log_use(" in (ROOT / "benchmarks/experiments/folds_cells.py").read_text()
    assert askers == {"unseen_cells.py", "unseen.py"}
