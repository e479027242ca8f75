"""Episodes: one controller on one layout, and many policies on many layouts over processes."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

import numpy as np

from makeanagent.parallel import run_jobs
from makeanagent.policies.policy import Policy
from makeanagent.policies.spec import PolicySpec
from makeanagent.suites import Act, Environment, Suite
from makeanagent.trajectories.trajectory import Trajectory

_JOB_ROLLOUTS = 64
"""Rollouts in one job: long enough to hide the hand-over, short enough to balance two workers."""


@dataclass(frozen=True, kw_only=True)
class RolloutScores:
    """What N policies achieved on L layouts."""

    success: np.ndarray
    "bool `[N, L]`: success at any step within the horizon."
    num_steps: np.ndarray
    "int `[N, L]`: environment steps until success or the end."


def run_episode(environment: Environment, act: Act, layout: int) -> tuple[bool, int]:
    """Play until the first success or the episode's end; return success and steps taken."""
    observation = environment.reset(layout)
    for step in range(1, environment.horizon + 1):
        observation, success, over = environment.step(act(observation))
        if success or over:
            return success, step
    return False, environment.horizon


def record_episode(
    environment: Environment,
    act: Act,
    layout: int,
    *,
    min_steps: int = 60,
    steps_after_success: int = 3,
    max_steps: int | None = None,
    env_id: str | None = None,
    source: str | None = None,
) -> Trajectory:
    """Play an episode and keep it, for long enough that a prompt can be cut out of it.

    Args:
        environment: the simulator.
        act: the controller.
        layout: where to start.
        min_steps: the episode goes on for at least as many steps, success or not.
        steps_after_success: steps kept after the first success.
        max_steps: steps at most, where that is less than the horizon.
        env_id: noted in the trajectory.
        source: noted in the trajectory.
    """
    observation = environment.reset(layout)
    observations, actions, successes = [observation], list[np.ndarray](), list[bool]()
    end = min(environment.horizon, max_steps or environment.horizon)
    while len(actions) < end:
        action = np.asarray(act(observation), np.float32)
        observation, success, over = environment.step(action)
        observations.append(observation)
        actions.append(action)
        successes.append(success)
        if success and successes.count(True) == 1:
            end = min(end, max(min_steps, len(actions) + steps_after_success))
        if over:
            break
    return Trajectory(
        observations=np.array(observations),
        actions=np.array(actions),
        success=np.array(successes),
        env_id=env_id,
        source=source,
    )


def add_action_noise(act: Act, scale: float, rng: np.random.Generator) -> Act:
    """A controller whose actions carry Gaussian noise of standard deviation `scale`."""

    def noisy(observation: np.ndarray) -> np.ndarray:
        action = act(observation)
        return np.clip(action + scale * rng.standard_normal(np.shape(action)), -1.0, 1.0)

    return noisy


# Not many, since simulators are large, and since a suite may hash by identity: each job's copy is
# new. But enough for populations of ten tasks, whose jobs go round among them.
@lru_cache(maxsize=12)
def open_environment(suite: Suite, task: str) -> Environment:
    """A worker's simulator of a task: building one costs as much as many episodes."""
    return suite.make(task)


def _score_block(
    suite: Suite, task: str, parameters: np.ndarray, spec: PolicySpec, layouts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Success and steps `[n, l]` of policies `[n, P]` on layouts `[n, l]`."""
    environment = open_environment(suite, task)
    policies = [Policy(vector, spec) for vector in parameters]
    success = np.zeros(layouts.shape, bool)
    num_steps = np.zeros(layouts.shape, int)
    for row, policy in enumerate(policies):
        for column, layout in enumerate(layouts[row]):
            success[row, column], num_steps[row, column] = run_episode(
                environment, policy, int(layout)
            )
    return success, num_steps


def score_policies(
    pool: Executor,
    suite: Suite,
    task: str,
    parameters: np.ndarray,
    spec: PolicySpec,
    layouts: Sequence[int] | np.ndarray,
    on_progress: Callable[[int], Any] | None = None,
) -> RolloutScores:
    """Run deterministic policies on layouts; each rollout stops at its first success.

    Args:
        pool: worker processes, from `open_pool`.
        suite: the environments.
        task: the task's full name.
        parameters: float32 `[N, P]`.
        spec: the policies' layers.
        layouts: layout numbers: `[L]` for all policies alike, or `[N, L]`.
        on_progress: called with a number of finished rollouts whenever some are.
    """
    (scores,) = score_many(pool, suite, task, spec, [(parameters, layouts)], on_progress)
    return scores


def score_many(
    pool: Executor,
    suite: Suite,
    task: str,
    spec: PolicySpec,
    groups: Sequence[tuple[np.ndarray, Sequence[int] | np.ndarray]],
    on_progress: Callable[[int], Any] | None = None,
) -> list[RolloutScores]:
    """Score several groups of policies at once: none waits until another is through.

    Args:
        pool: worker processes, from `open_pool`.
        suite: the environments.
        task: the task's full name.
        spec: the layers of all policies.
        groups: parameters and layouts of each, as `score_policies` takes them.
        on_progress: called with a number of finished rollouts whenever some are.

    Returns:
        The scores of each group, in their order.
    """
    cut = [_cut_blocks(*group) for group in groups]
    jobs = [(suite, task, rows, spec, where) for blocks in cut for rows, where in blocks]
    report = on_progress or (lambda count: None)
    results = iter(run_jobs(pool, _score_block, jobs, lambda _, result: report(result[0].size)))
    return [
        _join_blocks(list(islice(results, len(blocks))), np.shape(layouts)[-1])
        for blocks, (_, layouts) in zip(cut, groups, strict=True)
    ]


def _cut_blocks(
    parameters: np.ndarray, layouts: Sequence[int] | np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Parameters `[n, P]` and layouts `[n, L]` of one job each."""
    where = np.broadcast_to(np.asarray(layouts), (len(parameters), np.shape(layouts)[-1]))
    rows = max(1, _JOB_ROLLOUTS // max(where.shape[1], 1))
    blocks = [slice(start, start + rows) for start in range(0, len(parameters), rows)]
    return [(parameters[block], where[block]) for block in blocks]


def _join_blocks(
    blocks: Sequence[tuple[np.ndarray, np.ndarray]], num_layouts: int
) -> RolloutScores:
    """Scores of blocks `[n, L]` that follow each other; there may be none."""
    empty = np.zeros((0, num_layouts), int)
    return RolloutScores(
        success=np.concatenate([empty.astype(bool), *(success for success, _ in blocks)]),
        num_steps=np.concatenate([empty, *(num_steps for _, num_steps in blocks)]),
    )
