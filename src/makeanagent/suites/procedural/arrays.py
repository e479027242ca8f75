"""Records of arrays that have a row for each of N tasks."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any, Self

import numpy as np


class Rows:
    """Base of dataclasses whose fields are arrays `[N, ...]` or such records themselves."""

    def __len__(self) -> int:
        """N."""
        first: Any = getattr(self, fields(self)[0].name)  # type: ignore[arg-type]
        return len(first)

    def take(self, rows: np.ndarray) -> Self:
        """The rows of these indices `[M]`, or where a mask `[N]` says so."""
        values = {
            field.name: value.take(rows) if isinstance(value, Rows) else value[rows]
            for field in fields(self)  # type: ignore[arg-type]
            for value in [getattr(self, field.name)]
        }
        return replace(self, **values)  # type: ignore[type-var]

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """The rows of all parts below each other."""
        values = {}
        for field in fields(cls):  # type: ignore[arg-type]
            each = [getattr(part, field.name) for part in parts]
            is_record = isinstance(each[0], Rows)
            values[field.name] = type(each[0]).join(each) if is_record else np.concatenate(each)
        return cls(**values)


def dot(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Products of vectors `[..., 3]`, in one order on every machine: `[...]`."""
    each = first * second
    return each[..., 0] + each[..., 1] + each[..., 2]


def measure(vectors: np.ndarray) -> np.ndarray:
    """Lengths `[...]` of vectors `[..., 3]`."""
    return np.sqrt(dot(vectors, vectors))


def point(vectors: np.ndarray) -> np.ndarray:
    """Vectors `[..., 3]` brought to length 1; those of length 0 stay."""
    length = measure(vectors)[..., None]
    return np.where(length > 1e-9, vectors / np.maximum(length, 1e-9), 0).astype(vectors.dtype)
