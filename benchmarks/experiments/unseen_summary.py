"""What the cells of `unseen` amount to: means, each task, the strongest rival, and curves."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.experiments.unseen_cells import Generators, UnseenConfig, plan_cells, read_cell
from benchmarks.experiments.unseen_methods import OWN, SELECTED, SELECTED_BEST
from makeanagent.evaluation.metrics import hierarchical_bootstrap, interquartile_mean, summarize

Cells = list[dict[str, Any]]
COMPARED = "guided"
"""The method that is held against its strongest rival."""


def summarize_unseen(
    folder: Path, tasks: Sequence[str], generators: Generators, config: UnseenConfig
) -> dict[str, Any]:
    """Read the cells that `run_unseen` filled, of whichever parts are there.

    Intervals of 95% draw training seeds first and then, within each task, policies. Each has a
    prompt of its own, but for those that rollouts chose among all prompts' policies: of these, an
    interval knows nothing of other choices. A method is measured on the tasks that it has with all
    of its seeds.

    Args:
        folder: one JSON file a cell.
        tasks: those of the run.
        generators: those of the run.
        config: that of the run; of its parts, whose cells are there, all are read.

    Returns:
        Plain JSON values.
    """
    everything = replace(config, parts=UnseenConfig().parts)
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
    groups = {
        seen: {
            method: mine
            for method in _unique(scored, "method")
            if (mine := _select(scored, method=method, seen=seen))
        }
        for seen in (True, False)
    }
    return {
        "num_seeds": len(generators),
        "intervals": "a bootstrap over training seeds and then policies",
        "means": [
            _describe_method(mine, method, seen)
            for seen, group in groups.items()
            for method, mine in group.items()
        ],
        "tasks": [
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
        ],
        "against_rival": [
            found
            for seen, group in groups.items()
            if (found := _compare_with_rival(group, seen)) is not None
        ],
        "curves": [
            _describe_point(points, curve, value, method)
            for curve in _unique(points, "curve")
            for value in _unique(_select(points, curve=curve), "value")
            for method in _unique(points, "method")
        ],
        "guidance_milliseconds": _measure_guidance(scored),
        "sealed": _find_use(scored),
        "generators_sha256": {
            str(seed): generator.fingerprint for seed, generator in enumerate(loaded)
        },
        "cell_commits": sorted({str(cell["provenance"]["git_commit"]) for cell in cells}),
    }


def _find_use(cells: Cells) -> dict[str, Any] | None:
    """Of the log's lines under which cells were played, the one with the most uses before."""
    uses = [cell["sealed"] for cell in cells if cell["sealed"] is not None]
    return max(uses, key=lambda use: use["uses_before"], default=None)


def _unique(cells: Cells, name: str) -> list[Any]:
    return list(dict.fromkeys(cell[name] for cell in cells))


def _select(cells: Cells, **values: object) -> Cells:
    return [cell for cell in cells if all(cell[name] == value for name, value in values.items())]


def _mean(sample: np.ndarray) -> float:
    return float(sample.mean())


def _stack_rates(cells: Cells, tasks: Sequence[str], seeds: Sequence[int]) -> np.ndarray:
    """Success of each policy, `[S, T, N]`, from cells that are all there and made."""
    rates = {(cell["seed"], cell["task"]): np.mean(cell["success"], axis=1) for cell in cells}
    return np.array([[rates[seed, task] for task in tasks] for seed in seeds])


def _find_common(cells: Cells) -> tuple[list[str], list[int]]:
    """The seeds that made anything, and the tasks that all of them made."""
    made = [cell for cell in cells if cell["success"] is not None]
    seeds = sorted(_unique(made, "seed"))
    have = {(cell["task"], cell["seed"]) for cell in made}
    return [t for t in _unique(made, "task") if all((t, seed) in have for seed in seeds)], seeds


def _measure(rates: np.ndarray, aggregate: Callable[[np.ndarray], float] = _mean) -> dict[str, Any]:
    """An aggregate of rates `[S, T, N]` with its interval, which a single policy has not."""
    alone = rates.shape[0] == rates.shape[2] == 1
    interval = None if alone else list(hierarchical_bootstrap(rates, aggregate))
    return {"mean": aggregate(rates), "interval_95": interval}


def _describe_task(cells: Cells) -> dict[str, Any] | None:
    """One method on one task over training seeds, or None where it could not be.

    No resample holds what never happened: Wilson's interval, which knows that a policy's rollouts
    resemble each other, is the least that the interval spans.
    """
    made = [cell for cell in cells if cell["success"] is not None]
    if not made:
        return None
    tasks, seeds = _find_common(made)
    success = np.concatenate([np.array(cell["success"]) for cell in made])
    measured, wilson = _measure(_stack_rates(made, tasks, seeds)), summarize(success).mean_interval
    low, high = measured["interval_95"] or wilson
    return {
        "mean": measured["mean"],
        "interval_95": [min(low, wilson[0]), max(high, wilson[1])],
        "num_rollouts": int(success.size),
        "seeds": [float(np.mean(cell["success"])) for cell in made],
    }


