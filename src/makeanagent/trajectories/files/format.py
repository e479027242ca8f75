"""What every file format of demonstrations offers."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from makeanagent.artifacts import describe_error
from makeanagent.errors import InputError
from makeanagent.read_options import ReadOptions
from makeanagent.trajectories.trajectory import Trajectory


class Format(ABC):
    """A file or folder of demonstrations, each of which is read when it is asked for.

    `demonstrations.FORMATS` lists the formats.
    """

    name: ClassVar[str]
    "What the command line calls it."
    words: ClassVar[str]
    "What error messages call it, with its article."
    scheme: ClassVar[str | None] = None
    "Names that are no paths begin with it and a colon."

    path: Path
    "What is read."
    numbers: Sequence[int]
    "Of the episodes that there are, or that are in the group that was asked for."
    notes: Sequence[str] = ()
    "What a user should know of how these demonstrations are read, a line each."
    unread: Sequence[str] = ()
    "What is there besides, and has no place in a trajectory."

    @abstractmethod
    def __init__(self, path: Path, options: ReadOptions) -> None:
        """Look at what there is, without reading an episode.

        Raises:
            InputError: it is damaged, or the options do not fit it.
        """

    @classmethod
    @abstractmethod
    def recognizes(cls, path: Path) -> bool:
        """Whether an existing file or folder is of this format; a quick look, not a check."""

    @classmethod
    def find(cls, name: str, options: ReadOptions) -> Path:
        """The path behind a name that begins with `scheme`, without that.

        Raises:
            InputError: there is none.
        """
        raise NotImplementedError(f"{cls.name} has no scheme")

    @abstractmethod
    def read(self, number: int) -> Trajectory:
        """One of `numbers`.

        Raises:
            InputError: it is not valid.
        """

    @classmethod
    @abstractmethod
    def write(cls, trajectories: Sequence[Trajectory], path: Path, fps: float | None) -> None:
        """Write demonstrations so that `read` gives them back number by number.

        Args:
            trajectories: one or more.
            path: a file or folder that is absent, or an empty folder.
            fps: steps a second, for formats that hold it.

        Raises:
            InputError: the format cannot hold them, or the path cannot be written.
        """


def choose_episodes(available: Sequence[int], asked: Sequence[int], where: str) -> Sequence[int]:
    """The numbers that were asked for, or all.

    Raises:
        InputError: one is not there.
    """
    present = set(available)
    for number in asked:
        if number not in present:
            raise InputError(f"{where}: no episode {number}; {_describe(available)}")
    return asked or available


def _describe(numbers: Sequence[int]) -> str:
    if len(numbers) > 5 and max(numbers) - min(numbers) + 1 == len(numbers):
        return f"there are {min(numbers)} to {max(numbers)}"
    shown = ", ".join(map(str, numbers[:20]))
    return f"there are {shown}{', ...' if len(numbers) > 20 else ''}" if shown else "there is none"


@contextmanager
def reading(where: str, kind: str) -> Iterator[None]:
    """Name the place in what a library raises, which for damaged files is of many types.

    Raises:
        InputError: the block raises an error.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{where}: not readable as {kind}: {describe_error(error)}") from None


def require_same_widths(trajectories: Sequence[Trajectory], where: Path, kind: str) -> None:
    """Refuse demonstrations that differ in the width of their observations or actions, or none.

    Raises:
        InputError: they do.
    """
    widths = {(item.observations.shape[1], item.actions.shape[1]) for item in trajectories}
    if len(widths) != 1:
        raise InputError(
            f"{where}: {kind} holds one or more trajectories of the same observation and action"
            f" width, got widths {sorted(widths)}"
        )
