"""Options that several verbs take, checked before anything costs time."""

from pathlib import Path
from typing import TYPE_CHECKING

from makeanagent.errors import InputError

if TYPE_CHECKING:
    from makeanagent.policies.spec import PolicySpec
    from makeanagent.suites import Suite


def require_at_least(option: str, value: float, minimum: float) -> None:
    """Refuse a number below `minimum`, and NaN and infinity.

    Raises:
        InputError: it is one of these.
    """
    if not minimum <= value < float("inf"):
        raise InputError(f"{option} {value}: must be {minimum} or more")


def require_picture(option: str, path: Path) -> None:
    """Refuse a picture of another kind than those that are drawn.

    Raises:
        InputError: it ends in neither `.png` nor `.svg`.
    """
    if path.suffix not in (".png", ".svg"):
        raise InputError(f"{option} {path}: must end in .png or .svg")


def require_absent(option: str, path: Path) -> None:
    """Refuse to write over a file.

    Raises:
        InputError: something is there.
    """
    if path.exists():
        raise InputError(f"{option} {path}: exists; give another name")


def require_widths(what: object, spec: "PolicySpec", suite: "Suite", task: str) -> None:
    """Refuse policies that do not fit a task's observations and actions.

    Raises:
        InputError: they do not.
    """
    space = suite.space(task)
    observation_dim, action_dim = space.observation_dim, space.action_dim
    if (spec.observation_dim, spec.action_dim) != (observation_dim, action_dim):
        raise InputError(
            f"{what}: policies map {spec.observation_dim} numbers to {spec.action_dim}, but"
            f" {suite.name}/{task} has observations of {observation_dim} and actions of"
            f" {action_dim}"
        )
