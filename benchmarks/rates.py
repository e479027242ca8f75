"""Rates of the paper's kind from cells: a row a task, and means over tasks."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.cells import spread
from benchmarks.printed import TABLE_4

_RATES = ("qualified", "top_5", "top_10", "first_sample", "best_of_n")


def summarize_rates(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means and standard deviations over training seeds, and their means over tasks."""
    rows: list[dict[str, Any]] = []
    for key in sorted({_key(cell) for cell in results}):
        group = [cell for cell in results if _key(cell) == key]
        zoo, source, task = key
        name = task.split("/")[-1]
        paper = TABLE_4.get(name)
        first = [cell["held_out"]["first_sample"]["mean"] for cell in group]
        rows.append(
            {
                "zoo": zoo,
                "source": source,
                "task": name,
                "seen": group[0]["seen"],
                "num_seeds": len(group),
                "qualified": spread([cell["paper"]["qualified_rate"] for cell in group]),
                "top_5": spread([cell["paper"]["top_5"] for cell in group]),
                "top_10": spread([cell["paper"]["top_10"] for cell in group]),
                "first_sample": spread(first),
                "best_of_n": spread([cell["held_out"]["best_of_n"]["mean"] for cell in group]),
                "paper": paper._asdict() if paper else None,
            }
        )
    kinds = sorted({(row["zoo"], row["source"], not row["seen"]) for row in rows})
    return {
        "rows": rows,
        "means": [_mean_row(rows, zoo, source, not unseen) for zoo, source, unseen in kinds],
    }


def _key(cell: dict[str, Any]) -> tuple[str, str, str]:
    return cell["zoo"], cell["source"], cell["task"]


def _mean_row(rows: list[dict[str, Any]], zoo: str, source: str, seen: bool) -> dict[str, Any]:
    chosen = [
        row for row in rows if (row["zoo"], row["source"], row["seen"]) == (zoo, source, seen)
    ]
    in_paper = [row for row in chosen if row["paper"]]
    below = [
        row["task"]
        for row in in_paper
        for rate in ("qualified", "top_5", "top_10")
        if row[rate]["mean"] < row["paper"][rate]
    ]
    return {
        "zoo": zoo,
        "source": source,
        "seen": seen,
        "num_tasks": len(chosen),
        "num_seeds": max(row["num_seeds"] for row in chosen),
        **{name: float(np.mean([row[name]["mean"] for row in chosen])) for name in _RATES},
        "lowest_qualified": min(row["qualified"]["mean"] for row in chosen),
        "cells_below_paper": len(below),
        "cells_in_paper": 3 * len(in_paper),
        "paper_qualified": (
            float(np.mean([row["paper"]["qualified"] for row in in_paper])) if in_paper else None
        ),
    }
