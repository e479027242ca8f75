"""Means over tasks of the paper's kind of rates: one table for several pages and the README."""

from typing import Any

from benchmarks.pages.tables import share, table

ZOOS = {
    "distilled": "distilled",
    "distilled-paper": "distilled, paper's preset",
    "sac": "SAC",
    "sac-aligned": "SAC, aligned",
    "sac-shared": "SAC, shared beginning",
}
"""What generators are trained on, in the tables' words."""


def write_means(result: dict[str, Any]) -> str:
    """Means over tasks (`summarize_rates`), a row for each zoo and prompt source."""
    cells, protocol = result["settings"]["cells"], result["settings"]["protocol"]
    rows = [
        [
            f"{'seen' if mean['seen'] else 'unseen'} ({mean['num_tasks']} tasks)",
            ZOOS[mean["zoo"]],
            mean["source"],
            f"**{share(mean['qualified'])}**",
            share(mean["paper_qualified"]),
            f"{mean['cells_in_paper'] - mean['cells_below_paper']} of {mean['cells_in_paper']}",
            share(mean["top_5"]),
            f"**{share(mean['first_sample'])}**",
            share(mean["best_of_n"]),
        ]
        for mean in sorted(
            result["means"], key=lambda mean: (mean["zoo"], not mean["seen"], mean["source"])
        )
    ]
    held_out = f"{protocol['held_out_layouts']} layouts"
    header = [
        "tasks",
        "zoo",
        "prompts",
        "qualified",
        "qualified, paper",
        "cells at or above the paper",
        "top 5",
        f"first sample, {held_out}",
        f"best of {cells['best_of']}, {held_out}",
    ]
    return table(header, rows)
