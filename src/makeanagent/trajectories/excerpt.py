"""Excerpts: a demonstration of any length as a fixed number of knots, for a network that attends.

Between two knots only the mean action is kept, so that nothing of what was done is lost, however
long the demonstration is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from makeanagent.errors import InputError
from makeanagent.trajectories.trajectory import Trajectory

STEPS_AFTER_SUCCESS = 3
"""A demonstration is read so far beyond its first success: how things stand then is part of it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Excerpts:
    """Excerpts of M demonstrations, K knots each."""

    observations: np.ndarray
    "float32 `[M, K + 1, O]`: at the knots, and at the end."
    actions: np.ndarray
    "float32 `[M, K, A]`: at the knots."
    mean_actions: np.ndarray
    "float32 `[M, K, A]`: from each knot to the next."
    steps: np.ndarray
    "float32 `[M, K + 1]`: numbers of the knots' steps, and of the end's."
    success: np.ndarray
    "float32 `[M]`: 1 where the demonstration succeeds."

    def __len__(self) -> int:
        """M, the number of demonstrations."""
        return len(self.success)

    def take(self, rows: np.ndarray | slice) -> "Excerpts":
        """Some of the demonstrations."""
        return Excerpts(**{name: array[rows] for name, array in vars(self).items()})

    @classmethod
    def join(cls, parts: Sequence["Excerpts"]) -> "Excerpts":
        """Several one after the other."""
        return cls(
            **{
                name: np.concatenate([getattr(part, name) for part in parts])
                for name in cls.__dataclass_fields__
            }
        )


def cut_excerpts(
    observations: np.ndarray,
    actions: np.ndarray,
    first_success: np.ndarray,
    num_knots: int,
    lengths: np.ndarray | None = None,
) -> Excerpts:
    """Cut excerpts out of M episodes, evenly from their beginning to their success.

    Where an episode is shorter than the knots are many, knots repeat steps.

    Args:
        observations: `[M, T + 1, O]`.
        actions: `[M, T, A]`.
        first_success: int `[M]`: index of the first observation in which the task stood solved;
            what is below 1 never succeeds and is read to its end.
        num_knots: K.
        lengths: int `[M]`: steps of each episode, where they are fewer than T.
    """
    count, total = actions.shape[:2]
    lengths = np.full(count, total) if lengths is None else lengths
    solved = first_success > 0
    ends = np.where(solved, np.minimum(first_success + STEPS_AFTER_SUCCESS, lengths), lengths)
    knots = np.linspace(0, 1, num_knots)[None] * (ends - 1)[:, None]
    first = np.round(knots).astype(int)
    following = np.concatenate([first[:, 1:], ends[:, None]], axis=1)
    following = np.maximum(following, first + 1)
    rows = np.arange(count)[:, None]
    sums = np.concatenate([np.zeros_like(actions[:, :1]), actions.cumsum(axis=1)], axis=1)
    spans = (following - first)[..., None]
    steps = np.concatenate([first, ends[:, None]], axis=1)
    return Excerpts(
        observations=observations[rows, steps].astype(np.float32),
        actions=actions[rows, first].astype(np.float32),
        mean_actions=((sums[rows, following] - sums[rows, first]) / spans).astype(np.float32),
        steps=steps.astype(np.float32),
        success=solved.astype(np.float32),
    )


def excerpt_trajectories(trajectories: Sequence[Trajectory], num_knots: int) -> Excerpts:
    """Excerpts of M demonstrations.

    Raises:
        InputError: there is none.
    """
    if not trajectories:
        raise InputError("excerpts: no demonstration given")
    return Excerpts.join(
        [
            cut_excerpts(
                item.observations[None],
                item.actions[None],
                np.array([item.first_success or 0]),
                num_knots,
            )
            for item in trajectories
        ]
    )
