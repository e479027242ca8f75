"""Picture and page of novelty: what generated policies achieve, and how new they are."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.pages.tables import describe, share, table
from benchmarks.results import Resolve, Settings
from makeanagent.evaluation.figures import FAILURE, GOAL, INK, SUCCESS, file_style

_REFERENCES = {
    "checkpoint": ("any other one", ":"),
    "run": ("another run", "--"),
    "task": ("another task", "-."),
}
"""Reference levels, with what the nearest training policy is sought among, and their dashes."""


def draw_novelty(result: dict[str, Any], settings: Settings) -> Figure:
    """Success of each generated policy against its distance to the nearest training policy.

    The vertical lines are medians among training policies. What lies above the bar and beyond the
    result's novelty level, the shaded corner, is both good and new.

    Args:
        result: what `run_novelty` returned.
        settings: of the experiment.
    """
    bar, level = settings["sizes"]["success_bar"], result["novelty_level"]["action"]
    rng = np.random.default_rng(0)
    with file_style():
        figure = Figure(figsize=(7.2, 4.4), layout="constrained")
        ax = figure.subplots()
        lowest = np.inf
        for seen, name, color, marker in (
            (True, "seen tasks", SUCCESS, "o"),
            (False, "unseen tasks", FAILURE, "^"),
        ):
            policies = [row["policies"] for row in result["tasks"] if row["seen"] == seen]
            if not policies:
                continue
            distance = np.concatenate([group["action"] for group in policies])
            success = np.concatenate([group["success"] for group in policies])
            # Rates are multiples of one layout's share: spread a little, points show their number.
            success = success + rng.uniform(-0.012, 0.012, len(success))
            (group,) = (group for group in result["groups"] if group["seen"] == seen)
            share = group["good_and_novel"]["action"]
            label = name if share is None else f"{name}: {share:.0%} good and new"
            ax.plot(distance, success, marker, color=color, alpha=0.55, ms=5, mew=0, label=label)
            lowest = min(lowest, distance.min())
        ax.axhline(bar, color=GOAL, lw=1.2, label=f"good: success of {bar:g} or more")
        for reference, (text, dashes) in _REFERENCES.items():
            median = result["references"][reference]["action"]["median"]
            if median is not None:
                label = f"a training policy to {text}: {median:.2g}"
                ax.axvline(median, color=INK, lw=1.2, ls=dashes, label=label)
                lowest = min(lowest, median)
        # Exact copies have no place on a logarithmic axis.
        if lowest > 0:
            ax.set_xscale("log")
        ax.set_xlim(ax.get_xlim())
        ax.set_ylim(-0.04, 1.04)
        if level is not None:
            ax.fill_between([level, ax.get_xlim()[1]], bar, 1.04, color=GOAL, alpha=0.1, lw=0)
        ax.set_xlabel("distance to the nearest training policy (mean absolute action difference)")
        ax.set_ylabel(f"success on {settings['sizes']['num_layouts']} layouts")
        figure.legend(loc="outside lower center", ncols=2)
    return figure


def write_novelty(result: dict[str, Any], resolve: Resolve) -> str:
    """The section on memorisation.

    Args:
        result: the experiment's file.
        resolve: the experiment's.
    """
    sizes = result["settings"]["sizes"]
    rows = [
        [
            f"{'seen' if group['seen'] else 'unseen'} ({group['num_tasks']} tasks)",
            share(group["success"]),
            share(group["nearest_success"]),
            share(group["good"]),
            share(group["good_where_nearest_is_not"]),
            share(group["good_and_novel"]["action"]),
            *(
                "–" if z is None else f"{z:.1f}"
                for z in (
                    group["copying"][name]["action"]["z"]
                    for name in ("held_out_runs", "held_out_tasks")
                )
            ),
        ]
        for group in result["groups"]
    ]
    header = [
        "tasks",
        "success",
        "success, nearest training policy",
        "good",
        "good where the nearest is not",
        "good and new",
        "Z_U, held-out runs",
        "Z_U, held-out tasks",
    ]
    return f"""## Are generated policies copies?

{sizes["num_prompts"]} first samples a task of the generator, without guidance, and the
training policy that is nearest to each in its actions, on the same {sizes["num_layouts"]} layouts.
*Good*: success of {sizes["success_bar"]:g} or more. *New*: farther from training than the median
training policy is from the policies of other runs. *Z_U*: the data-copying test against policies
that were held out; far below 0 means copying.

{table(header, rows)}

![Success over the distance to the nearest training policy](images/novelty.png)

{describe(result, resolve)}

"""
