"""Building a zoo: shards over processes, resumable after any kill."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from makeanagent.artifacts import read_tensors
from makeanagent.errors import InputError
from makeanagent.parallel import count_cpus
from makeanagent.policies.policy import Policy
from makeanagent.rl.sac.config import SACConfig
from makeanagent.rollouts.episodes import record_episode, run_episode
from makeanagent.suites import Suite, layouts
from makeanagent.trajectories.packing import unpack_trajectories
from makeanagent.trajectories.space import Space
from makeanagent.trajectories.trajectory import Trajectory
from makeanagent.trajectories.windows import PromptWindow
from makeanagent.zoo.plan import ShardPlan, progress_path, read_progress
from makeanagent.zoo.population_layouts import episode_layouts
from makeanagent.zoo.recipes.distillation import distill_shard
from makeanagent.zoo.recipes.distillation_config import DistillationConfig
from makeanagent.zoo.recipes.sac import train_sac_shard, train_sac_shards
from makeanagent.zoo.store import Zoo, ZooShard, shard_name

_SCORE_JOBS = 8
"""Jobs into which the scoring of one population is cut."""
_TRAINED_SHARE = 0.5
"""Part of a shard's work that is done once its population is trained, as progress bars count."""
_IN_FLIGHT = 2
"""Jobs for each processor that are handed out at a time."""
_POLL_SECONDS = 2.0
"""Time between two looks at how far training jobs are."""


def find_space(suite: Suite, tasks: Sequence[str], *, need_experts: bool = True) -> Space:
    """The space that all tasks have.

    Raises:
        InputError: tasks differ in their spaces, or one has no expert where one is needed.
    """
    space = suite.space(tasks[0])
    for task in tasks:
        own = suite.space(task)
        for field in fields(Space):
            found, expected = getattr(own, field.name), getattr(space, field.name)
            if found != expected:
                raise InputError(
                    f"{suite.name}/{task}: {field.name} {found}, but {expected} of {tasks[0]};"
                    " tasks of one zoo have one space"
                )
        if need_experts:
            suite.expert(task)
    return space


def measure_progress(zoo: Zoo, tasks: Sequence[str], num_blocks: int = 1) -> float:
    """Shards' worth of work that `zoo` already holds, of `len(tasks) * num_blocks`."""
    done = set(zoo.shard_names())
    names = [shard_name(task, block) for task in tasks for block in range(num_blocks)]
    return sum(
        1.0 if name in done else _TRAINED_SHARE * read_progress(_partial_path(zoo, name))
        for name in names
    )


