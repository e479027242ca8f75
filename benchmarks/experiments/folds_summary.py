"""What the cells of `folds` amount to: each task, each fold, all fifty, and arms held together."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.experiments.folds_cells import CLONING, Folds
from makeanagent.evaluation.metrics import hierarchical_bootstrap, summarize

Cells = list[dict[str, Any]]
OWN = "shown"
"""The arm that the others are held against."""
CONTROLS = ("hidden", "guided", "wrong", "nearest", CLONING)
_ABOUT = ("task", "fold", "seed", "arm", "prompts_of")
"""Of a cell, what is kept beside its success."""
_SEEDS = "training seeds, then prompts"
_PROMPTS = "prompts of one training seed"
_CLONED = "prompts, without any training"


def summarize_folds(
    cells: Cells, folds: Folds, groups: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """Sum up the cells that `run_folds` returned.

    Intervals of 95% are a bootstrap that draws training seeds first and then, within each task,
    prompts; each says what it draws, as one training seed is nothing to draw from. A mean is over
    the training seeds that all tasks of its group have.

    Args:
        cells: of one run.
        folds: the partition.
        groups: sets of tasks, by name, over which means are taken besides folds.

    Returns:
        Plain JSON values.
    """
    made = [cell for cell in cells if cell["success"] is not None]
    measured = {cell["task"] for cell in cells}
    owners = {task: fold for fold, tasks in folds.items() for task in tasks}
    everything = {**groups, **folds}
    arms = list(dict.fromkeys(cell["arm"] for cell in cells))
    return {
        "num_seeds": len({cell["seed"] for cell in cells} - {None}),
        "groups": [
            _describe_group(name, tasks, made, arms)
            for name, tasks in everything.items()
            if measured & set(tasks)
        ],
        "tasks": [
            {
                "task": task,
                "fold": owners[task],
                "arms": {arm: _describe_task(made, task, arm) for arm in arms},
                "nearest": _find_nearest(made, task),
            }
            for tasks in folds.values()
            for task in tasks
            if task in measured
        ],
        # A row for each prompt, a digit for each of its policy's layouts.
        "success": [
            {
                name: cell[name]
                for name in ("task", "fold", "seed", "arm", "prompts_of")
                if name in cell
            }
            | {"success": ["".join(map(str, row)) for row in cell["success"]]}
            for cell in made
        ],
        "not_made": {
            f"{cell['arm']} {cell['task']}": cell["reason"]
            for cell in cells
            if cell["success"] is None
        },
        "sealed": max(
            (cell["use"] for cell in cells if cell["use"] is not None),
            key=lambda use: use["uses_before"],
            default=None,
        ),
        "generators_sha256": {
            f"{cell['fold']}-{cell['seed']}": cell["generator_sha256"]
            for cell in cells
            if cell["seed"] is not None
        },
        "cell_commits": sorted({str(cell["provenance"]["git_commit"]) for cell in cells}),
    }


def stack_rates(
    cells: Cells, tasks: Sequence[str], arm: str
) -> tuple[np.ndarray, list[str], list[int | None]] | None:
    """Success of each prompt's policy `[S, T, N]`, the tasks, and the training seeds.

    Tasks that could not be made are left out, and training seeds that not all of the rest have.
    None where nothing is left.
    """
    mine = [cell for cell in cells if cell["arm"] == arm and cell["task"] in tasks]
    rates = {(cell["seed"], cell["task"]): np.mean(cell["success"], axis=1) for cell in mine}
    there = [task for task in tasks if any(cell["task"] == task for cell in mine)]
    seeds = [
        seed
        for seed in dict.fromkeys(cell["seed"] for cell in mine)
        if all((seed, task) in rates for task in there)
    ]
    if not seeds:
        return None
    return np.array([[rates[seed, task] for task in there] for seed in seeds]), there, seeds


def _measure(rates: np.ndarray, seeds: Sequence[int | None]) -> dict[str, Any]:
    """Mean of rates `[S, T, N]` with its interval, and what that draws."""
    drawn = _CLONED if list(seeds) == [None] else _SEEDS if len(seeds) > 1 else _PROMPTS
    if rates.shape[0] == rates.shape[2] == 1:
        return {"mean": float(rates.mean()), "interval_95": None, "interval_of": None}
    interval = hierarchical_bootstrap(rates, lambda sample: float(sample.mean()))
    return {"mean": float(rates.mean()), "interval_95": list(interval), "interval_of": drawn}


def _describe_group(
    name: str, tasks: Sequence[str], cells: Cells, arms: Sequence[str]
) -> dict[str, Any]:
    described: dict[str, Any] = {}
    for arm in arms:
        if (found := stack_rates(cells, tasks, arm)) is None:
            described[arm] = None
            continue
        rates, there, seeds = found
        by_task = rates.mean(axis=(0, 2))
        described[arm] = {
            **_measure(rates, seeds),
            "num_tasks": len(there),
            # By training seed; None is of what has none.
            "seeds": {
                "none" if seed is None else str(seed): float(row.mean())
                for seed, row in zip(seeds, rates, strict=True)
            },
            "lowest": float(by_task.min()),
            "lowest_task": there[int(by_task.argmin())],
            "at_zero": [task for task, rate in zip(there, by_task, strict=True) if rate == 0],
        }
    return {
        "group": name,
        "num_tasks": len(tasks),
        "arms": described,
        "less": {
            arm: difference
            for arm in CONTROLS
            if (difference := _compare(cells, tasks, arm)) is not None
        },
    }


def _compare(cells: Cells, tasks: Sequence[str], arm: str) -> dict[str, Any] | None:
    """The generator shown the goal, less another arm: prompt by prompt, on the same layouts.

    Only tasks and training seeds that both have; what has no training seed is held against each.
    """
    own, other = (stack_rates(cells, tasks, name) for name in (OWN, arm))
    if own is None or other is None:
        return None
    both = [task for task in own[1] if task in other[1]]
    seeds = [seed for seed in own[2] if seed in other[2] or other[2] == [None]]
    if not both or not seeds:
        return None
    first, second = (
        rates[[here.index(seed) if seed in here else 0 for seed in seeds]][
            :, [there.index(task) for task in both]
        ]
        for rates, there, here in (own, other)
    )
    return {**_measure(first - second, seeds), "num_tasks": len(both)}


def _describe_task(cells: Cells, task: str, arm: str) -> dict[str, Any] | None:
    """One arm on one task.

    No resample holds what never happened: Wilson's interval, which knows that a policy's rollouts
    resemble each other, is the least that the interval spans.
    """
    found = stack_rates(cells, [task], arm)
    if found is None:
        return None
    rates, _, seeds = found
    measured = _measure(rates, seeds)
    matrices = [cell["success"] for cell in cells if cell["arm"] == arm and cell["task"] == task]
    wilson = summarize(np.concatenate([np.array(each) for each in matrices])).mean_interval
    low, high = measured["interval_95"] or wilson
    return measured | {
        "interval_95": [min(low, wilson[0]), max(high, wilson[1])],
        "seeds": rates.mean(axis=(1, 2)).tolist(),
    }


def _find_nearest(cells: Cells, task: str) -> str | None:
    """The training task that was nearest to most of a task's prompts."""
    named = [
        owner
        for cell in cells
        if cell["arm"] == "nearest" and cell["task"] == task
        for owner in cell["prompts_of"]
    ]
    return Counter(named).most_common(1)[0][0] if named else None
