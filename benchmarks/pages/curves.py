"""The paper's kind of picture: success over one quantity, for both zoos."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from makeanagent.evaluation.figures import FAILURE, SUCCESS, file_style

_ZOOS = {"distilled": ("distilled zoo", SUCCESS, "o"), "sac": ("SAC zoo", FAILURE, "^")}
_RATES = {"best": ("best", "-"), "top_5": ("top 5", "--"), "mean": ("mean, unchosen", ":")}


def draw_curves(
    panels: Mapping[str, Sequence[dict[str, Any]]],
    field: str,
    text: str,
    num_layouts: int,
    *,
    logarithmic: bool = False,
) -> Figure:
    """A panel for each group of tasks; bars are standard deviations over training seeds.

    Args:
        panels: points of each panel by its name.
        field: of a point, where it stands on the horizontal axis.
        text: what that axis says.
        num_layouts: random layouts that success is measured on.
        logarithmic: whether its scale is.
    """
    panels = {name: points for name, points in panels.items() if points}
    with file_style():
        num_zoos = len({point["zoo"] for points in panels.values() for point in points})
        width = 0.6 + 3.4 * max(len(panels), 1.3)
        figure = Figure(figsize=(width, 3.9), layout="constrained")
        axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for ax, (name, points) in zip(axes, panels.items(), strict=True):
            _draw_panel(ax, points, field)
            if logarithmic:
                ax.set_xscale("log")
            ticks = sorted({point[field] for point in points})
            ax.set_xticks(ticks, [f"{value:g}" for value in ticks])
            ax.minorticks_off()
            ax.set_title(f"{points[0]['num_tasks']} {name}")
            ax.set_xlabel(text)
            ax.set_ylim(-0.02, 1.04)
        axes[0].set_ylabel(f"success on {num_layouts} random layouts")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=num_zoos)
    return figure


def _draw_panel(ax: Axes, points: Sequence[dict[str, Any]], field: str) -> None:
    for zoo, (label, color, marker) in _ZOOS.items():
        mine = sorted(
            (point for point in points if point["zoo"] == zoo), key=lambda point: point[field]
        )
        for rate, (words, style) in _RATES.items():
            if mine:
                ax.errorbar(
                    [point[field] for point in mine], [point[rate]["mean"] for point in mine],
                    yerr=[point[rate]["std"] for point in mine], color=color, marker=marker, ms=4,
                    lw=1.6, ls=style, capsize=2, label=f"{label}, {words}",
                )  # fmt: skip
