"""Scenes: which body of a demonstration acts, and what may stand elsewhere.

What is right in one place is right beside it. Where some numbers of an observation are positions in
one frame, moving all of them alike along the floor leaves what is to be done as it is. One
demonstration thus stands for many, on layouts that nobody has shown.

More may move where a demonstration shows that nothing is touched: one body goes to its target, and
all else stays. The height is then free as well, and what the body passes by may stand anywhere.

Guidance and cloning both read demonstrations here, so that they agree about them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from makeanagent.trajectories.trajectory import Trajectory

_STEPS_AFTER_SUCCESS = 3
"""So many steps after its first success, what a demonstration's actions do is no longer read."""
_WINDOW = 5
"""Steps to either side over which movement is judged."""


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


def find_body(demonstration: Trajectory, positions: Sequence[int]) -> int:
    """Of one or more positions the one that acts: whose movement the actions explain best."""
    moved, pushed = _read_movement(demonstration, positions)
    return max(positions, key=lambda start: _explain(pushed, moved[start]))


def _read_movement(
    demonstration: Trajectory, positions: Sequence[int]
) -> tuple[dict[int, np.ndarray], np.ndarray]:
    """Each position's movement `[T, 3]` over the window, and the sum of actions `[T, A]` in it."""
    length = len(demonstration)
    if demonstration.first_success is not None:
        length = min(length, demonstration.first_success + _STEPS_AFTER_SUCCESS)
    states = demonstration.observations[:length].astype(np.float64)
    actions = demonstration.actions[:length].astype(np.float64)
    begin = np.clip(np.arange(length) - _WINDOW, 0, length - 1)
    end = np.clip(np.arange(length) + _WINDOW, 0, length - 1)
    totals = np.concatenate([np.zeros((1, actions.shape[1])), actions.cumsum(axis=0)])
    moved = states[end] - states[begin]
    return (
        {start: moved[:, start : start + 3] for start in positions},
        totals[end] - totals[begin],
    )


def _explain(pushed: np.ndarray, moved: np.ndarray) -> float:
    """How much movement `[T, 3]` the actions before it explain, as a sum of squares."""
    error = moved - pushed @ _regress(pushed, moved)
    return float((moved**2).sum() - (error**2).sum())


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
