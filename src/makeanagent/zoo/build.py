"""Building a zoo: shards over processes, resumable after any kill."""

import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from makeanagent.artifacts import read_tensors, write_tensors, write_text
from makeanagent.errors import InputError
from makeanagent.parallel import Pool
from makeanagent.suites import Suite
from makeanagent.trajectories.packing import unpack_trajectories
from makeanagent.trajectories.space import Space
from makeanagent.trajectories.trajectory import Trajectory
from makeanagent.trajectories.windows import PromptWindow
from makeanagent.zoo.jobs import score_shard_policies, train_shard
from makeanagent.zoo.plan import RecipeConfig, ShardPlan
from makeanagent.zoo.population_layouts import episode_layouts
from makeanagent.zoo.recipes.recipe import Arrays
from makeanagent.zoo.shard import ZooShard, shard_name
from makeanagent.zoo.store import Zoo

_SCORE_JOBS = 8
"""Jobs into which the scoring of one population is cut."""
_TRAINED_SHARE = 0.5
"""Part of a shard's work that is done once its population is trained, as progress bars count."""
_IN_FLIGHT = 2
"""Jobs for each worker that are handed out at a time."""
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
        1.0 if name in done else _TRAINED_SHARE * _read_trained_share(zoo, name) for name in names
    )


def build_zoo(
    zoo: Zoo,
    suite: Suite,
    tasks: Sequence[str],
    config: RecipeConfig,
    pool: Pool,
    *,
    num_blocks: int = 1,
    seed: int = 0,
    window: PromptWindow | None = None,
    device: str = "cpu",
    on_progress: Callable[[str, float], Any] | None = None,
) -> None:
    """Add the shards that are missing from `zoo`.

    Each shard is one training job and then eight scoring jobs; the calling process alone reads and
    writes the zoo's files, a shard as soon as it is complete. What was trained before a kill is
    found again.

    Args:
        zoo: where the shards go.
        suite: the environments.
        tasks: full task names.
        config: of the zoo's recipe.
        pool: where the jobs run, from `open_pool`; its workers need not see the zoo's disk.
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
            )
            for task in tasks
            for block in range(num_blocks)
            if shard_name(task, block) not in done
        ]
        build = _Build(zoo, pool, plans, on_progress or (lambda task, share: None))
        if device == "cuda":
            build.train_together()
        build.run()
    if build.failures:
        raise InputError("; ".join(build.failures.values()))


class _Build:
    """One call of `build_zoo`: its shards as far as they are."""

    def __init__(
        self,
        zoo: Zoo,
        pool: Pool,
        plans: Sequence[ShardPlan],
        report: Callable[[str, float], Any],
    ) -> None:
        self._zoo, self._pool, self._plans, self._report = zoo, pool, plans, report
        self._recipe = zoo.recipe
        # By the shard's name: the part of its training as reported until now, and, while it is
        # scored, what was trained and the scored parts.
        self._shares = {plan.name: _read_trained_share(zoo, plan.name) for plan in plans}
        self._trained: dict[str, Arrays] = {}
        self._scored: dict[str, dict[int, tuple[np.ndarray, list[Trajectory]]]] = {}
        self.failures: dict[str, str] = {}

    def train_together(self) -> None:
        """Train all tasks of a block as one population, where the recipe knows how."""
        train = self._recipe.train_together
        if train is None:
            return
        for block in sorted({plan.block for plan in self._plans}):
            group = [
                plan
                for plan in self._plans
                if plan.block == block and not _partial_path(self._zoo, plan.name).is_file()
            ]
            if not group:
                continue
            folder = _training_folder(self._zoo, group)

            def report_group(share: float, group: list[ShardPlan] = group) -> None:
                for plan in group:
                    self._report_training(plan, share)

            begin = time.monotonic()
            results = train(group, folder, self._pool, report_group)
            seconds = np.array([(time.monotonic() - begin) / len(group)])
            for plan, result in zip(group, results, strict=True):
                if isinstance(result, InputError):
                    self.failures[plan.name] = str(result)
                    _progress_path(self._zoo, plan.name).unlink(missing_ok=True)
                else:
                    partial = _partial_path(self._zoo, plan.name)
                    write_tensors(partial, result | {"seconds": seconds})
            shutil.rmtree(folder, ignore_errors=True)

    def run(self) -> None:
        """Train and score what is missing, and add it to the zoo."""
        jobs: deque[tuple[ShardPlan, int | None]] = deque(
            (plan, None) for plan in self._plans if plan.name not in self.failures
        )
        for plan, part, result in self._run_jobs(jobs):
            if isinstance(result, InputError):
                self.failures[plan.name] = str(result)
                if part is None:
                    shutil.rmtree(_training_folder(self._zoo, [plan]), ignore_errors=True)
                    _progress_path(self._zoo, plan.name).unlink(missing_ok=True)
            elif part is None:
                self._keep_trained(plan, result)
                jobs.extendleft((plan, index) for index in reversed(range(_SCORE_JOBS)))
            else:
                self._scored[plan.name][part] = result
                if len(self._scored[plan.name]) == _SCORE_JOBS:
                    self._add_shard(plan)
                self._report(plan.task, (1 - _TRAINED_SHARE) / _SCORE_JOBS)

    def _run_jobs(
        self, jobs: deque[tuple[ShardPlan, int | None]]
    ) -> Iterator[tuple[ShardPlan, int | None, Any]]:
        """Run jobs, and those that are added to `jobs` meanwhile; yield each with its result.

        A shard that cannot be made does not hold up the others: its error is its result.
        """
        waiting: dict[Future, tuple[ShardPlan, int | None]] = {}
        try:
            while jobs or waiting:
                # Few at a time, so that scoring jobs need not wait for all of the training.
                while jobs and len(waiting) < _IN_FLIGHT * self._pool.num_workers:
                    plan, part = jobs.popleft()
                    future = self._submit(plan, part)
                    waiting[future] = plan, part
                    if future.done():
                        break  # It ran in this process, and is to be reported at once.
                for future in wait(waiting, _POLL_SECONDS, FIRST_COMPLETED).done:
                    error = future.exception()
                    result = error if isinstance(error, InputError) else future.result()
                    yield *waiting.pop(future), result
                self._pool.pass_on_reports()
        finally:
            for future in waiting:
                future.cancel()

    def _submit(self, plan: ShardPlan, part: int | None) -> Future:
        if part is not None:
            return self._pool.submit(score_shard_policies, plan, *self._select(plan, part))
        partial = _partial_path(self._zoo, plan.name)
        if partial.is_file():  # An earlier build has trained it.
            future: Future = Future()
            with suppress(InputError):
                future.set_result(read_tensors(partial))
                return future
            partial.unlink()  # Damaged: it is trained again.
        return self._pool.submit_reporting(
            lambda share: self._report_training(plan, share),
            train_shard,
            self._recipe.train,
            plan,
            _training_folder(self._zoo, [plan]),
        )

    def _select(self, plan: ShardPlan, part: int) -> tuple[np.ndarray, list[int]]:
        """Every eighth policy and, where training has left no rollouts, the layouts of theirs."""
        arrays = self._trained[plan.name]
        parameters = arrays["parameters"]
        where = episode_layouts(plan.seed)
        rows = range(part, len(parameters), _SCORE_JOBS)
        has_rollouts = "rollouts.lengths" in arrays
        return parameters[rows], [] if has_rollouts else [where[row % len(where)] for row in rows]

    def _keep_trained(self, plan: ShardPlan, arrays: Arrays) -> None:
        """Have what was trained at hand, and on disk for a build that is stopped now."""
        partial = _partial_path(self._zoo, plan.name)
        if not partial.is_file():
            write_tensors(partial, arrays)
            shutil.rmtree(_training_folder(self._zoo, [plan]), ignore_errors=True)
        self._trained[plan.name] = arrays
        self._scored[plan.name] = {}
        self._report_training(plan, 1.0)

    def _report_training(self, plan: ShardPlan, share: float) -> None:
        if share > self._shares[plan.name]:
            self._report(plan.task, _TRAINED_SHARE * (share - self._shares[plan.name]))
            self._shares[plan.name] = share
            write_text(_progress_path(self._zoo, plan.name), f"{share:.4f}")

    def _add_shard(self, plan: ShardPlan) -> None:
        """Put the scored parts back into the policies' order, and write the shard."""
        arrays = self._trained.pop(plan.name)
        self._zoo.add_shard(_assemble(plan, arrays, self._scored.pop(plan.name)))
        _partial_path(self._zoo, plan.name).unlink(missing_ok=True)
        _progress_path(self._zoo, plan.name).unlink(missing_ok=True)


