"""Rows of Parquet files as arrays, with what a damaged file may claim held in check."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from makeanagent.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_MOST_ROWS = 64
"""A file holds at most so many rows a byte; they are numbered, which takes room."""


def require_pyarrow(where: Path, extra: str = "lerobot") -> None:
    """Say how to install what reads Parquet files, where it is missing.

    Args:
        where: what begins the line.
        extra: of the package, which brings it.

    Raises:
        InputError: it is missing.
    """
    from importlib.util import find_spec

    if find_spec("pyarrow") is None:
        raise InputError(f"{where}: needs pyarrow: pip install 'makeanagent[{extra}]'")


def open_parquet(path: Path) -> "pq.ParquetFile":
    """Read a file's own description.

    Raises:
        InputError: it is missing, or claims more rows than it can hold.
    """
    import pyarrow.parquet as pq

    if not path.is_file():
        raise InputError(f"{path}: no such file")
    file = pq.ParquetFile(path)
    if file.metadata.num_rows > _MOST_ROWS * path.stat().st_size:
        raise InputError(f"{path}: damaged: claims {file.metadata.num_rows} rows")
    return file


class EpisodeFile:
    """A Parquet file with the steps of one episode or of many; row groups are read when needed."""

    def __init__(self, path: Path) -> None:
        """Read the file's own description.

        Raises:
            InputError: it is missing or damaged, or numbers no episodes.
        """
        self.path, self._file = path, open_parquet(path)
        self.names = set(self._file.schema_arrow.names)
        metadata = self._file.metadata
        if "episode_index" not in self.names:
            raise InputError(f"{path}: has no column 'episode_index'")
        self._spans = [
            _find_span(metadata.row_group(group)) for group in range(metadata.num_row_groups)
        ]
        self._kept: tuple[tuple[object, ...], pa.Table] | None = None

    def read(self, number: int, length: int, columns: Sequence[str]) -> dict[str, np.ndarray]:
        """Columns of an episode's rows: `[T]`, or `[T, n]` of lists of n numbers.

        Args:
            number: of the episode.
            length: T, the rows that it must have.
            columns: by name.

        Raises:
            InputError: rows or a column are missing, or it holds something else.
        """
        import pyarrow.compute as pc

        for name in columns:
            if name not in self.names:
                raise InputError(f"{self.path}: has no column '{name}'")
        groups = [
            index
            for index, (low, high) in enumerate(self._spans)
            if low is None or low <= number <= high
        ]
        key = (*groups, *columns)
        if self._kept is None or self._kept[0] != key:
            wanted = [*columns, "episode_index"]
            self._kept = key, self._file.read_row_groups(groups, wanted, use_threads=False)
        table = self._kept[1]
        rows = table.filter(pc.equal(table["episode_index"], number))
        where = f"{self.path}, episode {number}"
        if len(rows) != length:
            raise InputError(
                f"{where}: {len(rows)} steps, and the dataset's description says {length}"
            )
        return {name: _as_array(rows[name], f"{where}: column '{name}'") for name in columns}


def _find_span(group: "pa.RowGroupMetaData") -> tuple[int | None, int]:
    """The lowest and highest episode of a row group; None where nobody noted them."""
    for index in range(group.num_columns):
        column = group.column(index)
        if column.path_in_schema == "episode_index":
            found = column.statistics
            if found is not None and found.has_min_max:
                return int(found.min), int(found.max)
    return None, 0


def _as_array(column: "pa.ChunkedArray", where: str) -> np.ndarray:
    import pyarrow as pa
    import pyarrow.compute as pc

    array, width = column.combine_chunks(), None
    if pa.types.is_list(array.type) or pa.types.is_fixed_size_list(array.type):
        widths = pc.unique(pc.list_value_length(array)).to_pylist()
        if len(widths) != 1 or not widths[0]:
            shown = ", ".join(map(str, widths[:5])) or "no"
            raise InputError(f"{where}: lists of {shown} numbers; all must be of one length")
        width, array = widths[0], array.flatten()
    if array.null_count:
        raise InputError(f"{where}: holds {array.null_count} empty entries")
    kind = array.type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        raise InputError(f"{where}: holds {kind}, not numbers")
    values: np.ndarray = array.to_numpy(zero_copy_only=False)
    return values if width is None else values.reshape(-1, width)
