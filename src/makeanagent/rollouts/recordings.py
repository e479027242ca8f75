"""Whole episodes of actors, kept for pictures."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any

import numpy as np

from makeanagent.parallel import run_jobs
from makeanagent.rollouts.actors import Actor
from makeanagent.rollouts.episodes import as_function, open_environment, record_episode
from makeanagent.suites import Suite
from makeanagent.trajectories.trajectory import Trajectory


def record_actors(
    pool: Executor,
    suite: Suite,
    task: str,
    actors: Sequence[Actor],
    layouts: Sequence[int] | np.ndarray,
    on_progress: Callable[[int], Any] | None = None,
) -> list[Trajectory]:
    """One episode an actor, until shortly after its first success.

    Args:
        pool: worker processes.
        suite: the environments.
        task: the task's full name.
        actors: N of them.
        layouts: layout of each, `[N]`.
        on_progress: called with a number of finished episodes whenever some are.
    """
    jobs = [
        (suite, task, actor, int(layout)) for actor, layout in zip(actors, layouts, strict=True)
    ]
    report = on_progress or (lambda count: None)
    return run_jobs(pool, _record, jobs, lambda *_: report(1))


def _record(suite: Suite, task: str, actor: Actor, layout: int) -> Trajectory:
    return record_episode(
        open_environment(suite, task),
        as_function(actor),
        layout,
        min_steps=1,
        env_id=f"{suite.name}/{task}",
        source=f"policy on layout {layout}",
    )
