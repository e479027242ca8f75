"""What `evaluate_policies` found, as tables on stdout."""

from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from makeanagent.evaluation.metrics import wilson_interval
from makeanagent.evaluation.protocols import count_held_out

_FIRST = "no selection"
"""Of first samples."""


def print_evaluation(result: dict[str, Any]) -> None:
    """Print both protocols, one row a measure.

    Args:
        result: what `evaluate_policies` returned.
    """
    if not result["has_success"]:
        _print_returns(result)
        return
    paper, held_out = result["paper"], result["held_out"]
    title = f"{result['task']}: {result['num_policies']} policies"
    table = Table(title=title, title_justify="left")
    table.add_column("protocol")
    table.add_column("measure")
    table.add_column("value", justify="right")
    table.add_column("95% interval", justify="right")
    table.add_column("rollouts", justify="right")
    num_paper = str(np.size(paper["success"]))
    scored = len(paper["layouts"])
    table.add_row(
        "paper",
        f"qualified: all {scored} layouts",
        format_rate(paper["qualified_rate"]),
        format_interval(paper["qualified_interval_95"]),
        num_paper,
    )
    table.add_row(
        "",
        "mean success",
        format_rate(paper["mean_success"]),
        format_interval(paper["mean_interval_95"]),
        num_paper,
    )
    for label, key in (("best", "best"), ("top 5", "top_5"), ("top 10", "top_10")):
        table.add_row("", f"{label}, chosen on these", format_rate(paper[key]), "", "")
    table.add_section()
    choice = f"chosen on {len(held_out['selection_layouts'])} others"
    candidates = len(held_out["selection_success"])
    rows = {
        _FIRST: held_out["first_sample"],
        f"best of {candidates}, {choice}": held_out["best_of_n"],
        f"top {len(held_out['chosen_policies'])}, {choice}": held_out["top_5_of_n"],
    }
    for number, (label, rate) in enumerate(rows.items()):
        table.add_row(
            "" if number else "held-out",
            label,
            format_rate(rate["mean"]),
            format_interval(rate["interval_95"]),
            str(rate["num_rollouts"]),
        )
    Console().print(table)


def _print_returns(result: dict[str, Any]) -> None:
    """Mean returns, of a task without a success signal."""
    paper, held_out = result["paper"], result["held_out"]
    title = f"{result['task']}: {result['num_policies']} policies; no success signal"
    table = Table(title=title, title_justify="left")
    for name in ("protocol", "measure", "return"):
        table.add_column(name, justify="right" if name == "return" else "left")
    choice = f"chosen on {len(held_out['selection_layouts'])} others"
    for protocol, label, value in (
        ("paper", f"mean on {len(paper['layouts'])} layouts", paper["mean_return"]),
        ("held-out", _FIRST, held_out["first_sample_return"]),
        ("", f"best of all, {choice}", held_out["best_of_n_return"]),
    ):
        table.add_row(protocol, label, f"{value:.3g}")
    Console().print(table)


def print_policies(result: dict[str, Any]) -> None:
    """Print success on held-out layouts, one row a policy.

    Args:
        result: what `evaluate_policies` returned.
    """
    successes, trials = count_held_out(result)
    low, high = wilson_interval(successes, trials)
    chosen = result["held_out"]["chosen_policies"]
    table = Table(title="success on held-out layouts", title_justify="left")
    for name in ("policy", "success", "95% interval", "rollouts"):
        table.add_column(name, justify="right")
    table.add_column("")
    for policy in np.flatnonzero(trials):
        table.add_row(
            str(policy),
            format_rate(successes[policy] / trials[policy]),
            format_interval((low[policy], high[policy])),
            f"{successes[policy]}/{trials[policy]}",
            f"chosen, rank {chosen.index(policy) + 1}" if policy in chosen else "",
        )
    Console().print(table)


def format_rate(rate: float) -> str:
    """A success rate with three digits."""
    return f"{rate:.3f}"


def format_interval(ends: tuple[float, float] | list[float]) -> str:
    """An interval of success rates."""
    return f"{ends[0]:.2f} to {ends[1]:.2f}"
