"""The paper's figures 5 to 7: success over the number of prompts, and over noise in them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from makeanagent.evaluation.figures import FAILURE, SUCCESS, file_style

_ZOOS = {"distilled": ("distilled zoo", SUCCESS, "o"), "sac": ("SAC zoo", FAILURE, "^")}
_RATES = {"best": ("best", "-"), "top_5": ("top 5", "--"), "mean": ("mean, unchosen", ":")}


def draw_figure5(result: dict[str, Any]) -> Figure:
    """Success over the number of prompts, seen tasks (figure 5) and unseen ones (figure 6).

    Args:
        result: what `benchmarks.figure5.summarize` returned.
    """
    panels = {
        f"{'seen' if seen else 'unseen'} tasks": [p for p in result["points"] if p["seen"] == seen]
        for seen in (True, False)
    }
    return _draw(panels, "num_prompts", "prompts, and policies", logarithmic=True)


def draw_figure7(result: dict[str, Any]) -> Figure:
    """Success over the noise on the actions in the prompts (figure 7).

    Args:
        result: what `benchmarks.figure7.summarize` returned.
    """
    return _draw({"unseen tasks": result["points"]}, "noise", "noise on the prompts' actions")


def _draw(
    panels: Mapping[str, Sequence[dict[str, Any]]],
    field: str,
    text: str,
    *,
    logarithmic: bool = False,
) -> Figure:
    panels = {name: points for name, points in panels.items() if points}
    with file_style():
        num_zoos = len({point["zoo"] for points in panels.values() for point in points})
        width = 0.6 + 3.4 * max(len(panels), 1.3)
        figure = Figure(figsize=(width, 3.9), layout="constrained")
        axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for ax, (name, points) in zip(axes, panels.items(), strict=True):
            _draw_panel(ax, points, lambda point: point[field])
            if logarithmic:
                ax.set_xscale("log")
            ticks = sorted({point[field] for point in points})
            ax.set_xticks(ticks, [f"{value:g}" for value in ticks])
            ax.minorticks_off()
            ax.set_title(f"{points[0]['num_tasks']} {name}")
            ax.set_xlabel(text)
            ax.set_ylim(-0.02, 1.04)
        axes[0].set_ylabel("success on 5 random layouts")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=num_zoos)
    return figure


def _draw_panel(
    ax: Axes, points: Sequence[dict[str, Any]], place: Callable[[dict[str, Any]], float]
) -> None:
    for zoo, (label, color, marker) in _ZOOS.items():
        mine = sorted((point for point in points if point["zoo"] == zoo), key=place)
        for rate, (words, style) in _RATES.items():
            if mine:
                ax.errorbar(
                    [place(point) for point in mine], [point[rate]["mean"] for point in mine],
                    yerr=[point[rate]["std"] for point in mine], color=color, marker=marker, ms=4,
                    lw=1.6, ls=style, capsize=2, label=f"{label}, {words}",
                )  # fmt: skip
