"""From one arm to others: a generator that learned on the Panda, asked by their demonstrations."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cells import spread
from benchmarks.experiments.transfer_cells import (
    LEARNED_AMOUNTS,
    LEARNED_ON,
    PARTS,
    Part,
    TransferConfig,
    list_training_tasks,
    plan_cells,
    run_transfer,
)
from benchmarks.experiments.transfer_page import write_transfer
from benchmarks.prompts import EXPERT_NOISE
from benchmarks.results import Settings, read_optional, write_result
from makeanagent.artifacts import as_json
from makeanagent.cli.checks import require_at_least
from makeanagent.cli.progress import show_progress
from makeanagent.cli.train import train_reader
from makeanagent.generator import MakeAnAgent
from makeanagent.parallel import open_pool
from makeanagent.suites import find_suite
from makeanagent.training.reading_presets import ALONE_READING
from makeanagent.training.reading_run import ReadingRun


@dataclass(frozen=True, kw_only=True)
class Command:
    """Generators of the Panda's tasks, on other arms, and for amounts between those learned."""

    runs: Path = Path("runs/transfer")
    "Training runs and cells, one folder or file each; a stopped benchmark goes on with them."
    seeds: int = 3
    "Training seeds."
    cloning_seeds: int = 1
    "Of these, those beside which there is cloning."
    parts: tuple[Part, ...] = PARTS
    "What to measure."
    num_prompts: int = 25
    "Expert prompts of each task and training seed, and policies."
    note: str = ""
    "A sentence on this run, kept with its figures and shown with them."
    out: Path = Path("benchmarks/results/transfer.json")
    "The figures' file."

    def run(self) -> None:
        """Train what is missing, fill the cells, and write the figures."""
        require_at_least("--seeds", self.seeds, 1)
        suite = find_suite("robosuite")
        config = TransferConfig(
            parts=self.parts, num_prompts=self.num_prompts, cloning_seeds=self.cloning_seeds
        )
        load = lru_cache(maxsize=1)(MakeAnAgent.from_pretrained)
        generators = [partial(load, self._train(seed)) for seed in range(self.seeds)]
        total = len(plan_cells(self.seeds, config))
        with open_pool() as pool, show_progress("transfer: cells", total) as advance:
            cells = run_transfer(
                pool,
                suite,
                generators,
                self.runs / "cells",
                config,
                lambda name: advance(1, f"transfer: {name}"),
            )
        settings = resolve_settings(
            seeds=self.seeds,
            cloning_seeds=self.cloning_seeds,
            parts=self.parts,
            num_prompts=self.num_prompts,
        )
        write_result(self.out, "transfer", summarize_transfer(cells), settings, self.note)

    def _train(self, seed: int) -> Path:
        """The folder of a training seed's generator. Seeds share the experts' episodes."""
        run = ReadingRun(
            self.runs / f"seed-{seed}",
            find_suite("robosuite"),
            list_training_tasks(),
            replace(ALONE_READING, seed=seed),
            lessons=self.runs / "lessons",
        )
        train_reader(run, "cpu")
        return run.save_generator()


def summarize_transfer(cells: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Success of each method on each task, by training seed."""
    rows = []
    for key in dict.fromkeys((cell["part"], cell["task"], cell["method"]) for cell in cells):
        part, task, method = key
        mine = [cell for cell in cells if (cell["part"], cell["task"], cell["method"]) == key]
        rates = [float(np.mean(cell["success"])) for cell in mine]
        rows.append(
            {
                "part": part,
                "task": task,
                "method": method,
                "success": spread(rates),
                "num_rollouts": sum(np.size(cell["success"]) for cell in mine),
            }
        )
    return {
        "rows": rows,
        "generators_sha256": {str(cell["seed"]): cell["generator_sha256"] for cell in cells},
        "cell_commits": sorted({str(cell["provenance"]["git_commit"]) for cell in cells}),
    }


def resolve_settings(
    *, seeds: int, cloning_seeds: int, parts: Sequence[Part], num_prompts: int
) -> Settings:
    """What is measured with these options by today's code."""
    config = TransferConfig(
        parts=tuple(parts), num_prompts=num_prompts, cloning_seeds=cloning_seeds
    )
    sizes = asdict(config)
    methods = sizes.pop("methods")
    return {
        "options": {
            "seeds": seeds,
            "cloning_seeds": cloning_seeds,
            "parts": list(parts),
            "num_prompts": num_prompts,
        },
        "sizes": sizes,
        "learned": {"arm": LEARNED_ON, "amounts": as_json(LEARNED_AMOUNTS)},
        "guidance": methods["guidance"],
        "cloning": methods["cloning"],
        "expert_noise": list(EXPERT_NOISE),
        "training": asdict(ALONE_READING),
    }


def write_page() -> str:
    """The section; nothing where it has not been measured."""
    result = read_optional("transfer")
    return "" if result is None else write_transfer(result, resolve_settings)
