"""Demonstrations from wherever a user keeps them."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from makeanagent.errors import InputError
from makeanagent.read_options import ReadOptions
from makeanagent.trajectories.files.format import Format, choose_episodes
from makeanagent.trajectories.files.lerobot import LeRobot
from makeanagent.trajectories.files.minari import Minari
from makeanagent.trajectories.files.npz import Npz
from makeanagent.trajectories.files.robomimic import Robomimic
from makeanagent.trajectories.trajectory import Trajectory

FORMATS: tuple[type[Format], ...] = (
    Npz,
    Minari,
    LeRobot,
    Robomimic,
)
"""Tried in this order; another format is a line here and a class in `files/`."""

ALL = ReadOptions()
"""All episodes, and of them what the format says is what."""


def _warn(note: str) -> None:
    # Of whoever calls `read_demonstrations`.
    warnings.warn(note, stacklevel=4)


def read_demonstrations(
    path: str | Path, options: ReadOptions = ALL, on_note: Callable[[str], None] = _warn
) -> list[Trajectory]:
    """Read one or more demonstrations; each is named by its file in errors to come.

    Args:
        path: a file or folder of one of `FORMATS`, or a name such as
            `minari:D4RL/door/human-v2`.
        options: which episodes to read, and what of them.
        on_note: called with each line that a user should see, such as which episodes are left out.

    Raises:
        InputError: there is nothing of the kind, or a demonstration is not valid.
    """
    return read_episodes(open_demonstrations(path, options), options, on_note)


def read_episodes(
    source: Format, options: ReadOptions, on_note: Callable[[str], None]
) -> list[Trajectory]:
    """Read what `open_demonstrations` gave, as `read_demonstrations` does.

    Raises:
        InputError: a demonstration is not valid, or none is chosen.
    """
    numbers = choose_episodes(source.numbers, options.episodes, str(source.path))
    for note in source.notes:
        on_note(note)
    found = []
    for number in numbers:
        try:
            found.append(source.read(number))
        except InputError as error:
            if not options.skip_bad:
                hint = "; --skip-bad goes on without it" if len(numbers) > 1 else ""
                raise InputError(f"{error}{hint}") from None
            on_note(f"left out: {error}")
    if not found:
        raise InputError(f"{source.path}: no demonstration {'is valid' if numbers else 'is in it'}")
    return found


def open_demonstrations(path: str | Path, options: ReadOptions = ALL) -> Format:
    """What holds demonstrations, without reading one.

    Raises:
        InputError: there is nothing of the kind, or the options do not fit it.
    """
    scheme, colon, name = str(path).partition(":")
    for form in FORMATS:
        if colon and scheme == form.scheme:
            return form(form.find(name, options), options)
    path = Path(path)
    accepted = f"a demonstration is {describe_formats()}"
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; {accepted}")
    for form in FORMATS:
        if form.recognizes(path):
            return form(path, options)
    found = "holds no demonstration" if path.is_dir() else "not a demonstration"
    raise InputError(f"{path}: {found}; {accepted}")


def write_demonstrations(
    trajectories: Sequence[Trajectory], path: str | Path, form: str, fps: float | None = None
) -> None:
    """Write demonstrations in the format of that name.

    Args:
        trajectories: one or more.
        path: a file or folder that is absent, or an empty folder.
        form: `name` of one of `FORMATS`.
        fps: steps a second, which a LeRobot dataset needs.

    Raises:
        InputError: there is no such format, it cannot hold them, or they cannot be written.
    """
    for each in FORMATS:
        if each.name == form:
            each.write(trajectories, Path(path), fps)
            return
    raise InputError(f"{form}: no such format; there are {', '.join(f.name for f in FORMATS)}")


def describe_formats() -> str:
    """What is accepted, in words."""
    *others, last = [form.words for form in FORMATS]
    return f"{', '.join(others)}, or {last}"
