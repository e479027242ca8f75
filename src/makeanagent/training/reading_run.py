"""A training run of a generator that reads: its folder, its lessons, and the generator."""

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import torch
from torch import nn

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
from makeanagent.models.familiarity import Familiarity, FamiliarityConfig
from makeanagent.models.practice import Practice
from makeanagent.policies.spec import PolicySpec
from makeanagent.suites import Suite
from makeanagent.suites.procedural import ProceduralSuite
from makeanagent.training.augment import Augmentation, AugmentConfig
from makeanagent.training.familiarity import fit_familiarity
from makeanagent.training.lessons import LessonSource, StoredLessons
from makeanagent.training.practice import practise
from makeanagent.training.reading import blend, train_reading
from makeanagent.training.reading_config import ReadingConfig
from makeanagent.training.reading_lessons import LessonMaker
from makeanagent.training.reading_loss import Networks, ReadingTraining
from makeanagent.training.sampling_run import Sources, describe_steps, run_sampling_phase
from makeanagent.training.start import Start, take_over_reader

_SECOND = 9
"""Number of the second phase among those that draw drawn tasks, each in an order of its own."""


class ReadingRun:
    """A folder in which a generator that reads is trained.

    It holds `run.json` (settings), the weights of each phase once it is done (`first.safetensors`,
    `second`, `mixed-<n>`, `practice`, `blended`, and `sampling` if there is one), `lessons/` unless
    these are elsewhere, `revisited-<n>/` with lessons of its own, and `generator/` at the end.

    Args:
        folder: new, or one that was begun with the same settings.
        suite: whose tasks are learned.
        tasks: full names of those with experts; none, for a generator of drawn tasks alone.
        config: of the training.
        lessons: folder of lessons that several runs share; by default the run's own.
        start: a generator that reads, and that takes the place of the phases on drawn tasks;
            without tasks, of the first of these.

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
        if start is not None:
            take_over_reader(Networks(self.spec, self.space, config.first), start)
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
        if self._weights(self._last).is_file():
            return
        lessons = LessonMaker(
            shared=self.lessons,
            own=self.folder,
            suite=self.suite,
            tasks=self.tasks,
            config=self.config,
            pool=pool,
            on_progress=on_progress,
        )
        networks, drawn = self._learn_drawn(lessons, device, on_progress)
        if not self.tasks:
            alone = [self._drawn_source(drawn, 1.0, phase=1)]
            return self._learn_samples(networks, alone, device, on_progress)
        # Without a phase before, scales are read from the suite's lessons.
        before = networks if drawn or self.start is not None else None
        begin, shown = before, list[Path]()
        for turn in range(len(self.config.mixed_steps)):
            visitor = None if begin is None else self.assemble(begin)
            shown = lessons.show(turn, shown, visitor)
            networks = begin = self._mix(turn, shown, drawn, begin, device, on_progress)
        if before is not None:
            networks = blend(before, networks, self.config.kept_share)
        self._practise(networks, shown, device, on_progress)
        self._write("blended", networks)
        sources = self._join(len(self.config.mixed_steps), shown, drawn)
        self._learn_samples(networks, sources, device, on_progress)

    def _learn_drawn(
        self, lessons: LessonMaker, device: str, on_progress: Callable[[int, int, str], Any]
    ) -> tuple[Networks, list[Path]]:
        """Networks that know drawn tasks, or the start's, and these tasks' lessons.

        Where the suite's space is not that of drawn tasks, there are no lessons, and without a
        start the networks are untrained.
        """
        config = self.config
        begun = None
        if self.start is not None:
            begun = Networks(self.spec, self.space, config.first)
            take_over_reader(begun, self.start)
        if not self.reads_drawn:
            torch.manual_seed(config.seed)
            return begun or Networks(self.spec, self.space, config.first), []
        drawn = lessons.draw()
        if begun is not None and self.tasks:
            return begun, lessons.visit_drawn(drawn, self.assemble(begun))

        def alone(phase: int) -> Sources:
            return [self._drawn_source(drawn, 1.0, phase, device)]

        first = begun or self._phase(
            "first", lambda: alone(0), config.first, None, device, on_progress
        )
        if not config.second_steps:
            return first, drawn
        drawn = lessons.visit_drawn(drawn, self.assemble(first))
        training = replace(
            config.first,
            gradient_steps=config.second_steps,
            learning_rate=config.second_learning_rate,
        )
        seed = config.seed + 1
        second = self._phase(
            "second", lambda: alone(_SECOND), training, first, device, on_progress, seed=seed
        )
        return second, drawn

    def _mix(
        self,
        turn: int,
        shown: Sequence[Path],
        drawn: Sequence[Path],
        begin: Networks | None,
        device: str,
        on_progress: Callable[[int, int, str], Any],
    ) -> Networks:
        """Train on both kinds of tasks together."""
        config = self.config
        training = replace(
            config.first,
            gradient_steps=config.mixed_steps[turn],
            learning_rate=config.mixed_learning_rate,
            final_learning_rate=config.mixed_learning_rate,
            ema_decay=config.mixed_ema_decay,
        )
        return self._phase(
            f"mixed-{turn}",
            lambda: self._join(turn, shown, drawn, device),
            training,
            begin,
            device,
            on_progress,
        )

    def _join(
        self, turn: int, shown: Sequence[Path], drawn: Sequence[Path], device: str = "cpu"
    ) -> Sources:
        """Lessons of both kinds of tasks."""
        config = self.config
        share = config.drawn_share if drawn else 0.0
        own = StoredLessons(shown, (config.seed, 2 * turn + 2), device=device)
        sources: list[tuple[LessonSource, float, Any]] = [
            (own, 1 - share, Augmentation(self.space, config.shown_augment))
        ]
        if drawn:
            sources.append(self._drawn_source(drawn, share, 2 * turn + 1, device))
        return sources

    def _practise(
        self,
        networks: Networks,
        shown: Sequence[Path],
        device: str,
        on_progress: Callable[[int, int, str], Any],
    ) -> None:
        """Fit a latent to each of the suite's tasks, unless that is done."""
        if self._weights("practice").is_file():
            return
        practice = practise(
            networks,
            shown,
            self.config.first,
            self.config.practice,
            seed=self.config.seed,
            device=device,
            log=describe_steps("practice", on_progress),
        )
        self._write("practice", practice)

    def _learn_samples(
        self,
        networks: Networks,
        sources: Sources,
        device: str,
        on_progress: Callable[[int, int, str], Any],
    ) -> None:
        """The phase in which the denoiser learns to sample, where the settings have one."""
        if self.config.sampling is None:
            return
        trained = run_sampling_phase(
            networks,
            sources,
            self.config.first,
            self.config.sampling,
            seed=self.config.seed,
            device=device,
            folder=self.folder,
            checkpoint_seconds=self.config.checkpoint_seconds,
            on_progress=on_progress,
        )
        self._write("sampling", trained)

    @property
    def _last(self) -> str:
        """Name of the last phase."""
        if self.config.sampling is not None:
            return "sampling"
        if self.tasks:
            return "blended"
        return "second" if self.config.second_steps else "first"

    def _drawn_source(
        self, paths: Sequence[Path], share: float, phase: int, device: str = "cpu"
    ) -> tuple[LessonSource, float, Augmentation]:
        num_tasks = self.config.drawn.num_tasks
        source = StoredLessons(paths, (self.config.seed, phase), num_tasks, device)
        return source, share, Augmentation(self.space, self.config.drawn_augment)

    def _phase(
        self,
        name: str,
        sources: Callable[[], Sources],
        training: ReadingTraining,
        start: Networks | None,
        device: str,
        on_progress: Callable[[int, int, str], Any],
        seed: int | None = None,
    ) -> Networks:
        """One phase's networks, trained or read."""
        networks = Networks(self.spec, self.space, training)
        if not self._weights(name).is_file():
            state = self.folder / f".{name}.state"
            trained = train_reading(
                self.spec,
                self.space,
                sources(),
                training,
                seed=self.config.seed if seed is None else seed,
                device=device,
                state_path=state,
                checkpoint_seconds=self.config.checkpoint_seconds,
                log=describe_steps(f"{name} phase", on_progress),
                start=start,
            )
            self._write(name, trained)
            state.unlink(missing_ok=True)
        networks.load_state_dict(self._read(name))
        return networks.eval()

    def _weights(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"

    def _read(self, name: str) -> dict[str, torch.Tensor]:
        found = read_tensors(self._weights(name))
        return {key: torch.from_numpy(array) for key, array in found.items()}

    def _write(self, name: str, trained: nn.Module) -> None:
        tensors = {key: value.cpu().numpy() for key, value in trained.state_dict().items()}
        write_tensors(self._weights(name), tensors)

    def assemble(
        self,
        networks: Networks,
        familiarity: Familiarity | None = None,
        practice: Practice | None = None,
        diffusion: DiffusionConfig | None = None,
    ) -> MakeAnAgent:
        """The generator of these networks, by default in the one-step form."""
        first = self.config.first
        return MakeAnAgent(
            GeneratorConfig(
                spec=self.spec,
                autoencoder=first.basis,
                behavior=first.reader,
                denoiser=first.denoiser,
                diffusion=diffusion or DiffusionConfig(sample_steps=1),
                familiarity=None if familiarity is None else familiarity.config,
                practice=None if practice is None else practice.config,
                suite=self.suite.name,
                tasks=self.tasks,
                space=self.space,
                training=self._settings | {"seed": self.config.seed},
            ),
            autoencoder=networks.basis,
            embedding=networks.reader,
            denoiser=networks.denoiser,
            familiarity=familiarity,
            practice=practice,
        )

    def _fit_familiarity(self) -> Familiarity:
        """By the prompts of all lessons that were learned from."""
        config = self.config
        sources: list[tuple[Sequence[Path], AugmentConfig, int | None]] = []
        if self.tasks:
            paths = [
                self.lessons / "shown" / f"{quote(task, safe='')}.safetensors"
                for task in self.tasks
            ]
            sources.append((paths, config.shown_augment, None))
        if self.reads_drawn:
            drawn = sorted((self.lessons / "drawn").glob("*.safetensors"))
            sources.append((drawn, config.drawn_augment, config.drawn.num_tasks))
        num_knots = config.first.reader.num_knots
        return fit_familiarity(self.space, sources, FamiliarityConfig(num_knots=num_knots))

    def networks(self) -> Networks:
        """Those of the last phase, once it is done."""
        networks = Networks(self.spec, self.space, self.config.first)
        networks.load_state_dict(self._read(self._last))
        return networks.eval()

    def save_generator(self) -> Path:
        """Write `generator/`, whole or not at all, and return its path."""
        target, draft = self.folder / "generator", self.folder / ".generator.tmp"
        if not target.is_dir():
            shutil.rmtree(draft, ignore_errors=True)
            sampling = self.config.sampling
            diffusion = sampling.diffusion if sampling else None
            practice = Practice.of(self._read("practice")) if self.tasks else None
            generator = self.assemble(self.networks(), self._fit_familiarity(), practice, diffusion)
            generator.save_pretrained(draft)
            draft.rename(target)
        return target
