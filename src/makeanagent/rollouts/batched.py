"""Episodes in many worlds that step together, for simulators that can."""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from makeanagent.rollouts.actors import Actor
from makeanagent.suites import BatchEnvironment, BatchStep, Suite


class BatchOutcome(NamedTuple):
    """How W episodes ended that were each played until its first success."""

    success: np.ndarray | None
    "Bool `[W]`: whether the task was solved; None where it has no such signal."
    total_reward: np.ndarray
    "Float64 `[W]`: undiscounted sum of the rewards until then."
    num_steps: np.ndarray
    "Int `[W]`."


def play_batch(
    environment: BatchEnvironment, actor: Actor, layouts: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, BatchStep]]:
    """Play W episodes; yield observations `[W, O]`, actions `[W, A]`, and what came of them.

    Worlds whose episode is over are stepped on with the others; what they give is to be ignored.

    Args:
        environment: the simulator.
        actor: acts in all worlds.
        layouts: int `[W]`: where each starts.
    """
    actor.reset(len(layouts))
    observations = environment.reset(layouts)
    over = np.zeros(len(layouts), bool)
    for _ in range(environment.horizon):
        actions = actor.act(observations)
        step = environment.step(actions)
        yield observations, actions, step
        over |= step.over
        if over.all():
            return
        observations = step.observations


def run_batch(environment: BatchEnvironment, actor: Actor, layouts: np.ndarray) -> BatchOutcome:
    """Play until each world's first success or its episode's end."""
    going = np.ones(len(layouts), bool)
    solved = np.zeros(len(layouts), bool)
    total, num_steps = np.zeros(len(layouts)), np.zeros(len(layouts), int)
    has_signal = True
    for _, _, step in play_batch(environment, actor, layouts):
        total[going] += step.rewards[going]
        num_steps[going] += 1
        if step.success is None:
            has_signal = False
        else:
            solved |= going & step.success
        going &= ~(solved | step.over)
        if not going.any():
            break
    return BatchOutcome(solved if has_signal else None, total, num_steps)


@lru_cache(maxsize=12)
def open_batch(suite: Suite, task: str) -> BatchEnvironment | None:
    """A worker's simulator of many worlds of a task, where the suite has one."""
    return suite.make_batch(task)
