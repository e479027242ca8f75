"""Demonstrations as LeRobotDatasets of version 2.0, 2.1 and 3.0, without LeRobot."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from makeanagent.errors import InputError
from makeanagent.read_options import ReadOptions
from makeanagent.remote import fetch_folder
from makeanagent.trajectories.files.columns import (
    REPEATED,
    add_last_row,
    choose_columns,
    join_columns,
)
from makeanagent.trajectories.files.format import Format, choose_episodes, reading
from makeanagent.trajectories.files.lerobot_extras import Extra, read_extras
from makeanagent.trajectories.files.lerobot_index import INFO, read_index
from makeanagent.trajectories.files.lerobot_writing import write_lerobot
from makeanagent.trajectories.files.parquet import EpisodeFile, require_pyarrow
from makeanagent.trajectories.success import (
    DONE,
    NOT_RECORDED,
    REWARD,
    read_flags,
    read_rewards,
)
from makeanagent.trajectories.trajectory import Trajectory

_DEFAULTS = ("observation.environment_state", "observation.state")
_SUCCESS = {
    "recorded": ("next.success", ""),
    "reward": ("next.reward", REWARD),
    "done": ("next.done", DONE),
}
_BOOKKEEPING = ("frame_index", "episode_index", "index", "task_index")


class LeRobot(Format):
    """A LeRobotDataset's folder.

    A step's row holds what was observed before its action and, under `next.`, what came of it, so
    that what was observed after the last action is in none.
    """

    name: ClassVar[str] = "lerobot"
    words: ClassVar[str] = "a folder with a LeRobotDataset or lerobot:<hub id>"
    scheme: ClassVar[str | None] = "lerobot"

    def __init__(self, path: Path, options: ReadOptions) -> None:
        """Read the dataset's own description."""
        require_pyarrow(path)
        self.path, self._options = path, options
        self._index = read_index(path)
        self.numbers = self._index.choose(options.group)
        widths = {
            name: width
            for name, width in self._index.widths.items()
            if name.startswith("observation") or name in options.observation
        }
        self._keys = choose_columns(options.observation, widths, _DEFAULTS, str(path / INFO))
        self._columns = [*self._keys, "action", "frame_index"]
        name, self._ending = _SUCCESS[options.success]
        self._success = name if name in self._index.columns else None
        if self._success is not None:
            self._columns.append(self._success)
        elif options.success != "recorded":
            raise InputError(f"{path / INFO}: no column '{name}' for --success {options.success}")
        lengths = {number: each.length for number, each in self._index.episodes.items()}
        self._extras = read_extras(path, lengths, self._keys)
        self._file: EpisodeFile | None = None
        self.unread = [
            name
            for name in self._index.columns
            if name not in self._columns and name not in _BOOKKEEPING
        ]
        self.notes = self._take_notes()

    def _take_notes(self) -> list[str]:
        notes = []
        if not self._options.observation:
            notes.append(f"{self.path}: observations are {self._keys[0]}")
        if not any(extra.last is not None for extra in self._extras.values()):
            notes.append(f"{self.path}: {REPEATED}")
        if self._success is None:
            notes.append(f"{self.path}: {NOT_RECORDED}")
        return notes

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """Whether it is a folder with `meta/info.json`."""
        return (path / INFO).is_file()

    @classmethod
    def find(cls, name: str, options: ReadOptions) -> Path:
        """The folder of a dataset that was recorded here, or of what is needed of one of the hub.

        Of a dataset of the hub, its description and the files of the chosen episodes are fetched.
        """
        if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", name):
            raise InputError(
                f"lerobot:{name}: not a hub id, which looks like lerobot/metaworld_mt50"
            )
        caches = Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
        local = Path(os.environ.get("HF_LEROBOT_HOME", caches / "lerobot")) / name
        if cls.recognizes(local):
            return local
        require_pyarrow(Path(f"lerobot:{name}"))
        folder = _fetch(name, ["meta/*"])
        index = read_index(folder)
        chosen = choose_episodes(index.choose(options.group), options.episodes, f"lerobot:{name}")
        return _fetch(name, ["meta/*", *{index.episodes[number].file for number in chosen}])

    def read(self, number: int) -> Trajectory:
        """An episode."""
        episode, where = self._index.episodes[number], f"{self.path}, episode {number}"
        path = self.path / episode.file
        with reading(where, "a LeRobotDataset"):
            # Many episodes of version 3.0 share a file.
            if self._file is None or self._file.path != path:
                self._file = EpisodeFile(path)
            rows = self._file.read(number, episode.length, self._columns)
            self._check_rows(rows, where)
            observations = join_columns({key: rows[key] for key in self._keys}, where)
            flags = np.zeros(episode.length, bool)
            if self._success is not None:
                read = read_rewards if self._options.success == "reward" else read_flags
                flags = read(rows[self._success].ravel(), f"{where}: '{self._success}'")
            extra = self._extras.get(number, Extra(None, {"task": episode.task}))
            source = extra.texts.get("source") or f"lerobot:{_name(self.path)}"
            return Trajectory(
                observations=add_last_row(observations, extra.last, where),
                actions=join_columns({"action": rows["action"]}, where),
                success=flags,
                env_id=extra.texts.get("env_id"),
                source=f"{source}{self._ending}",
                task=extra.texts["task"],
                name=where,
            )

    def _check_rows(self, rows: dict[str, np.ndarray], where: str) -> None:
        """Refuse what is not the rows that the dataset's description promises, in their order."""
        steps = rows["frame_index"].ravel()
        if not np.array_equal(steps, np.arange(len(steps))):
            raise InputError(f"{where}: 'frame_index' does not count its steps from 0")
        for name in (*self._keys, "action"):
            expected, found = self._index.widths.get(name), rows[name].reshape(len(steps), -1).shape
            if expected != found[1]:
                raise InputError(
                    f"{where}: '{name}' is {found[1]} wide, and the dataset's description says"
                    f" {expected}"
                )

    @classmethod
    def write(cls, trajectories: Sequence[Trajectory], path: Path, fps: float | None) -> None:
        """Write a dataset of version 3.0."""
        write_lerobot(trajectories, path, fps)


def _name(folder: Path) -> str:
    """A dataset's name: its folder's, or its id in the cache of the hub's datasets."""
    snapshot = folder.resolve().parent
    if snapshot.name == "snapshots":
        return snapshot.parent.name.removeprefix("datasets--").replace("--", "/", 1)
    return folder.resolve().name


def _fetch(name: str, patterns: list[str]) -> Path:
    """A folder with those files of a dataset of the hub that match a pattern."""
    return fetch_folder(name, "dataset", f"lerobot:{name}: not here", patterns)
