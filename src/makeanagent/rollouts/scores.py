"""What many actors achieve on many layouts, spread over processes."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from makeanagent.errors import InputError
from makeanagent.parallel import run_jobs
from makeanagent.rollouts.actors import Actor, Actors, join_actors
from makeanagent.rollouts.batched import open_batch, run_batch
from makeanagent.rollouts.blocks import Block, KeptBlocks
from makeanagent.rollouts.episodes import as_function, open_environment, run_episode
from makeanagent.suites import Suite

_JOB_ROLLOUTS = 64
"""Rollouts in one job: long enough to hide the hand-over, short enough to balance two workers."""


@dataclass(frozen=True, kw_only=True)
class RolloutScores:
    """What N actors achieved on L layouts; each rollout stops at its first success."""

    success: np.ndarray | None
    "bool `[N, L]`: success at any step within the horizon; None where the task has no such signal."
    returns: np.ndarray
    "float64 `[N, L]`: undiscounted sums of rewards."
    num_steps: np.ndarray
    "int `[N, L]`: environment steps until success or the end."
    layouts: np.ndarray
    "int `[N, L]`: where each rollout was played."

    def require_success(self) -> np.ndarray:
        """Success, bool `[N, L]`, of a task that has such a signal.

        Raises:
            InputError: it has none.
        """
        if self.success is None:
            raise InputError("rollouts: the task has no success signal; its returns are its score")
        return self.success


class Request(NamedTuple):
    """Actors, and the layouts that they are to play."""

    actors: Actors
    layouts: Sequence[int] | np.ndarray
    "Layout numbers: `[L]` for all actors alike, or `[N, L]`."


def score_policies(
    pool: Executor,
    suite: Suite,
    task: str,
    actors: Actors,
    layouts: Sequence[int] | np.ndarray,
    on_progress: Callable[[int], Any] | None = None,
) -> RolloutScores:
    """Play each actor on layouts, until success or the end.

    Args:
        pool: worker processes, from `open_pool`.
        suite: the environments.
        task: the task's full name.
        actors: N of them: a `PolicyBatch`, whose policies act deterministically, or a list.
        layouts: layout numbers: `[L]` for all actors alike, or `[N, L]`.
        on_progress: called with a number of finished rollouts whenever some are.
    """
    return score_requests(pool, suite, task, [Request(actors, layouts)], on_progress)[0]


def score_requests(
    pool: Executor,
    suite: Suite,
    task: str,
    requests: Sequence[Request],
    on_progress: Callable[[int], Any] | None = None,
    kept: KeptBlocks | None = None,
) -> list[RolloutScores]:
    """As `score_policies` for several requests at once: none waits for another's last job.

    Args:
        pool: worker processes, from `open_pool`.
        suite: the environments.
        task: the task's full name.
        requests: who plays where.
        on_progress: called with a number of finished rollouts whenever some are.
        kept: what a stopped run has scored, which is not played again; takes what is.
    """
    jobs: list[tuple[Suite, str, list[Actor], np.ndarray]] = []
    grids, owners = [], list[int]()
    for number, (actors, layouts) in enumerate(requests):
        grid = np.broadcast_to(np.asarray(layouts, int), (len(actors), np.shape(layouts)[-1]))
        grids.append(grid)
        each = list(actors)
        rows = max(1, _JOB_ROLLOUTS // max(grid.shape[1], 1))
        for start in range(0, len(each), rows):
            jobs.append((suite, task, each[start : start + rows], grid[start : start + rows]))
            owners.append(number)
    report = on_progress or (lambda count: None)
    numbers, found = (range(len(jobs)), {}) if kept is None else kept.ask(len(jobs))
    missing = [number for number in numbers if number not in found]

    def keep(index: int, block: Block) -> None:
        if kept is not None:
            kept.add(missing[index], block)
        report(block.layouts.size)

    played = run_jobs(
        pool, _score_block, [jobs[number - numbers.start] for number in missing], keep
    )
    found |= dict(zip(missing, played, strict=True))
    blocks = [found[number] for number in numbers]
    return [
        _join([block for block, owner in zip(blocks, owners, strict=True) if owner == number], grid)
        for number, grid in enumerate(grids)
    ]


def _score_block(suite: Suite, task: str, actors: list[Actor], layouts: np.ndarray) -> Block:
    """Scores of actors on layouts `[n, l]`."""
    worlds = open_batch(suite, task)
    if worlds is not None:
        outcome = run_batch(worlds, join_actors(actors), layouts.ravel())
        success = None if outcome.success is None else outcome.success.reshape(layouts.shape)
        returns, num_steps = (
            each.reshape(layouts.shape) for each in (outcome.total_reward, outcome.num_steps)
        )
        return Block(success, returns, num_steps, layouts)
    environment = open_environment(suite, task)
    outcomes = [
        [run_episode(environment, as_function(actor), int(layout)) for layout in row]
        for actor, row in zip(actors, layouts, strict=True)
    ]
    flat = [outcome for row in outcomes for outcome in row]
    has_signal = all(outcome.success is not None for outcome in flat)

    def gather(name: str) -> np.ndarray:
        return np.array([getattr(outcome, name) for outcome in flat]).reshape(layouts.shape)

    return Block(
        gather("success").astype(bool) if has_signal else None,
        gather("total_reward").astype(float),
        gather("num_steps").astype(int),
        layouts,
    )


def _join(blocks: Sequence[Block], grid: np.ndarray) -> RolloutScores:
    """The blocks of one request below each other; of no actors, empty scores."""
    if not blocks:
        empty = np.zeros(grid.shape)
        return RolloutScores(
            success=empty.astype(bool),
            returns=empty,
            num_steps=empty.astype(int),
            layouts=grid.astype(int),
        )
    success = [block.success for block in blocks if block.success is not None]
    return RolloutScores(
        success=np.concatenate(success) if len(success) == len(blocks) else None,
        returns=np.concatenate([block.returns for block in blocks]),
        num_steps=np.concatenate([block.num_steps for block in blocks]),
        layouts=np.concatenate([block.layouts for block in blocks]),
    )
