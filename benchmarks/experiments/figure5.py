"""The paper's figures 5 and 6: the best policies over the number of prompts.

The first n prompts of Table 4's cells: policies of different prompts do not know of each other.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.cells import describe_cells, list_replay_cells, spread
from makeanagent.evaluation.metrics import qualified_rate, top_k_success

NAME = "figure5"
NUM_PROMPTS = (5, 10, 50, 100)
"""Prompts on seen tasks; the paper draws the last two on unseen ones."""


list_cells = list_replay_cells


def summarize(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Success of best and top-5: a point for each zoo, group of tasks and number of prompts."""
    kinds = sorted({(cell["zoo"], not cell["seen"]) for cell in results})
    counts = sorted({min(n, cell["num_policies"]) for n in NUM_PROMPTS for cell in results})
    return {
        "benchmark": NAME,
        "points": [
            _measure(
                [cell for cell in results if (cell["zoo"], not cell["seen"]) == (zoo, unseen)],
                count,
            )
            | {"zoo": zoo, "seen": not unseen, "num_prompts": count}
            for zoo, unseen in kinds
            for count in counts
        ],
    } | describe_cells(results)


def _measure(cells: Sequence[dict[str, Any]], count: int) -> dict[str, Any]:
    """Means over tasks, spread over training seeds."""
    by_seed: dict[int, list[np.ndarray]] = {}
    for cell in cells:
        success = np.array(cell["paper"]["success"], bool)[:count]
        by_seed.setdefault(cell["seed"], []).append(success)

    def over(rate: Any) -> dict[str, Any]:  # noqa: ANN401
        means = [np.mean([rate(success) for success in group]) for group in by_seed.values()]
        return spread([float(mean) for mean in means])

    return {
        "num_tasks": len({cell["task"] for cell in cells}),
        "best": over(lambda success: top_k_success(success, 1)),
        "top_5": over(lambda success: top_k_success(success, 5)),
        "mean": over(lambda success: success.mean()),
        "qualified": over(qualified_rate),
    }
