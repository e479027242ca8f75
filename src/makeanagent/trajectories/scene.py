"""Scenes: which body of a demonstration acts, how it moves, and what may stand elsewhere.

What is right in one place is right beside it. Where some numbers of an observation are positions in
one frame, moving all of them alike along the floor leaves what is to be done as it is. One
demonstration thus stands for many, on layouts that nobody has shown.

More may move where a demonstration shows that nothing is touched: one body goes to its target, and
all else stays. The height is then free as well, and what the body passes by may stand anywhere.

Guidance, cloning and imagined rollouts all read demonstrations here, so that they agree about them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from makeanagent.trajectories.trajectory import Trajectory


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Which positions of a demonstration move together."""

    together: tuple[int, ...]
    "Where in an observation positions begin that move alike."
    apart: tuple[int, ...] = ()
    "Where those begin that take no part: they move among themselves."
    free: bool = False
    "Whether nothing is touched, so that heights move as well."

    def move(self, states: Tensor, moves: Tensor) -> Tensor:
        """States `[..., S, O]` after `moves` `[S, 5]` of `draw_moves`."""
        moved = translate(states, moves[:, : 3 if self.free else 2], self.together)
        return translate(moved, moves[:, 3:], self.apart)


def read_scene(
    demonstrations: Sequence[Trajectory], positions: Sequence[int], scale: float
) -> Scene:
    """What demonstrations of one behaviour say about what may move.

    Args:
        demonstrations: at least one.
        positions: where in an observation positions begin, x, y and z each.
        scale: standard deviation of the moves: what moves by less than a tenth of it stays; what
            comes as near as it may be a target.
    """
    scenes = [_read_scene(item, positions, scale) for item in demonstrations]
    # One of them that touches something shows that the behaviour does.
    return next((scene for scene in scenes if not scene.free), scenes[0])


def _read_scene(demonstration: Trajectory, positions: Sequence[int], scale: float) -> Scene:
    observations = demonstration.observations
    paths = {start: observations[:, start : start + 3] for start in positions}
    paths = {start: path for start, path in paths.items() if path.any()}
    moving = [start for start, path in paths.items() if np.ptp(path, axis=0).max() > 0.1 * scale]
    still = [start for start in paths if start not in moving]
    touching = Scene(together=tuple(positions))
    if not moving or not still:
        return touching
    body = paths[find_body(demonstration, moving)]
    # The body's position a step ago, say, is no other body.
    if any(_distances(body, paths[start]).max() > 0.5 * scale for start in moving):
        return touching
    nearest = {start: _distances(body, paths[start]).min() for start in still}
    reached = max(scale, min(nearest.values()))
    apart = tuple(start for start in still if nearest[start] > reached)
    together = tuple(start for start in positions if start not in apart)
    return Scene(together=together, apart=apart, free=True)


@dataclass(frozen=True, kw_only=True)
class MotionConfig:
    """How a body's movement is read from a demonstration."""

    steps_after_success: int = 3
    "The demonstration ends so many steps after its first success."
    window: int = 5
    "Steps to either side over which movement is judged."
    min_movement: float = 0.01
    "Metres, over that window; what moves less stands still."


@dataclass(frozen=True, kw_only=True, eq=False)
class Motion:
    """How the body that acts moves in a demonstration of T steps."""

    states: np.ndarray
    "float64 `[T, O]`: up to a little after the first success."
    body: int
    "Where in a state its position begins."
    carried: np.ndarray
    "`[T, O]`: 1 where a number is of a position that moves with the body, else 0."
    inertia: np.ndarray
    "`[3]`: share of the last step's movement that goes on."
    effect: np.ndarray
    "`[A, 3]`: movement by actions."


def find_body(
    demonstration: Trajectory, positions: Sequence[int], config: MotionConfig | None = None
) -> int:
    """Of one or more positions the one that acts: whose movement the actions explain best."""
    _, moved, pushed = _read_movement(demonstration, positions, config or MotionConfig())
    return max(positions, key=lambda start: _explain(pushed, moved[start]))


