"""Building a zoo: shards over processes, resumable after any kill."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from makeanagent.artifacts import read_tensors, write_tensors
from makeanagent.environments import Suite, layouts
from makeanagent.errors import InputError
from makeanagent.evaluation.rollouts import record_episode, run_episode
from makeanagent.policies.policy import Policy
from makeanagent.policies.spec import PolicySpec
from makeanagent.trajectories.packing import pack_trajectories, unpack_trajectories
from makeanagent.trajectories.prompt import PromptWindow
from makeanagent.trajectories.trajectory import Trajectory
from makeanagent.zoo.config import DistillationConfig
from makeanagent.zoo.demonstrations import measure_expert, record_demonstrations
from makeanagent.zoo.distillation import distill_population
from makeanagent.zoo.store import Zoo, ZooShard, shard_name
from makeanagent.zoo.windows import episode_layouts

_SCORE_JOBS = 8
"""Jobs into which the scoring of one population is cut."""
_TRAINED_SHARE = 0.5
"""Part of a shard's work that is done once its population is trained, as progress bars count."""
_EXPERT_LAYOUTS = layouts.ZOO_SCORES[50:70]
"""Where the undisturbed expert is measured."""


@dataclass(frozen=True, kw_only=True)
class ShardPlan:
    """Everything that a worker needs to make one shard."""

    suite: Suite
    task: str
    block: int
    spec: PolicySpec
    config: DistillationConfig
    window: PromptWindow
    seed: int
    device: str
    partial: Path
    "Where the trained population is kept until the shard is written."


def find_spec(suite: Suite, tasks: Sequence[str]) -> PolicySpec:
    """The actor that fits all tasks.

    Raises:
        InputError: tasks differ in their spaces, or one has no expert to distil.
    """
    spaces = {task: suite.spaces(task) for task in tasks}
    for task, (observation_dim, action_dim) in spaces.items():
        if (observation_dim, action_dim) != spaces[tasks[0]]:
            raise InputError(
                f"{suite.name}/{task}: {observation_dim} observations and {action_dim} actions, but"
                f" {tasks[0]} has {spaces[tasks[0]][0]} and {spaces[tasks[0]][1]};"
                " tasks of one zoo have one policy network"
            )
        suite.expert(task)
    observation_dim, action_dim = spaces[tasks[0]]
    return PolicySpec(observation_dim=observation_dim, action_dim=action_dim)


def measure_progress(zoo: Zoo, tasks: Sequence[str], num_blocks: int = 1) -> float:
    """Shards' worth of work that `zoo` already holds, of `len(tasks) * num_blocks`."""
    done = set(zoo.shard_names())
    names = [shard_name(task, block) for task in tasks for block in range(num_blocks)]
    trained = (_TRAINED_SHARE * _partial_path(zoo, name).is_file() for name in names)
    return sum(1.0 if name in done else share for name, share in zip(names, trained, strict=True))


def build_zoo(
    zoo: Zoo,
    suite: Suite,
    tasks: Sequence[str],
    config: DistillationConfig,
    pool: Executor,
    *,
    num_blocks: int = 1,
    seed: int = 0,
    window: PromptWindow | None = None,
    device: str = "cpu",
    on_progress: Callable[[str, float], Any] | None = None,
) -> None:
    """Add the shards that are missing from `zoo`.

    Each shard is one training job and then eight scoring jobs; the calling process alone writes
    shards, as soon as each is complete. What a killed job had trained is found again.

    Args:
        zoo: where the shards go.
        suite: the environments.
        tasks: full task names.
        config: of the distillation.
        pool: worker processes, from `open_pool`.
        num_blocks: populations for each task.
        seed: of everything; block b of a task adds b to it.
        window: prompts must be able to be cut out of every stored trajectory.
        device: where populations are trained.
        on_progress: called with a task and the part of one shard's work that was just done.

    Raises:
        InputError: a setting is out of its range, a task cannot be built, or another process is
            adding to the zoo.
    """
    config.check()
    report = on_progress or (lambda task, share: None)
    expert_success: dict[Path, float] = {}
    scored: dict[Path, dict[int, Any]] = {}
    with zoo.adding():
        done = set(zoo.shard_names())
        plans = [
            ShardPlan(
                suite=suite,
                task=task,
                block=block,
                spec=zoo.spec,
                config=config,
                window=window or PromptWindow(),
                seed=seed + block,
                device=device,
                partial=_partial_path(zoo, shard_name(task, block)),
            )
            for task in tasks
            for block in range(num_blocks)
            if shard_name(task, block) not in done
        ]
        found_again = {plan.partial for plan in plans if plan.partial.is_file()}
        jobs: deque[tuple[ShardPlan, int | None]] = deque((plan, None) for plan in plans)
        for plan, part, result in _run_jobs(pool, jobs):
            key = plan.partial
            if part is None:
                expert_success[key], scored[key] = result, {}
                jobs.extendleft((plan, index) for index in reversed(range(_SCORE_JOBS)))
                report(plan.task, 0.0 if key in found_again else _TRAINED_SHARE)
                continue
            scored[key][part] = result
            if len(scored[key]) == _SCORE_JOBS:
                zoo.add_shard(_assemble(plan, expert_success[key], scored.pop(key)))
                key.unlink(missing_ok=True)
            report(plan.task, (1 - _TRAINED_SHARE) / _SCORE_JOBS)


