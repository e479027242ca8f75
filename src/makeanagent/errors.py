"""The one error that a user's mistake may raise."""

from collections.abc import Collection
from dataclasses import fields
from typing import Any


class InputError(ValueError):
    """A file, field or option that cannot be used.

    Its message is one line that names the thing, says what is wrong with it and what is accepted;
    the command line prints that line and exits with code 2.
    """


def check_counts(config: Any, may_be_zero: Collection[str]) -> None:  # noqa: ANN401
    """Refuse whole numbers of a config dataclass that are below 1, or below 0 where 0 may be.

    Raises:
        InputError: one is.
    """
    for field in fields(config):
        value, lowest = getattr(config, field.name), 0 if field.name in may_be_zero else 1
        if isinstance(value, int) and not isinstance(value, bool) and value < lowest:
            raise InputError(f"{field.name} {value}: must be at least {lowest}")


def check_positive(config: Any, names: Collection[str]) -> None:  # noqa: ANN401
    """Refuse fields of a config dataclass that are not above 0.

    Raises:
        InputError: one is not.
    """
    for name in names:
        if not getattr(config, name) > 0:
            raise InputError(f"{name} {getattr(config, name)}: must be above 0")


def check_shares(config: Any, names: Collection[str]) -> None:  # noqa: ANN401
    """Refuse fields of a config dataclass that are not above 0 and at most 1.

    Raises:
        InputError: one is not.
    """
    for name in names:
        if not 0 < getattr(config, name) <= 1:
            raise InputError(f"{name} {getattr(config, name)}: must be above 0 and at most 1")
