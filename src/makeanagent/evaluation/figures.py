"""Pictures of an evaluation: paths through the scene, and success by policy and layout.

Figures are drawn without a back end, so matplotlib's global state stays as the user has it. Their
neutral colours are placeholders (`INK`, `LINE`), which a report replaces by those of its page.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from makeanagent.artifacts import atomic_path
from makeanagent.evaluation.metrics import wilson_interval
from makeanagent.evaluation.protocols import count_held_out, held_out_grid
from makeanagent.suites import Suite
from makeanagent.trajectories.trajectory import Trajectory

INK = "#010203"
"Text and the demonstration's path."
LINE = "#0a0b0c"
"Grids and frames."
# Colours that red-green blind readers tell apart (Okabe and Ito, 2008), on light and dark ground.
SUCCESS = "#1f8fd0"
FAILURE = "#e07020"
OBJECT = "#b565a7"
GOAL = "#129e78"
_ENTRY_WIDTH, _ENTRY_HEIGHT = 1.45, 0.2
"""Inches of an entry of a legend."""
_GREY = "#8a8f98"
_GRID = "#dfe2e6"

_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 7,
    "axes.edgecolor": LINE,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "figure.facecolor": "none",
    "grid.color": LINE,
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.solid_capstyle": "round",
    "text.color": INK,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "svg.hashsalt": "makeanagent",
}


@contextmanager
def figure_style() -> Iterator[None]:
    """Draw and save within: fonts, lines and colours of this package's figures."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


@contextmanager
def file_style() -> Iterator[None]:
    """The package's style on a white ground, with the page's grey put in."""
    with figure_style():
        matplotlib.rcParams.update(
            {
                "figure.facecolor": "white",
                "axes.edgecolor": _GREY,
                "xtick.color": _GREY,
                "ytick.color": _GREY,
                "grid.color": _GRID,
                "svg.fonttype": "none",
            }
        )
        yield


def write_figure(figure: Figure, path: Path) -> None:
    """Save a figure as the path's ending says, atomically.

    Raises:
        InputError: the file cannot be written.
    """
    kind = path.suffix.removeprefix(".")
    with file_style(), atomic_path(path) as temporary:
        figure.savefig(
            temporary, format=kind, dpi=160, metadata={"Date": None} if kind == "svg" else None
        )


@dataclass(frozen=True, kw_only=True)
class PathPanel:
    """One column of `draw_paths`."""

    title: str
    trajectories: Sequence[Trajectory]
    is_demonstration: bool = False
    "Drawn in ink; a policy's path is coloured by its success."


