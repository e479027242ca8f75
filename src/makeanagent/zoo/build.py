"""Building a zoo: shards over processes, resumable after any kill."""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from makeanagent.artifacts import read_tensors, write_tensors
from makeanagent.environments import Suite, layouts
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

_SCORE_JOBS = 8
"""Jobs into which the scoring of one population is cut."""
_LAYOUT_STRIDE = 500
"""Expert episodes and stored rollouts of a population lie within as many layouts."""


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
        on_progress: called with a task and the part of one shard's work that it has just done.
    """
    window = window or PromptWindow()
    report = on_progress or (lambda task, share: None)
    done = set(zoo.shard_names())
    waiting: dict[Future, tuple[ShardPlan, int]] = {}
    scored: dict[str, dict[int, Any]] = {}
    trained: dict[str, Any] = {}
    for task in tasks:
        for block in range(num_blocks):
            name = shard_name(task, block)
            if name in done:
                report(task, 1.0)
                continue
            plan = ShardPlan(
                suite=suite,
                task=task,
                block=block,
                spec=zoo.spec,
                config=config,
                window=window,
                seed=seed + block,
                device=device,
                partial=zoo.folder / f".{name}.partial",
            )
            waiting[pool.submit(_train_shard, plan)] = (plan, -1)
    try:
        while waiting:
            finished, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in finished:
                plan, part = waiting.pop(future)
                name = shard_name(plan.task, plan.block)
                if part < 0:
                    trained[name], scored[name] = future.result(), {}
                    report(plan.task, 0.5)
                    for index in range(_SCORE_JOBS):
                        waiting[pool.submit(_score_shard_part, plan, index)] = (plan, index)
                    continue
                scored[name][part] = future.result()
                report(plan.task, 0.5 / _SCORE_JOBS)
                if len(scored[name]) == _SCORE_JOBS:
                    zoo.add_shard(_assemble(plan, trained.pop(name), scored.pop(name)))
                    plan.partial.unlink(missing_ok=True)
    except BaseException:
        for future in waiting:
            future.cancel()
        raise


def _first_layout(plan: ShardPlan) -> int:
    return layouts.ZOO.start + plan.seed * _LAYOUT_STRIDE


def _train_shard(plan: ShardPlan) -> float:
    """Record demonstrations and distil; keep both on disk, and return the expert's success rate."""
    import torch

    torch.set_num_threads(1)
    config = plan.config
    if plan.partial.is_file():
        return float(read_tensors(plan.partial)["expert_success"])
    environment = plan.suite.make(plan.task)
    expert_success = measure_expert(
        environment, plan.suite.expert(plan.task), layouts.ZOO_SCORES[50:70]
    )
    first = _first_layout(plan)
    demonstrations = record_demonstrations(
        plan.suite,
        plan.task,
        environment,
        range(first, first + config.num_demonstrations),
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
    environment = plan.suite.make(plan.task)
    score_layouts = layouts.ZOO_SCORES[: plan.config.num_score_layouts]
    success, rollouts = [], []
    for index in range(part, len(parameters), _SCORE_JOBS):
        policy = Policy(parameters[index], plan.spec)
        success.append([run_episode(environment, policy, layout)[0] for layout in score_layouts])
        rollouts.append(
            record_episode(
                environment,
                policy,
                _first_layout(plan) + index % _LAYOUT_STRIDE,
                min_steps=plan.window.num_steps,
                steps_after_success=plan.window.num_outcome_states,
            )
        )
    return np.array(success), rollouts


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
        success[rows] = part_success
        for row, rollout in zip(rows, part_rollouts, strict=True):
            rollouts[row] = rollout
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
