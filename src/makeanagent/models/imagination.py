"""Imagined rollouts: how far a policy would lead the body through what was demonstrated.

Agreeing with a demonstration step by step says little about the closed loop, and nothing about
other layouts. Here the body begins where it was shown, all else stands elsewhere, and the body
moves as the policy acts, by dynamics that are fitted to the demonstration. All else is as it was at
the point of the demonstration that the body has reached: it stands, or it is carried along.
Contacts, and what the policy does to other bodies, are not imagined.

Not in the paper.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from makeanagent.policies.batch import PolicyBatch
from makeanagent.trajectories import Trajectory
from makeanagent.trajectories.scene import draw_moves, translate

IMAGINED_DIM = 2
"""Numbers that `imagine_rollouts` gives for each policy."""
_FASTEST = 1e3
"""Movement of a step at most: without bounds to its actions, a policy may run away."""


@dataclass(frozen=True, kw_only=True)
class ImaginationConfig:
    """Where the scene stands, and how the body moves."""

    num_layouts: int = 16
    "Layouts for each policy."
    scale: float = 0.1
    "Standard deviation of their moves along x and y, in the unit of the positions."
    slack: float = 1.3
    "Steps that are imagined, in lengths of the demonstration."
    steps_after_success: int = 3
    "The demonstration ends so many steps after its first success."
    window: int = 5
    "Steps to either side over which movement is judged."
    min_movement: float = 0.01
    "Over that window; what moves less stands still."
    reach: int = 4
    "Steps of the demonstration, from the one reached, that one imagined step can reach."
    min_distance: float = 0.02
    "Added to the distance before its logarithm: nearer is as good."


@dataclass(frozen=True, kw_only=True)
class _Scene:
    """What a demonstration of T steps says about bodies."""

    states: Tensor
    "`[T, O]`."
    body: int
    "Where in a state the position of the body that acts begins."
    carried: Tensor
    "`[T, O]`: 1 where a number is of a position that moves with the body, else 0."
    spread: Tensor
    "`[3, O]`: from a move to the moves of all positions."
    inertia: Tensor
    "`[3]`: share of the last step's movement that goes on."
    effect: Tensor
    "`[A, 3]`: movement by actions."


@torch.no_grad()
def imagine_rollouts(
    policies: PolicyBatch,
    demonstration: Trajectory,
    positions: tuple[int, ...],
    config: ImaginationConfig | None = None,
) -> Tensor:
    """How policies fare where the demonstration's scene stands elsewhere, `[N, 2]`; less is better.

    The share of the demonstration that they do not reach, and the logarithm of the distance at
    which they end from where the body should have ended; means over layouts. Zeros where nothing
    is known of positions, or no body moves.

    Args:
        policies: N of them.
        demonstration: T steps.
        positions: where in an observation positions begin.
        config: sizes.
    """
    config = config or ImaginationConfig()
    parameters = policies.parameters
    scene = _read_scene(demonstration, positions, config, parameters)
    if scene is None:
        return parameters.new_zeros(len(policies), IMAGINED_DIM)
    moves = draw_moves(config.num_layouts, config.scale, torch.Generator().manual_seed(0))[:, :2]
    # Layouts `[K]`, the same for every policy, since candidates are compared. [K, T, ...]
    layouts = translate(
        scene.states.expand(len(moves), -1, -1), moves[:, None].to(scene.states), positions
    )
    path = layouts[..., scene.body : scene.body + 3]
    place = scene.states[0, scene.body : scene.body + 3].expand(len(policies), len(moves), 3)
    speed = torch.zeros_like(place)
    reached = torch.zeros(place.shape[:2], dtype=torch.long, device=path.device)
    layout = torch.arange(len(moves), device=path.device)
    last, ahead = path.shape[1] - 1, torch.arange(config.reach, device=path.device)
    for _ in range(round(config.slack * path.shape[1])):
        shift = place - path[layout, reached]
        states = layouts[layout, reached] + (shift @ scene.spread) * scene.carried[reached]
        speed = scene.inertia * speed + policies.act(states) @ scene.effect
        speed = speed.clamp(-_FASTEST, _FASTEST)
        place = place + speed
        nearby = (reached[..., None] + ahead).clamp(max=last)
        distance = (place[..., None, :] - path[layout[:, None], nearby]).norm(dim=-1)
        # Where the body stood still, time goes on.
        distance -= 0.1 * config.min_movement * ahead
        reached = (reached + distance.argmin(dim=-1)).clamp(max=last)
    missed = 1 - reached / max(last, 1)
    distance = (place - path[:, -1]).norm(dim=-1)
    return torch.stack([missed, (distance + config.min_distance).log()], dim=-1).mean(dim=1)


def _read_scene(
    demonstration: Trajectory,
    positions: tuple[int, ...],
    config: ImaginationConfig,
    like: Tensor,
) -> _Scene | None:
    """The scene as tensors of the kind and device of `like`, or None where no body moves."""
    length = len(demonstration)
    if demonstration.first_success is not None:
        length = min(length, demonstration.first_success + config.steps_after_success)
    states = demonstration.observations[:length].astype(np.float64)
    actions = demonstration.actions[:length].astype(np.float64)
    begin = np.clip(np.arange(length) - config.window, 0, length - 1)
    end = np.clip(np.arange(length) + config.window, 0, length - 1)
    totals = np.concatenate([np.zeros((1, actions.shape[1])), actions.cumsum(axis=0)])
    pushed = totals[end] - totals[begin]
    movement = {start: (states[end] - states[begin])[:, start : start + 3] for start in positions}
    explained = {start: _explain(pushed, moved) for start, moved in movement.items()}
    body = max(explained, key=lambda start: explained[start], default=None)
    if body is None:
        return None
    carried, spread = np.zeros_like(states), np.zeros((3, states.shape[1]))
    speed = np.linalg.norm(movement[body], axis=1)
    moving = np.flatnonzero(speed > config.min_movement)
    if not len(moving):
        return None
    # While the body stands still, it carries what it carried last.
    source = moving[np.clip(np.searchsorted(moving, np.arange(length), "right") - 1, 0, None)]
    for start in positions:
        apart = np.linalg.norm(movement[start] - movement[body], axis=1)
        carried[:, start : start + 3] = (apart < 0.5 * speed)[source, None]
        spread[:, start : start + 3] = np.eye(3)
    inertia, effect = _fit_dynamics(states[:, body : body + 3], actions)
    return _Scene(
        states=torch.from_numpy(states).to(like),
        body=body,
        carried=torch.from_numpy(carried).to(like),
        spread=torch.from_numpy(spread).to(like),
        inertia=torch.from_numpy(inertia).to(like),
        effect=torch.from_numpy(effect).to(like),
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
