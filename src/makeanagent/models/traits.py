"""Traits: numbers that sum up a demonstration, each with a name that a reader understands."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from makeanagent.trajectories.excerpt import Excerpts
from makeanagent.trajectories.space import Space

Check = Literal[
    "presence", "place", "movement", "distance", "number", "actions", "dynamics", "time"
]
"""What a trait is about."""

_SMALL = 0.002
"""Metres: movements and distances count by their ratio, but for what is added to them."""
_LIMIT = 0.99
"""Size from which an action counts as at its limit."""
_NUMBER = 0.5
"""Margin of numbers of unknown unit, such as quaternions: new tasks use what others leave at 0."""
_STILL = 1e-4
"""What varies by less does not vary, in metres where a number is a length."""


@dataclass(frozen=True, kw_only=True)
class Trait:
    """What one number says of a demonstration."""

    subject: str
    "What it is about, such as `goal`, `observation 3` or `actions`."
    check: Check
    "Which kind of difference it shows."
    what: str
    "What is measured, such as `lowest x`."
    margin: float
    "Added to the training's range, in whose widths differences are counted."
    small: float | None = None
    "Added before a logarithm where ratios count; none, where differences do."

    only_below: bool = False
    "Whether what lies above training's range is no difference."

    def scale(self, values: np.ndarray) -> np.ndarray:
        """The numbers as they are compared."""
        return values if self.small is None else np.log10(values + self.small)


def name_traits(space: Space) -> list[Trait]:
    """The traits that `measure_traits` measures, in its order."""
    return [trait for trait, _ in _list_traits(space, None)]


def measure_traits(excerpts: Excerpts, space: Space) -> np.ndarray:
    """Traits of M demonstrations, float64 `[M, F]`; NaN where one does not apply."""
    return np.stack([values for _, values in _list_traits(space, excerpts)], axis=1)


def find_others(space: Space) -> list[int]:
    """Numbers of an observation that are no part of a position."""
    inside = {start + axis for start in space.positions for axis in range(3)}
    return [column for column in range(space.observation_dim) if column not in inside]


def name_column(column: int, space: Space) -> tuple[str, str]:
    """What a number of an observation belongs to, and its axis where that is a position."""
    for start in space.positions:
        if start <= column < start + 3:
            return space.name_position(start), f"along {'xyz'[column - start]}"
    return f"observation {column}", ""


def _name_action(index: int, space: Space) -> str:
    first = space.displacement
    if first is not None and first <= index < first + 3:
        return f"along {'xyz'[index - first]}"
    return f"number {index}"


def _list_traits(space: Space, excerpts: Excerpts | None) -> Iterator[tuple[Trait, np.ndarray]]:
    """Each trait and its values; those of an empty set without excerpts."""
    if excerpts is None:
        excerpts = Excerpts(
            observations=np.zeros((0, 2, space.observation_dim)),
            actions=np.zeros((0, 1, space.action_dim)),
            mean_actions=np.zeros((0, 1, space.action_dim)),
            steps=np.zeros((0, 2)),
            success=np.zeros(0),
        )
    observations = excerpts.observations.astype(np.float64)
    yield from _list_positions(space, observations)
    for column in find_others(space):
        subject, values = f"observation {column}", observations[..., column]
        for what, each in (("lowest", values.min(axis=1)), ("highest", values.max(axis=1))):
            yield Trait(subject=subject, check="number", what=what, margin=_NUMBER), each
        what = "whether it varies"
        varies = Trait(subject=subject, check="number", what=what, margin=1.0, only_below=True)
        yield varies, (np.ptp(values, axis=1) > _STILL) * 1.0
    yield from _list_actions(space, excerpts.actions.astype(np.float64))
    steps = Trait(subject="duration", check="time", what="steps", margin=0.1, small=1.0)
    yield steps, excerpts.steps[:, -1].astype(np.float64)
    shown = Trait(subject="success", check="time", what="whether it is shown", margin=1.0)
    yield shown, excerpts.success.astype(np.float64)


def _list_positions(space: Space, observations: np.ndarray) -> Iterator[tuple[Trait, np.ndarray]]:
    small, paths = _SMALL * space.unit, {}
    for start in space.positions:
        subject, path = space.name_position(start), observations[..., start : start + 3]
        there = (path != 0).any(axis=2)
        share = Trait(
            subject=subject, check="presence", what="share of states that show it", margin=1.0
        )
        yield share, there.mean(axis=1)
        if start in space.past:
            continue
        path = np.where(there.all(axis=1)[:, None, None], path, np.nan)
        paths[start] = path
        for axis, letter in enumerate("xyz"):
            ends = path[..., axis].min(axis=1), path[..., axis].max(axis=1)
            for word, values in zip(("lowest", "highest"), ends, strict=True):
                what, margin = f"{word} {letter}", 0.05 * space.unit
                yield Trait(subject=subject, check="place", what=what, margin=margin), values
        what = "way between its farthest points"
        moved = Trait(subject=subject, check="movement", what=what, margin=0.1, small=small)
        yield moved, np.ptp(path, axis=1).max(axis=1)
    for first, second in combinations(paths, 2):
        subject = f"{space.name_position(first)} and {space.name_position(second)}"
        apart = np.linalg.norm(paths[first] - paths[second], axis=2)
        for what, values in (("at their nearest", apart.min(axis=1)), ("in the end", apart[:, -1])):
            what = f"distance {what}"
            yield (
                Trait(subject=subject, check="distance", what=what, margin=0.1, small=small),
                values,
            )


def _list_actions(space: Space, actions: np.ndarray) -> Iterator[tuple[Trait, np.ndarray]]:
    size = Trait(subject="actions", check="actions", what="mean size", margin=0.1, small=0.02)
    yield size, np.sqrt(np.square(actions).mean(axis=(1, 2)))
    what = "share of steps at the limit"
    limit = Trait(subject="actions", check="actions", what=what, margin=0.2)
    yield limit, (np.abs(actions) >= _LIMIT).any(axis=2).mean(axis=1)
    for index in range(space.action_dim):
        subject, values = f"actions {_name_action(index, space)}", actions[..., index]
        for what, each in (("lowest", values.min(axis=1)), ("highest", values.max(axis=1))):
            yield Trait(subject=subject, check="actions", what=what, margin=0.2), each
        what = "whether they vary"
        varies = Trait(subject=subject, check="actions", what=what, margin=1.0, only_below=True)
        yield varies, (np.ptp(values, axis=1) > _STILL) * 1.0