def _partial_path(zoo: Zoo, name: str) -> Path:
    return zoo.folder / f".{name}.partial"


def _run_jobs(
    pool: Executor, jobs: deque[tuple[ShardPlan, int | None]]
) -> Iterator[tuple[ShardPlan, int | None, Any]]:
    """Run jobs, and those that are added to `jobs` meanwhile; yield each with its result."""
    waiting: dict[Future, tuple[ShardPlan, int | None]] = {}
    try:
        while jobs or waiting:
            ready = False
            while jobs and not ready:
                plan, part = jobs.popleft()
                future = (
                    pool.submit(_train_shard, plan)
                    if part is None
                    else pool.submit(_score_shard_part, plan, part)
                )
                waiting[future] = plan, part
                # Without worker processes a job has run by now, and is to be reported at once.
                ready = future.done()
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                yield *waiting.pop(future), future.result()
    finally:
        for future in waiting:
            future.cancel()


def _train_shard(plan: ShardPlan) -> float:
    """Record demonstrations and distil; keep both on disk, and return the expert's success rate."""
    config = plan.config
    if plan.partial.is_file():
        return float(read_tensors(plan.partial)["expert_success"][0])
    with closing(plan.suite.make(plan.task)) as environment:
        if environment.horizon < plan.window.num_steps:
            raise InputError(
                f"{plan.suite.name}/{plan.task}: episodes end after {environment.horizon} steps,"
                f" but prompts need {plan.window.num_steps}; give a smaller number of steps"
            )
        expert_success = measure_expert(environment, plan.suite.expert(plan.task), _EXPERT_LAYOUTS)
        demonstrations = record_demonstrations(
            plan.suite,
            plan.task,
            environment,
            episode_layouts(plan.seed)[: config.num_demonstrations],
            config.noise_scales,
            plan.seed,
            plan.window.num_steps,
            config.steps_after_success,
        )
        checkpoints = distill_population(
            plan.suite,
            plan.task,
            environment,
            demonstrations,
            plan.spec,
            config,
            plan.seed,
            plan.device,
        )
    arrays = pack_trajectories(demonstrations, "demonstrations")
    arrays |= {"checkpoints": checkpoints, "expert_success": np.array([expert_success])}
    write_tensors(plan.partial, arrays)
    return expert_success


def _score_shard_part(plan: ShardPlan, part: int) -> tuple[np.ndarray, list[Trajectory]]:
    """Scores `[n, L]` and one trajectory each of every eighth policy."""
    checkpoints = read_tensors(plan.partial)["checkpoints"]
    parameters = checkpoints.reshape(-1, checkpoints.shape[-1])
    score_layouts = layouts.ZOO_SCORES[: plan.config.num_score_layouts]
    rollout_layouts = episode_layouts(plan.seed)
    success, rollouts = [], []
    with closing(plan.suite.make(plan.task)) as environment:
        for index in range(part, len(parameters), _SCORE_JOBS):
            policy = Policy(parameters[index], plan.spec)
            scores = [run_episode(environment, policy, layout)[0] for layout in score_layouts]
            rollout = record_episode(
                environment,
                policy,
                rollout_layouts[index % len(rollout_layouts)],
                min_steps=plan.window.num_steps,
                steps_after_success=plan.window.num_outcome_states,
            )
            success.append(scores)
            rollouts.append(rollout)
    return np.array(success, bool), rollouts


def _assemble(plan: ShardPlan, expert_success: float, parts: dict[int, Any]) -> ZooShard:
    """Put the scored parts back into the policies' order."""
    arrays = read_tensors(plan.partial)
    checkpoints = arrays["checkpoints"]
    num_checkpoints, num_runs, _ = checkpoints.shape
    count = num_checkpoints * num_runs
    success = np.zeros((count, plan.config.num_score_layouts), bool)
    rollouts: list[Any] = [None] * count
    for part, (part_success, part_rollouts) in parts.items():
        rows = range(part, count, _SCORE_JOBS)
        for row, scores, rollout in zip(rows, part_success, part_rollouts, strict=True):
            success[row], rollouts[row] = scores, rollout
    return ZooShard(
        task=plan.task,
        block=plan.block,
        parameters=checkpoints.reshape(count, -1),
        run=np.tile(np.arange(num_runs), num_checkpoints),
        step=np.repeat(np.arange(1, num_checkpoints + 1), num_runs) * plan.config.checkpoint_steps,
        success=success,
        rollouts=rollouts,
        demonstrations=unpack_trajectories(
            arrays, "demonstrations", f"{plan.suite.name}/{plan.task}", "expert"
        ),
        seed=plan.seed,
        expert_success=expert_success,
    )
