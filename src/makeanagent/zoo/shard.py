"""A shard of a zoo: one population of a task, with its trajectories, scores and origin."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import numpy as np

from makeanagent.policies.spec import PolicySpec
from makeanagent.trajectories.trajectory import Trajectory


def shard_name(task: str, block: int) -> str:
    """File name, without ending, of a task's population."""
    return f"{quote(task, safe='')}-{block:03d}"  # Gymnasium's ids may hold a slash.


@dataclass(frozen=True, kw_only=True)
class ZooShard:
    """Policies of one task that were made together."""

    task: str
    block: int
    "Number of the population among the task's."
    parameters: np.ndarray
    "float32 `[N, P]`."
    run: np.ndarray
    "int `[N]`: the run that a checkpoint belongs to."
    step: np.ndarray
    """int `[N]`: of a distilled policy gradient steps since the first checkpoint's phase began, of
    a SAC agent its environment steps."""
    success: np.ndarray
    "bool `[N, L]`: scores on L layouts outside training."
    rollouts: list[Trajectory]
    "N trajectories, one by each policy."
    demonstrations: list[Trajectory]
    "The expert episodes that the policies were made from, if any."
    seed: int
    expert_success: float | None
    "Success rate of the undisturbed expert, if one was asked."
    replay: list[Trajectory] = field(default_factory=list)
    "Episodes of the agents' replay buffers: prompts for benchmarks, never trained on."
    replay_run: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    "int `[M]`: the run that a replay episode belongs to."
    replay_step: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    "int `[M]`: environment steps of its agent before the episode."
    training_seconds: float | None = None
    "Wall time of its training, or its share of that; after a stop, of the last part alone."

    @property
    def name(self) -> str:
        """The shard's file name without its ending."""
        return shard_name(self.task, self.block)

    @property
    def qualified(self) -> np.ndarray:
        """Success on every scored layout, bool `[N]` (paper, appendix B.2)."""
        return np.asarray(self.success.all(axis=1))


def _is_count(value: object) -> bool:
    return type(value) is int and abs(value) < 2**63


def find_index_faults(index: dict[str, Any], name: str) -> Iterator[str]:
    """What in a shard's index cannot be.

    Args:
        index: its JSON, with columns of as many rows as there are policies.
        name: of its file, without its ending.
    """
    if shard_name(index["task"], index["block"]) != name:
        yield f"task {index['task']!r} and block {index['block']} belong into another file"
    for column in ("run", "step", "replay_run", "replay_step"):
        values = index.get(column, [])
        if not isinstance(values, list) or not all(_is_count(value) for value in values):
            yield f"field '{column}' must hold whole numbers"
    widths = {len(row) if isinstance(row, list) else -1 for row in index["success"]}
    if len(widths) > 1 or min(widths, default=1) < 1:
        yield "field 'success' must hold a row of as many scores for each policy, at least one"
    elif not all(value in (0, 1) for row in index["success"] for value in row):
        yield "field 'success' holds scores that are neither 0 nor 1"


def find_faults(shard: ZooShard, count: int, spec: PolicySpec) -> Iterator[str]:
    """What disagrees within a shard of `count` policies."""
    expected = (count, spec.num_parameters)
    if shard.parameters.shape != expected or shard.parameters.dtype != np.float32:
        yield f"parameters {shard.parameters.dtype} {shard.parameters.shape}, expected {expected}"
    if not np.isfinite(shard.parameters).all():
        yield "parameters hold NaN or infinity"
    if len(shard.rollouts) != count:
        yield f"{len(shard.rollouts)} rollouts of {count} policies"
    widths = {
        (each.observations.shape[1], each.actions.shape[1])
        for each in (*shard.rollouts, *shard.demonstrations, *shard.replay)
    }
    if wrong := widths - {(spec.observation_dim, spec.action_dim)}:
        yield (
            f"trajectories of {min(wrong)} numbers of observations and actions, but policies of"
            f" {(spec.observation_dim, spec.action_dim)}"
        )
    if not len(shard.replay) == len(shard.replay_run) == len(shard.replay_step):
        yield f"{len(shard.replay)} replay episodes, but {len(shard.replay_run)} runs of them"
    if shard.success.ndim != 2:
        yield f"success {shard.success.shape}, expected [policies, layouts]"
