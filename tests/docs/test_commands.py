"""Every command in the README, the examples and the benchmarks is one that the parser takes."""

import re
import shlex
from pathlib import Path

import pytest

from makeanagent import cli

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "examples/README.md", "benchmarks/replicate.sh", "docs/formats.md")
VERBS = ("Demo", "Record", "Generate", "Evaluate", "ZooCommand", "Train")


def find_commands(page: str) -> list[list[str]]:
    """Commands at the beginning of a line, joined over backslashes, without comments."""
    text = (ROOT / page).read_text().replace("\\\n", " ")
    lines = re.findall(r"^make-an-agent .*$", text, flags=re.MULTILINE)
    return [shlex.split(line, comments=True)[1:] for line in lines]


@pytest.mark.parametrize("page", PAGES)
def test_documented_commands_parse(page, monkeypatch):
    ran = []
    for verb in VERBS:
        monkeypatch.setattr(getattr(cli, verb), "run", lambda self: ran.append(self))
    commands = find_commands(page)
    for command in commands:
        assert cli.main(command) == 0, command
    assert len(ran) == len(commands)


def test_there_are_commands_to_check():
    assert len(find_commands("README.md")) >= 6
    assert len(find_commands("benchmarks/replicate.sh")) >= 6


def test_a_wrong_option_would_be_found():
    with pytest.raises(SystemExit):
        cli.main(["record", "--env", "metaworld/reach-v3", "--nonsense", "1"])
