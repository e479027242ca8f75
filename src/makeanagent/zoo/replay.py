"""Which replay episodes of a SAC zoo become prompts, and what is said of their making."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from makeanagent.trajectories.trajectory import Trajectory
from makeanagent.zoo.store import Zoo, ZooShard

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
