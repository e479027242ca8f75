"""HDF5's dangers: files that claim more than they hold, and disks without room."""

from pathlib import Path
from typing import TYPE_CHECKING

from makeanagent.errors import InputError

if TYPE_CHECKING:
    import h5py

_MAX_DEFLATE = 1032
"""Bytes that one byte of deflate can hold at most."""


def list_arrays(group: "h5py.Group", path: Path) -> dict[str, "h5py.Dataset"]:
    """The arrays within a group, by name, none of which claims more than the file can hold.

    Links to other places are left out.

    Args:
        group: of an open file.
        path: of the file, for errors.

    Raises:
        InputError: one claims more, or keeps its numbers in another file; memory is not set aside
            for it.
    """
    import h5py

    found: dict[str, h5py.Dataset] = {}

    def check(name: str, item: "h5py.Group | h5py.Dataset") -> None:
        if not isinstance(item, h5py.Dataset):
            return
        where = f"'{group.name.strip('/')}/{name}'"
        if item.external or item.is_virtual:
            raise InputError(f"{path}: {where} keeps its numbers in another file")
        is_compressed = item.id.get_create_plist().get_nfilters() > 0
        capacity = item.id.get_storage_size() * (_MAX_DEFLATE if is_compressed else 1)
        if item.nbytes > capacity:
            raise InputError(f"{path}: damaged: {where} claims more numbers than the file holds")
        found[name] = item

    group.visititems(check)
    return found


def check_room(path: Path, num_bytes: int) -> None:
    """Fill a file of a coming one's size, since HDF5 brings the process down on a full disk.

    Raises:
        OSError: there is no room.
    """
    with path.open("wb") as stream:
        for start in range(0, num_bytes, 2**20):
            stream.write(bytes(min(2**20, num_bytes - start)))
    path.unlink()
