"""Novelty over tasks: what the rows of a group of tasks sum up to."""

from typing import Any

import numpy as np

from benchmarks.experiments.novelty_measures import (
    CopyingTest,
    average_copying,
    mean_of_known,
    pool_overlaps,
    summarize_distances,
)

DISTANCES = ("action", "weight")
"""The kinds of distance, by which policies are compared."""


def summarize_group(rows: list[dict[str, Any]], seen: bool) -> dict[str, Any]:
    """Means over tasks; a copying test over tasks is that of Meehan et al.'s C_T."""
    overlaps = {
        name: [row["failure_overlap"][name] for row in rows] for name in rows[0]["failure_overlap"]
    }
    return {
        "seen": seen,
        "num_tasks": len(rows),
        **{
            name: float(np.mean([row[name] for row in rows]))
            for name in ("success", "nearest_success", "good", "good_where_nearest_is_not")
        },
        "distances": {
            kind: summarize_distances(np.concatenate([row["policies"][kind] for row in rows]))
            for kind in DISTANCES
        },
        "copying": {
            name: {
                kind: average_copying(
                    [CopyingTest(**row["copying"][name][kind]) for row in rows]
                )._asdict()
                for kind in DISTANCES
            }
            for name in rows[0]["copying"]
        },
        "failure_overlap": {name: pool_overlaps(found) for name, found in overlaps.items()},
        "good_and_novel": {
            kind: mean_of_known([row["good_and_novel"][kind] for row in rows]) for kind in DISTANCES
        },
    }
