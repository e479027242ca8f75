"""`make-an-agent train`: a generator that reads, or the paper's three stages."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

if TYPE_CHECKING:
    from makeanagent.training.presets import TrainingConfig
    from makeanagent.training.reading_run import ReadingRun
    from makeanagent.training.run import Stage, TrainingRun
    from makeanagent.training.start import Start
    from makeanagent.zoo.store import Zoo


@dataclass(frozen=True, kw_only=True)
class Train:
    """Train a generator; run it again to go on after a stop.

    Example: make-an-agent train reader --suite my_suite.py --out runs/mine
    """

    stage: Annotated[
        Literal["reader", "autoencoder", "behavior", "diffusion", "all"], tyro.conf.Positional
    ]
    "What to train: a reader, one of the paper's stages on a zoo, or all three of these."
    out: Path
    "Folder of the run: its weights, what it goes on from, and the generator at the end."
    suite: str = "metaworld"
    "Of a reader: suite whose experts show their tasks, by name, or a file that defines one."
    lessons: Path | None = None
    "Of a reader: folder of lessons that several runs share; by default in the run's own."
    zoo: Path | None = None
    "Of the paper's stages: folder of the zoo to train on, as `zoo build` writes it."
    preset: Literal["fast", "large", "paper", "smoke"] = "fast"
    "Sizes: fast for two cores, large to go on by a GPU, paper as tables 1 to 3, smoke in seconds."
    tasks: tuple[str, ...] = ()
    "Tasks or groups to train on, by default all; drawn is for a reader of drawn tasks alone."
    sampling: bool = False
    "Of a reader: whether it learns to sample besides, in a last phase."
    condition: Literal["hv", "h", "v"] = "hv"
    "Embeddings that condition the diffusion: both, h alone, or v alone (figure 8)."
    window_steps: int | None = None
    "How many steps of a demonstration the prompt window spans (n); by default the paper's 60."
    start_from: str | None = None
    "Generator to begin from as far as it fits: a name, folder or hub id."
    seed: int = 0
    "Seed of initialisation, batches and noise."
    device: Literal["auto", "cpu", "cuda"] = "auto"
    "Where to train; auto is CUDA where there is a GPU."

    def run(self) -> None:
        """Train what is missing, and save the generator."""
        from makeanagent.devices import find_device
        from makeanagent.training.start import load_start

        device = find_device(self.device)
        start = None if self.start_from is None else load_start(self.start_from)
        if self.stage == "reader":
            self._run_reader(device, start)
        else:
            self._run_stages(device, start)

    def _run_reader(self, device: str, start: "Start | None") -> None:
        from dataclasses import replace

        from makeanagent.suites import find_suite
        from makeanagent.suites.tasks import expand_tasks
        from makeanagent.training.reading_presets import find_reading
        from makeanagent.training.reading_run import ReadingRun
        from makeanagent.training.sampling_phase import SamplingTraining

        suite = find_suite(self.suite)
        tasks = () if self.tasks == ("drawn",) else expand_tasks(suite, self.tasks or ("all",))
        sampling = SamplingTraining() if self.sampling else None
        preset = find_reading(self.preset, suite, tasks, begins=start is not None)
        config = replace(preset, seed=self.seed, sampling=sampling)
        run = ReadingRun(self.out, suite, tasks, config, lessons=self.lessons, start=start)
        train_reader(run, device)
        print(f"generator: {run.save_generator()}")

    def _run_stages(self, device: str, start: "Start | None") -> None:
        from dataclasses import replace

        from makeanagent.errors import InputError
        from makeanagent.suites.tasks import expand_tasks
        from makeanagent.training.presets import PRESETS
        from makeanagent.training.run import STAGES, TrainingRun
        from makeanagent.zoo.store import Zoo

        if self.zoo is None:
            raise InputError(f"train {self.stage}: needs a zoo; give its folder with --zoo")
        if self.preset not in PRESETS:
            raise InputError(f"preset {self.preset}: of the paper's stages: {', '.join(PRESETS)}")
        zoo = Zoo.open(self.zoo)
        tasks = choose_tasks(zoo, expand_tasks(zoo.find_suite(), self.tasks or zoo.tasks()))
        config = PRESETS[self.preset]
        window = config.window
        if self.window_steps is not None:
            window = replace(window, num_steps=self.window_steps)
        config = replace(
            config,
            seed=self.seed,
            window=window,
            diffusion=replace(config.diffusion, condition=self.condition),
        )
        run = TrainingRun(self.out, zoo, config, tasks, start)
        for line in run.describe_start():
            print(line)
        for stage in STAGES:
            if self.stage in ("all", stage):
                train_stage(run, stage, device)
        if all(run.is_done(stage) for stage in STAGES):
            print(f"generator: {run.save_generator()}")


def train_reader(run: "ReadingRun", device: str) -> None:
    """Train a reader under a progress bar for each of its parts."""
    from contextlib import ExitStack

    from makeanagent.cli.progress import show_progress
    from makeanagent.parallel import open_pool

    with open_pool() as pool, ExitStack() as shown:
        part, done = "", 0.0
        advance: Callable[..., None] | None = None

        def report(step: int, total: int, text: str) -> None:
            nonlocal part, done, advance
            name, _, _ = text.partition(":")
            if advance is None or name != part:
                shown.close()
                # What is there at first says nothing about the speed: an earlier run has done it.
                part, done = name, step / total
                advance = shown.enter_context(show_progress(name, 1, done))
            advance(step / total - done, text)
            done = step / total

        run.train(device, pool, report)


def choose_tasks(zoo: "Zoo", tasks: Sequence[str]) -> tuple[str, ...]:
    """Those of `tasks` that one can train on; says which ones are left out.

    Raises:
        InputError: the zoo has no policies of a task, or no qualified policy at all.
    """
    from makeanagent.errors import InputError

    known, qualified = zoo.tasks(), zoo.trainable_tasks()
    absent = [task for task in tasks if task not in known]
    if absent or not tasks:
        raise InputError(
            f"{zoo.folder}: no policies of {', '.join(absent) or 'any task'};"
            f" its tasks: {', '.join(known) or 'none yet'}"
        )
    chosen = tuple(task for task in tasks if task in qualified)
    if not chosen:
        raise InputError(f"{zoo.folder}: no policy of {', '.join(tasks)} is qualified")
    if len(chosen) < len(tasks):
        left_out = ", ".join(task for task in tasks if task not in chosen)
        print(f"left out, as no policy of theirs is qualified: {left_out}")
    return chosen


def train_stage(run: "TrainingRun", stage: "Stage", device: str) -> None:
    """Train one stage under a progress bar."""
    from makeanagent.cli.progress import show_progress

    with show_progress(f"{stage}: reading the zoo", 1) as advance:
        done = 0.0

        def report(step: int, num_steps: int, text: str) -> None:
            nonlocal done
            advance(step / num_steps - done, text)
            done = step / num_steps

        run.train(stage, device, report)


def train_all(
    folder: Path, zoo: "Zoo", config: "TrainingConfig", device: str, tasks: Sequence[str] = ()
) -> Path:
    """Train all stages that are missing in `folder` and return the generator's folder."""
    from makeanagent.devices import find_device
    from makeanagent.training.run import STAGES, TrainingRun

    run = TrainingRun(folder, zoo, config, choose_tasks(zoo, tasks or zoo.tasks()))
    for stage in STAGES:
        train_stage(run, stage, find_device(device))
    return run.save_generator()