def build_zoo(
    zoo: Zoo,
    suite: Suite,
    tasks: Sequence[str],
    config: DistillationConfig | SACConfig,
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
        config: of the recipe.
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
        # Half of a shard is its training; a plan's part of that as reported until now.
        trained = {plan.partial: read_progress(plan.partial) for plan in plans}

        def report_training(plan: ShardPlan, share: float) -> None:
            if share > trained[plan.partial]:
                report(plan.task, _TRAINED_SHARE * (share - trained[plan.partial]))
                trained[plan.partial] = share

        failures: dict[Path, str] = {}
        if isinstance(config, SACConfig) and device == "cuda":
            # A GPU's time is spent best on all tasks together.
            for block in range(num_blocks):
                group = [p for p in plans if p.block == block and not p.partial.is_file()]

                def report_group(share: float, group: list[ShardPlan] = group) -> None:
                    for plan in group:
                        report_training(plan, share)

                failures |= train_sac_shards(group, pool, report_group) if group else {}
            plans = [plan for plan in plans if plan.partial not in failures]
        jobs: deque[tuple[ShardPlan, int | None]] = deque((plan, None) for plan in plans)
        for plan, part, result in _run_jobs(pool, jobs, report_training):
            key = plan.partial
            if isinstance(result, InputError):
                failures[key] = str(result)
                continue
            if part is None:
                scored[key] = {}
                jobs.extendleft((plan, index) for index in reversed(range(_SCORE_JOBS)))
                report_training(plan, 1.0)
                continue
            scored[key][part] = result
            if len(scored[key]) == _SCORE_JOBS:
                zoo.add_shard(_assemble(plan, scored.pop(key)))
                key.unlink(missing_ok=True)
                progress_path(key).unlink(missing_ok=True)
            report(plan.task, (1 - _TRAINED_SHARE) / _SCORE_JOBS)
    if failures:
        raise InputError("; ".join(failures.values()))


def _partial_path(zoo: Zoo, name: str) -> Path:
    return zoo.folder / f".{name}.partial"


def _run_jobs(
    pool: Executor,
    jobs: deque[tuple[ShardPlan, int | None]],
    on_training: Callable[[ShardPlan, float], Any],
) -> Iterator[tuple[ShardPlan, int | None, Any]]:
    """Run jobs, and those that are added to `jobs` meanwhile; yield each with its result.

    A shard that cannot be made does not hold up the others: its error is its result.
    """
    waiting: dict[Future, tuple[ShardPlan, int | None]] = {}
    try:
        while jobs or waiting:
            ready = False
            # Few at a time, so that scoring jobs need not wait for all of the training.
            while jobs and not ready and len(waiting) < _IN_FLIGHT * count_cpus():
                plan, part = jobs.popleft()
                future = (
                    pool.submit(_train_shard, plan)
                    if part is None
                    else pool.submit(_score_shard_part, plan, part)
                )
                waiting[future] = plan, part
                # Without worker processes a job has run by now, and is to be reported at once.
                ready = future.done()
            for future in wait(waiting, _POLL_SECONDS, FIRST_COMPLETED).done:
                error = future.exception()
                result = error if isinstance(error, InputError) else future.result()
                yield *waiting.pop(future), result
            for plan, part in waiting.values():
                if part is None:
                    on_training(plan, read_progress(plan.partial))
    finally:
        for future in waiting:
            future.cancel()


def _train_shard(plan: ShardPlan) -> None:
    """Make a shard's policies, unless an earlier build already has."""
    if not plan.partial.is_file():
        recipe = train_sac_shard if isinstance(plan.config, SACConfig) else distill_shard
        recipe(plan)


def _score_shard_part(plan: ShardPlan, part: int) -> tuple[np.ndarray, list[Trajectory]]:
    """Scores `[n, L]` and, where training has left none, a trajectory of every eighth policy."""
    arrays = read_tensors(plan.partial)
    parameters = arrays["parameters"]
    score_layouts = layouts.ZOO_SCORES[: plan.config.num_score_layouts]
    rollout_layouts = episode_layouts(plan.seed)
    success, rollouts = list[list[bool]](), list[Trajectory]()
    with closing(plan.suite.make(plan.task)) as environment:
        for index in range(part, len(parameters), _SCORE_JOBS):
            policy = Policy(parameters[index], plan.spec)
            success.append(
                [bool(run_episode(environment, policy, place).success) for place in score_layouts]
            )
            if "rollouts.lengths" not in arrays:
                rollout = record_episode(
                    environment,
                    policy,
                    rollout_layouts[index % len(rollout_layouts)],
                    min_steps=plan.window.num_steps,
                    steps_after_success=plan.window.num_outcome_states,
                )
                rollouts.append(rollout)
    return np.array(success, bool).reshape(-1, len(score_layouts)), rollouts


def _assemble(plan: ShardPlan, parts: dict[int, Any]) -> ZooShard:
    """Put the scored parts back into the policies' order."""
    arrays = read_tensors(plan.partial)
    env_id = f"{plan.suite.name}/{plan.task}"

    def unpack(name: str, source: str) -> list[Trajectory]:
        if f"{name}.lengths" not in arrays:
            return []
        return unpack_trajectories(arrays, name, env_id, source)

    count = len(arrays["parameters"])
    success = np.zeros((count, plan.config.num_score_layouts), bool)
    recorded: dict[int, Trajectory] = {}
    for part, (part_success, part_rollouts) in parts.items():
        rows = range(part, count, _SCORE_JOBS)
        success[rows] = part_success
        recorded |= dict(zip(rows, part_rollouts, strict=False))
    expert = arrays.get("expert_success")
    return ZooShard(
        task=plan.task,
        block=plan.block,
        parameters=arrays["parameters"],
        run=arrays["run"],
        step=arrays["step"],
        success=success,
        rollouts=unpack("rollouts", "zoo") or [recorded[row] for row in range(count)],
        demonstrations=unpack("demonstrations", "expert"),
        replay=unpack("replay", "replay"),
        replay_run=arrays.get("replay.run", np.zeros(0, np.int64)),
        replay_step=arrays.get("replay.step", np.zeros(0, np.int64)),
        seed=plan.seed,
        expert_success=None if expert is None else float(expert[0]),
    )
