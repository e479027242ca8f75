"""`python -m benchmarks`: the experiments, each writing one JSON file."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from benchmarks.experiments.paper_command import Alignment, Figure5, Figure7, Paper, Table4
from benchmarks.experiments.unseen_command import Unseen
from makeanagent.cli import run_verb


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

        from benchmarks.experiments.speed import run_speed
        from makeanagent.artifacts import write_json
        from makeanagent.generator import MakeAnAgent
        from makeanagent.suites import find_task

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

        from benchmarks.experiments.representation import run_representation
        from makeanagent.artifacts import write_json
        from makeanagent.cli.progress import show_progress
        from makeanagent.parallel import open_pool
        from makeanagent.suites import find_suite
        from makeanagent.training.presets import PRESETS
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
        from benchmarks.experiments.zoo import describe_zoo
        from makeanagent.artifacts import write_json
        from makeanagent.zoo.store import Zoo

        write_json(self.out, describe_zoo(Zoo.open(self.zoo)))
        print(f"written: {self.out}")


@dataclass(frozen=True, kw_only=True)
class SAC:
    """Population SAC against Stable-Baselines3's: returns on a small task, and speed."""

    seeds: int = 4
    num_steps: int = 8_000
    out: Path = Path("benchmarks/results/sac.json")

    def run(self) -> None:
        """Train, time, and write the figures."""
        from benchmarks.experiments.sac import SACBenchmarkConfig, run_sac
        from makeanagent.artifacts import write_json
        from makeanagent.cli.checks import require_at_least
        from makeanagent.cli.progress import show_progress

        require_at_least("--seeds", self.seeds, 2)
        require_at_least("--num-steps", self.num_steps, 2_000)
        config = SACBenchmarkConfig(num_seeds=self.seeds, num_steps=self.num_steps)
        with show_progress("sac: population", self.seeds + 2) as advance:
            result = run_sac(config, lambda text: advance(1, f"sac: {text}"))
        write_json(self.out, result)
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
        from benchmarks.experiments.figures_novelty import draw_novelty
        from benchmarks.experiments.novelty import NoveltyConfig, run_novelty
        from makeanagent.artifacts import write_json
        from makeanagent.cli.checks import require_at_least, require_picture
        from makeanagent.cli.progress import show_progress
        from makeanagent.evaluation.figures import write_figure
        from makeanagent.generator import MakeAnAgent
        from makeanagent.parallel import open_pool
        from makeanagent.suites import find_suite
        from makeanagent.suites.tasks import expand_tasks
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


_Experiment = (
    Annotated[Paper, tyro.conf.subcommand("paper")]
    | Annotated[Table4, tyro.conf.subcommand("table4")]
    | Annotated[Figure5, tyro.conf.subcommand("figure5")]
    | Annotated[Figure7, tyro.conf.subcommand("figure7")]
    | Annotated[Alignment, tyro.conf.subcommand("alignment")]
    | Annotated[SAC, tyro.conf.subcommand("sac")]
    | Annotated[Speed, tyro.conf.subcommand("speed")]
    | Annotated[Representation, tyro.conf.subcommand("representation")]
    | Annotated[ZooQuality, tyro.conf.subcommand("zoo")]
    | Annotated[Novelty, tyro.conf.subcommand("novelty")]
    | Annotated[Unseen, tyro.conf.subcommand("unseen")]
)


def main(arguments: list[str] | None = None) -> int:
    """Run one experiment and return the exit code, as `makeanagent.cli.main` does."""
    return run_verb(
        _Experiment, "python -m benchmarks", "Run an experiment and write its figures.", arguments
    )


if __name__ == "__main__":
    sys.exit(main())
