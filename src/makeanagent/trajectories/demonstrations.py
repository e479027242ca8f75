"""Demonstrations from wherever a user keeps them."""

from pathlib import Path

from makeanagent.errors import InputError
from makeanagent.trajectories.files.minari import MINARI
from makeanagent.trajectories.files.npz import NPZ, NPZ_FOLDER
from makeanagent.trajectories.trajectory import Trajectory

FORMATS = (
    NPZ,
    NPZ_FOLDER,
    MINARI,
)
"""Tried in this order; another format is a line here and a file in `files/`."""


def read_demonstrations(path: str | Path) -> list[Trajectory]:
    """Read one or more demonstrations; each is named by its file in errors to come.

    Args:
        path: a file or folder of one of `FORMATS`, or a name such as
            `minari:D4RL/door/human-v2`.

    Raises:
        InputError: there is nothing of the kind, or a demonstration is not valid.
    """
    scheme, colon, name = str(path).partition(":")
    for form in FORMATS:
        if form.find is not None and colon and scheme == form.scheme:
            return form.read(form.find(name))
    path = Path(path)
    accepted = f"a demonstration is {describe_formats()}"
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; {accepted}")
    for form in FORMATS:
        if form.recognizes(path):
            return form.read(path)
    found = "holds no demonstration" if path.is_dir() else "not a demonstration"
    raise InputError(f"{path}: {found}; {accepted}")


def describe_formats() -> str:
    """What is accepted, in words."""
    *others, last = [form.words for form in FORMATS]
    return f"{', '.join(others)}, or {last}"
