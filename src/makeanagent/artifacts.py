"""Files on disk: atomic writes, hashes, and the provenance that every artifact carries."""

import contextlib
import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save

from makeanagent.errors import InputError

MANIFEST_NAME = "manifest.json"


def describe_error(error: Exception) -> str:
    """What an error says, on one line, for an `InputError` to quote."""
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(reason.split())


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that takes its place once the block has succeeded.

    A reader never sees half a file, and a killed or failed writer leaves the old file whole. The
    block may also make a folder of the temporary path; it then takes the place of an absent one.

    Raises:
        InputError: the file cannot be written (disk full, no permission).
    """
    if not path.name:
        raise InputError(f"{path}: is a folder; give the name of a file")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {describe_error(error)}") from error
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text`, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text)


def write_json(path: Path, content: Any) -> None:  # noqa: ANN401
    """Write `content` as indented JSON, atomically."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def read_json(path: Path) -> Any:  # noqa: ANN401
    """Read a JSON file.

    Raises:
        InputError: the file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not readable as JSON: {describe_error(error)}") from None


def read_matching(path: Path, expected: dict[str, Any]) -> dict[str, Any] | None:
    """What a JSON file holds, or None where it is missing or was made with other than `expected`.

    Raises:
        InputError: the file is not JSON.
    """
    if not path.is_file():
        return None
    content = read_json(path)
    found = {name: content.get(name) for name in expected}
    return content if found == as_json(expected) else None


def write_tensors(path: Path, tensors: dict[str, np.ndarray]) -> None:
    """Write named arrays as safetensors, atomically."""
    # Not `save_file`, whose files only their owner may read.
    content = save({name: np.asarray(array, order="C") for name, array in tensors.items()})
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays of a safetensors file.

    Raises:
        InputError: the file is missing or damaged.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        tensors = load_file(path)
    except Exception as error:
        # Besides its own type it raises others, as for bfloat16, which numpy lacks.
        raise InputError(f"{path}: not readable as safetensors: {describe_error(error)}") from None
    for name, tensor in tensors.items():
        # Some libraries bring numpy such types: what is read is not to depend on what is installed.
        if tensor.dtype.kind not in "biuf":
            raise InputError(f"{path}: not readable as safetensors: {name} is {tensor.dtype}")
    return tensors


def hash_file(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {describe_error(error)}") from None


def check_hash(path: Path, expected: object, record: str) -> None:
    """Compare a file with the SHA-256 that another file has of it.

    Args:
        path: of the file.
        expected: what is recorded.
        record: name of the other file.

    Raises:
        InputError: the file is missing, or was altered.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if hash_file(path) != expected:
        raise InputError(f"{path}: altered: its SHA-256 is not the one in {record}")


def _is_temporary(path: Path) -> bool:
    # What `atomic_path` leaves behind where its process is killed.
    return path.name.startswith(".") and path.name.endswith(".tmp")


def write_manifest(folder: Path) -> None:
    """Record the SHA-256 of every file in `folder`; written last, it vouches for the rest."""
    files = sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and path.name != MANIFEST_NAME and not _is_temporary(path)
    )
    write_json(folder / MANIFEST_NAME, {path.name: hash_file(path) for path in files})


def check_manifest(folder: Path, required: Iterable[str] = ()) -> dict[str, str]:
    """Compare each file of `folder` with its recorded SHA-256 and return the record.

    Args:
        folder: of the files.
        required: names that the record must hold.

    Raises:
        InputError: the manifest or a file is missing, or a file was altered.
    """
    manifest = read_json(folder / MANIFEST_NAME)
    if not isinstance(manifest, dict):
        raise InputError(f"{folder / MANIFEST_NAME}: no record of file names and their SHA-256")
    for name in required:
        if name not in manifest:
            raise InputError(f"{folder / MANIFEST_NAME}: does not list {name}")
    for name, expected in manifest.items():
        if Path(name).name != name:
            raise InputError(f"{folder / MANIFEST_NAME}: {name!r} is no plain name of a file")
        path = folder / name
        if not path.is_file():
            raise InputError(f"{path}: missing, though {MANIFEST_NAME} lists it")
        check_hash(path, expected, MANIFEST_NAME)
    return manifest


def require_empty_folder(folder: Path) -> Path:
    """Return `folder` if nothing is in it yet.

    Raises:
        InputError: it holds files, or is itself a file.
    """
    if folder.is_file():
        raise InputError(f"{folder}: is a file; give a folder that is empty or does not exist")
    if folder.is_dir() and not all(_is_temporary(path) for path in folder.iterdir()):
        raise InputError(f"{folder}: not empty; give a folder that is empty or does not exist")
    return folder


def check_schema(path: Path, found: object, expected: int) -> None:
    """Refuse an artifact of another schema version.

    Raises:
        InputError: `found` is not `expected`.
    """
    if found != expected:
        raise InputError(
            f"{path}: schema version {found!r}; this version of makeanagent reads {expected}"
        )


@cache
def _git_commit() -> str | None:
    """The commit of the source tree that this package runs from, or None when it is installed."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def describe_provenance() -> dict[str, Any]:
    """Versions, commit, machine and time: what an artifact says about its making."""
    versions = {}
    for name in ("makeanagent", "torch", "numpy", "diffusers", "metaworld", "mujoco", "gymnasium"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "git_commit": _git_commit(),
        "versions": versions,
        "machine": {
            "system": platform.system(),
            "architecture": platform.machine(),
            "processor": _processor_name(),
            "num_cpus": os.cpu_count(),
        },
    }


def seconds_between(begin: str, end: str) -> float:
    """Time between two entries `created` of `describe_provenance`."""
    return (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()


def as_json(value: Any) -> Any:  # noqa: ANN401
    """The value as JSON gives it back: tuples become lists."""
    return json.loads(json.dumps(value))


def hash_json(value: Any) -> str:  # noqa: ANN401
    """SHA-256 of a value as JSON, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _processor_name() -> str | None:
    """The processor's model, where Linux tells it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or None
