"""Demonstrations as `.npz` files: one episode each, readable with numpy alone."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from makeanagent.artifacts import atomic_path, describe_error, require_empty_folder
from makeanagent.errors import InputError
from makeanagent.read_options import ReadOptions
from makeanagent.trajectories.files.format import Format
from makeanagent.trajectories.trajectory import Trajectory

_REQUIRED = ("observations", "actions", "success")
_OPTIONAL = ("env_id", "source", "task")


def save_npz(trajectory: Trajectory, path: Path) -> None:
    """Write `trajectory` to `path`, atomically.

    Raises:
        InputError: the file cannot be written.
    """
    arrays = {name: getattr(trajectory, name) for name in _REQUIRED}
    for name in _OPTIONAL:
        if getattr(trajectory, name) is not None:
            arrays[name] = np.array(getattr(trajectory, name))
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **arrays)


def load_npz(path: Path) -> Trajectory:
    """Read the trajectory in `path`.

    Raises:
        InputError: the file is missing, is no `.npz`, or holds no valid trajectory.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if not zipfile.is_zipfile(path):
        raise InputError(f"{path}: not an .npz file, or a damaged one")
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            names = [name for name in (*_REQUIRED, *_OPTIONAL) if name in archive.files]
            arrays = {name: archive[name] for name in names}
    except Exception as error:
        # A damaged archive makes zipfile, its decompressors and numpy raise many types.
        raise InputError(f"{path}: not readable as .npz: {describe_error(error)}") from None
    for name in _REQUIRED:
        if name not in arrays:
            raise InputError(
                f"{path}: field '{name}' is missing; a demonstration holds"
                " 'observations' [T + 1, O], 'actions' [T, A] and 'success' [T]"
            )
    for name in set(_OPTIONAL) & set(arrays):
        text = np.asarray(arrays[name])
        if text.dtype.kind != "U" or text.ndim != 0:
            raise InputError(f"{path}: field '{name}' is no single text")
        arrays[name] = text.item()
    return Trajectory(**arrays, name=str(path))


class Npz(Format):
    """An `.npz` file, or a folder of them, which are numbered in the order of their names."""

    name: ClassVar[str] = "npz"
    words: ClassVar[str] = "an .npz file, a folder of them"

    def __init__(self, path: Path, options: ReadOptions) -> None:
        """List the files."""
        self.path = path
        if options.group is not None or options.observation or options.success != "recorded":
            raise InputError(
                f"{path}: an .npz file has no --group, and one array for each of observations and"
                " success"
            )
        self._files = sorted(path.glob("*.npz")) if path.is_dir() else [path]
        self.numbers = range(len(self._files))

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """Whether it is one, or a folder with one."""
        return any(path.glob("*.npz")) if path.is_dir() else path.suffix == ".npz"

    def read(self, number: int) -> Trajectory:
        """One of the files."""
        return load_npz(self._files[number])

    @classmethod
    def write(cls, trajectories: Sequence[Trajectory], path: Path, fps: float | None) -> None:
        """Write one file where the name is that of one, or a folder of them."""
        if path.suffix == ".npz":
            if len(trajectories) != 1:
                raise InputError(
                    f"{path}: an .npz file holds one demonstration, not {len(trajectories)};"
                    " give a folder"
                )
            save_npz(trajectories[0], path)
            return
        require_empty_folder(path)
        digits = max(3, len(str(len(trajectories) - 1)))
        with atomic_path(path) as temporary:
            for number, trajectory in enumerate(trajectories):
                save_npz(trajectory, temporary / f"demo-{number:0{digits}d}.npz")
