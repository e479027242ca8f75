"""Named arrays of a dataset: which of them make up an observation, and joining them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from makeanagent.errors import InputError


def choose_columns(
    asked: Sequence[str], widths: Mapping[str, int], defaults: Sequence[str], where: str
) -> tuple[str, ...]:
    """The names that make up an observation.

    Args:
        asked: by the user, in order; perhaps none.
        widths: of all that can, by name.
        defaults: the first of these that there is stands for what was not asked for, and else the
            only name, if it is the only one.
        where: what errors begin with.

    Raises:
        InputError: a name is absent or given twice, or none can be chosen.
    """
    there = ", ".join(f"{name} [{width}]" for name, width in widths.items()) or "none"
    for name in asked:
        if name not in widths:
            raise InputError(f"{where}: no vectors '{name}' for --observation; there are: {there}")
        if asked.count(name) > 1:
            raise InputError(f"{where}: --observation names '{name}' twice")
    if asked:
        return tuple(asked)
    for name in defaults:
        if name in widths:
            return (name,)
    if len(widths) == 1:
        return tuple(widths)
    raise InputError(
        f"{where}: name with --observation what makes up an observation, in order; there are:"
        f" {there}"
    )


def join_columns(columns: Mapping[str, Any], where: str) -> np.ndarray:
    """One array `[T, O]` of several `[T, n]` or `[T]`, side by side.

    Raises:
        InputError: one does not hold plain vectors, or lengths differ.
    """
    parts = []
    for name, values in columns.items():
        array = np.asarray(values)
        if array.dtype.kind not in "biuf" or array.ndim not in (1, 2):
            raise InputError(
                f"{where}: '{name}' is {array.dtype} of shape {array.shape}; accepted are vectors"
                " of numbers, one a step"
            )
        parts.append(array.reshape(len(array), -1) if array.size else array[:, None][:, :0])
    lengths = {name: len(part) for name, part in zip(columns, parts, strict=True)}
    if len(set(lengths.values())) > 1:
        words = ", ".join(f"'{name}' {length}" for name, length in lengths.items())
        raise InputError(f"{where}: lengths differ: {words}")
    return np.concatenate(parts, axis=1)


def add_last_row(observations: np.ndarray, last: np.ndarray | None, where: str) -> np.ndarray:
    """`[T, O]` before each action as `[T + 1, O]`; without a last row, the one before it again.

    Raises:
        InputError: the last row is of another width.
    """
    if last is not None and last.shape != observations.shape[1:]:
        raise InputError(
            f"{where}: the last observation is of shape {last.shape}, and the others of"
            f" {observations.shape[1:]}"
        )
    return np.concatenate([observations, observations[-1:] if last is None else last[None]])


REPEATED = (
    "what was observed after an episode's last action is not recorded;"
    " the observation before it stands for it"
)
"""What users are told where there is no last row."""
