"""The page of `folds`: arms over groups of tasks, task by task, and which tasks have twins."""

from typing import Any

from benchmarks.experiments.folds_partition import ENDING, FOLDS, TWINS, find_twins
from benchmarks.pages.tables import describe, join, rate, table
from benchmarks.results import Resolve
from makeanagent.cli.words import count

_COLUMNS = {
    "shown": "goal shown",
    "hidden": "goal hidden",
    "guided": "guided",
    "wrong": "another task's prompt",
    "nearest": "nearest training task's prompt",
    "cloning_moved": "cloning, with moves",
}
_GROUPS = {
    "fifty": "all fifty",
    "ml45": "ML45's five",
    "ml10": "ML10's five",
    "nine": "the paper's nine unseen tasks",
}
"""Rows of the summary; the other folds follow by their names."""
_PUBLISHED = {"ml45": "0.53; 0.89 with fine-tuning"}
"""First episodes after one demonstration: DT-Mem (arXiv 2305.16338)."""
_UNSEEN = {
    "shown": "unguided",
    "guided": "guided",
    "wrong": "shuffled",
    "cloning_moved": "cloning_moved",
}
"""Arms that the experiment `unseen` has, by its own names."""


def write_folds(result: dict[str, Any], resolve: Resolve) -> str:
    """The section on tasks left out fold by fold.

    Args:
        result: the figures.
        resolve: the experiment's.
    """
    sizes = result["settings"]["sizes"]
    noise = join(result["settings"]["expert_noise"])
    num_layouts = sizes["num_prompts"] * sizes["layouts_per_policy"]
    intervals = sorted(
        {
            found["interval_of"]
            for group in result["groups"]
            for found in group["arms"].values()
            if found and found["interval_of"]
        }
    )
    return f"""## All fifty tasks, each left out once

Ten folds of five tasks; the generator of a fold is trained on the other forty-five, from a base
that knows drawn tasks alone and is shared by all folds. One expert demonstration prompts a policy,
{sizes["num_prompts"]} of them a task, with action noise {noise} by turns; the first sample of each
plays {sizes["layouts_per_policy"]} layouts of its own ({num_layouts} in all), the same in every
arm. *Goal hidden*: zeros in the place of the goal, in the demonstration and in what the policy
sees. *Another task's prompt* is of the next task of the fold; *nearest training task's prompt* the
demonstration, of {sizes["num_known"]} of each training task, that the embedding holds for the
nearest. {count(result["num_seeds"], "training seed")}; the 95% intervals draw
{" or ".join(intervals) or "nothing"}.
{_describe_layouts(result)}
{write_groups(result)}

{write_differences(result)}

{describe(result, resolve)}
{_describe_missing(result)}
### Fold by fold and task by task

{write_tasks(result)}

A twin prepares for a task more than training at large does; each is listed where it is in training.
By what the tasks ask for, and not by any measurement:

{write_twins()}

"""


def write_summary(result: dict[str, Any], resolve: Resolve) -> str:
    """For the README: groups of tasks without the folds that are no split of Meta-World's."""
    groups = [group for group in result["groups"] if group["group"] in _GROUPS]
    return (
        "Every task of Meta-World left out of training once, in ten folds"
        f" ({count(result['num_seeds'], 'training seed')}); one demonstration, first sample, no"
        f" gradient step:\n{_describe_layouts(result)}\n"
        f"{write_groups(result | {'groups': groups})}\n\n{write_differences(result)}\n\n"
        f"{describe(result, resolve)}"
    )


