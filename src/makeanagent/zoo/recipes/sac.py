"""The paper's zoo: checkpoints of SAC agents, trained on one fixed layout (section 4).

The shards' replay episodes are what the paper prompts with: they are drawn from the agents' replay
buffers, for benchmarks alone.
"""

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from makeanagent.artifacts import write_tensors
from makeanagent.errors import InputError
from makeanagent.parallel import one_thread, open_pool
from makeanagent.rl.sac.config import SACConfig
from makeanagent.rl.sac.history import LivedEpisode, Record
from makeanagent.rl.sac.training import train_population
from makeanagent.rollouts.episodes import open_environment
from makeanagent.trajectories.packing import pack_trajectories
from makeanagent.trajectories.trajectory import Trajectory
from makeanagent.zoo.experts import measure_expert
from makeanagent.zoo.plan import ShardPlan


def train_sac_shard(plan: ShardPlan) -> None:
    """Train one task's agents in this process, and keep what comes out at `plan.partial`.

    Raises:
        InputError: no agent has solved its layout.
    """
    with one_thread(), open_pool(1) as pool:
        for failure in train_sac_shards([plan], pool, plan.note_progress).values():
            raise InputError(failure)


def train_sac_shards(
    plans: Sequence[ShardPlan], pool: Executor, on_progress: Callable[[float], Any]
) -> dict[Path, str]:
    """Train the agents of several tasks as one population; on a GPU that costs as much as one.

    Args:
        plans: shards of one suite, window, configuration and device.
        pool: where the agents play.
        on_progress: called with the part of the training that is done.

    Returns:
        What is wrong with the tasks whose episodes are too short for prompts, or of which no agent
        has solved its layout, by `plan.partial`.
    """
    plan, config = plans[0], plans[0].config
    assert isinstance(config, SACConfig)
    failures = dict[Path, str]()
    for each in plans:
        horizon = min(open_environment(each.suite, each.task).horizon, config.horizon)
        if fault := each.find_fault(horizon):
            failures[each.partial] = fault
    plans = [each for each in plans if each.partial not in failures]
    if not plans:
        return failures
    folder = _training_folder(plans)
    record, demonstrations = train_population(
        pool,
        plan.suite,
        [each.task for each in plans],
        plan.spec,
        config,
        plan.window,
        folder,
        seed=plan.seed,
        device=plan.device,
        on_progress=on_progress,
    )
    for each in plans:
        if any(item.agent.task == each.task for item in record.checkpoints):
            _keep(each, config, record, demonstrations[each.task])
        else:
            failures[each.partial] = (
                f"{each.suite.name}/{each.task}: none of {config.num_runs} agents solved its"
                f" layout in {config.num_steps} steps; give more steps, or demonstrations"
            )
    shutil.rmtree(folder)
    return failures


def _training_folder(plans: Sequence[ShardPlan]) -> Path:
    if len(plans) == 1:
        return plans[0].partial.with_suffix(".training")
    names = "+".join(plan.partial.stem for plan in plans)
    return plans[0].partial.parent / f".{len(plans)}-shards-{crc32(names.encode()):08x}.training"


def _keep(
    plan: ShardPlan, config: SACConfig, record: Record, demonstrations: list[Trajectory]
) -> None:
    """Write one task's checkpoints, rollouts, demonstrations and replay episodes."""
    checkpoints = [item for item in record.checkpoints if item.agent.task == plan.task]
    lived = [item for item in record.lived if item.agent.task == plan.task]
    replay = _spread(lived, config.num_replay)
    arrays = {
        "parameters": np.stack([item.parameters for item in checkpoints]),
        "run": np.array([item.agent.run for item in checkpoints]),
        "step": np.array([item.step for item in checkpoints]),
        "replay.run": np.array([item.agent.run for item in replay], np.int64),
        "replay.step": np.array([item.step for item in replay], np.int64),
    }
    arrays |= pack_trajectories([item.rollout for item in checkpoints], "rollouts")
    if replay:
        arrays |= pack_trajectories([item.trajectory for item in replay], "replay")
    if demonstrations:
        arrays |= pack_trajectories(demonstrations, "demonstrations")
        environment = open_environment(plan.suite, plan.task)
        success = measure_expert(environment, plan.suite.expert(plan.task))
        arrays["expert_success"] = np.array([success])
    write_tensors(plan.partial, arrays)


def _spread(lived: Sequence[LivedEpisode], count: int) -> list[LivedEpisode]:
    """As many from each agent as there are, evenly over its steps."""
    agents = sorted({item.agent.run for item in lived})
    picked: list[LivedEpisode] = []
    for place, run in enumerate(agents):
        own = [item for item in lived if item.agent.run == run]
        share = (count - len(picked)) // (len(agents) - place)
        rows = np.unique(np.linspace(0, len(own) - 1, min(share, len(own))).astype(int))
        picked += [own[row] for row in rows]
    return picked
