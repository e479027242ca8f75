"""A hand's constants, measured in any simulator whose hand follows a point that actions move."""

from dataclasses import replace

import numpy as np

from makeanagent.errors import InputError
from makeanagent.suites.procedural.hand import HandDynamics
from makeanagent.suites.suite import Environment, Suite

_EPISODES = 6
_SETTLING = 5
"""Steps at the beginning of an episode that are left out: some hands sink after a reset."""
_LEASH = 0.08
"""Metres from where it started at which the hand is sent back, so as to stay clear of bounds."""
_CHANGE = 0.15
"""Chance that a step takes another action than the one before."""


def fit_hand(suite: Suite, task: str, *, seed: int = 0) -> HandDynamics:
    """Measure how a suite's hand answers actions, and fit the constants by least squares.

    The hand is the first position of the task's `Space`; its first three actions move it along x,
    y and z. Fingers keep the default constants: simulators read them out in many ways.

    Args:
        suite: the environments.
        task: one in which nothing is in the hand's way.
        seed: of the actions.

    Raises:
        InputError: the task names no positions, has fewer than three actions, or its hand does not
            answer as such a hand does.
    """
    task = suite.check_task(task)
    space = suite.space(task)
    if not space.positions or space.action_dim < 3:
        raise InputError(
            f"{suite.name}/{task}: no hand to fit: observations need a position, and actions three"
            " numbers that move it"
        )
    environment = suite.make(task)
    start = space.positions[0]
    try:
        rng = np.random.default_rng(seed)
        episodes = [
            _wander(environment, layout, start, space.unit, space.action_dim, rng)
            for layout in range(_EPISODES)
        ]
        low, high = _find_bounds(environment, start, space.unit, space.action_dim)
    finally:
        environment.close()
    inertia, pull, scaled = _solve(episodes)
    if not (0 < pull < 1 and 0 <= inertia < 1 and scaled > 0):
        raise InputError(
            f"{suite.name}/{task}: its hand does not follow a point that actions move:"
            f" the fit gives inertia {inertia:.3f} and pull {pull:.3f}"
        )
    return replace(
        HandDynamics(), action_scale=scaled / pull, inertia=inertia, pull=pull, low=low, high=high
    )


def _wander(
    environment: Environment,
    layout: int,
    start: int,
    unit: float,
    action_dim: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Places of a hand `[T + 1, 3]` in metres and the actions that moved it `[T, 3]`."""
    places = [environment.reset(layout)[start : start + 3] / unit]
    actions = [np.zeros(3)]
    for _ in range(environment.horizon):
        action = np.where(rng.random(3) < _CHANGE, rng.uniform(-1, 1, 3), actions[-1])
        strayed = places[-1] - places[0]
        action = np.where(np.abs(strayed) > _LEASH, -np.sign(strayed) * np.abs(action), action)
        step = environment.step(np.append(action, np.zeros(action_dim - 3)))
        places.append(step.observation[start : start + 3] / unit)
        actions.append(action)
        if step.over:
            break
    return np.array(places), np.array(actions[1:])


def _solve(episodes: list[tuple[np.ndarray, np.ndarray]]) -> tuple[float, float, float]:
    """Inertia, pull, and pull times scale, that best give each displacement from what was before.

    `d' = inertia d + pull (m - h)`, where the point m is where it began, which is unknown, and
    `scale` times the sum of the actions since.
    """
    rows, wanted = [], []
    for number, (places, actions) in enumerate(episodes):
        moves = np.diff(places, axis=0)
        sums = np.cumsum(actions, axis=0)
        for axis in range(3):
            known = np.stack([moves[:-1, axis], -places[1:-1, axis], sums[1:, axis]], axis=1)
            began = np.zeros((len(known), 3 * len(episodes)))
            began[:, 3 * number + axis] = 1
            rows.append(np.concatenate([known, began], axis=1)[_SETTLING:])
            wanted.append(moves[1:, axis][_SETTLING:])
    solution = np.linalg.lstsq(np.concatenate(rows), np.concatenate(wanted), rcond=None)[0]
    inertia, pull, scaled = solution[:3]
    return float(inertia), float(pull), float(scaled)


def _find_bounds(
    environment: Environment, start: int, unit: float, action_dim: int
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Lowest and highest x, y and z that a hand comes to, in metres."""
    ends = np.empty((2, 3))
    for axis in range(3):
        for side, sign in enumerate((-1, 1)):
            action = np.zeros(action_dim)
            action[axis] = sign
            environment.reset(0)
            for _ in range(environment.horizon):
                step = environment.step(action)
                if step.over:
                    break
            ends[side, axis] = step.observation[start + axis] / unit
    low, high = (tuple(float(end) for end in row) for row in ends)
    return low, high  # type: ignore[return-value]