def write_groups(result: dict[str, Any]) -> str:
    """One row a group of tasks, beside what was published of it."""
    arms = [arm for arm in _COLUMNS if any(arm in group["arms"] for group in result["groups"])]
    order = list(_GROUPS)
    groups = sorted(
        result["groups"],
        key=lambda group: order.index(group["group"]) if group["group"] in order else len(order),
    )
    rows = [
        [
            _name_group(group),
            *(rate(group["arms"].get(arm)) for arm in arms),
            _PUBLISHED.get(group["group"], "–"),
        ]
        for group in groups
    ]
    if (unseen := result.get("unseen")) is not None:
        cells = [unseen["means"].get(_UNSEEN.get(arm, "")) for arm in arms]
        label = "the same nine, generator trained on the other tasks (`unseen`)"
        place = next((i for i, g in enumerate(groups) if g["group"] == "nine"), len(rows) - 1)
        rows.insert(place + 1, [label, *map(rate, cells), "–"])
    header = ["tasks", *(_COLUMNS[arm] for arm in arms), "published, goal shown"]
    return table(header, rows)


def _name_group(group: dict[str, Any]) -> str:
    """Its words, and how many of its tasks there are figures of where these are not all."""
    name = _GROUPS.get(group["group"], f"fold {group['group']}")
    there = [found["num_tasks"] for found in group["arms"].values() if found]
    least = min(there, default=0)
    return name if least == group["num_tasks"] else f"{name}, {least} of {group['num_tasks']}"


def write_differences(result: dict[str, Any]) -> str:
    """Goal shown, less each other arm, over the largest group, and the tasks at zero."""
    for group in result["groups"]:
        if group["group"] == "fifty" and group["less"]:
            parts = [
                f"{found['mean']:+.2f}{_write_interval(found)} over *{_COLUMNS[arm]}*"
                for arm, found in group["less"].items()
            ]
            zero = (group["arms"].get("shown") or {}).get("at_zero", [])
            names = ", ".join(_shorten(task) for task in zero)
            at_zero = f"Never solved: {names}." if zero else "Each task is solved at times."
            return (
                "Prompt by prompt on the same layouts, *goal shown* is"
                f" {'; '.join(parts)}. {at_zero}"
            )
    return ""


def _write_interval(found: dict[str, Any]) -> str:
    if found["interval_95"] is None:
        return ""
    low, high = found["interval_95"]
    return f" ({low:+.2f} to {high:+.2f})"


def write_tasks(result: dict[str, Any]) -> str:
    """One row a task, in the order of the folds."""
    arms = [arm for arm in _COLUMNS if any(arm in row["arms"] for row in result["tasks"])]
    rows = []
    for row in result["tasks"]:
        twins = "; ".join(f"{other} ({pair.kinship})" for other, pair in find_twins(row["task"]))
        nearest = "–" if row["nearest"] is None else _shorten(row["nearest"])
        figures = [rate(row["arms"].get(arm)) for arm in arms]
        rows.append([row["fold"], _shorten(row["task"]), *figures, nearest, twins or "–"])
    columns = [_COLUMNS[arm] for arm in arms]
    return table(["fold", "task", *columns, "nearest training task", "twins in training"], rows)


def write_twins() -> str:
    """The list of twins with their reasons."""
    rows = []
    for pair in TWINS:
        together = [name for name, tasks in FOLDS.items() if {pair.first, pair.second} <= {*tasks}]
        note = f"left out together (fold {together[0]})" if together else "each trains the other"
        rows.append([f"{pair.first}, {pair.second}", pair.kinship, pair.reason, note])
    return table(["tasks", "kinship", "reason", "folds"], rows)


def _shorten(task: str) -> str:
    return task.removesuffix(ENDING)


def _describe_layouts(result: dict[str, Any]) -> str:
    """Which layouts scores are of, and how often sealed ones had been scored on before."""
    use = result["sealed"]
    if use is None:
        return "\nScored on validation layouts, which tuning may have seen, too.\n"
    times = {0: "never been used", 1: "been used once"}.get(
        use["uses_before"], f"been used {use['uses_before']} times"
    )
    return f"""
Scored on sealed layouts, which had {times} before (`benchmarks/sealed_layouts.jsonl`).
"""


def _describe_missing(result: dict[str, Any]) -> str:
    if not result["not_made"]:
        return ""
    parts = [f"{name}: {reason}" for name, reason in result["not_made"].items()]
    return f"\nNot made: {'; '.join(parts)}.\n"
