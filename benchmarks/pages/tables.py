"""What every page is written with: figures described, rounded and laid out."""

from typing import Any

from benchmarks.results import STALE, Resolve, list_changes


def describe(result: dict[str, Any], resolve: Resolve, *, with_cells: bool = True) -> str:
    """Where and when figures were measured, and what has changed in the settings since.

    Args:
        result: an experiment's file.
        resolve: the experiment's.
        with_cells: whether the commits are named whose code filled cells.
    """
    provenance = result["provenance"]
    machine, versions = provenance["machine"], provenance["versions"]
    parts = [
        f"*{provenance['created'][:10]}, commit `{(provenance['git_commit'] or 'none')[:10]}`,"
        f" {machine['processor']} with {machine['num_cpus']} cores, torch {versions['torch']},"
        f" Meta-World {versions['metaworld']}, MuJoCo {versions['mujoco']}.*"
    ]
    if with_cells and "cell_commits" in result:
        commits = ", ".join(f"`{commit[:10]}`" for commit in result["cell_commits"])
        parts.append(f"Cells were filled by the code of commit {commits}.")
    if result["note"]:
        parts.append(result["note"])
    if changes := list_changes(result, resolve):
        parts.append(f"**{STALE}**: {'; '.join(changes)}.")
    return " ".join(parts)


def share(value: float | None) -> str:
    """A rate with two decimals."""
    return "–" if value is None else f"{value:.2f}"


def join(values: list[float]) -> str:
    """Numbers in a sentence: `0, 0.1 and 0.2`."""
    *first, last = [f"{value:g}" for value in values]
    return f"{', '.join(first)} and {last}" if first else last


def plus_minus(cell: dict[str, Any]) -> str:
    """Mean and standard deviation over training seeds."""
    return f"{cell['mean']:.2f} ± {cell['std']:.2f}"


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def rate(cell: dict[str, Any] | None) -> str:
    """Mean and interval, where there are any."""
    if cell is None or cell["mean"] is None:
        return "–"
    if cell["interval_95"] is None:
        return f"{cell['mean']:.2f}"
    low, high = cell["interval_95"]
    return f"{cell['mean']:.2f} ({low:.2f} to {high:.2f})"
