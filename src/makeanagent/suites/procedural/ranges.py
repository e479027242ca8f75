"""What a task draws, from where, and why: the table of the family."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Range:
    """Numbers that are drawn evenly between two ends."""

    name: str
    low: float
    high: float
    reason: str
    width: int = 1
    "How many numbers each task draws."
    unit: str = "m"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One of several numbers or words."""

    name: str
    values: tuple[float | str, ...]
    weights: tuple[float, ...]
    reason: str
    width: int = 1


@dataclass(frozen=True, kw_only=True)
class Chance:
    """Something that is so in a share of the tasks."""

    name: str
    share: float
    reason: str
    width: int = 1


Entry = Range | Choice | Chance


class Sheet:
    """The even numbers that N tasks have drawn, read as the table says.

    Args:
        entries: the table.
        numbers: `[N, K]` in [0, 1): a column for each number that the table draws, in its order.
    """

    def __init__(self, entries: Sequence[Entry], numbers: np.ndarray) -> None:
        self._numbers = numbers
        self._entries: dict[str, tuple[Entry, slice]] = {}
        start = 0
        for entry in entries:
            self._entries[entry.name] = entry, slice(start, start + entry.width)
            start += entry.width

    def __len__(self) -> int:
        """N."""
        return len(self._numbers)

    def read(self, name: str) -> np.ndarray:
        """A range's numbers, float32 `[N]`, or `[N, width]`."""
        entry, columns = self._entries[name]
        assert isinstance(entry, Range)
        values = entry.low + (entry.high - entry.low) * self._numbers[:, columns]
        return self._shape(values, entry.width).astype(np.float32)

    def happens(self, name: str) -> np.ndarray:
        """Whether a chance came up, bool `[N]`, or `[N, width]`."""
        entry, columns = self._entries[name]
        assert isinstance(entry, Chance)
        return self._shape(self._numbers[:, columns] < entry.share, entry.width)

    def pick(self, name: str, allowed: Sequence[bool] | None = None) -> np.ndarray:
        """Which value of a choice was drawn, int `[N]`.

        Args:
            name: of the choice.
            allowed: values that are left to choose from; at least one.
        """
        entry, columns = self._entries[name]
        assert isinstance(entry, Choice)
        weights = np.array(entry.weights)
        if allowed is not None:
            weights = weights * np.array(allowed)
        return choose(weights, self._numbers[:, columns.start])

    def pick_number(self, name: str) -> np.ndarray:
        """The value of a choice among numbers, float32 `[N]`."""
        entry, _ = self._entries[name]
        assert isinstance(entry, Choice)
        return np.array(entry.values, np.float32)[self.pick(name)]

    @staticmethod
    def _shape(values: np.ndarray, width: int) -> np.ndarray:
        return values[:, 0] if width == 1 else values


def choose(weights: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Indices `[N]` that even numbers `[N]` in [0, 1) stand for, by weights `[K]`."""
    ends = np.cumsum(weights) / np.sum(weights)
    last = np.flatnonzero(weights)[-1]
    return np.minimum(np.searchsorted(ends, numbers, side="right"), last)


def count_numbers(entries: Sequence[Entry]) -> int:
    """K: how many even numbers a table draws."""
    return sum(entry.width for entry in entries)
