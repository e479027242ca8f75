"""Whole episodes of policies, kept for pictures."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any

import numpy as np

from makeanagent.parallel import run_jobs
from makeanagent.policies.policy import Policy
from makeanagent.policies.spec import PolicySpec
from makeanagent.rollouts.scores import open_environment, record_episode
from makeanagent.suites import Suite
from makeanagent.trajectories.trajectory import Trajectory


def record_policies(
    pool: Executor,
    suite: Suite,
    task: str,
    parameters: np.ndarray,
    spec: PolicySpec,
    layouts: Sequence[int] | np.ndarray,
    on_progress: Callable[[int], Any] | None = None,
) -> list[Trajectory]:
    """One episode a policy, until shortly after its first success.

    Args:
        pool: worker processes.
        suite: the environments.
        task: the task's full name.
        parameters: float32 `[N, P]`.
        spec: the policies' layers.
        layouts: layout of each policy, `[N]`.
        on_progress: called with a number of finished episodes whenever some are.
    """
    jobs = [
        (suite, task, vector, spec, int(layout))
        for vector, layout in zip(parameters, layouts, strict=True)
    ]
    report = on_progress or (lambda count: None)
    return run_jobs(pool, _record, jobs, lambda *_: report(1))


def _record(
    suite: Suite, task: str, vector: np.ndarray, spec: PolicySpec, layout: int
) -> Trajectory:
    return record_episode(
        open_environment(suite, task),
        Policy(vector, spec),
        layout,
        min_steps=1,
        env_id=f"{suite.name}/{task}",
        source=f"policy on layout {layout}",
    )
