"""What the paper's experiments share: options, the zoos' generators, prompts, and filled cells.

Table 4, figures 5 to 7 and alignment are read from the same cells, which each of them fills where
they are missing: run one after the other on the same folder, they play nothing twice.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

from benchmarks.cells import Cell, CellConfig, Source, ZooKind, fill_cells, read_cells
from benchmarks.origins import keep_known
from benchmarks.prompts import EXPERT_NOISE, record_expert_prompts, record_zoo_prompts
from benchmarks.results import Settings
from makeanagent.cli.checks import require_at_least
from makeanagent.cli.progress import show_progress
from makeanagent.cli.train import train_all
from makeanagent.generator import MakeAnAgent
from makeanagent.parallel import open_pool
from makeanagent.suites import Suite, find_suite
from makeanagent.suites.tasks import expand_tasks
from makeanagent.training.presets import PRESETS, TrainingConfig, shorten
from makeanagent.trajectories import Trajectory
from makeanagent.zoo.replay import load_replay, require_replay
from makeanagent.zoo.store import Zoo

Preset = Literal["fast", "paper", "smoke"]


@dataclass(frozen=True, kw_only=True)
class PaperOptions:
    """Options that the paper's experiments share."""

    zoo: Path
    "Distilled zoo to train on."
    sac_zoo: Path | None = None
    "SAC zoo to train on besides."
    replay: Path = Path("benchmarks/replay")
    "Replay prompts: a folder with one Minari dataset a task."
    runs: Path = Path("runs/paper")
    """Training runs and cells, one folder or file each; a stopped experiment goes on with them, and
    the paper's other experiments use them too."""
    seeds: int = 4
    "Training seeds."
    num_prompts: int = 100
    "Prompts, and policies, in each cell."
    tasks: tuple[str, ...] = ("seen", "unseen")
    "Tasks to generate for, or groups of them."
    preset: Preset = "fast"
    "Settings of the generators' training."
    device: Literal["auto", "cpu", "cuda"] = "auto"
    "Where generators are trained."
    note: str = ""
    "A sentence on this run, kept with its figures and shown with them."

    def open_zoos(self) -> dict[ZooKind, Zoo]:
        """The zoos that were given; checks what costs nothing first.

        Raises:
            InputError: a number is too small, or a folder is no zoo.
        """
        require_at_least("--seeds", self.seeds, 1)
        require_at_least("--num-prompts", self.num_prompts, 1)
        zoos: dict[ZooKind, Zoo] = {"distilled": Zoo.open(self.zoo)}
        if self.sac_zoo:
            zoos["sac"] = zoos["sac-aligned"] = Zoo.open(self.sac_zoo)
        return zoos

    def list_tasks(self, zoos: Mapping[ZooKind, Zoo]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Full names of the tasks that the distilled zoo holds, and of the others."""
        tasks = expand_tasks(find_suite(zoos["distilled"].suite), self.tasks)
        known = zoos["distilled"].tasks()
        seen = tuple(task for task in tasks if task in known)
        return seen, tuple(task for task in tasks if task not in known)

    def fill(
        self,
        name: str,
        zoos: Mapping[ZooKind, Zoo],
        cells: Sequence[Cell],
        paper_schedule: float | None = None,
        prompting: Zoo | None = None,
    ) -> list[dict[str, Any]]:
        """Train generators and fill cells where they are missing, and read all of `cells`.

        Args:
            name: the experiment's, for its progress.
            zoos: what generators are trained on.
            cells: which ones.
            paper_schedule: share of its schedule that the paper's preset trains.
            prompting: whose policies prompt tasks that the distilled zoo lacks.

        Raises:
            InputError: there are no replay prompts of a task.
        """
        for task in sorted({cell.task for cell in cells if cell.source == "replay"}):
            require_replay(self.replay, task)

        @cache
        def load(kind: ZooKind, seed: int) -> MakeAnAgent:
            config = replace(choose_training(kind, self.preset, paper_schedule), seed=seed)
            folder = train_all(self.runs / f"{kind}-{seed}", zoos[kind], config, self.device)
            return MakeAnAgent.from_pretrained(folder)

        for cell in cells:
            load(cell.zoo, cell.seed)
        suite, folder = find_suite(zoos["distilled"].suite), self.runs / "cells"
        with open_pool() as pool, show_progress(f"{name}: cells", len(cells)) as advance:
            prompts = partial(self._make_prompts, pool, suite, zoos["distilled"], prompting)
            fill_cells(
                pool,
                suite,
                cells,
                load,
                prompts,
                folder,
                CellConfig(num_prompts=self.num_prompts),
                lambda cell: advance(1, f"{name}: {cell}"),
            )
        return read_cells(folder, cells)

    def resolve(self, cells: Sequence[Cell], paper_schedule: float | None = None) -> Settings:
        """Settings of figures from these cells."""
        return resolve_settings(
            zoos=sorted({cell.zoo for cell in cells}),
            seeds=self.seeds,
            num_prompts=self.num_prompts,
            preset=self.preset,
            paper_schedule=paper_schedule,
            sources=sorted({cell.source for cell in cells}),
            tasks=sorted({cell.task for cell in cells}),
        )

    def _make_prompts(
        self,
        pool: Executor,
        suite: Suite,
        zoo: Zoo,
        prompting: Zoo | None,
        generator: MakeAnAgent,
        source: Source,
        task: str,
    ) -> list[Trajectory]:
        """One source's prompts for a task."""
        window, count = generator.config.window, self.num_prompts
        if source == "replay":
            return load_replay(self.replay, task, count)
        if source == "expert":
            return record_expert_prompts(pool, suite, task, count, window)
        owner = zoo if task in zoo.tasks() or prompting is None else prompting
        held_out_runs = PRESETS[self.preset].held_out_runs
        return record_zoo_prompts(pool, suite, task, owner, count, window, held_out_runs)


def choose_training(
    kind: ZooKind, preset: Preset, paper_schedule: float | None = None
) -> TrainingConfig:
    """The preset; on SAC zoos prompted by the policies' own rollouts alone, as in the paper.

    Their runs begin apart and take more dimensions to be told: decoded from 128, many agents no
    longer solve their own layout.
    """
    if kind == "distilled-paper":
        return shorten(PRESETS["paper"], paper_schedule or 1.0)
    config = PRESETS[preset]
    if kind == "distilled":
        return config
    autoencoder = config.autoencoder
    if preset == "fast":
        autoencoder = replace(autoencoder, model=replace(autoencoder.model, latent_dim=256))
    diffusion = replace(config.diffusion, demonstration_share=0.0)
    return replace(
        config, autoencoder=autoencoder, diffusion=diffusion, align=kind == "sac-aligned"
    )


def resolve_settings(
    *,
    zoos: Sequence[ZooKind],
    seeds: int,
    num_prompts: int,
    preset: Preset,
    paper_schedule: float | None = None,
    sources: Sequence[Source] | None = None,
    tasks: Sequence[str] | None = None,
) -> Settings:
    """What cells of these options are made with by today's code.

    Args:
        zoos: what the generators are trained on.
        seeds: training seeds, counted from 0.
        num_prompts: prompts of each cell.
        preset: of training.
        paper_schedule: share of its schedule that the paper's preset trains.
        sources: who made the prompts, where that is known.
        tasks: full names of those of the cells, where they are known.
    """
    config = CellConfig(num_prompts=num_prompts)
    return {
        "options": {
            "zoos": list(zoos),
            "seeds": seeds,
            "num_prompts": num_prompts,
            "preset": preset,
            "paper_schedule": paper_schedule,
            **keep_known(sources=sources, tasks=tasks),
        },
        "cells": asdict(config),
        "protocol": asdict(config.protocol(0)),
        "expert_noise": list(EXPERT_NOISE),
        "training": {kind: asdict(choose_training(kind, preset, paper_schedule)) for kind in zoos},
    }
