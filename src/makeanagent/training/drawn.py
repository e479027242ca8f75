"""Lessons of drawn tasks, made by playing their programs (`makeanagent.suites.procedural`)."""

from collections.abc import Callable
from concurrent.futures import Executor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from makeanagent.artifacts import as_json, describe_provenance, read_json, write_json
from makeanagent.errors import InputError
from makeanagent.suites.procedural import (
    Disturbances,
    FamilyConfig,
    HandDynamics,
    find_tasks,
    program_targets,
    simulate,
)
from makeanagent.suites.procedural.tasks import NUMBERS_OF_A_SEED
from makeanagent.training.lessons import LessonShard
from makeanagent.trajectories.excerpt import cut_excerpts

_STEPS_AFTER_SUCCESS = 6
"""States that are asked about end so far beyond an episode's success."""


@dataclass(frozen=True, kw_only=True)
class DrawnConfig:
    """Which drawn tasks are learned from."""

    num_tasks: int = 100_000
    "How many are drawn, in whole shards."
    tasks_per_shard: int = 1_000
    "How many one file holds."
    family: FamilyConfig = field(default_factory=FamilyConfig)
    "What is drawn."
    hand: HandDynamics = field(default_factory=HandDynamics)
    "How the hand answers actions."
    failures: float = 0.12
    "Share of the tasks that are kept whether their demonstrations succeed or not."
    num_demonstrations: int = 2
    "Layouts of each task on which it is demonstrated."
    num_layouts: int = 3
    "Other layouts, whose states are asked about."
    num_states: int = 96
    "States of each task that are asked about."
    num_knots: int = 32
    "K of the excerpts, as the reader has it."
    seed: int = 1
    "Of the tasks; the suite's first thousand, which are for tests, are of seed 0."


def make_lessons(config: DrawnConfig, shard: int) -> LessonShard:
    """The lessons of one shard's tasks."""
    first = config.seed * NUMBERS_OF_A_SEED + shard * config.tasks_per_shard
    tasks, _ = find_tasks(
        first + np.arange(config.tasks_per_shard),
        config.family,
        failures=config.failures,
        hand=config.hand,
    )
    shown, total = config.num_demonstrations, config.num_demonstrations + config.num_layouts
    episodes = simulate(
        tasks,
        range(total),
        disturbances=Disturbances(num_spared=shown),
        hand=config.hand,
    )
    count, steps = len(tasks), episodes.actions.shape[2]
    excerpts = cut_excerpts(
        episodes.observations[:, :shown].reshape(count * shown, steps + 1, -1),
        episodes.actions[:, :shown].reshape(count * shown, steps, -1),
        episodes.first_success[:, :shown].ravel(),
        config.num_knots,
    )
    # A demonstration that fails shows little: where another one succeeds, that is shown twice.
    rows = np.arange(count * shown).reshape(count, shown)
    solved = episodes.first_success[:, :shown] > 0
    best = rows[np.arange(count), solved.argmax(axis=1)]
    excerpts = excerpts.take(np.where(solved, rows, best[:, None]).ravel())

    rng = np.random.default_rng(first)
    layouts = shown + np.arange(config.num_states) % config.num_layouts
    ends = episodes.first_success[:, layouts]
    ends = np.where(ends > 0, np.minimum(ends + _STEPS_AFTER_SUCCESS, steps), steps)
    times = (rng.random(ends.shape) * ends).astype(int)
    each = np.arange(count)[:, None]
    targets = program_targets(tasks)
    tensors = {
        name: torch.from_numpy(array).unflatten(0, (count, shown))
        for name, array in vars(excerpts).items()
    }
    return LessonShard(
        **tensors,
        states=torch.from_numpy(episodes.observations[each, layouts, times]),
        labels=torch.from_numpy(episodes.labels[each, layouts, times]),
        targets=torch.from_numpy(targets.values),
        masks=torch.from_numpy(targets.masks),
    )


def _write_shard(config: DrawnConfig, shard: int, path: Path) -> None:
    make_lessons(config, shard).save(path)


def draw_lessons(
    folder: Path, config: DrawnConfig, pool: Executor, on_shard: Callable[[int, int], Any]
) -> list[Path]:
    """Make the lessons that are missing in a folder.

    Args:
        folder: new, or begun with the same settings, but for the number of tasks.
        config: which tasks.
        pool: makes shards side by side.
        on_shard: called with the number of shards that are there and that are wanted, before the
            first one too.

    Returns:
        The shards' files.

    Raises:
        InputError: the folder was begun with other settings.
    """
    settings = as_json(asdict(config))
    del settings["num_tasks"]
    path = folder / "lessons.json"
    if path.is_file() and read_json(path)["config"] != settings:
        raise InputError(f"{folder}: lessons of other settings; use the same, or another folder")
    write_json(path, {"config": settings, "provenance": describe_provenance()})
    paths = [
        folder / f"{number:05d}.safetensors"
        for number in range(-(-config.num_tasks // config.tasks_per_shard))
    ]
    absent = [number for number, each in enumerate(paths) if not each.is_file()]
    jobs = [pool.submit(_write_shard, config, number, paths[number]) for number in absent]
    if absent:
        on_shard(len(paths) - len(absent), len(paths))
    for done, job in enumerate(as_completed(jobs), len(paths) - len(absent) + 1):
        job.result()
        on_shard(done, len(paths))
    return paths
