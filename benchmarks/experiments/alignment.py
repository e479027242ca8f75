"""What independent beginnings cost: SAC zoos as they are, aligned, and with a shared beginning."""

from collections.abc import Sequence
from typing import Any

from benchmarks.cells import ZooKind, describe_cells, list_replay_cells
from benchmarks.experiments.table4 import summarize as summarize_table4

NAME = "alignment"
KINDS: tuple[ZooKind, ...] = ("sac", "sac-aligned", "sac-shared")


list_cells = list_replay_cells


def summarize(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Table 4's means, a row for each zoo and group of tasks."""
    return {
        "benchmark": NAME,
        "means": summarize_table4(results)["means"],
    } | describe_cells(results)
