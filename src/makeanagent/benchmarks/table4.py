"""The paper's Table 4: qualified rate and best policies from 100 prompts, on every task.

Each cell (prompt source, task, training seed) is one JSON file; a killed run goes on with the
cells that are missing.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from makeanagent.artifacts import describe_provenance, read_json, write_json
from makeanagent.benchmarks.paper import TABLE_4
from makeanagent.benchmarks.prompts import (
    EXPERT_NOISE,
    record_expert_prompts,
    record_zoo_prompts,
)
from makeanagent.environments import Suite
from makeanagent.evaluation.protocols import ProtocolConfig, evaluate_policies
from makeanagent.generator import MakeAnAgent
from makeanagent.trajectories import Trajectory
from makeanagent.zoo.store import Zoo

Source = Literal["expert", "zoo"]


@dataclass(frozen=True, kw_only=True)
class Table4Config:
    """Sizes of the experiment."""

    num_prompts: int = 100
    "Prompts, and policies, for each task."
    sources: tuple[Source, ...] = ("expert", "zoo")
    "Who made the prompts."
    layouts_per_policy: int = 5
    "Held-out layouts that each policy plays; all fifty are dealt out in turn."
    best_of: int = 20
    "Policies among which the best of N is chosen."
    held_out_runs: int = 2
    "Zoo prompts come from the last runs of each task, which training holds out."


def run_table4(
    pool: Executor,
    suite: Suite,
    tasks: Sequence[str],
    generators: Sequence[Callable[[], MakeAnAgent]],
    zoo: Callable[[str], Zoo],
    folder: Path,
    config: Table4Config,
    on_cell: Callable[[str], Any] | None = None,
) -> None:
    """Fill the cells that are missing in `folder`.

    Args:
        pool: worker processes.
        suite: the environments.
        tasks: full task names.
        generators: for each training seed, what loads its generator.
        zoo: gives the zoo whose policies prompt a task.
        folder: one JSON file a cell.
        config: sizes.
        on_cell: called with each cell's name when it is there.
    """
    report = on_cell or (lambda name: None)
    for source in config.sources:
        for task in tasks:
            cells = {
                seed: folder / f"{source}-{task}-{seed}.json" for seed in range(len(generators))
            }
            missing = [seed for seed, path in cells.items() if not path.is_file()]
            for seed in cells.keys() - set(missing):
                report(cells[seed].stem)
            if not missing:
                continue
            window = generators[0]().config.window
            prompts: list[Trajectory]
            if source == "expert":
                prompts = record_expert_prompts(pool, suite, task, config.num_prompts, window)
            else:
                prompts = record_zoo_prompts(
                    pool, suite, task, zoo(task), config.num_prompts, window, config.held_out_runs
                )
            for seed in missing:
                generator = generators[seed]()
                policies = generator.generate(prompts, seed=seed)
                protocol = ProtocolConfig(
                    layouts_per_policy=config.layouts_per_policy,
                    best_of=config.best_of,
                    layout_seed=seed,
                )
                result = evaluate_policies(
                    pool, suite, task, policies.parameters.numpy(), policies.spec, protocol
                )
                result |= {
                    "source": source,
                    "seed": seed,
                    "seen": task in generator.config.tasks,
                    "expert_noise": list(EXPERT_NOISE) if source == "expert" else None,
                    "generator_sha256": generator.fingerprint,
                    "provenance": describe_provenance(),
                }
                write_json(cells[seed], result)
                report(cells[seed].stem)


def summarize_table4(folder: Path) -> dict[str, Any]:
    """Means and standard deviations over training seeds, a row a task and source."""
    cells = [read_json(path) for path in sorted(folder.glob("*.json"))]
    rows: list[dict[str, Any]] = []
    for source, task in sorted({(cell["source"], cell["task"]) for cell in cells}):
        group = [cell for cell in cells if (cell["source"], cell["task"]) == (source, task)]
        name = task.split("/")[-1]
        paper = TABLE_4.get(name)
        rows.append(
            {
                "source": source,
                "task": name,
                "seen": group[0]["seen"],
                "num_seeds": len(group),
                "qualified": _spread([cell["paper"]["qualified_rate"] for cell in group]),
                "top_5": _spread([cell["paper"]["top_5"] for cell in group]),
                "top_10": _spread([cell["paper"]["top_10"] for cell in group]),
                "first_sample": _spread(
                    [cell["held_out"]["first_sample"]["mean"] for cell in group]
                ),
                "best_of_n": _spread([cell["held_out"]["best_of_n"]["mean"] for cell in group]),
                "num_rollouts": sum(cell["num_rollouts"] for cell in group),
                "paper": paper._asdict() if paper else None,
            }
        )
    return {
        "benchmark": "table4",
        "rows": rows,
        "means": [
            _mean_row(rows, source, seen)
            for source in sorted({row["source"] for row in rows})
            for seen in (True, False)
            if any(row["source"] == source and row["seen"] == seen for row in rows)
        ],
        "generators_sha256": {str(cell["seed"]): cell["generator_sha256"] for cell in cells},
        "cell_commits": sorted({str(cell["provenance"]["git_commit"]) for cell in cells}),
        "provenance": describe_provenance(),
    }


def _spread(values: list[float]) -> dict[str, Any]:
    return {"mean": float(np.mean(values)), "std": float(np.std(values)), "seeds": values}


def _mean_row(rows: list[dict[str, Any]], source: str, seen: bool) -> dict[str, Any]:
    chosen = [row for row in rows if row["source"] == source and row["seen"] == seen]
    names = ("qualified", "top_5", "top_10", "first_sample", "best_of_n")
    in_paper = [row for row in chosen if row["paper"]]
    return {
        "source": source,
        "seen": seen,
        "num_tasks": len(chosen),
        **{name: float(np.mean([row[name]["mean"] for row in chosen])) for name in names},
        "lowest_qualified": min(row["qualified"]["mean"] for row in chosen),
        "paper_qualified": (
            float(np.mean([row["paper"]["qualified"] for row in in_paper])) if in_paper else None
        ),
    }
