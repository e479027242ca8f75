"""Prompts for benchmarks, from named sources, on layouts that are set aside for prompts."""

from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Any

import numpy as np

from makeanagent.errors import InputError
from makeanagent.parallel import run_jobs
from makeanagent.policies.policy import Policy
from makeanagent.policies.spec import PolicySpec
from makeanagent.rollouts.actors import add_action_noise
from makeanagent.rollouts.episodes import open_environment, record_episode
from makeanagent.suites import Act, Suite, layouts
from makeanagent.training.data import find_held_out
from makeanagent.trajectories import Trajectory
from makeanagent.trajectories.windows import Window
from makeanagent.zoo.store import Zoo

EXPERT_NOISE = (0.0, 0.1, 0.2, 0.3)
"""Action noise of expert prompts, by turns."""
_JOB_PROMPTS = 10
_MAX_TRIES = 20
_TRIES_ON_ITS_LAYOUT = 10
"""After so many failures, or one without noise, another layout is taken."""
_SPARE = 400
"""How many layouts at the end of a range are for that."""


def record_expert_prompts(
    pool: Executor,
    suite: Suite,
    task: str,
    count: int,
    window: Window,
    noise_scales: Sequence[float] = EXPERT_NOISE,
    offset: int = 0,
    where: range = layouts.PROMPTS,
) -> list[Trajectory]:
    """Episodes of the task's expert with action noise, each a success on a layout of its own.

    An episode that fails is repeated with fresh noise, as a person would repeat a demonstration
    that went wrong, and in the end on another layout: some experts fail on some layouts always.

    Args:
        pool: worker processes.
        suite: the environments.
        task: the task's full name.
        count: how many.
        window: how much of an episode a prompt needs.
        noise_scales: standard deviations of the action noise, by turns.
        offset: number of the first one, which gives layouts and noise: prompts of other numbers
            share neither.
        where: the layouts that they are given out of; not those for prompts where demonstrations
            are none.

    Raises:
        InputError: the expert keeps failing, or there are not as many layouts.
    """
    if offset + count > len(where):
        raise InputError(f"prompts {offset} to {offset + count}: there are {len(where)} layouts")
    numbers = [
        range(offset, offset + count)[start : start + _JOB_PROMPTS]
        for start in range(0, count, _JOB_PROMPTS)
    ]
    jobs = [(suite, task, part, tuple(noise_scales), window, where) for part in numbers]
    parts = run_jobs(pool, _record_experts, jobs)
    return [trajectory for part in parts for trajectory in part]


def _record_experts(
    suite: Suite,
    task: str,
    numbers: range,
    noise_scales: tuple[float, ...],
    window: Window,
    where: range,
) -> list[Trajectory]:
    environment, expert = open_environment(suite, task), suite.expert(task)
    recorded = []
    for number in numbers:
        scale = noise_scales[number % len(noise_scales)]
        for attempt in range(_MAX_TRIES):
            noisy = add_action_noise(expert, scale, np.random.default_rng((number, attempt)))
            layout = where[_find_place(number, attempt, scale, len(where))]
            trajectory = _record(environment, noisy, layout, window, suite, task, "expert")
            if trajectory.first_success is not None:
                recorded.append(trajectory)
                break
        else:
            raise InputError(
                f"{suite.name}/{task}: the expert failed {_MAX_TRIES} times with action noise"
                f" {scale}"
            )
    return recorded


def _find_place(number: int, attempt: int, noise: float, total: int) -> int:
    """Where among so many layouts the attempt at a prompt is recorded."""
    own = attempt < _TRIES_ON_ITS_LAYOUT if noise else attempt == 0
    spare = min(_SPARE, total)
    return number if own else total - 1 - (number * _MAX_TRIES + attempt) % spare


def record_zoo_prompts(
    pool: Executor,
    suite: Suite,
    task: str,
    zoo: Zoo,
    count: int,
    window: Window,
    held_out_runs: int,
) -> list[Trajectory]:
    """Episodes of qualified zoo policies of the runs that training holds out.

    Raises:
        InputError: the zoo has no such policy.
    """
    vectors = []
    for shard in zoo.load_task(task):
        held_out = find_held_out(zoo, shard, held_out_runs)
        vectors.append(shard.parameters[shard.qualified & held_out])
    parameters = np.concatenate(vectors)
    if len(parameters) == 0:
        raise InputError(f"{zoo.folder}: no qualified policy of {task} in the held-out runs")
    # Evenly over runs and checkpoints, each prompt on a layout of its own.
    picked = parameters[np.linspace(0, len(parameters) - 1, count).astype(int)]
    numbers = [
        range(count)[start : start + _JOB_PROMPTS] for start in range(0, count, _JOB_PROMPTS)
    ]
    jobs = [
        (suite, task, part, picked[part.start : part.stop], zoo.spec, window) for part in numbers
    ]
    parts = run_jobs(pool, _record_policies, jobs)
    return [trajectory for part in parts for trajectory in part]


def _record_policies(
    suite: Suite,
    task: str,
    numbers: range,
    parameters: np.ndarray,
    spec: PolicySpec,
    window: Window,
) -> list[Trajectory]:
    environment = open_environment(suite, task)
    return [
        _record(
            environment, Policy(vector, spec), layouts.PROMPTS[number], window, suite, task, "zoo"
        )
        for number, vector in zip(numbers, parameters, strict=True)
    ]


def _record(
    environment: Any,  # noqa: ANN401
    act: Act,
    layout: int,
    window: Window,
    suite: Suite,
    task: str,
    source: str,
) -> Trajectory:
    return record_episode(
        environment,
        act,
        layout,
        min_steps=window.num_steps,
        steps_after_success=window.num_outcome_states,
        env_id=f"{suite.name}/{task}",
        source=source,
    )
