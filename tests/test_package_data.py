"""Files beside the modules are in pyproject.toml: an installed package would lack others."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "makeanagent"


def test_every_file_that_is_no_module_is_package_data():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    patterns = project["tool"]["setuptools"]["package-data"]["makeanagent"]
    listed = {path for pattern in patterns for path in PACKAGE.glob(pattern) if path.is_file()}
    there = {
        path
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc") and not path.name.startswith(".")
    }
    assert PACKAGE / "evaluation" / "report.html.jinja" in there
    assert listed == there
