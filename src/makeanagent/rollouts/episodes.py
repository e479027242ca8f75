"""Episodes: one loop, and what is kept of it."""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from makeanagent.rollouts.actors import Actor
from makeanagent.suites import Act, Environment, Step, Suite
from makeanagent.trajectories.trajectory import Trajectory


class Outcome(NamedTuple):
    """How an episode ended that was played until its first success."""

    success: bool | None
    "Whether the task was solved; None where it has no such signal."
    total_reward: float
    "Undiscounted sum of the rewards until then."
    num_steps: int


def play(
    environment: Environment, act: Act, layout: int, max_steps: int | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray, Step]]:
    """Play an episode; yield each observation `[O]`, the action on it `[A]`, and what came of it.

    Args:
        environment: the simulator.
        act: the controller.
        layout: where to start.
        max_steps: steps at most, where that is less than the horizon.
    """
    observation = environment.reset(layout)
    horizon = environment.horizon
    for _ in range(horizon if max_steps is None else min(horizon, max_steps)):
        action = act(observation)
        step = environment.step(action)
        yield observation, action, step
        if step.over:
            return
        observation = step.observation


def tells_success(environment: Environment, action_dim: int, layout: int) -> bool:
    """Whether a task says if it stands solved, as the first step of an episode shows."""
    environment.reset(layout)
    return environment.step(np.zeros(action_dim)).success is not None


def as_function(actor: Actor) -> Act:
    """An actor in a single new episode, as a function of the observation `[O]`."""
    actor.reset(1)
    return lambda observation: actor.act(observation[None])[0]


def run_episode(environment: Environment, act: Act, layout: int) -> Outcome:
    """Play until the first success or the episode's end."""
    success, total, num_steps = None, 0.0, 0
    for _, _, step in play(environment, act, layout):
        success, total, num_steps = step.success, total + step.reward, num_steps + 1
        if success:
            break
    return Outcome(success, total, num_steps)


def record_episode(
    environment: Environment,
    act: Act,
    layout: int,
    *,
    min_steps: int = 60,
    steps_after_success: int = 3,
    max_steps: int | None = None,
    env_id: str | None = None,
    source: str | None = None,
) -> Trajectory:
    """Play an episode and keep it, for long enough that a prompt can be cut out of it.

    Args:
        environment: the simulator.
        act: the controller.
        layout: where to start.
        min_steps: the episode goes on for at least as many steps, success or not.
        steps_after_success: steps kept after the first success.
        max_steps: steps at most, where that is less than the horizon.
        env_id: noted in the trajectory.
        source: noted in the trajectory.

    Returns:
        The trajectory; without success where the task has no such signal.
    """
    observations, actions, successes = list[np.ndarray](), list[np.ndarray](), list[bool]()
    end = None

    def act_as_kept(observation: np.ndarray) -> np.ndarray:
        # The simulator gets the very numbers that the trajectory holds.
        return np.asarray(act(observation), np.float32)

    for observation, action, step in play(environment, act_as_kept, layout, max_steps):
        observations.append(observation)
        actions.append(action)
        successes.append(bool(step.success))
        if end is None and step.success:
            end = max(min_steps, len(actions) + steps_after_success)
        if len(actions) == end:
            break
    return Trajectory(
        observations=np.array([*observations, step.observation]),
        actions=np.array(actions),
        success=np.array(successes),
        env_id=env_id,
        source=source,
    )


# Not many, since simulators are large, and since a suite may hash by identity: each job's copy is
# new. But enough for populations of ten tasks, whose jobs go round among them.
@lru_cache(maxsize=12)
def open_environment(suite: Suite, task: str) -> Environment:
    """A worker's simulator of a task: building one costs as much as many episodes."""
    return suite.make(task)
