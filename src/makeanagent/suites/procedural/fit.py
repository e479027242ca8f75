"""A hand's constants, measured in any simulator whose hand follows a point that actions move."""

from dataclasses import replace

import numpy as np

from makeanagent.errors import InputError
from makeanagent.suites.procedural.hand import HandDynamics
from makeanagent.suites.suite import Environment, Suite

_EPISODES, _STEPS = 6, 150
_LEASH = 0.06
"""Metres from the middle of where it wanders at which the hand is sent back."""
_FREE = 0.13
"""Metres between that middle and bounds, where the point that draws the hand would stop."""
_STANDS, _STOOD_STEPS = 1e-4, 10
"""Metres and steps: a hand that moves less for so long has come to its bound."""
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
        bounds = _find_bounds(environment, start, space.unit, space.action_dim)
        episodes = [
            _wander(environment, layout, start, space.unit, space.action_dim, bounds, rng)
            for layout in range(_EPISODES)
        ]
    finally:
        environment.close()
    inertia, pull, scaled = _solve(episodes)
    if not (0 < pull < 1 and 0 <= inertia < 1 and scaled > 0):
        raise InputError(
            f"{suite.name}/{task}: its hand does not follow a point that actions move:"
            f" the fit gives inertia {inertia:.3f} and pull {pull:.3f}"
        )
    (x, y, z), (right, far, top) = bounds.tolist()
    return replace(
        HandDynamics(),
        action_scale=scaled / pull,
        inertia=inertia,
        pull=pull,
        low=(x, y, z),
        high=(right, far, top),
    )


def _wander(
    environment: Environment,
    layout: int,
    start: int,
    unit: float,
    action_dim: int,
    bounds: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Places of a hand `[T + 1, 3]` in metres, and the actions that moved it `[T, 3]`.

    They begin when the hand has come to where it can wander without meeting its bounds.
    """
    place = environment.reset(layout)[start : start + 3] / unit
    free = np.minimum(_FREE, (bounds[1] - bounds[0]) / 2)
    middle = np.clip(place, bounds[0] + free, bounds[1] - free)
    places, actions = list[np.ndarray](), list[np.ndarray]()
    action = np.zeros(3)
    for _ in range(min(environment.horizon, _STEPS)):
        strayed = place - middle
        if places or (np.abs(strayed) < _LEASH).all():
            places.append(place)
        action = np.where(rng.random(3) < _CHANGE, rng.uniform(-1, 1, 3), action)
        action = np.where(np.abs(strayed) > _LEASH, -np.sign(strayed) * np.abs(action), action)
        step = environment.step(np.append(action, np.zeros(action_dim - 3)))
        place = step.observation[start : start + 3] / unit
        if places:
            actions.append(action)
        if step.over:
            break
    return np.array([*places, place]), np.array(actions).reshape(-1, 3)


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
            rows.append(np.concatenate([known, began], axis=1))
            wanted.append(moves[1:, axis])
    solution = np.linalg.lstsq(np.concatenate(rows), np.concatenate(wanted), rcond=None)[0]
    inertia, pull, scaled = solution[:3]
    return float(inertia), float(pull), float(scaled)


def _find_bounds(environment: Environment, start: int, unit: float, action_dim: int) -> np.ndarray:
    """Lowest and highest x, y and z that a hand comes to, `[2, 3]` in metres."""
    ends = np.empty((2, 3))
    for axis in range(3):
        for side, sign in enumerate((-1, 1)):
            action = np.zeros(action_dim)
            action[axis] = sign
            place = environment.reset(0)[start + axis] / unit
            stood = 0
            for _ in range(environment.horizon):
                step = environment.step(action)
                before, place = place, step.observation[start + axis] / unit
                stood = stood + 1 if abs(place - before) < _STANDS else 0
                if step.over or stood == _STOOD_STEPS:
                    break
            ends[side, axis] = place
    return ends