def _describe_method(cells: Cells, method: str, seen: bool) -> dict[str, Any]:
    """One method over tasks; where it could not be is left out, and named."""
    made = [cell for cell in cells if cell["success"] is not None]
    tasks, seeds = _find_common(made)
    kept = [cell for cell in made if cell["task"] in tasks]
    rates = {
        task: float(np.mean([np.mean(cell["success"]) for cell in _select(kept, task=task)]))
        for task in tasks
    }
    lowest = min(rates, key=lambda task: rates[task], default=None)
    return {
        "method": method,
        "part": cells[0]["part"],
        "seen": seen,
        "num_tasks": len(tasks),
        **_aggregate(_stack_rates(kept, tasks, seeds) if tasks else None),
        "lowest": None if lowest is None else rates[lowest],
        "lowest_task": lowest,
        # The mean over tasks, by training seed.
        "seeds": {
            str(seed): float(np.mean([np.mean(cell["success"]) for cell in mine]))
            for seed in seeds
            if (mine := _select(kept, seed=seed))
        },
        **_measure_effort(kept),
        "not_made": {
            f"{cell['task']}-{cell['seed']}": cell["reason"]
            for cell in cells
            if cell["success"] is None
        },
    }


def _measure_effort(cells: Cells) -> dict[str, Any]:
    """Demonstrations, and rollouts before it is scored, that a policy took on one task.

    Where policies of many prompts compete, each that is chosen took them all.
    """
    if not cells:
        return {"num_demonstrations": None, "num_rollouts": None}
    tried = [np.size(cell.get("selection_success", ())) for cell in cells]
    return {
        "num_demonstrations": max(
            cell["num_prompts"] if rollouts else 1
            for cell, rollouts in zip(cells, tried, strict=True)
        ),
        "num_rollouts": max(tried),
    }


def _aggregate(rates: np.ndarray | None) -> dict[str, Any]:
    """Mean and interquartile mean of rates `[S, T, N]`, with intervals."""
    if rates is None:
        names = ("mean", "interval_95", "interquartile_mean", "interquartile_mean_interval_95")
        return dict.fromkeys(names)
    middle = _measure(rates, interquartile_mean)
    return _measure(rates) | {
        "interquartile_mean": middle["mean"],
        "interquartile_mean_interval_95": middle["interval_95"],
    }


def _compare_with_rival(group: dict[str, Cells], seen: bool) -> dict[str, Any] | None:
    """Guided generation against its strongest rival, prompt by prompt; None without any rival.

    Rival and guided policy of a prompt play the same layouts. The strongest rival is the one that
    is nearest to guided generation, or farthest above it, over the seeds that both have, so that
    rivals of other seeds can be compared; one that cannot be made on every task is none.

    Args:
        group: cells of each method.
        seen: which tasks they are of.
    """
    own = {
        (cell["task"], cell["seed"]): cell
        for cell in group.get(COMPARED, ())
        if cell["success"] is not None
    }
    pairs = {
        method: [
            (own[key], cell)
            for cell in cells
            if cell["success"] is not None and (key := (cell["task"], cell["seed"])) in own
        ]
        for method, cells in group.items()
        if method not in OWN
    }
    tasks, _ = _find_common(list(own.values()))
    strength = {
        method: float(np.mean([np.mean(r["success"]) - np.mean(g["success"]) for g, r in found]))
        for method, found in pairs.items()
        if found and _find_common([rival for _, rival in found])[0] == tasks
    }
    if not strength:
        return None
    strongest = max(strength, key=lambda method: strength[method])
    guided, rivals = (list(cells) for cells in zip(*pairs[strongest], strict=True))
    tasks, seeds = _find_common(guided)
    difference = _stack_rates(guided, tasks, seeds) - _stack_rates(rivals, tasks, seeds)
    rows = [
        {"task": task.split("/")[-1], **_measure(difference[:, [place]])}
        for place, task in enumerate(tasks)
    ]
    return {
        "seen": seen,
        "rival": strongest,
        "num_tasks": len(tasks),
        "seeds": seeds,
        "difference": _measure(difference),
        "tasks": rows,
        **_count_wins(rows),
    }


def _count_wins(rows: list[dict[str, Any]]) -> dict[str, int]:
    """Tasks with a difference above, below and of 0; `clear` where its interval leaves 0 out."""
    # Of rates that are no binary fractions: equal ones may differ in their last bits.
    signs = [int(np.sign(round(row["mean"], 9))) for row in rows]
    intervals = [np.round(row["interval_95"], 9) for row in rows if row["interval_95"]]
    return {
        "wins": signs.count(1),
        "losses": signs.count(-1),
        "ties": signs.count(0),
        "clear_wins": sum(int(low > 0) for low, _ in intervals),
        "clear_losses": sum(int(high < 0) for _, high in intervals),
    }


def _describe_point(points: Cells, curve: str, value: float, method: str) -> dict[str, Any]:
    """One method at one value, over the tasks that have every point of the curve.

    Otherwise a hard task that drops out would lift the mean.
    """
    everywhere = _select(points, curve=curve)
    dropped = {cell["task"] for cell in everywhere if cell["success"] is None}
    mine = _select(everywhere, value=value, method=method)
    kept = [cell for cell in mine if cell["task"] not in dropped]
    tasks, seeds = _find_common(kept)
    return {
        "curve": curve,
        "value": value,
        "method": method,
        "num_tasks": len(kept),
        **_aggregate(_stack_rates(kept, tasks, seeds) if tasks else None),
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
        for method in ("unguided", COMPARED)
    )
    pairs = unguided.keys() & guided.keys()
    return float(np.median([guided[pair] - unguided[pair] for pair in pairs])) if pairs else None
