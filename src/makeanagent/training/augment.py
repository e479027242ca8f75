"""Symmetries, moves and hidden goals: a task's lessons stand for those of many others."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from makeanagent.errors import InputError
from makeanagent.training.lessons import Batch, send
from makeanagent.trajectories.scene import translate
from makeanagent.trajectories.space import Space
from makeanagent.trajectories.symmetry import find_symmetries


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """How often the lessons of a batch are changed, and how."""

    symmetric: float = 0.7
    "Share of the tasks that are mirrored or turned, where the space states its symmetries."
    moved: float = 0.5
    "Share of prompts, and of states, that are moved along the floor."
    move: float = 0.05
    "Metres: standard deviation of these moves."
    hidden_goals: float = 0.2
    "Share of the tasks whose goals are hidden, in the demonstration and from the policy."

    def __post_init__(self) -> None:
        """Check that shares are shares.

        Raises:
            InputError: one is not.
        """
        for name in ("symmetric", "moved", "hidden_goals"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} {getattr(self, name)}: must be 0 to 1")


class Augmentation:
    """Changes each task of a batch by chance, prompt and states alike.

    A mirrored task is another task, for which the mirrored demonstration is the prompt. Moves along
    the floor leave the task what it is: prompt and states are moved each by its own, so that a
    place in the world is not learned where a place beside an object is meant.

    Args:
        space: states positions, goals and symmetries; what it does not state stays as it is.
        config: how often.
    """

    def __init__(self, space: Space, config: AugmentConfig) -> None:
        self._space, self._config = space, config
        self._symmetries = find_symmetries(space)

    def __call__(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """The batch as it is learned from, by draws of `rng`; the given one stays."""
        batch = self._turn(batch, rng)
        seen = self._move(batch.knots.observations, rng)
        states = self._move(batch.states, rng)
        hidden = send(rng.random(len(states)) < self._config.hidden_goals, states.device)
        for start in self._space.goals:
            for observations in (seen, states):
                goals = observations[..., start : start + 3]
                goals.masked_fill_(hidden.reshape(-1, *[1] * (goals.ndim - 1)), 0)
        return batch._replace(knots=batch.knots._replace(observations=seen), states=states)

    def _turn(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """Some tasks mirrored or turned, prompt, states and actions."""
        count, space = len(batch.states), self._space
        if len(self._symmetries) < 2:
            return batch
        chosen = rng.integers(1, len(self._symmetries), count)
        chosen[rng.random(count) >= self._config.symmetric] = 0
        knots, states, labels = batch.knots, batch.states.clone(), batch.labels.clone()
        parts = [part.clone() for part in knots[:3]]
        for number in np.unique(chosen[chosen > 0]):
            rows = send(np.flatnonzero(chosen == number), states.device)
            symmetry = self._symmetries[number]
            for observations in (parts[0], states):
                observations[rows] = symmetry.move_observations(observations[rows], space)
            for actions in (*parts[1:], labels):
                actions[rows] = symmetry.move_actions(actions[rows], space)
        knots = knots._replace(observations=parts[0], actions=parts[1], mean_actions=parts[2])
        return batch._replace(knots=knots, states=states, labels=labels)

    def _move(self, observations: Tensor, rng: np.random.Generator) -> Tensor:
        """Observations `[B, ..., O]`, those of some tasks moved alike along x and y."""
        count, config = len(observations), self._config
        moves = rng.normal(0, config.move * self._space.unit, (count, 2))
        moves *= (rng.random(count) < config.moved)[:, None]
        shape = (count, *[1] * (observations.ndim - 2), 2)
        along = send(moves.astype(np.float32), observations.device).reshape(shape)
        return translate(observations, along, self._space.positions)
