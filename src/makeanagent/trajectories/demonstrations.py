"""Demonstrations from wherever a user keeps them."""

from pathlib import Path

from makeanagent.errors import InputError
from makeanagent.trajectories.files.minari import find_minari, is_minari, load_minari
from makeanagent.trajectories.files.npz import load_npz
from makeanagent.trajectories.trajectory import Trajectory

_MINARI_PREFIX = "minari:"
_ACCEPTED = (
    "a demonstration is an .npz file, a folder of them, a folder with a Minari dataset, or"
    " minari:<dataset id>"
)


def read_demonstrations(path: str | Path) -> list[Trajectory]:
    """Read one or more demonstrations; each is named by its file in errors to come.

    Args:
        path: an `.npz` file, a folder of them (read in the order of their names), a folder that is
            a Minari dataset, or `minari:<dataset id>`, such as `minari:D4RL/door/human-v2`.

    Raises:
        InputError: there is nothing of the kind, or a demonstration is not valid.
    """
    if str(path).startswith(_MINARI_PREFIX):
        return load_minari(find_minari(str(path).removeprefix(_MINARI_PREFIX)))
    path = Path(path)
    if path.is_dir():
        files = sorted(path.glob("*.npz"))
        if files:
            return [load_npz(file) for file in files]
        if is_minari(path):
            return load_minari(path)
        raise InputError(f"{path}: holds no demonstration; {_ACCEPTED}")
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; {_ACCEPTED}")
    if path.suffix != ".npz":
        raise InputError(f"{path}: not a demonstration; {_ACCEPTED}")
    return [load_npz(path)]
