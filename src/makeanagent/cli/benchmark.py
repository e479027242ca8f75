"""`make-an-agent benchmark`: the experiments, each writing one JSON file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from makeanagent.cli.benchmark_paper import Alignment, Figure5, Figure7, Paper, Table4
from makeanagent.cli.benchmark_unseen import Unseen


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
class SAC:
    """Population SAC against Stable-Baselines3's: returns on a small task, and speed."""

    seeds: int = 4
    num_steps: int = 8_000
    out: Path = Path("benchmarks/results/sac.json")

    def run(self) -> None:
        """Train, time, and write the figures."""
        from makeanagent.artifacts import write_json
        from makeanagent.benchmarks.sac import SACBenchmarkConfig, run_sac
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

    def run(self) -> None:
        """Run the subcommand."""
        self.command.run()
