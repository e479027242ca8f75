"""What worker processes do for a zoo: functions of picklable arguments that touch no zoo's files.

Each may be done again, on any machine, and gives the same.
"""

import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from makeanagent.parallel import one_thread
from makeanagent.policies.policy import Policy
from makeanagent.rollouts.episodes import record_episode, run_episode
from makeanagent.suites import layouts
from makeanagent.trajectories.trajectory import Trajectory
from makeanagent.zoo.plan import Config, ShardPlan
from makeanagent.zoo.recipes.recipe import Arrays, Report, Train


def train_shard(
    train: Train[Config], plan: ShardPlan[Config], folder: Path, report: Report
) -> Arrays:
    """What a recipe's `train` gives, and `seconds`, the wall time that it took.

    Raises:
        InputError: the task cannot be trained, or nothing came of it.
    """
    begin = time.monotonic()
    with one_thread():
        arrays = train(plan, folder, report)
    return arrays | {"seconds": np.array([time.monotonic() - begin])}


def score_shard_policies(
    plan: ShardPlan, parameters: np.ndarray, rollout_layouts: Sequence[int]
) -> tuple[np.ndarray, list[Trajectory]]:
    """Scores of a plan's policies on layouts outside training, and trajectories by them.

    Args:
        plan: of the shard that they belong to.
        parameters: float32 `[n, P]`, those of its policies that are to be scored.
        rollout_layouts: where each policy's trajectory begins, `[n]`; empty for no trajectories.

    Returns:
        Success, bool `[n, L]`, and n trajectories or none.
    """
    score_layouts = layouts.ZOO_SCORES[: plan.config.num_score_layouts]
    success = np.zeros((len(parameters), len(score_layouts)), bool)
    rollouts = list[Trajectory]()
    with closing(plan.suite.make(plan.task)) as environment:
        for row, vector in enumerate(parameters):
            policy = Policy(vector, plan.spec)
            played = [run_episode(environment, policy, place) for place in score_layouts]
            success[row] = [bool(outcome.success) for outcome in played]
            if rollout_layouts:
                rollout = record_episode(
                    environment,
                    policy,
                    rollout_layouts[row],
                    min_steps=plan.window.num_steps,
                    steps_after_success=plan.window.num_outcome_states,
                )
                rollouts.append(rollout)
    return success, rollouts
