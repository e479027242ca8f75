"""Expert episodes: scripted experts measured, disturbed by action noise, and filtered."""

from collections.abc import Sequence

import numpy as np

from makeanagent.errors import InputError
from makeanagent.rollouts.actors import add_action_noise
from makeanagent.rollouts.episodes import record_episode, run_episode
from makeanagent.suites import Act, Environment, Suite, layouts
from makeanagent.trajectories.trajectory import Trajectory

_EXPERT_LAYOUTS = layouts.ZOO_SCORES[50:70]
"""Where the undisturbed expert is measured."""


def measure_expert(environment: Environment, expert: Act) -> float:
    """Success rate of the undisturbed expert on twenty layouts."""
    played = [bool(run_episode(environment, expert, layout).success) for layout in _EXPERT_LAYOUTS]
    return float(np.mean(played))


def record_demonstrations(
    suite: Suite,
    task: str,
    environment: Environment,
    where: Sequence[int],
    noise_scales: Sequence[float],
    seed: int,
    min_steps: int,
    steps_after_success: int,
) -> list[Trajectory]:
    """One expert episode on each layout, with action noise by turns; only successes are kept.

    Args:
        suite: the environments.
        task: the task's full name.
        environment: the task's simulator.
        where: layouts; one episode is played on each.
        noise_scales: standard deviations of the action noise, used in turn.
        seed: of the noise.
        min_steps: length that every episode has at least.
        steps_after_success: steps kept after the first success.

    Raises:
        InputError: the expert has not succeeded once.
    """
    expert = suite.expert(task)
    kept = []
    for index, layout in enumerate(where):
        scale = noise_scales[index % len(noise_scales)]
        rng = np.random.default_rng((seed, layout))
        trajectory = record_episode(
            environment,
            add_action_noise(expert, scale, rng),
            layout,
            min_steps=min_steps,
            steps_after_success=steps_after_success,
            env_id=f"{suite.name}/{task}",
            source="expert",
        )
        if trajectory.first_success is not None:
            kept.append(trajectory)
    if not kept:
        raise InputError(
            f"{suite.name}/{task}: the expert has not succeeded in {len(where)} episodes with"
            f" action noise {tuple(noise_scales)}; a zoo needs an expert that does"
        )
    return kept
