"""Every command in the README, the docs and the benchmarks is one that the parser takes."""

import re
import shlex
from pathlib import Path

import pytest
from benchmarks.__main__ import EXPERIMENTS
from benchmarks.__main__ import main as run_benchmark
from benchmarks.experiments import unseen
from benchmarks.results import RESULTS

from makeanagent import cli

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (
        ROOT / "README.md",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "examples").glob("*.md"),
        *(ROOT / "benchmarks").glob("*.md"),
        ROOT / "benchmarks" / "replicate.sh",
    )
)
PROGRAMS = {"make-an-agent": cli.main, "python -m benchmarks": run_benchmark}
VERBS = (
    "Demo", "Record", "Convert", "Generate", "Evaluate", "Export", "ZooCommand", "Train", "Web",
)  # fmt: skip


def find_commands(page: str, program: str) -> list[list[str]]:
    """Arguments of a program's calls: a line each, joined over backslashes, without comments.

    Experiments are also named in prose, in backquotes.
    """
    text = (ROOT / page).read_text().replace("\\\n", " ")
    lines = re.findall(rf"^(?:\w+=\S+ )*({program} .*)$", text, flags=re.MULTILINE)
    if program == "python -m benchmarks":
        lines += re.findall(rf"`({program}\s[^`]*)`", text)
    skipped = len(program.split())
    return [shlex.split(line, comments=True)[skipped:] for line in lines]


@pytest.fixture
def ran(monkeypatch):
    """Commands that were parsed, in place of running them."""
    found = []
    commands = [getattr(cli, verb) for verb in VERBS]
    commands += [experiment.load().Command for experiment in EXPERIMENTS]
    for command in commands:
        monkeypatch.setattr(command, "run", lambda self: found.append(self))
    return found


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("page", PAGES)
def test_documented_commands_parse(page, program, ran):
    # The list of experiments, and the form of all their commands, run nothing.
    commands = [
        command for command in find_commands(page, program) if not {"--list", "NAME"} & set(command)
    ]
    for command in commands:
        assert PROGRAMS[program](command) == 0, command
    assert len(ran) == len(commands)


def test_there_are_commands_to_check():
    assert len(find_commands("README.md", "make-an-agent")) >= 6
    assert len(find_commands("benchmarks/replicate.sh", "make-an-agent")) >= 6
    replicated = find_commands("benchmarks/replicate.sh", "python -m benchmarks")
    assert {command[0] for command in replicated} == {each.name for each in EXPERIMENTS}


def test_every_file_of_figures_can_be_made_again_and_final_tables_on_sealed_layouts(ran):
    for command in find_commands("benchmarks/replicate.sh", "python -m benchmarks"):
        assert run_benchmark(command) == 0
    written = {command.out.name for command in ran}
    assert {path.name for path in RESULTS.glob("*.json")} <= written
    assert [command.sealed for command in ran if isinstance(command, unseen.Command)] == [True] * 3


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_wrong_option_would_be_found(program):
    verb = "record" if program == "make-an-agent" else "speed"
    with pytest.raises(SystemExit):
        PROGRAMS[program]([verb, "--env", "metaworld/reach-v3", "--nonsense", "1"])
