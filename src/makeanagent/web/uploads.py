"""Demonstrations of strangers: kept under a harmless name, and read where no harm is done."""

import re
import shutil
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from makeanagent.errors import InputError
from makeanagent.parallel import open_pool
from makeanagent.read_options import ReadOptions
from makeanagent.trajectories.demonstrations import open_demonstrations, read_episodes
from makeanagent.trajectories.trajectory import Trajectory
from makeanagent.web.archives import check_archive, find_content, unpack

SUFFIXES = (".npz", ".hdf5", ".h5", ".zip")
ACCEPTED = "an .npz file, a robomimic .hdf5 file, or a .zip of a Minari, LeRobot or .npz folder"
_UNPACKED = "unpacked"
_MOST_STEPS = 100_000
_MOST_LISTED = 500
"""Numbers of episodes that are told."""
_MEMORY = 6 * 2**30
"""Bytes of address space, of which the libraries alone map two or three."""


@dataclass(frozen=True, kw_only=True)
class ReadLimits:
    """What reading an upload may cost."""

    max_bytes: int
    "Unpacked."
    max_seconds: float


@dataclass(frozen=True, kw_only=True)
class Found:
    """A demonstration of an upload, and what else is there."""

    demonstration: Trajectory
    episode: int
    "Its number."
    episodes: tuple[int, ...]
    "The first numbers that there are."
    num_episodes: int
    notes: tuple[str, ...]
    "What one should know of how it is read."


def clean_name(name: str) -> str:
    """The last part of a file's name, without what means something to a shell or a file system.

    Raises:
        InputError: it does not end like anything that is read.
    """
    last = PurePosixPath(name.replace("\\", "/")).name
    path = Path(re.sub(r"[^A-Za-z0-9_.-]+", "_", last).lstrip(".")[-80:])
    if path.suffix.lower() not in SUFFIXES or not path.stem:
        raise InputError(f"{last[:80] or 'upload'}: must be {ACCEPTED}")
    return f"{path.stem}{path.suffix.lower()}"


def read_upload(path: Path, options: ReadOptions, limits: ReadLimits) -> Found:
    """Read one demonstration of an upload, in a process that may fall without harm.

    HDF5 may crash on a damaged file, and a small file may hold numbers without end.

    Args:
        path: the upload, alone in its folder; a zip file is unpacked beside it.
        options: what to read; of several episodes the first, or the first that is chosen.
        limits: what it may cost.

    Raises:
        InputError: it is no demonstration, is damaged, or costs too much. The line names the upload
            and no folder.
    """
    try:
        # Two workers: one alone would be this process. On any error they are ended at once.
        with open_pool(2) as pool:
            try:
                found: Found = pool.submit(_read, path, options, limits).result(limits.max_seconds)
            except TimeoutError:
                raise InputError(f"{path}: not read within {limits.max_seconds:g} s") from None
            except BrokenProcessPool:
                raise InputError(f"{path}: damaged, or too large to be read here") from None
    except InputError as error:
        raise InputError(_hide_folder(str(error), path)) from None
    finally:
        # What a process that was ended had begun to unpack.
        for half in path.parent.glob(f".{_UNPACKED}.*.tmp"):
            shutil.rmtree(half, ignore_errors=True)
    label = _hide_folder(found.demonstration.label, path)
    return replace(
        found,
        demonstration=replace(found.demonstration, name=label),
        notes=tuple(_hide_folder(note, path) for note in found.notes),
    )


def _read(path: Path, options: ReadOptions, limits: ReadLimits) -> Found:
    _limit_memory()
    try:
        return _read_one(path, options, limits)
    except MemoryError:
        raise InputError(f"{path}: too large to be read here") from None


def _read_one(path: Path, options: ReadOptions, limits: ReadLimits) -> Found:
    source_path = path
    if path.suffix == ".npz":
        check_archive(path, limits.max_bytes)
    elif path.suffix == ".zip":
        folder = path.parent / _UNPACKED
        is_there = folder.is_dir()
        source_path = find_content(folder) if is_there else unpack(path, folder, limits.max_bytes)
        for inner in source_path.glob("*.npz"):
            check_archive(inner, limits.max_bytes)
    source = open_demonstrations(source_path, options)
    number = (options.episodes or tuple(source.numbers[:1]) or (0,))[0]
    notes = list[str]()
    (demonstration,) = read_episodes(source, replace(options, episodes=(number,)), notes.append)
    if len(demonstration) > _MOST_STEPS:
        raise InputError(
            f"{path}: {len(demonstration):,} steps; at most {_MOST_STEPS:,} are read here"
        )
    return Found(
        demonstration=demonstration,
        episode=number,
        episodes=tuple(int(each) for each in source.numbers[:_MOST_LISTED]),
        num_episodes=len(source.numbers),
        notes=tuple(notes),
    )


def _limit_memory() -> None:
    """Let this process have no more than its share, where the system can be told so."""
    import resource
    import sys

    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


def _hide_folder(text: str, upload: Path) -> str:
    """A message without the place where uploads are kept, which is nobody's business."""
    inner = upload.parent / _UNPACKED
    text = text.replace(f"{inner}/", f"{upload.name}/").replace(str(inner), upload.name)
    return text.replace(f"{upload.parent}/", "").replace(str(upload.parent), upload.name)
