"""The paper's zoo: checkpoints of SAC agents, trained on one fixed layout (section 4).

The shards' replay episodes are what the paper prompts with: they are drawn from the agents' replay
buffers, for benchmarks alone.
"""

from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path

import numpy as np

from makeanagent.errors import InputError
from makeanagent.parallel import open_pool
from makeanagent.rl.sac.config import SACConfig
from makeanagent.rl.sac.history import LivedEpisode, Record
from makeanagent.rl.sac.training import train_population
from makeanagent.rollouts.episodes import open_environment
from makeanagent.trajectories.packing import pack_trajectories
from makeanagent.trajectories.trajectory import Trajectory
from makeanagent.zoo.experts import measure_expert
from makeanagent.zoo.plan import ShardPlan
from makeanagent.zoo.recipes.recipe import Arrays, Recipe, Report


def train_sac_shard(plan: ShardPlan[SACConfig], folder: Path, report: Report) -> Arrays:
    """Train one task's agents in this process; a stopped run goes on from what is in `folder`.

    Raises:
        InputError: episodes are too short for prompts or tell no success, or no agent has solved
            its layout.
    """
    with open_pool(1) as pool:
        (result,) = train_sac_shards([plan], folder, pool, report)
    if isinstance(result, InputError):
        raise result
    return result


def train_sac_shards(
    plans: Sequence[ShardPlan[SACConfig]], folder: Path, pool: Executor, report: Report
) -> list[Arrays | InputError]:
    """Train the agents of several tasks as one population; on a GPU that costs as much as one.

    Args:
        plans: shards of one suite, window, configuration, seed and device.
        folder: state, from which a stopped run goes on.
        pool: where the agents play.
        report: called with the part of the training that is done.

    Returns:
        For each plan what came out, or what is wrong: its episodes are too short for prompts or
        tell no success, or no agent has solved its layout.
    """
    faults = {plan.task: _find_fault(plan) for plan in plans}
    able = [plan for plan in plans if faults[plan.task] is None]
    if not able:
        return [InputError(faults[plan.task]) for plan in plans]
    first = able[0]
    record, demonstrations = train_population(
        pool,
        first.suite,
        [plan.task for plan in able],
        first.spec,
        first.config,
        first.window,
        folder,
        seed=first.seed,
        device=first.device,
        on_progress=report,
    )
    return [
        InputError(fault)
        if (fault := faults[plan.task])
        else _collect(plan, record, demonstrations[plan.task])
        for plan in plans
    ]


def _find_fault(plan: ShardPlan[SACConfig]) -> str | None:
    return plan.find_fault(open_environment(plan.suite, plan.task), plan.config.horizon)


def _collect(
    plan: ShardPlan[SACConfig], record: Record, demonstrations: list[Trajectory]
) -> Arrays | InputError:
    """One task's checkpoints, rollouts, demonstrations and replay episodes."""
    config = plan.config
    checkpoints = [item for item in record.checkpoints if item.agent.task == plan.task]
    if not checkpoints:
        return InputError(
            f"{plan.suite.name}/{plan.task}: none of {config.num_runs} agents solved its layout in"
            f" {config.env_steps} steps; give more steps, or demonstrations"
        )
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
    return arrays


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


def _needs_experts(config: SACConfig) -> bool:
    return config.num_demonstrations > 0


RECIPE = Recipe(
    name="sac",
    config=SACConfig,
    train=train_sac_shard,
    train_together=train_sac_shards,
    needs_experts=_needs_experts,
    # They have solved the one layout that they were trained on, and few succeed on random ones:
    # there all serve (paper, section 4).
    trains_on_qualified=False,
    gives_replay=True,
)
