"""Blocks of scores, one a job, and the file that keeps them until all of them are there."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from makeanagent.artifacts import atomic_path, hash_json


class Block(NamedTuple):
    """Rows `[n, l]` of scores; `None` for success where there is no such signal."""

    success: np.ndarray | None
    returns: np.ndarray
    num_steps: np.ndarray
    layouts: np.ndarray


class KeptBlocks:
    """Blocks in the order in which they are asked for, those of a stopped run among them.

    The file holds a line that says what is scored, and one for each block as soon as it is there.
    """

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        """Take up what a stopped run with the same settings has left.

        Args:
            path: the file, which may be absent; with other settings it begins anew.
            settings: all that the scores follow from, as JSON values.

        Raises:
            InputError: the file cannot be written.
        """
        self._path = path
        header = json.dumps({"settings": hash_json(settings)})
        self._blocks = _read_blocks(path, header)
        with atomic_path(path) as temporary:
            lines = [_write_block(*item) for item in self._blocks.items()]
            temporary.write_text("\n".join([header, *lines, ""]))
        self._num_asked = 0

    @property
    def num_rollouts(self) -> int:
        """Rollouts in the blocks that are there."""
        return sum(block.layouts.size for block in self._blocks.values())

    def ask(self, count: int) -> tuple[range, dict[int, Block]]:
        """The numbers of the next `count` blocks, and those of them that are there."""
        numbers = range(self._num_asked, self._num_asked + count)
        self._num_asked += count
        return numbers, {
            number: self._blocks[number] for number in numbers if number in self._blocks
        }

    def add(self, number: int, block: Block) -> None:
        """Keep a block."""
        with self._path.open("a") as file:
            file.write(_write_block(number, block) + "\n")

    def remove(self) -> None:
        """Remove the file: the result is written."""
        self._path.unlink(missing_ok=True)


def _write_block(number: int, block: Block) -> str:
    """A line for a block."""
    arrays = {
        name: None if array is None else array.tolist() for name, array in block._asdict().items()
    }
    return json.dumps({"number": number} | arrays)


def _read_blocks(path: Path, header: str) -> dict[int, Block]:
    """Blocks by their numbers, as far as the file below `header` is whole."""
    blocks: dict[int, Block] = {}
    with suppress(OSError, ValueError, KeyError, TypeError):  # None, or of a run that was killed.
        first, *lines = path.read_text().splitlines()
        for line in lines if first == header else []:
            row = json.loads(line)
            success = row["success"]
            blocks[row["number"]] = Block(
                None if success is None else np.array(success, bool),
                np.array(row["returns"], float),
                np.array(row["num_steps"], int),
                np.array(row["layouts"], int),
            )
    return blocks
