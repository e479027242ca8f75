"""Zip files: of strangers, which may claim and name what they like, and for them."""

import io
import zipfile
from pathlib import Path, PurePosixPath

from makeanagent.artifacts import atomic_path, describe_error
from makeanagent.errors import InputError

_MOST_MEMBERS = 5_000
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Of others a small piece may decompress to a great one before anybody can count it."""
_LITTER = ("__MACOSX",)
"""Folders that some systems put into every zip file."""


def check_archive(path: Path, max_bytes: int) -> None:
    """Refuse a zip file, such as an `.npz`, that holds too much or names places outside itself.

    What it says of its sizes can be relied on: no more than that is ever read of a member.

    Args:
        path: of the file.
        max_bytes: of all members together, unpacked.

    Raises:
        InputError: it is damaged, encrypted or too large, or a member's name leads elsewhere.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except Exception as error:  # A damaged one makes zipfile raise many types.
        raise InputError(f"{path}: not readable as a zip file: {describe_error(error)}") from None
    if len(members) > _MOST_MEMBERS:
        raise InputError(f"{path}: holds {len(members)} files; at most {_MOST_MEMBERS} are taken")
    for member in members:
        where = f"{path}: {member.filename[:80]!r}"
        name = PurePosixPath(member.filename)
        if name.is_absolute() or ".." in name.parts or set("\\:") & set(member.filename):
            raise InputError(f"{where} leads out of the zip file")
        if member.flag_bits & 1:
            raise InputError(f"{where} is encrypted")
        if member.compress_type not in _METHODS:
            raise InputError(f"{where} is neither stored nor deflated")
    total = sum(member.file_size for member in members)
    if total > max_bytes:
        raise InputError(
            f"{path}: {total / 1e6:,.0f} MB unpacked; at most {max_bytes / 1e6:,.0f} MB are taken"
        )


def unpack(path: Path, folder: Path, max_bytes: int) -> Path:
    """Unpack a zip file into a new folder, as a whole or not at all.

    Returns:
        Where its content begins: below folders that hold nothing but one other.

    Raises:
        InputError: `check_archive` refuses it, or it is damaged.
    """
    check_archive(path, max_bytes)
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        try:
            with zipfile.ZipFile(path) as archive:
                archive.extractall(temporary)
        except Exception as error:
            raise InputError(f"{path}: cannot be unpacked: {describe_error(error)}") from None
    return find_content(folder)


def find_content(folder: Path) -> Path:
    """The first folder below `folder`, or it, that holds more than one other folder."""
    while True:
        found = [
            path
            for path in folder.iterdir()
            if path.name not in _LITTER and not path.name.startswith(".")
        ]
        if len(found) != 1 or not found[0].is_dir():
            return folder
        folder = found[0]


def pack(folder: Path) -> bytes:
    """The files of a folder as a zip file, under the folder's name."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, f"{folder.name}/{path.name}")
    return stream.getvalue()
