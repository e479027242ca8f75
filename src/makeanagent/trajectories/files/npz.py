"""Demonstrations as `.npz` files: one episode each, readable with numpy alone."""

import zipfile
from pathlib import Path

import numpy as np

from makeanagent.artifacts import atomic_path, describe_error
from makeanagent.errors import InputError
from makeanagent.trajectories.files.format import Format
from makeanagent.trajectories.trajectory import Trajectory

_REQUIRED = ("observations", "actions", "success")
_OPTIONAL = ("env_id", "source")


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


NPZ = Format(
    words="an .npz file",
    recognizes=lambda path: path.suffix == ".npz" and path.is_file(),
    read=lambda path: [load_npz(path)],
)
NPZ_FOLDER = Format(
    words="a folder of them",
    recognizes=lambda path: any(path.glob("*.npz")),
    # In the order of their names.
    read=lambda path: [load_npz(file) for file in sorted(path.glob("*.npz"))],
)