def read_motion(
    demonstration: Trajectory, positions: Sequence[int], config: MotionConfig
) -> Motion | None:
    """How the body that acts moves, and what it carries; None where no body moves.

    Args:
        demonstration: T steps or more.
        positions: where in an observation positions begin.
        config: what counts as movement.
    """
    if not positions:
        return None
    states, moved, _ = _read_movement(demonstration, positions, config)
    body = find_body(demonstration, positions, config)
    speed = np.linalg.norm(moved[body], axis=1)
    moving = np.flatnonzero(speed > config.min_movement)
    if not len(moving):
        return None
    # While the body stands still, it carries what it carried last.
    source = moving[np.clip(np.searchsorted(moving, np.arange(len(states)), "right") - 1, 0, None)]
    carried = np.zeros_like(states)
    for start in positions:
        apart = _distances(moved[start], moved[body])
        carried[:, start : start + 3] = (apart < 0.5 * speed)[source, None]
    actions = demonstration.actions[: len(states)].astype(np.float64)
    inertia, effect = _fit_dynamics(states[:, body : body + 3], actions)
    return Motion(states=states, body=body, carried=carried, inertia=inertia, effect=effect)


def _read_movement(
    demonstration: Trajectory, positions: Sequence[int], config: MotionConfig
) -> tuple[np.ndarray, dict[int, np.ndarray], np.ndarray]:
    """States `[T, O]`, each position's movement `[T, 3]` over the window, and the actions' sum."""
    length = len(demonstration)
    if demonstration.first_success is not None:
        length = min(length, demonstration.first_success + config.steps_after_success)
    states = demonstration.observations[:length].astype(np.float64)
    actions = demonstration.actions[:length].astype(np.float64)
    begin = np.clip(np.arange(length) - config.window, 0, length - 1)
    end = np.clip(np.arange(length) + config.window, 0, length - 1)
    totals = np.concatenate([np.zeros((1, actions.shape[1])), actions.cumsum(axis=0)])
    moved = states[end] - states[begin]
    return (
        states,
        {start: moved[:, start : start + 3] for start in positions},
        totals[end] - totals[begin],
    )


def _explain(pushed: np.ndarray, moved: np.ndarray) -> float:
    """How much movement `[T, 3]` the actions before it explain, as a sum of squares."""
    error = moved - pushed @ _regress(pushed, moved)
    return float((moved**2).sum() - (error**2).sum())


def _fit_dynamics(path: np.ndarray, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inertia `[3]` and effect of actions `[A, 3]`, one step on the next, for each axis."""
    steps = np.diff(path, axis=0)
    inertia, effect = np.zeros(3), np.zeros((actions.shape[1], 3))
    for axis in range(3):
        causes = np.column_stack([steps[:-1, axis], actions[1 : len(steps)]])
        found = _regress(causes, steps[1:, axis])
        inertia[axis], effect[:, axis] = np.clip(found[0], 0, 0.99), found[1:]
    return inertia, effect


def _regress(causes: np.ndarray, effects: np.ndarray) -> np.ndarray:
    """Least squares with a little ridge: an action may have been the same all the time."""
    moment = causes.T @ causes
    ridge = 1e-4 * np.trace(moment) / len(moment) + 1e-12
    return np.linalg.solve(moment + ridge * np.eye(len(moment)), causes.T @ effects)


def _distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """`[T]` between two paths `[T, 3]`."""
    return np.linalg.norm(first - second, axis=1)


def translate(states: Tensor, moves: Tensor, positions: Sequence[int]) -> Tensor:
    """States whose positions have all moved alike.

    Args:
        states: `[..., S, O]`.
        moves: `[..., S, D]`: along x and y, in the unit of the positions. Along z as well, D = 3,
            only where nothing stands on the floor, since that stays there.
        positions: where in an observation positions begin, x, y and z each. One that is all zeros
            is of an object that is not there, and stays.
    """
    moved = states.clone()
    for start in positions:
        present = (states[..., start : start + 3] != 0).any(dim=-1, keepdim=True)
        moved[..., start : start + moves.shape[-1]] += torch.where(present, moves, 0.0)
    return moved


def draw_moves(count: int, scale: float, source: torch.Generator) -> Tensor:
    """Gaussian moves `[count, 5]` of standard deviation `scale`.

    Along x, y and z of what moves together, and along x and y of what moves apart.
    """
    # A draw of their own, so that these stay as they were for figures from before the others.
    along_floor = torch.randn((count, 2), generator=source)
    return scale * torch.cat([along_floor, torch.randn((count, 3), generator=source)], dim=1)
