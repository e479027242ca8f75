"""What counts as success, read alike from environments and from every kind of file."""

from typing import Any

import numpy as np

from makeanagent.errors import InputError

TERMINATION = " (success: termination)"
"""Ending of the `source` of a trajectory whose success is the episode's termination."""
REWARD = " (success: reward)"
"""The same where it is read from rewards, as was asked for."""
DONE = " (success: done)"
"""The same where it is read from what ends an episode, as was asked for."""


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


def read_rewards(values: Any, where: str) -> np.ndarray:  # noqa: ANN401
    """Success, bool `[T]`, from rewards that are 1 where a task stands solved and else 0.

    Raises:
        InputError: there are other rewards, which do not say when it is solved.
    """
    flags = read_flags(values, where)
    if not np.isin(values, (0, 1)).all():
        raise InputError(
            f"{where}: success is read from rewards of 0 and 1 alone; others do not say when the"
            " task is solved"
        )
    return flags


NOT_RECORDED = "no success is recorded; --success reward or done reads it from elsewhere"
"""What users are told where a dataset has none and they asked for none."""

_ACCEPTED = "accepted is a bool, or one finite number, which is success above 0"


def _describe(value: Any) -> str:  # noqa: ANN401
    """A value in a few words."""
    text = " ".join(repr(value).split())
    short = text if len(text) <= 60 else f"{text[:57]}..."
    return f"{short} ({type(value).__name__})"
