"""What the cells of `benchmark unseen` amount to: means over tasks, each task, and the curves."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.experiments.unseen import Generators, UnseenConfig, plan_cells, read_cell
from benchmarks.experiments.unseen_methods import SELECTED
from makeanagent.artifacts import describe_provenance
from makeanagent.evaluation.metrics import interquartile_mean, stratified_bootstrap, summarize

Cells = list[dict[str, Any]]
SELECTED_BEST = "selected_best"
"""Of the policies chosen on the selection layouts the best one there, alone."""


def summarize_unseen(
    folder: Path, tasks: Sequence[str], generators: Generators, config: UnseenConfig
) -> dict[str, Any]:
    """Read the cells that `run_unseen` filled, of whichever parts are there.

    Intervals of 95%: of means over tasks by a stratified bootstrap over policies, each of which has
    a prompt of its own; of one task's mean by Wilson's formula, knowing that a policy's rollouts
    resemble each other.

    Args:
        folder: one JSON file a cell.
        tasks: those of the run.
        generators: those of the run.
        config: that of the run; of its parts, whose cells are there, all are read.

    Returns:
        Plain JSON values.
    """
    everything = UnseenConfig(**{**vars(config), "parts": UnseenConfig().parts})
    loaded = [load() for load in generators]
    cells = [
        content
        for cell in plan_cells(tasks, generators, everything)
        if (content := read_cell(folder, cell, loaded[cell.seed], config)) is not None
    ]
    points = [cell for cell in cells if cell["curve"] is not None]
    scored = [cell for cell in cells if cell["curve"] is None]
    scored += [
        cell | {"method": SELECTED_BEST, "success": cell["success"][:1]}
        for cell in scored
        if cell["method"] == SELECTED and cell["success"] is not None
    ]
    rows = [
        {
            "task": task.split("/")[-1],
            "seen": mine[0]["seen"],
            "methods": {
                method: _describe_task([cell for cell in mine if cell["method"] == method])
                for method in _unique(mine, "method")
            },
        }
        for task in tasks
        if (mine := [cell for cell in scored if cell["task"] == task])
    ]
    return {
        "benchmark": "unseen",
        "config": asdict(config),
        "num_seeds": len(generators),
        "means": [
            _describe_method(group, method, seen)
            for seen in (True, False)
            for method in _unique(scored, "method")
            if (group := _select(scored, method=method, seen=seen))
        ],
        "tasks": rows,
        "guided_against_cloning": [
            _count_wins([row["methods"] for row in rows if row["seen"] == seen], seen)
            for seen in (True, False)
        ],
        "curves": [
            _describe_point(points, curve, value, method)
            for curve in _unique(points, "curve")
            for value in _unique(_select(points, curve=curve), "value")
            for method in _unique(points, "method")
        ],
        "guidance_milliseconds": _measure_guidance(scored),
        "generators_sha256": {
            str(seed): generator.fingerprint for seed, generator in enumerate(loaded)
        },
        "cell_commits": sorted({str(cell["provenance"]["git_commit"]) for cell in cells}),
        "provenance": describe_provenance(),
    }


def _unique(cells: Cells, name: str) -> list[Any]:
    return list(dict.fromkeys(cell[name] for cell in cells))


def _select(cells: Cells, **values: object) -> Cells:
    return [cell for cell in cells if all(cell[name] == value for name, value in values.items())]


def _describe_task(cells: Cells) -> dict[str, Any] | None:
    """One method on one task over training seeds, or None where it could not be."""
    found = [cell["success"] for cell in cells if cell["success"] is not None]
    if not found:
        return None
    success = np.concatenate(found)
    summary = summarize(success)
    return {
        "mean": summary.mean,
        "interval_95": list(summary.mean_interval),
        "num_rollouts": int(success.size),
        "seeds": [float(np.mean(matrix)) for matrix in found],
    }


def _describe_method(cells: Cells, method: str, seen: bool) -> dict[str, Any]:
    """One method over tasks; where it could not be is left out, and named."""
    made = [cell for cell in cells if cell["success"] is not None]
    predicted = [value for cell in made for value in cell["predicted_success"] or ()]
    rates = {task: float(np.mean(_rates(made, task))) for task in _unique(made, "task")}
    lowest = min(rates, key=lambda task: rates[task], default=None)
    return {
        "method": method,
        "part": cells[0]["part"],
        "seen": seen,
        "num_tasks": len(rates),
        **_aggregate([_rates(made, task) for task in rates]),
        "lowest": None if lowest is None else rates[lowest],
        "lowest_task": lowest,
        # The mean over tasks, by training seed.
        "seeds": {
            str(seed): float(np.mean([np.mean(cell["success"]) for cell in mine]))
            for seed in _unique(made, "seed")
            if (mine := _select(made, seed=seed))
        },
        "predicted_success": float(np.mean(predicted)) if predicted else None,
        "not_made": {
            f"{cell['task']}-{cell['seed']}": cell["reason"]
            for cell in cells
            if cell["success"] is None
        },
    }


def _rates(cells: Cells, task: str) -> np.ndarray:
    """Success of each policy for a task, `[N]`, over training seeds."""
    return np.concatenate([np.mean(cell["success"], axis=1) for cell in _select(cells, task=task)])


def _aggregate(rates: list[np.ndarray]) -> dict[str, Any]:
    """Mean and interquartile mean of rates `[T][N]` over tasks and policies, with intervals."""
    if not rates:
        names = ("mean", "interval_95", "interquartile_mean", "interquartile_mean_interval_95")
        return dict.fromkeys(names)
    # A cell that could not be made leaves its task with fewer policies than others.
    fewest = min(map(len, rates))
    scores = np.stack([task_rates[:fewest] for task_rates in rates])
    return {
        "mean": float(np.mean([task_rates.mean() for task_rates in rates])),
        "interval_95": list(stratified_bootstrap(scores, lambda sample: float(sample.mean()))),
        "interquartile_mean": interquartile_mean(scores),
        "interquartile_mean_interval_95": list(stratified_bootstrap(scores)),
    }


def _count_wins(rows: list[dict[str, Any]], seen: bool) -> dict[str, Any]:
    """Tasks on which guidance does better than cloning, and worse."""
    both = [
        (row["guided"]["mean"], row["cloning"]["mean"])
        for row in rows
        if row.get("guided") and row.get("cloning")
    ]
    return {
        "seen": seen,
        "num_tasks": len(both),
        "better": sum(guided > cloned for guided, cloned in both),
        "worse": sum(guided < cloned for guided, cloned in both),
    }


def _describe_point(points: Cells, curve: str, value: float, method: str) -> dict[str, Any]:
    """One method at one value, over the tasks that have every point of the curve.

    Otherwise a hard task that drops out would lift the mean.
    """
    everywhere = _select(points, curve=curve)
    dropped = {cell["task"] for cell in everywhere if cell["success"] is None}
    mine = _select(everywhere, value=value, method=method)
    kept = [cell for cell in mine if cell["task"] not in dropped]
    return {
        "curve": curve,
        "value": value,
        "method": method,
        "num_tasks": len(kept),
        **_aggregate([np.mean(cell["success"], axis=1) for cell in kept]),
        "tasks": {
            cell["task"]: None if cell["success"] is None else float(np.mean(cell["success"]))
            for cell in mine
        },
        "not_made": {cell["task"]: cell["reason"] for cell in mine if cell["success"] is None},
    }


def _measure_guidance(cells: Cells) -> float | None:
    """Milliseconds a policy that guidance adds to generation, median over tasks and seeds."""
    unguided, guided = (
        {
            (cell["task"], cell["seed"]): 1e3 * cell["seconds"] / cell["num_policies"]
            for cell in _select(cells, method=method)
            if cell["success"] is not None
        }
        for method in ("unguided", "guided")
    )
    pairs = unguided.keys() & guided.keys()
    return float(np.median([guided[pair] - unguided[pair] for pair in pairs])) if pairs else None
