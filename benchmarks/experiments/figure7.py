"""The paper's figure 7: Gaussian noise on the actions in the prompts, on unseen tasks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.cells import Cell, ZooKind, describe_cells, list_replay_cells, spread
from benchmarks.pages.curves import draw_curves
from benchmarks.pages.means import ZOOS
from benchmarks.pages.tables import describe, plus_minus, table
from benchmarks.paper import PaperOptions, resolve_settings
from benchmarks.results import Settings, read_optional, write_result
from makeanagent.cli.checks import require_picture
from makeanagent.errors import InputError
from makeanagent.evaluation.figures import write_figure

__all__ = ["Command", "resolve_settings", "write_page"]
NOISE = (0.0, 0.1, 0.2, 0.4)
"""Standard deviations; the paper's is 0.1."""


@dataclass(frozen=True, kw_only=True)
class Command(PaperOptions):
    """The paper's figure 7: noise on the actions in the prompts."""

    out: Path = Path("benchmarks/results/figure7.json")
    "The figures' file."
    figure: Path = Path("docs/images/figure7.png")
    "Picture, `.png` or `.svg`."

    def run(self) -> None:
        """Train what is missing, fill the cells, and write figures and picture."""
        require_picture("--figure", self.figure)
        zoos = self.open_zoos()
        _, unseen = self.list_tasks(zoos)
        if not unseen:
            raise InputError("figure7: the zoo holds all of --tasks; none is unseen")
        cells = list_cells(("distilled",), unseen, self.seeds)
        result = summarize(self.fill("figure7", zoos, cells))
        settings = self.resolve(cells)
        write_result(self.out, "figure7", result, settings, self.note)
        write_figure(draw(result, settings), self.figure)
        print(f"written: {self.figure}")


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


def draw(result: dict[str, Any], settings: Settings) -> Figure:
    """Success over the noise on the actions in the prompts."""
    panels, layouts = {"unseen tasks": result["points"]}, settings["protocol"]["paper_layouts"]
    return draw_curves(panels, "noise", "noise on the prompts' actions", layouts)


def write_page() -> str:
    """The section; empty without figures."""
    result = read_optional("figure7")
    if result is None:
        return ""
    rows = [
        [
            f"{point['noise']:g}",
            f"{point['num_tasks']} unseen",
            ZOOS[point["zoo"]],
            *(plus_minus(point[rate]) for rate in ("best", "top_5", "mean", "qualified")),
        ]
        for point in result["points"]
    ]
    header = ["noise", "tasks", "zoo", "best", "top 5", "mean, unchosen", "qualified"]
    return f"""## Figure 7: noise on the actions in the prompts

Gaussian noise on every action of each replay prompt, clipped to the range of actions; the paper's
is 0.1.

![Success over the noise on the prompts' actions](images/figure7.png)

{table(header, rows)}

{describe(result, resolve_settings)}

"""
