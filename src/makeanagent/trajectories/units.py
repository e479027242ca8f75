"""Units of actions: policies act in [-1, 1], environments perhaps between bounds of their own."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from makeanagent.trajectories.space import Space
from makeanagent.trajectories.trajectory import Trajectory

_SLACK = 1e-3
"""So far beyond 1 is rounding."""


class InUnits(NamedTuple):
    """A demonstration in the policies' units."""

    trajectory: Trajectory
    note: str | None
    "What was done to its actions, and why; None where nothing was."


def bring_to_units(trajectory: Trajectory, space: Space | None) -> InUnits:
    """A demonstration whose actions are in [-1, 1].

    Actions beyond that are in the environment's own units where it has bounds of its own, and are
    scaled by these. Elsewhere nobody can know, and they are clipped, as most simulators do.

    Args:
        trajectory: it stays as it is.
        space: of the environment, where it is known.
    """
    actions = trajectory.actions
    largest = float(np.abs(actions).max())
    if largest <= 1 + _SLACK:
        return InUnits(trajectory, None)
    beyond = f"{trajectory.label}: actions beyond [-1, 1], up to {largest:.3g} in size"
    if space is None or not space.action_low or len(space.action_low) != actions.shape[1]:
        clipped = replace(trajectory, actions=np.clip(actions, -1, 1))
        return InUnits(
            clipped,
            f"{beyond}: clipped, as a simulator with these bounds does; if they are in other units,"
            " scale them to [-1, 1] first",
        )
    low, high = np.array(space.action_low), np.array(space.action_high)
    scaled = (2 * (actions - low) / (high - low) - 1).astype(np.float32)
    note = f"{beyond}: taken for the environment's own, {_show(low)} to {_show(high)}, and scaled"
    if np.abs(scaled).max() > 1 + _SLACK:
        note += "; some are beyond these bounds, and clipped"
    return InUnits(replace(trajectory, actions=np.clip(scaled, -1, 1)), note)


def _show(bounds: np.ndarray) -> str:
    return ", ".join(f"{bound:g}" for bound in dict.fromkeys(bounds.tolist()))
