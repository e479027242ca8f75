"""The folder for a Space: its header and its container agree, and its command is one that runs."""

import json
import re
from pathlib import Path

from makeanagent import cli

SPACE = Path(__file__).parents[2] / "examples" / "space"


def test_the_container_serves_where_the_header_says(monkeypatch):
    _, header, _ = (SPACE / "README.md").read_text().split("---\n", 2)
    fields = dict(line.split(": ", 1) for line in header.splitlines())
    assert fields["sdk"] == "docker"
    assert len(fields["short_description"]) <= 60
    (command,) = re.findall(r"^CMD (.*)$", (SPACE / "Dockerfile").read_text(), re.MULTILINE)
    program, *words = json.loads(command)
    taken = []
    monkeypatch.setattr(cli.Web, "run", lambda self: taken.append(self))
    assert program == "make-an-agent"
    assert cli.main(words) == 0
    assert (taken[0].host, str(taken[0].port)) == ("0.0.0.0", fields["app_port"])