def draw_paths(suite: Suite, task: str, panels: Sequence[PathPanel]) -> Figure | None:
    """Paths of what moves, its object and its goal: seen from above and, unless flat, from a side.

    Args:
        suite: what the observations mean.
        task: the task's full name.
        panels: columns, on shared axes; the views of one alone stand side by side.

    Returns:
        The figure, or None where the suite has no paths to draw.
    """
    columns = [
        [suite.traces(task, trajectory.observations) for trajectory in panel.trajectories]
        for panel in panels
    ]
    if not all(columns) or not all(traces for column in columns for traces in column):
        return None
    points = np.concatenate(
        [path for column in columns for traces in column for path in traces.values()]
    )
    low, high = points.min(axis=0), points.max(axis=0)
    views = [(0, 1, "seen from above")]
    if high[2] - low[2] > 0.01:
        # The side from which the movement is the wider one.
        views.append((int((high - low)[:2].argmax()), 2, "seen from the side"))
    extents = np.maximum(high - low, 0.05)
    margin = 0.08 * extents.max()
    width = 3.0  # Inches, of a column without its labels.
    unit = width / (extents[[view[0] for view in views]].max() + 2 * margin)
    heights = [max(1.0, unit * (extents[view[1]] + 2 * margin)) for view in views]
    is_alone = len(panels) == 1
    num_columns = len(views) if is_alone else len(panels)
    figure_width = width * num_columns + 1.2
    height = min(max(heights), width) + 1 if is_alone else sum(heights) + 0.6 * len(views) + 0.4
    with figure_style():
        handles = _path_handles(list(columns[0][0]), panels)
        per_row = int(figure_width / _ENTRY_WIDTH)
        height += _ENTRY_HEIGHT * ((len(handles) - 1) // per_row)
        figure = Figure(figsize=(figure_width, height), layout="constrained")
        if is_alone:
            axes = figure.subplots(1, len(views), squeeze=False).T
        else:
            axes = figure.subplots(
                len(views), len(panels), squeeze=False, sharex="row", sharey="row",
                height_ratios=heights,
            )  # fmt: skip
        for row, (across, up, name) in enumerate(views):
            for column, panel in enumerate(panels):
                ax = axes[row, column]
                for traces, trajectory in zip(columns[column], panel.trajectories, strict=True):
                    color = _path_color(panel, trajectory)
                    _draw_traces(ax, traces, across, up, color, len(panel.trajectories))
                ax.set_aspect("equal")
                ax.locator_params(nbins=5)
                ax.set_xlim(low[across] - margin, high[across] + margin)
                ax.set_ylim(low[up] - margin, high[up] + margin)
                ax.set_xlabel(f"{'xyz'[across]} (m)")
                if row == 0:
                    ax.set_title(panel.title)
            axes[row, 0].set_ylabel(f"{name}\n{'xyz'[up]} (m)")
        figure.legend(handles=handles, loc="outside lower center", ncols=per_row)
    return figure


def _path_color(panel: PathPanel, trajectory: Trajectory) -> str:
    if panel.is_demonstration:
        return INK
    return SUCCESS if trajectory.success.any() else FAILURE


def _draw_traces(
    ax: Axes, traces: dict[str, np.ndarray], across: int, up: int, color: str, count: int
) -> None:
    """One episode: what moves, then objects, and the goal where there is a third path or more."""
    (mover, *others), faint = traces, count > 3
    path = traces[mover]
    ax.plot(
        path[:, across], path[:, up], color=color, lw=1.2 if faint else 2.0,
        alpha=0.6 if faint else 1.0, zorder=3,
    )  # fmt: skip
    ax.plot(path[0, across], path[0, up], "o", color=INK, ms=4, zorder=4)
    for name in others[:-1]:
        path = traces[name]
        ax.plot(
            path[:, across], path[:, up], color=OBJECT, lw=1.2 if faint else 2.0,
            alpha=0.6 if faint else 1.0, zorder=2,
        )  # fmt: skip
        ax.plot(path[0, across], path[0, up], "s", color=OBJECT, ms=5, zorder=5)
    if others:
        goal = traces[others[-1]][-1]
        ax.plot(goal[across], goal[up], "*", color=GOAL, ms=11, mew=0, zorder=6)


def _path_handles(names: list[str], panels: Sequence[PathPanel]) -> list[Line2D]:
    mover, *others = names
    handles = []
    if any(panel.is_demonstration for panel in panels):
        handles.append(Line2D([], [], color=INK, lw=2, label=f"{mover}, demonstrated"))
    outcomes = {
        bool(trajectory.success.any())
        for panel in panels
        if not panel.is_demonstration
        for trajectory in panel.trajectories
    }
    for outcome, color, text in ((True, SUCCESS, "success"), (False, FAILURE, "failure")):
        if outcome in outcomes:
            handles.append(Line2D([], [], color=color, lw=2, label=f"{mover}, policy: {text}"))
    handles.append(Line2D([], [], color=INK, marker="o", ls="", ms=4, label=f"{mover} at start"))
    for name in others[:-1]:
        handles.append(Line2D([], [], color=OBJECT, marker="s", ms=5, label=f"{name} from start"))
    if others:
        handles.append(
            Line2D([], [], color=GOAL, marker="*", ls="", ms=11, mew=0, label=others[-1])
        )
    return handles


def draw_policy_success(result: dict[str, Any]) -> Figure:
    """Success of each policy on held-out layouts with its interval, and the mean of all.

    Args:
        result: what `evaluate_policies` returned.
    """
    successes, trials = count_held_out(result)
    policies = np.flatnonzero(trials)
    rates = successes[policies] / trials[policies]
    low, high = wilson_interval(successes[policies], trials[policies])
    held_out = result["held_out"]
    chosen = np.isin(policies, held_out["chosen_policies"])
    mean, interval = held_out["first_sample"]["mean"], held_out["first_sample"]["interval_95"]
    places = np.arange(len(policies))
    with figure_style():
        figure = Figure(figsize=(7.2, 1.3 + 0.2 * len(policies)), layout="constrained")
        ax = figure.subplots()
        ax.axvspan(*interval, color=SUCCESS, alpha=0.15, lw=0)
        ax.axvline(mean, color=SUCCESS, lw=1.2, ls="--")
        ax.hlines(places, low, high, color=SUCCESS, lw=2, alpha=0.55)
        ax.plot(rates[~chosen], places[~chosen], "o", color=SUCCESS, ms=6)
        ax.plot(rates[chosen], places[chosen], "D", color=SUCCESS, ms=6, mec=INK, mew=1)
        ax.set_yticks(places, [str(policy) for policy in policies])
        ax.set_ylim(len(policies) - 0.4, -0.6)
        ax.set_xlim(-0.03, 1.03)
        ax.set_xticks(np.linspace(0, 1, 6))
        ax.set_xlabel("success rate on held-out layouts, with 95% interval")
        ax.set_ylabel("policy")
        ax.grid(axis="y", visible=False)
        others = trials[policies[~chosen]]
        handles: list[Any] = [
            Line2D([], [], color=SUCCESS, lw=1.2, ls="--", label=f"mean, no selection: {mean:.2f}"),
            Line2D(
                [], [], color=SUCCESS, marker="D", mec=INK, ls="", label="chosen on other layouts:"
                f" {held_out['layouts'][1] - held_out['layouts'][0]} rollouts",
            ),
        ]  # fmt: skip
        if len(others):
            label = f"other policies: {others[0]} rollouts"
            handles.insert(1, Line2D([], [], color=SUCCESS, marker="o", ls="", label=label))
        figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def draw_success_grid(result: dict[str, Any]) -> Figure:
    """What each policy did on each layout, in three groups of layouts.

    Args:
        result: what `evaluate_policies` returned.
    """
    held_out = result["held_out"]
    num_policies, selection = result["num_policies"], np.array(held_out["selection_success"])
    not_candidates = ((0, num_policies - len(selection)), (0, 0))
    groups = {
        "paper": np.array(result["paper"]["success"]),
        "selection": np.pad(selection, not_candidates, constant_values=-1),
        "held-out": held_out_grid(result),
    }
    with figure_style():
        figure = Figure(figsize=(9.6, 1.5 + 0.15 * num_policies), layout="constrained")
        ax = figure.subplots()
        start, ticks, labels = 0.0, [], []
        for name, grid in groups.items():
            for value, color, alpha in ((1, SUCCESS, 1.0), (0, FAILURE, 1.0), (-1, LINE, 0.35)):
                cells = np.argwhere(grid == value)
                boxes = [Rectangle((start + x + 0.07, y + 0.07), 0.86, 0.86) for y, x in cells]
                ax.add_collection(PatchCollection(boxes, facecolor=color, alpha=alpha, lw=0))
            ticks.append(start + grid.shape[1] / 2)
            labels.append(f"{name}\n({grid.shape[1]} layouts)")
            start += grid.shape[1] + 1.5
        chosen = held_out["chosen_policies"]
        step = max(1, num_policies // 25)
        ax.set_yticks(
            np.arange(0, num_policies, step) + 0.5, [str(p) for p in range(0, num_policies, step)]
        )
        ax.set_xticks(ticks, labels)
        for rank, policy in enumerate(chosen):
            ax.text(
                start - 1.2, policy + 0.5, f"chosen, rank {rank + 1}", va="center", fontsize=8
            )  # fmt: skip
        ax.set_xlim(-0.5, start - 1)
        ax.set_ylim(num_policies + 0.3, -0.3)
        ax.set_ylabel("policy")
        ax.grid(visible=False)
        ax.spines[:].set_visible(False)
        ax.tick_params(length=0)
        handles = [
            Patch(color=SUCCESS, lw=0, label="success"),
            Patch(color=FAILURE, lw=0, label="failure"),
            Patch(color=LINE, lw=0, alpha=0.35, label="not played"),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure
