"""Replay prompts: episodes of partly trained agents, a Minari dataset for each task.

They are benchmark data (paper, section 4, 'Dataset'): what the paper prompts with, taken from the
replay buffers of SAC agents on one fixed layout. No generator is ever trained on them.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from makeanagent.errors import InputError
from makeanagent.trajectories.files.minari import is_minari, load_minari, save_minari
from makeanagent.trajectories.trajectory import Trajectory
from makeanagent.zoo.shard import ZooShard
from makeanagent.zoo.store import Zoo

RESOLUTION = 2.0**-13
"""Numbers are rounded to multiples of it, an eighth of a millimetre: files are half as large."""
Chosen = tuple[ZooShard, int]
"""A shard and the row of one of its replay episodes."""


def order_replay(shards: Sequence[ZooShard]) -> list[Chosen]:
    """All replay episodes, mixed so that the first few are of all agents and all ages.

    The order is of a fixed seed: the first n are the same prompts for every experiment.
    """
    rows = [(shard, row) for shard in shards for row in range(len(shard.replay))]
    return [rows[index] for index in np.random.default_rng(0).permutation(len(rows))]


def describe_origin(zoo: Zoo, chosen: Sequence[Chosen]) -> dict[str, Any]:
    """How the episodes were made, as JSON values.

    `agent` and `step` say for each episode whose it is and how many environment steps that agent
    had made before. Mean steps until success stand beside those of the expert's demonstrations.
    """
    shards = {shard.name: shard for shard, _ in chosen}.values()
    return {
        "recipe": "SAC, stochastic actor, on one fixed layout",
        "config": zoo.header["config"],
        "seed": zoo.header["seed"],
        "provenance": zoo.header["provenance"],
        "agent": [int(shard.replay_run[row]) for shard, row in chosen],
        "step": [int(shard.replay_step[row]) for shard, row in chosen],
        "steps_to_success": _measure([shard.replay[row] for shard, row in chosen]),
        "expert_steps_to_success": _measure(
            [episode for shard in shards for episode in shard.demonstrations]
        ),
    }


def _measure(episodes: Sequence[Trajectory]) -> float | None:
    """Mean number of steps until success, of those that succeed."""
    steps = [item.first_success for item in episodes if item.first_success is not None]
    return float(np.mean(steps)) if steps else None


def save_replay(
    folder: Path, task: str, episodes: Sequence[Trajectory], origin: dict[str, Any]
) -> Path:
    """Write one task's episodes as the Minari dataset `folder/task`.

    Args:
        folder: where the tasks' datasets are.
        task: full task name.
        episodes: one or more.
        origin: how they were made, for the metadata.

    Returns:
        The dataset's folder.

    Raises:
        InputError: the dataset's folder holds files.
    """
    rounded = [
        replace(item, observations=_round(item.observations), actions=_round(item.actions))
        for item in episodes
    ]
    path = folder / task
    # A Minari id has a version of its own, and no other signs than these.
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", re.sub(r"-v\d+$", "", task))
    save_minari(
        rounded,
        path,
        dataset_id=f"makeanagent/{name}/replay-v0",
        notes={
            "description": (
                f"{len(rounded)} successful episodes of SAC agents that are still in training, of"
                f" {task} on one fixed layout, cut after success; for benchmarks, never to train on"
            ),
            "origin": origin | {"resolution": RESOLUTION},
        },
    )
    return path


def require_replay(folder: Path, task: str) -> Path:
    """The folder of a task's dataset.

    Raises:
        InputError: there is none.
    """
    path = folder / task
    if not is_minari(path):
        raise InputError(
            f"{path}: no replay prompts here; `make-an-agent zoo replay` writes them from SAC zoos"
        )
    return path


def load_replay(folder: Path, task: str, count: int) -> list[Trajectory]:
    """The first `count` replay prompts of a task; agents and ages are mixed among them.

    Raises:
        InputError: there are none, or not as many.
    """
    path = require_replay(folder, task)
    episodes = load_minari(path)
    if len(episodes) < count:
        raise InputError(
            f"{path}: holds {len(episodes)} episodes, fewer than the {count} asked for"
        )
    return episodes[:count]


def _round(values: np.ndarray) -> np.ndarray:
    return (np.round(np.asarray(values, np.float64) / RESOLUTION) * RESOLUTION).astype(np.float32)
