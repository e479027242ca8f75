"""`make-an-agent benchmark`: the experiments, each writing one JSON file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from makeanagent.cli.benchmark_unseen import Unseen


@dataclass(frozen=True, kw_only=True)
class Table4:
    """The paper's Table 4: 100 prompts a task, seen and unseen, over training seeds."""

    zoo: Path
    "Zoo to train on."
    unseen_zoo: Path | None = None
    "Zoo whose policies prompt the unseen tasks; needed for zoo prompts there."
    runs: Path = Path("runs/table4")
    "Training runs and cells, one folder or file each; a stopped benchmark goes on with them."
    out: Path = Path("benchmarks/results/table4.json")
    seeds: int = 3
    "Training seeds."
    num_prompts: int = 100
    sources: tuple[Literal["expert", "zoo"], ...] = ("expert", "zoo")
    tasks: tuple[str, ...] = ("seen", "unseen")
    preset: Literal["fast", "paper", "smoke"] = "fast"
    device: Literal["auto", "cpu", "cuda"] = "auto"

    def run(self) -> None:
        """Train what is missing, fill the cells, and write the table."""
        from dataclasses import replace
        from functools import cache

        from makeanagent.artifacts import write_json
        from makeanagent.benchmarks.table4 import Table4Config, run_table4, summarize_table4
        from makeanagent.cli.progress import show_progress
        from makeanagent.cli.train import train_all
        from makeanagent.environments import find_suite
        from makeanagent.environments.groups import expand_tasks
        from makeanagent.errors import InputError
        from makeanagent.generator import MakeAnAgent
        from makeanagent.parallel import open_pool
        from makeanagent.training.config import PRESETS
        from makeanagent.zoo.store import Zoo

        zoo = Zoo.open(self.zoo)
        suite = find_suite(zoo.suite)
        tasks = expand_tasks(suite, self.tasks)
        seen = zoo.tasks()
        others = Zoo.open(self.unseen_zoo) if self.unseen_zoo else None
        if "zoo" in self.sources:
            lacking = set(tasks) - set(seen) - set(others.tasks() if others else ())
            if lacking:
                raise InputError(
                    f"--sources zoo: no zoo holds policies of {', '.join(sorted(lacking))};"
                    " give --unseen-zoo, or --sources expert"
                )
        paths = [
            train_all(
                self.runs / f"seed-{seed}",
                zoo,
                replace(PRESETS[self.preset], seed=seed),
                self.device,
            )
            for seed in range(self.seeds)
        ]
        load = cache(MakeAnAgent.from_pretrained)
        config = Table4Config(num_prompts=self.num_prompts, sources=self.sources)
        cells = self.runs / "cells"
        total = len(tasks) * len(self.sources) * self.seeds
        with open_pool() as pool, show_progress("table 4: cells", total) as advance:
            run_table4(
                pool,
                suite,
                tasks,
                [lambda path=path: load(path) for path in paths],  # type: ignore[misc]
                lambda task: zoo if task in seen or others is None else others,
                cells,
                config,
                lambda name: advance(1, f"table 4: {name}"),
            )
        write_json(self.out, summarize_table4(cells))
        print(f"written: {self.out}")


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Generation, batched acting, rollouts and start-up, as ratios within one run."""

    generator: str = "metaworld"
    env: str = "metaworld/window-close-v3"
    repeats: int = 5
    out: Path = Path("benchmarks/results/speed.json")

    def run(self) -> None:
        """Measure, and write the figures."""
        import json

        from makeanagent.artifacts import write_json
        from makeanagent.benchmarks.speed import run_speed
        from makeanagent.environments import find_task
        from makeanagent.generator import MakeAnAgent

        suite, task = find_task(self.env)
        result = run_speed(suite, task, MakeAnAgent.from_pretrained(self.generator), self.repeats)
        write_json(self.out, result)
        print(json.dumps({k: v for k, v in result.items() if k != "provenance"}, indent=2))
        print(f"written: {self.out}")


@dataclass(frozen=True, kw_only=True)
class Representation:
    """What autoencoder and embedding keep of held-out runs and prompts."""

    zoo: Path
    run_folder: Path
    "A training run's folder."
    preset: Literal["fast", "paper", "smoke"] = "fast"
    seed: int = 0
    num_policies: int = 20
    num_layouts: int = 10
    out: Path = Path("benchmarks/results/representation.json")

    def run(self) -> None:
        """Measure, and write the figures."""
        from dataclasses import replace

        from makeanagent.artifacts import write_json
        from makeanagent.benchmarks.representation import run_representation
        from makeanagent.cli.progress import show_progress
        from makeanagent.environments import find_suite
        from makeanagent.parallel import open_pool
        from makeanagent.training.config import PRESETS
        from makeanagent.training.run import TrainingRun
        from makeanagent.zoo.store import Zoo

        zoo = Zoo.open(self.zoo)
        suite = find_suite(zoo.suite)
        run = TrainingRun(self.run_folder, zoo, replace(PRESETS[self.preset], seed=self.seed))
        with (
            open_pool() as pool,
            show_progress("representation: tasks", len(run.tasks)) as advance,
        ):
            result = run_representation(
                pool,
                suite,
                run.data,
                run.load_autoencoder(),
                run.load_behavior(),
                self.num_policies,
                self.num_layouts,
                lambda task: advance(1, f"representation: {task}"),
            )
        write_json(self.out, result | {"training_seconds": run.training_seconds})
        print(f"written: {self.out}")


@dataclass(frozen=True, kw_only=True)
class ZooQuality:
    """How many of a zoo's policies are qualified on layouts outside their training."""

    zoo: Path
    out: Path = Path("benchmarks/results/zoo.json")

    def run(self) -> None:
        """Read the zoo's own scores, and write the figures."""
        from makeanagent.artifacts import write_json
        from makeanagent.benchmarks.zoo import describe_zoo
        from makeanagent.zoo.store import Zoo

        write_json(self.out, describe_zoo(Zoo.open(self.zoo)))
        print(f"written: {self.out}")


