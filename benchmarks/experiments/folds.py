"""Every task of Meta-World left out of training once: what one demonstration of it is worth."""

from collections.abc import Sequence
from concurrent.futures import as_completed
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal

from benchmarks.experiments.folds_cells import (
    ARMS,
    Arm,
    FoldsConfig,
    Generators,
    Key,
    plan_cells,
    run_folds,
)
from benchmarks.experiments.folds_page import write_folds
from benchmarks.experiments.folds_partition import ENDING, FOLDS
from benchmarks.experiments.folds_summary import summarize_folds
from benchmarks.experiments.folds_training import TrainingSource, find_generator, train_generator
from benchmarks.prompts import EXPERT_NOISE
from benchmarks.results import Settings, describe_training, read_optional, write_result
from makeanagent.artifacts import read_json
from makeanagent.cli.checks import require_at_least
from makeanagent.cli.progress import show_progress
from makeanagent.errors import InputError
from makeanagent.generator import MakeAnAgent
from makeanagent.parallel import open_pool
from makeanagent.suites import Suite, find_suite

PARTITION = {fold: tuple(f"{task}{ENDING}" for task in tasks) for fold, tasks in FOLDS.items()}
"""Full names of the tasks of each fold."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """Generators that never saw a task, its goal shown or hidden, and controls beside them."""

    base: Path | None = None
    "Folder of the generator, trained on drawn tasks alone, that all folds' trainings begin with."
    lessons: Path | None = None
    "Folder of the drawn tasks' lessons, which are learned from besides the real tasks."
    generators: Path | None = None
    "Folder of generators that are there already, as FOLD-SEED/generator, in place of training any."
    runs: Path = Path("runs/folds")
    "Training runs and cells, one folder or file each; a stopped benchmark goes on with them."
    folds: tuple[str, ...] = tuple(FOLDS)
    "Folds to measure; cells of the other ones are left alone."
    seeds: int = 3
    "Training seeds."
    arms: tuple[Arm, ...] = ARMS
    "What to measure."
    num_prompts: int = 10
    "Expert demonstrations of each task, and policies."
    sealed: bool = False
    """Score on sealed layouts, for a final table: this adds a line to the log of their uses
    (`benchmarks/sealed_layouts.jsonl`). Otherwise on validation layouts."""
    evaluate_nine: Path | None = None
    """File of the experiment `unseen`, whose means over the paper's nine unseen tasks are kept as a
    row; nothing is measured again."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    "Where generators are trained, and generate."
    note: str = ""
    "A sentence on this run, kept with its figures and shown with them."
    out: Path = Path("benchmarks/results/folds.json")
    "The figures' file."

    def run(self) -> None:
        """Train what is missing, fill the cells, and write the figures."""
        require_at_least("--seeds", self.seeds, 1)
        if unknown := sorted(set(self.folds) - set(FOLDS)):
            raise InputError(f"--folds {unknown[0]}: there are {', '.join(FOLDS)}")
        if self.generators is None and self.base is None:
            raise InputError("folds: give the --base to train from, or trained --generators")
        unseen = None if self.evaluate_nine is None else read_nine(self.evaluate_nine)
        config = FoldsConfig(arms=self.arms, num_prompts=self.num_prompts, sealed=self.sealed)
        suite = find_suite("metaworld")
        generators = self._load_generators(suite)
        total = sum(map(len, plan_cells(PARTITION, list(generators), config).values()))
        with open_pool() as pool, show_progress("folds: cells", total) as advance:
            cells = run_folds(
                pool,
                suite,
                PARTITION,
                generators,
                self.runs / "cells",
                config,
                lambda name: advance(1, f"folds: {name}"),
            )
        groups = {"fifty": suite.tasks(), "nine": suite.groups["unseen"]}
        result = summarize_folds(cells, PARTITION, groups)
        # One stands for all: they differ by their seed and by the tasks that they leave out.
        result["training"] = describe_training(next(iter(generators.values()))())
        result["unseen"] = unseen
        settings = resolve_settings(
            folds=self.folds,
            seeds=self.seeds,
            arms=self.arms,
            num_prompts=self.num_prompts,
            sealed=self.sealed,
        )
        write_result(self.out, "folds", result, settings, self.note)

    def _load_generators(self, suite: Suite) -> Generators:
        """What loads each fold's and training seed's generator, once all are there."""
        # A few at a time are at hand: the arms of one are measured together.
        load = lru_cache(maxsize=2)(lambda path: MakeAnAgent.from_pretrained(path, self.device))
        keys = [(fold, seed) for seed in range(self.seeds) for fold in self.folds]
        if self.generators is not None:
            paths = {key: find_generator(self.generators, *key) for key in keys}
        else:
            paths = self._train(keys, suite)
        return {key: partial(load, path) for key, path in paths.items()}

    def _train(self, keys: Sequence[tuple[str, int]], suite: Suite) -> dict[Key, Path]:
        """The generators' folders; side by side, as each training takes one processor."""
        source = TrainingSource(base=self.base, lessons=self.lessons, device=self.device)
        with open_pool() as pool, show_progress("folds: trainings", len(keys)) as advance:
            jobs = {}
            for fold, seed in keys:
                known = [task for task in suite.tasks() if task not in PARTITION[fold]]
                folder = self.runs / f"{fold}-{seed}"
                jobs[pool.submit(train_generator, folder, suite, known, seed, source)] = fold, seed
            for _job in as_completed(jobs):
                advance(1, "folds: trainings")
            return {key: job.result() for job, key in jobs.items()}


def resolve_settings(
    *,
    folds: Sequence[str],
    seeds: int,
    arms: Sequence[Arm],
    num_prompts: int,
    sealed: bool,
) -> Settings:
    """What is measured with these options by today's code."""
    config = FoldsConfig(arms=tuple(arms), num_prompts=num_prompts, sealed=sealed)
    sizes = asdict(config)
    methods = sizes.pop("methods")
    return {
        "options": {
            "folds": list(folds),
            "seeds": seeds,
            "arms": list(arms),
            "num_prompts": num_prompts,
            "sealed": sealed,
        },
        "sizes": sizes,
        "layouts": [config.scored.start, config.scored.stop],
        "partition": {fold: list(FOLDS[fold]) for fold in folds},
        "guidance": methods["guidance"],
        "cloning": methods["cloning"],
        "expert_noise": list(EXPERT_NOISE),
    }


def read_nine(path: Path) -> dict[str, Any]:
    """Means over the paper's unseen tasks, of a file of the experiment `unseen`.

    Raises:
        InputError: it is of another experiment.
    """
    found = read_json(path)
    if found.get("benchmark") != "unseen":
        raise InputError(f"--evaluate-nine {path}: is no file of the experiment `unseen`")
    names = ("mean", "interval_95", "num_tasks", "seeds")
    return {
        "means": {
            mean["method"]: {name: mean[name] for name in names}
            for mean in found["means"]
            if not mean["seen"]
        },
        "generators_sha256": found["generators_sha256"],
        "provenance": found["provenance"],
    }


def write_page() -> str:
    """The section on tasks left out fold by fold; nothing where they have not been measured."""
    result = read_optional("folds")
    return "" if result is None else write_folds(result, resolve_settings)
