"""The paper's figures 5 and 6: the best policies over the number of prompts.

The first n prompts of Table 4's cells: policies of different prompts do not know of each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.cells import describe_cells, list_replay_cells, spread
from benchmarks.pages.curves import draw_curves
from benchmarks.pages.means import ZOOS
from benchmarks.pages.tables import describe, plus_minus, table
from benchmarks.paper import PaperOptions, resolve_settings
from benchmarks.results import Settings, read_optional, write_result
from makeanagent.cli.checks import require_picture
from makeanagent.evaluation.figures import write_figure
from makeanagent.evaluation.metrics import qualified_rate, top_k_success

__all__ = ["Command", "resolve_settings", "write_page"]
NUM_PROMPTS = (5, 10, 50, 100)
"""Prompts on seen tasks; the paper draws the last two on unseen ones."""


@dataclass(frozen=True, kw_only=True)
class Command(PaperOptions):
    """The paper's figures 5 and 6: the best policies over the number of prompts."""

    out: Path = Path("benchmarks/results/figure5.json")
    "The figures' file."
    figure: Path = Path("docs/images/figure5.png")
    "Picture, `.png` or `.svg`."

    def run(self) -> None:
        """Train what is missing, fill the cells, and write figures and picture."""
        require_picture("--figure", self.figure)
        zoos = self.open_zoos()
        seen, unseen = self.list_tasks(zoos)
        kinds = [kind for kind in zoos if kind in ("distilled", "sac")]
        cells = list_replay_cells(kinds, (*seen, *unseen), self.seeds)
        result = summarize(self.fill("figure5", zoos, cells))
        settings = self.resolve(cells)
        write_result(self.out, "figure5", result, settings, self.note)
        write_figure(draw(result, settings), self.figure)
        print(f"written: {self.figure}")


def summarize(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Success of best and top-5: a point for each zoo, group of tasks and number of prompts."""
    kinds = sorted({(cell["zoo"], not cell["seen"]) for cell in results})
    counts = sorted({min(n, cell["num_policies"]) for n in NUM_PROMPTS for cell in results})
    return {
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


def draw(result: dict[str, Any], settings: Settings) -> Figure:
    """Success over the number of prompts, seen tasks (figure 5) and unseen ones (figure 6)."""
    panels = {
        f"{'seen' if seen else 'unseen'} tasks": [p for p in result["points"] if p["seen"] == seen]
        for seen in (True, False)
    }
    layouts = settings["protocol"]["paper_layouts"]
    return draw_curves(panels, "num_prompts", "prompts, and policies", layouts, logarithmic=True)


def write_page() -> str:
    """The section; empty without figures."""
    result = read_optional("figure5")
    if result is None:
        return ""
    rows = [
        [
            f"{point['num_tasks']} {'seen' if point['seen'] else 'unseen'}",
            ZOOS[point["zoo"]],
            str(point["num_prompts"]),
            *(plus_minus(point[rate]) for rate in ("best", "top_5", "mean", "qualified")),
        ]
        for point in result["points"]
    ]
    header = ["tasks", "zoo", "prompts", "best", "top 5", "mean, unchosen", "qualified"]
    return f"""## Figures 5 and 6: more prompts

Policies from the first n replay prompts, on the random layouts that also choose them, as in the
paper; the mean is over all of them. Means over tasks, spread over training seeds. The paper gives
its figures as pictures only.

![Success over the number of prompts](images/figure5.png)

{table(header, rows)}

{describe(result, resolve_settings)}

"""