@dataclass(frozen=True, kw_only=True)
class Novelty:
    """Whether generated policies are copies of training policies, and what the new ones achieve."""

    zoo: Path
    "Zoo that the generator was trained on."
    generator: str = "metaworld"
    tasks: tuple[str, ...] = ("seen", "unseen")
    num_prompts: int = 20
    num_layouts: int = 20
    out: Path = Path("benchmarks/results/novelty.json")
    figure: Path = Path("docs/images/novelty.png")
    "Picture of performance against novelty, `.png` or `.svg`."

    def run(self) -> None:
        """Generate, compare, play, and write the figures and their picture."""
        from makeanagent.artifacts import write_json
        from makeanagent.benchmarks.novelty import NoveltyConfig, run_novelty
        from makeanagent.cli.checks import require_at_least, require_picture
        from makeanagent.cli.progress import show_progress
        from makeanagent.environments import find_suite
        from makeanagent.environments.groups import expand_tasks
        from makeanagent.evaluation.figures import write_figure
        from makeanagent.evaluation.figures_novelty import draw_novelty
        from makeanagent.generator import MakeAnAgent
        from makeanagent.parallel import open_pool
        from makeanagent.zoo.store import Zoo

        require_at_least("--num-prompts", self.num_prompts, 1)
        require_at_least("--num-layouts", self.num_layouts, 1)
        require_picture("--figure", self.figure)
        zoo = Zoo.open(self.zoo)
        suite = find_suite(zoo.suite)
        tasks = expand_tasks(suite, self.tasks)
        generator = MakeAnAgent.from_pretrained(self.generator)
        config = NoveltyConfig(num_prompts=self.num_prompts, num_layouts=self.num_layouts)
        # Each task counts twice: when its prompts are recorded, and when its policies have played.
        with open_pool() as pool, show_progress("novelty: tasks", 2 * len(tasks)) as advance:
            result = run_novelty(
                pool,
                suite,
                zoo,
                generator,
                tasks,
                config,
                lambda task: advance(1, f"novelty: {task}"),
            )
        write_json(self.out, result)
        write_figure(draw_novelty(result), self.figure)
        print(f"written: {self.out}\nwritten: {self.figure}")


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Run an experiment and write its figures as JSON."""

    command: (
        Annotated[Table4, tyro.conf.subcommand("table4")]
        | Annotated[Speed, tyro.conf.subcommand("speed")]
        | Annotated[Representation, tyro.conf.subcommand("representation")]
        | Annotated[ZooQuality, tyro.conf.subcommand("zoo")]
        | Annotated[Novelty, tyro.conf.subcommand("novelty")]
        | Annotated[Unseen, tyro.conf.subcommand("unseen")]
    )

    def run(self) -> None:
        """Run the subcommand."""
        self.command.run()
