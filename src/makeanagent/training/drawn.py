"""Lessons of drawn tasks, made by playing their programs (`makeanagent.suites.procedural`)."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from makeanagent.artifacts import as_json
from makeanagent.generator import MakeAnAgent
from makeanagent.parallel import one_thread
from makeanagent.suites.procedural import (
    Disturbances,
    Episodes,
    FamilyConfig,
    HandDynamics,
    find_tasks,
    program_targets,
    simulate,
)
from makeanagent.suites.procedural.tasks import NUMBERS_OF_A_SEED
from makeanagent.training.lessons import LessonShard, make_missing, note_settings
from makeanagent.trajectories.excerpt import Excerpts, cut_excerpts
from makeanagent.trajectories.trajectory import Trajectory

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
    num_visited_tasks: int = 20_000
    "Of the tasks, those whose policies are played once there is a generator, in whole shards."
    num_knots: int = 32
    "K of the excerpts, as the reader has it."
    seed: int = 1
    "Of the tasks; the suite's first thousand, which are for tests, are of seed 0."


def make_lessons(
    config: DrawnConfig, shard: int, generator: MakeAnAgent | None = None
) -> LessonShard:
    """The lessons of one shard's tasks.

    Args:
        config: which tasks.
        shard: its number.
        generator: half of the states are those that its policies see, made of the demonstrations,
            labelled by the programs (DAgger, Ross et al. 2011); without one, all are of episodes
            of the programs themselves.
    """
    first = config.seed * NUMBERS_OF_A_SEED + shard * config.tasks_per_shard
    tasks, _ = find_tasks(
        first + np.arange(config.tasks_per_shard),
        config.family,
        failures=config.failures,
        hand=config.hand,
    )
    count, shown = len(tasks), config.num_demonstrations
    layouts = np.arange(shown + config.num_layouts)
    spared = Disturbances(num_spared=shown)
    episodes = simulate(tasks, layouts, disturbances=spared, hand=config.hand)
    demonstrations, others = _split(episodes, shown)
    excerpts = _excerpt(demonstrations, config.num_knots)
    rng = np.random.default_rng(first)
    asked = [_ask(others, config.num_states, rng)]
    if generator is not None:
        policies = generator.generate(_as_trajectories(demonstrations))
        visited = simulate(
            tasks,
            layouts[shown:],
            disturbances=Disturbances(noises=(0.0,), burst_share=0.0),
            hand=config.hand,
            actor=policies.act,
        )
        half = config.num_states // 2
        states, labels = asked[0]
        asked = [(states[:, :half], labels[:, :half]), _ask(visited, config.num_states - half, rng)]
    targets = program_targets(tasks)
    tensors = {
        name: torch.from_numpy(array).unflatten(0, (count, shown))
        for name, array in vars(excerpts).items()
    }
    states, labels = (np.concatenate(parts, axis=1) for parts in zip(*asked, strict=True))
    return LessonShard(
        **tensors,
        states=torch.from_numpy(states),
        labels=torch.from_numpy(labels),
        targets=torch.from_numpy(targets.values),
        masks=torch.from_numpy(targets.masks),
    )


def _split(episodes: Episodes, count: int) -> tuple[Episodes, Episodes]:
    """Episodes on the first `count` layouts, and on the others."""
    return (
        Episodes(*(array[:, :count] for array in episodes)),
        Episodes(*(array[:, count:] for array in episodes)),
    )


def _excerpt(demonstrations: Episodes, num_knots: int) -> Excerpts:
    """Excerpts of N tasks' P demonstrations, N * P of them.

    One that fails shows little: where another one of the task succeeds, that is shown twice.
    """
    count, shown = demonstrations.first_success.shape
    excerpts = cut_excerpts(
        demonstrations.observations.reshape(count * shown, *demonstrations.observations.shape[2:]),
        demonstrations.actions.reshape(count * shown, *demonstrations.actions.shape[2:]),
        demonstrations.first_success.ravel(),
        num_knots,
    )
    rows = np.arange(count * shown).reshape(count, shown)
    solved = demonstrations.first_success > 0
    best = rows[np.arange(count), solved.argmax(axis=1)]
    return excerpts.take(np.where(solved, rows, best[:, None]).ravel())


def _ask(
    episodes: Episodes, num_states: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """States `[N, S, O]` of episodes up to their success, by turns of the layouts, and labels."""
    count, num_layouts = episodes.first_success.shape
    steps = episodes.actions.shape[2]
    layouts = np.arange(num_states) % num_layouts
    ends = episodes.first_success[:, layouts]
    ends = np.where(ends > 0, np.minimum(ends + _STEPS_AFTER_SUCCESS, steps), steps)
    times = (rng.random(ends.shape) * ends).astype(int)
    each = np.arange(count)[:, None]
    return episodes.observations[each, layouts, times], episodes.labels[each, layouts, times]


def _as_trajectories(demonstrations: Episodes) -> list[Trajectory]:
    """The first demonstration that succeeds of each task, or else the first one."""
    solved = demonstrations.first_success > 0
    best = solved.argmax(axis=1)
    found = []
    for row, layout in enumerate(best):
        first = demonstrations.first_success[row, layout]
        steps = np.arange(1, demonstrations.actions.shape[2] + 1)
        found.append(
            Trajectory(
                observations=demonstrations.observations[row, layout],
                actions=demonstrations.actions[row, layout],
                success=(steps >= first) & solved[row, layout],
            )
        )
    return found


@one_thread()
def _write_shard(
    config: DrawnConfig, shard: int, generator: MakeAnAgent | None, path: Path
) -> None:
    make_lessons(config, shard, generator).save(path)


def draw_lessons(
    folder: Path,
    config: DrawnConfig,
    pool: Executor,
    on_shard: Callable[[int, int], Any],
    generator: MakeAnAgent | None = None,
) -> list[Path]:
    """Make the lessons that are missing in a folder.

    Args:
        folder: new, or begun with the same settings, but for the number of tasks.
        config: which tasks, from the first on.
        pool: makes shards side by side.
        on_shard: called with the number of shards that are there and that are wanted, before the
            first one too.
        generator: for states that policies see; see `make_lessons`.

    Returns:
        The shards' files.

    Raises:
        InputError: the folder was begun with other settings.
    """
    settings = as_json(asdict(config))
    for name in ("num_tasks", "num_visited_tasks"):
        del settings[name]
    note_settings(folder, {"config": settings})
    paths = [
        folder / f"{number:05d}.safetensors"
        for number in range(-(-config.num_tasks // config.tasks_per_shard))
    ]
    return make_missing(
        paths,
        lambda number: pool.submit(_write_shard, config, number, generator, paths[number]),
        on_shard,
    )
