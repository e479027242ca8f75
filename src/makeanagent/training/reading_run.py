"""A training run of a generator that reads: its folder, its lessons, and the generator."""

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from makeanagent.artifacts import (
    as_json,
    describe_provenance,
    read_json,
    read_tensors,
    write_json,
    write_tensors,
)
from makeanagent.errors import InputError
from makeanagent.generator import MakeAnAgent
from makeanagent.generator_config import GeneratorConfig
from makeanagent.models.diffusion import DiffusionConfig
from makeanagent.policies.spec import PolicySpec
from makeanagent.suites import Suite
from makeanagent.suites.procedural import ProceduralSuite
from makeanagent.training.augment import Augmentation, AugmentConfig
from makeanagent.training.drawn import DrawnConfig, draw_lessons
from makeanagent.training.lessons import LessonSource, StoredLessons
from makeanagent.training.reading import Networks, ReadingTraining, train_reading
from makeanagent.training.sampling_phase import SamplingTraining
from makeanagent.training.sampling_run import Sources, run_sampling_phase
from makeanagent.training.shown import ShownConfig, show_lessons
from makeanagent.training.start import Start


@dataclass(frozen=True, kw_only=True)
class ReadingConfig:
    """A whole training: on drawn tasks, then on these and a suite's own together."""

    drawn: DrawnConfig = field(default_factory=DrawnConfig)
    "Drawn tasks; they serve suites whose space is theirs."
    shown: ShownConfig = field(default_factory=ShownConfig)
    "What is recorded of the suite's own tasks."
    first: ReadingTraining = field(default_factory=ReadingTraining)
    "Networks and rates of the first phase, on drawn tasks alone."
    mixed_steps: int = 2_500
    "Gradient steps of the second phase."
    mixed_learning_rate: float = 6e-4
    "Highest learning rate of the second phase."
    drawn_share: float = 0.5
    "Share of drawn tasks in the batches of the second phase."
    drawn_augment: AugmentConfig = field(
        default_factory=lambda: AugmentConfig(symmetric=0.0, hidden_goals=0.15)
    )
    "Of drawn tasks, which are as often mirrored as not by themselves."
    shown_augment: AugmentConfig = field(default_factory=AugmentConfig)
    "Of the suite's own tasks."
    sampling: SamplingTraining | None = None
    "Third phase, in which the denoiser learns to sample besides; without it, there is none."
    seed: int = 0
    "Seed of initialisation and batches."
    checkpoint_seconds: float = 60.0
    "Seconds between checkpoints, from which a killed run goes on."


