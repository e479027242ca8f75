"""The picture of unseen tasks: success over the number of demonstrations, and over their noise."""

from typing import Any

from matplotlib.figure import Figure

from makeanagent.evaluation.figures import FAILURE, SUCCESS, file_style

_METHODS = {
    "guided": ("guided generation", SUCCESS, "o"),
    "cloning": ("behaviour cloning from scratch", FAILURE, "^"),
}
_CURVES = {
    "demonstrations": "demonstrations of the task, together",
    "noise": "action noise of the one demonstration",
}


def draw_unseen(result: dict[str, Any]) -> Figure:
    """Mean success over unseen tasks, with 95% intervals as bands.

    Args:
        result: what `summarize_unseen` returned, with its curves.
    """
    with file_style():
        figure = Figure(figsize=(7.2, 3.4), layout="constrained")
        axes = figure.subplots(1, len(_CURVES), sharey=True)
        for ax, (curve, text) in zip(axes, _CURVES.items(), strict=True):
            points = [
                point
                for point in result["curves"]
                if point["curve"] == curve and point["mean"] is not None
            ]
            for method, (label, color, marker) in _METHODS.items():
                mine = [point for point in points if point["method"] == method]
                values = [point["value"] for point in mine]
                low, high = ([point["interval_95"][end] for point in mine] for end in (0, 1))
                ax.fill_between(values, low, high, color=color, alpha=0.15, lw=0)
                ax.plot(
                    values, [point["mean"] for point in mine], color=color, marker=marker, ms=5,
                    lw=1.8, label=label,
                )  # fmt: skip
            if curve == "demonstrations":
                ax.set_xscale("log")
            ticks = sorted({point["value"] for point in points})
            ax.set_xticks(ticks, [f"{value:g}" for value in ticks])
            ax.minorticks_off()
            num_tasks = max((point["num_tasks"] for point in points), default=0)
            ax.set_title(f"{num_tasks} unseen tasks")
            ax.set_xlabel(text)
            ax.set_ylim(-0.02, 1.04)
        axes[0].set_ylabel("success of the first sample")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure
