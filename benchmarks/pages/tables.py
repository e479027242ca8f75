"""What every page is written with: figures read, described, rounded and laid out."""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"


def read(name: str) -> dict[str, Any]:
    """One benchmark's figures."""
    return json.loads((RESULTS / f"{name}.json").read_text())


def read_optional(name: str) -> dict[str, Any] | None:
    """One benchmark's figures, or None where it has not been run."""
    return read(name) if (RESULTS / f"{name}.json").is_file() else None


def describe(result: dict[str, Any]) -> str:
    """Where and when figures were measured, in one line."""
    provenance = result["provenance"]
    machine, versions = provenance["machine"], provenance["versions"]
    return (
        f"*{provenance['created'][:10]}, commit `{(provenance['git_commit'] or 'none')[:10]}`,"
        f" {machine['processor']} with {machine['num_cpus']} cores, torch {versions['torch']},"
        f" Meta-World {versions['metaworld']}, MuJoCo {versions['mujoco']}.*"
    )


def describe_cells(result: dict[str, Any]) -> str:
    """Where the figures come from."""
    commits = ", ".join(f"`{commit[:10]}`" for commit in result["cell_commits"])
    return f"{describe(result)} Cells were filled by the code of commit {commits}."


def share(value: float | None) -> str:
    """A rate with two decimals."""
    return "–" if value is None else f"{value:.2f}"


def count(number: int, thing: str) -> str:
    """A number of things, in the singular for one."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def spread(cell: dict[str, Any]) -> str:
    """Mean and standard deviation over training seeds."""
    return f"{cell['mean']:.2f} ± {cell['std']:.2f}"


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def rate(cell: dict[str, Any] | None) -> str:
    """Mean and interval."""
    if cell is None or cell["mean"] is None:
        return "–"
    low, high = cell["interval_95"]
    return f"{cell['mean']:.2f} ({low:.2f} to {high:.2f})"
