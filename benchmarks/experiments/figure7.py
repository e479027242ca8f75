"""The paper's figure 7: Gaussian noise on the actions in the prompts, on unseen tasks."""

from collections.abc import Sequence
from typing import Any

from benchmarks.cells import Cell, ZooKind, describe_cells, list_replay_cells, spread

NAME = "figure7"
NOISE = (0.0, 0.1, 0.2, 0.4)
"""Standard deviations; the paper's is 0.1."""


def list_cells(zoos: Sequence[ZooKind], tasks: Sequence[str], seeds: int) -> list[Cell]:
    """Replay prompts, as they are (Table 4's cells) and with noise."""
    return [cell for noise in NOISE for cell in list_replay_cells(zoos, tasks, seeds, noise)]


def summarize(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A row for each zoo, task and noise, and the means over tasks."""
    keys = sorted({(cell["zoo"], cell["task"], cell["noise"]) for cell in results})
    rows = []
    for key in keys:
        group = [cell for cell in results if (cell["zoo"], cell["task"], cell["noise"]) == key]
        rows.append(_measure(group) | {"task": key[1].split("/")[-1]})
    kinds = sorted({(cell["zoo"], cell["noise"]) for cell in results})
    return {
        "benchmark": NAME,
        "rows": rows,
        "points": [
            _measure([cell for cell in results if (cell["zoo"], cell["noise"]) == kind])
            for kind in kinds
        ],
    } | describe_cells(results)


def _measure(cells: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means over tasks, spread over training seeds."""
    seeds = sorted({cell["seed"] for cell in cells})
    by_seed = [[cell["paper"] for cell in cells if cell["seed"] == seed] for seed in seeds]
    return {
        "zoo": cells[0]["zoo"],
        "noise": cells[0]["noise"],
        "seen": cells[0]["seen"],
        "num_tasks": len({cell["task"] for cell in cells}),
    } | {
        name: spread([sum(p[field] for p in group) / len(group) for group in by_seed])
        for name, field in (
            ("qualified", "qualified_rate"),
            ("best", "best"),
            ("top_5", "top_5"),
            ("mean", "mean_success"),
        )
    }