class ReadingRun:
    """A folder in which a generator that reads is trained.

    It holds `run.json` (settings), `first.safetensors`, `second.safetensors` and, where samples are
    learned, `third.safetensors` once a phase is done, `lessons/` unless these are elsewhere, and
    `generator/` at the end.

    Args:
        folder: new, or one that was begun with the same settings.
        suite: whose tasks are learned.
        tasks: full names of those with experts; none, for a generator of drawn tasks alone.
        config: of the training.
        lessons: folder of lessons that several runs share; by default the run's own.
        start: a generator that reads and that takes the place of the first phase.

    Raises:
        InputError: the folder was begun with other settings, or there is nothing to learn from.
    """

    def __init__(
        self,
        folder: Path,
        suite: Suite,
        tasks: Sequence[str],
        config: ReadingConfig,
        *,
        lessons: Path | None = None,
        start: Start | None = None,
    ) -> None:
        self.folder, self.suite, self.config = folder, suite, config
        self.tasks, self.start = tuple(tasks), start
        self.lessons = lessons or folder / "lessons"
        drawn = ProceduralSuite()
        spaces = {suite.space(task) for task in tasks} or {drawn.space("0")}
        if len(spaces) > 1:
            raise InputError(f"{suite.name}: tasks of different spaces cannot be learned together")
        self.space = spaces.pop()
        self.spec = PolicySpec(
            observation_dim=self.space.observation_dim, action_dim=self.space.action_dim
        )
        self.reads_drawn = self.space == drawn.space("0")
        self._settings = as_json(
            {
                "config": asdict(config),
                "suite": suite.name,
                "tasks": list(self.tasks),
                "start": None if start is None else start.to_dict(),
            }
        )
        path = folder / "run.json"
        if path.is_file():
            found = read_json(path)
            for name, value in self._settings.items():
                if found.get(name) != value:
                    raise InputError(
                        f"{folder}: was begun with another {name}; use the same settings, or"
                        " another folder"
                    )
        elif folder.is_dir() and any(folder.iterdir()):
            raise InputError(f"{folder}: not empty and no training run; give an empty folder")
        else:
            write_json(path, self._settings | {"provenance": describe_provenance()})

    def train(
        self, device: str, pool: Executor, on_progress: Callable[[int, int, str], Any]
    ) -> None:
        """Make what is missing: lessons, then the phases.

        Args:
            device: where to train.
            pool: plays episodes.
            on_progress: called with step, number of steps, and a few words.
        """
        config = self.config
        drawn = self._draw(pool, on_progress) if self.reads_drawn else []
        networks = self._first(drawn, device, on_progress)
        if not self.tasks:
            rng = np.random.default_rng((config.seed, 2))
            alone = [self._drawn_source(drawn, 1.0, rng)]
            self._learn_samples(networks, alone, device, on_progress)
            return
        first = self.assemble(networks)
        if drawn:
            seen = replace(config.drawn, num_tasks=config.drawn.num_visited_tasks)
            visited = draw_lessons(
                self.lessons / "visited",
                seen,
                pool,
                lambda done, total: on_progress(done, total, "visiting drawn tasks"),
                first,
            )
            drawn = [*visited, *drawn[len(visited) :]]
        shown = show_lessons(
            self.lessons / "shown",
            self.suite,
            self.tasks,
            config.shown,
            first,
            pool,
            lambda done, total: on_progress(done, total, "recording the tasks"),
        )
        rng = np.random.default_rng((config.seed, 1))
        share = config.drawn_share if drawn else 0.0
        own = StoredLessons(shown, rng)
        sources: list[tuple[LessonSource, float, Any]] = [
            (own, 1 - share, Augmentation(self.space, config.shown_augment, rng))
        ]
        if drawn:
            sources.append(self._drawn_source(drawn, share, rng))
        second = replace(
            config.first,
            gradient_steps=config.mixed_steps,
            learning_rate=config.mixed_learning_rate,
        )
        networks = self._phase("second", sources, second, networks, device, on_progress)
        self._learn_samples(networks, sources, device, on_progress)

    def _draw(self, pool: Executor, on_progress: Callable[[int, int, str], Any]) -> list[Path]:
        return draw_lessons(
            self.lessons / "drawn",
            self.config.drawn,
            pool,
            lambda done, total: on_progress(done, total, "drawing tasks"),
        )

    def _drawn_source(
        self, paths: Sequence[Path], share: float, rng: np.random.Generator
    ) -> tuple[LessonSource, float, Augmentation]:
        source = StoredLessons(paths, rng, self.config.drawn.num_tasks)
        return source, share, Augmentation(self.space, self.config.drawn_augment, rng)

    def _first(
        self, drawn: Sequence[Path], device: str, on_progress: Callable[[int, int, str], Any]
    ) -> Networks:
        """The first phase's networks, or the start's."""
        if self.start is not None:
            return self._networks_of(self.start.generator)
        rng = np.random.default_rng((self.config.seed, 0))
        if not drawn:
            torch.manual_seed(self.config.seed)
            return Networks(self.spec, self.space, self.config.first)
        sources = [self._drawn_source(drawn, 1.0, rng)]
        return self._phase("first", sources, self.config.first, None, device, on_progress)

    def _networks_of(self, generator: MakeAnAgent) -> Networks:
        networks = Networks(self.spec, self.space, self.config.first)
        networks.reader.load_state_dict(generator.embedding.state_dict())
        networks.basis.load_state_dict(generator.autoencoder.state_dict())
        networks.denoiser.load_state_dict(generator.denoiser.state_dict())
        return networks

    def _phase(
        self,
        name: str,
        sources: Sequence[tuple[LessonSource, float, Any]],
        training: ReadingTraining,
        start: Networks | None,
        device: str,
        on_progress: Callable[[int, int, str], Any],
    ) -> Networks:
        """One phase's networks, trained or read."""
        networks = Networks(self.spec, self.space, training)
        path = self.folder / f"{name}.safetensors"
        if not path.is_file():
            state = self.folder / f".{name}.state"

            def log(step: int, total: int, values: dict[str, torch.Tensor]) -> None:
                if step % 20 == 0 or step == total:
                    words = f"action error {float(values['action_error']):.3f}"
                    on_progress(step, total, f"{name} phase: {words}")

            trained = train_reading(
                self.spec,
                self.space,
                sources,
                training,
                seed=self.config.seed,
                device=device,
                state_path=state,
                checkpoint_seconds=self.config.checkpoint_seconds,
                log=log,
                start=start,
            )
            tensors = {key: value.cpu().numpy() for key, value in trained.state_dict().items()}
            write_tensors(path, tensors)
            state.unlink(missing_ok=True)
        found = {key: torch.from_numpy(value) for key, value in read_tensors(path).items()}
        networks.load_state_dict(found)
        return networks.eval()

    def _learn_samples(
        self,
        networks: Networks,
        sources: Sources,
        device: str,
        on_progress: Callable[[int, int, str], Any],
    ) -> None:
        """The third phase, where the settings have one."""
        config, path = self.config.sampling, self.folder / "third.safetensors"
        if config is None or path.is_file():
            return
        trained = run_sampling_phase(
            networks,
            sources,
            self.space,
            self.config.first,
            config,
            seed=self.config.seed,
            device=device,
            folder=self.folder,
            checkpoint_seconds=self.config.checkpoint_seconds,
            on_progress=on_progress,
        )
        tensors = {key: value.cpu().numpy() for key, value in trained.state_dict().items()}
        write_tensors(path, tensors)

    def assemble(self, networks: Networks, diffusion: DiffusionConfig | None = None) -> MakeAnAgent:
        """The generator of these networks, by default in the one-step form."""
        first = self.config.first
        return MakeAnAgent(
            GeneratorConfig(
                spec=self.spec,
                autoencoder=first.basis,
                behavior=first.reader,
                denoiser=first.denoiser,
                diffusion=diffusion or DiffusionConfig(sample_steps=1),
                suite=self.suite.name,
                tasks=self.tasks,
                space=self.space,
                training=self._settings | {"seed": self.config.seed},
            ),
            autoencoder=networks.basis,
            embedding=networks.reader,
            denoiser=networks.denoiser,
        )

    def save_generator(self) -> Path:
        """Write `generator/`, whole or not at all, and return its path."""
        target, draft = self.folder / "generator", self.folder / ".generator.tmp"
        if not target.is_dir():
            shutil.rmtree(draft, ignore_errors=True)
            sampling = self.config.sampling
            last = "third" if sampling else "second" if self.tasks else "first"
            networks = self._phase(last, [], self.config.first, None, "cpu", lambda *_: None)
            diffusion = None if sampling is None else sampling.diffusion
            self.assemble(networks, diffusion).save_pretrained(draft)
            draft.rename(target)
        return target
