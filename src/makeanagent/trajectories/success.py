"""What counts as success, read alike from environments and from every kind of file."""

from typing import Any

import numpy as np

from makeanagent.errors import InputError

TERMINATION = " (success: termination)"
"""Ending of the `source` of a trajectory whose success is the episode's termination."""


def read_success(value: Any, where: str) -> bool:  # noqa: ANN401
    """Whether one value says that a task stands solved: a bool, or a finite number above 0.

    Args:
        value: what an environment gave.
        where: what it is, for the error.

    Raises:
        InputError: it is anything else.
    """
    flag = np.asarray(value)
    if flag.size != 1:
        raise InputError(f"{where}: success is {_describe(value)}; {_ACCEPTED}")
    return bool(read_flags(flag.ravel(), where)[0])


def read_flags(values: Any, where: str) -> np.ndarray:  # noqa: ANN401
    """As `read_success` for a series of values, bool `[T]`.

    Raises:
        InputError: a value is something else.
    """
    flags = np.asarray(values)
    if flags.dtype.kind not in "biuf":
        raise InputError(f"{where}: success is {_describe(values)}; {_ACCEPTED}")
    bad = ~np.isfinite(flags)
    if bad.any():
        step = int(bad.argmax())
        raise InputError(f"{where}: success holds NaN or infinity at step {step}; {_ACCEPTED}")
    return flags > 0


_ACCEPTED = "accepted is a bool, or one finite number, which is success above 0"


def _describe(value: Any) -> str:  # noqa: ANN401
    """A value in a few words."""
    text = " ".join(repr(value).split())
    short = text if len(text) <= 60 else f"{text[:57]}..."
    return f"{short} ({type(value).__name__})"
