"""`make-an-agent benchmark unseen`: policies for tasks that nobody trained on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from makeanagent.zoo.store import Zoo


@dataclass(frozen=True, kw_only=True)
class Unseen:
    """Generation, guidance and ranking against cloning and other rivals, on seen and new tasks.

    Ranking needs success predictors: `train predictor` on the runs' folders adds them, before or
    after, and fills no other cell again.
    """

    zoo: Path | None = None
    "Zoo to train on, without its tasks of the suite's group `unseen`."
    generator: str | None = None
    """A generator to measure as the one training seed, in place of training any: a bundled one's
    name, a folder, or a Hugging Face hub id. Its rivals need the zoo that it was trained on."""
    runs: Path = Path("runs/unseen")
    "Training runs and cells, one folder or file each; a stopped benchmark goes on with them."
    seeds: int = 3
    "Training seeds."
    rival_seeds: int = 1
    "Training seeds whose generators have rivals."
    tasks: tuple[str, ...] = ("seen", "unseen")
    num_prompts: int = 10
    parts: tuple[Literal["core", "rivals", "curves"], ...] = ("core", "rivals", "curves")
    preset: Literal["fast", "paper", "smoke"] = "fast"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    out: Path = Path("benchmarks/results/unseen.json")
    figure: Path = Path("docs/images/unseen.png")
    "Picture of the curves, `.png` or `.svg`."

    def run(self) -> None:
        """Train what is missing, fill the cells, and write the figures and their picture."""
        from functools import cache, partial

        from benchmarks.experiments.figures_unseen import draw_unseen
        from benchmarks.experiments.unseen import UnseenConfig, plan_cells, run_unseen
        from benchmarks.experiments.unseen_summary import summarize_unseen
        from makeanagent.artifacts import write_json
        from makeanagent.cli.checks import require_at_least, require_picture
        from makeanagent.cli.progress import show_progress
        from makeanagent.errors import InputError
        from makeanagent.evaluation.figures import write_figure
        from makeanagent.generator import MakeAnAgent
        from makeanagent.parallel import open_pool
        from makeanagent.suites import find_suite
        from makeanagent.suites.tasks import expand_tasks
        from makeanagent.zoo.store import Zoo

        require_at_least("--seeds", self.seeds, 1)
        require_picture("--figure", self.figure)
        config = UnseenConfig(
            parts=self.parts, num_prompts=self.num_prompts, rival_seeds=self.rival_seeds
        )
        zoo = None if self.zoo is None else Zoo.open(self.zoo)
        load = cache(lambda path: MakeAnAgent.from_pretrained(path, self.device))
        if self.generator is not None:
            paths: list[str | Path] = [self.generator]
            suite = find_suite(load(self.generator).config.suite)
        elif zoo is None:
            raise InputError("benchmark unseen: give --zoo to train on, or a trained --generator")
        else:
            suite = find_suite(zoo.suite)
            paths = self._train(zoo, (getattr(suite, "groups", None) or {}).get("unseen", ()))
        tasks = expand_tasks(suite, self.tasks)
        generators = [partial(load, path) for path in paths]
        cells = self.runs / "cells"
        total = len(plan_cells(tasks, generators, config))
        with open_pool() as pool, show_progress("unseen: cells", total) as advance:
            run_unseen(
                pool,
                suite,
                tasks,
                generators,
                zoo,
                cells,
                config,
                lambda name: advance(1, f"unseen: {name}"),
            )
        result = summarize_unseen(cells, tasks, generators, config)
        write_json(self.out, result)
        print(f"written: {self.out}")
        if result["curves"]:
            write_figure(draw_unseen(result), self.figure)
            print(f"written: {self.figure}")

    def _train(self, zoo: "Zoo", unseen: Sequence[str]) -> "list[str | Path]":
        """A generator's folder for each training seed.

        Raises:
            InputError: there is nothing to train on.
        """
        from dataclasses import replace

        from makeanagent.cli.train import train_all
        from makeanagent.errors import InputError
        from makeanagent.training.presets import PRESETS

        trained_on = tuple(task for task in zoo.tasks() if task not in unseen)
        if not trained_on:
            raise InputError(f"{zoo.folder}: all of its tasks are unseen ones")
        return [
            train_all(
                self.runs / f"seed-{seed}",
                zoo,
                replace(PRESETS[self.preset], seed=seed),
                self.device,
                trained_on,
            )
            for seed in range(self.seeds)
        ]