def _assemble(
    plan: ShardPlan, arrays: Arrays, parts: dict[int, tuple[np.ndarray, list[Trajectory]]]
) -> ZooShard:
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
    expert, seconds = arrays.get("expert_success"), arrays.get("seconds")
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
        training_seconds=None if seconds is None else float(seconds[0]),
    )


def _partial_path(zoo: Zoo, name: str) -> Path:
    """File in which the builder keeps what was trained until the shard is written."""
    return zoo.folder / f".{name}.partial"


def _progress_path(zoo: Zoo, name: str) -> Path:
    """File in which the builder notes the part of a shard's training that is done."""
    return zoo.folder / f".{name}.progress"


def _training_folder(zoo: Zoo, plans: Sequence[ShardPlan]) -> Path:
    """Folder for what the training of these shards needs to go on after a stop."""
    names = [f".{plan.name}" for plan in plans]
    if len(plans) > 1:
        names = [f".{len(plans)}-shards-{crc32('+'.join(names).encode()):08x}"]
    return zoo.folder / f"{names[0]}.training"


def _read_trained_share(zoo: Zoo, name: str) -> float:
    """Part of a shard's training that is done."""
    if _partial_path(zoo, name).is_file():
        return 1.0
    try:
        return float(_progress_path(zoo, name).read_text())
    except (OSError, ValueError):
        return 0.0
