"""What a LeRobotDataset says of itself: its columns, its episodes, and the file of each."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from makeanagent.artifacts import describe_error, read_json
from makeanagent.errors import InputError
from makeanagent.trajectories.files.format import reading
from makeanagent.trajectories.files.parquet import open_parquet

INFO = "meta/info.json"
VERSIONS = ("v2.0", "v2.1", "v3.0")
_FIELD = re.compile(r"\{(\w+)(?::0(\d)d)?\}")
_NUMERIC = ("float", "int", "uint", "bool")


@dataclass(frozen=True, kw_only=True)
class Episode:
    """Where one episode is."""

    number: int
    length: int
    "T, its steps."
    task: str | None
    "What is to be done, in words."
    file: str
    "Of its steps, relative to the dataset's folder."


@dataclass(frozen=True, kw_only=True)
class Index:
    """A dataset's columns and episodes."""

    folder: Path
    widths: Mapping[str, int]
    "Columns of vectors, and how many numbers each has."
    columns: Sequence[str]
    "All columns."
    episodes: Mapping[int, Episode]
    "By number."

    def choose(self, group: str | None) -> list[int]:
        """Numbers of the episodes of a task: of this text, or of the only one that contains it.

        Raises:
            InputError: no task's text does, or several do.
        """
        if group is None:
            return list(self.episodes)
        tasks = list(dict.fromkeys(each.task for each in self.episodes.values() if each.task))
        exact = [task for task in tasks if task.casefold() == group.casefold()]
        found = exact or [task for task in tasks if group.casefold() in task.casefold()]
        if len(found) != 1:
            count = "several tasks have" if found else "no task has"
            there = "; ".join(found or tasks) or "none"
            raise InputError(f"{self.folder}: {count} '{group}' in their texts: {there}")
        return [each.number for each in self.episodes.values() if each.task == found[0]]


def read_index(folder: Path) -> Index:
    """Read a dataset's own description, and none of its steps.

    Raises:
        InputError: a file of it is missing or damaged, or of a version that is not read.
    """
    path = folder / INFO
    info = read_json(path)
    if not isinstance(info, dict):
        raise InputError(f"{path}: does not describe a LeRobotDataset")
    version = info.get("codebase_version")
    if version not in VERSIONS:
        raise InputError(
            f"{path}: codebase_version {str(version)[:40]!r}; read are {', '.join(VERSIONS)}"
        )
    features = info.get("features")
    if not isinstance(features, dict):
        raise InputError(f"{path}: 'features' does not describe columns")
    template = info.get("data_path")
    if not isinstance(template, str):
        raise InputError(f"{path}: 'data_path' is no text")
    if version == "v3.0":
        rows = _read_tables(folder)
    else:
        rows = _read_lines(folder / "meta/episodes.jsonl", info.get("chunks_size"), path)
    episodes: dict[int, Episode] = {}
    for where, row in rows:
        episode = _make_episode(row, template, where, path)
        if episode.number in episodes:
            raise InputError(f"{where}: episode {episode.number} is there twice")
        episodes[episode.number] = episode
    widths = {name: width for name, feature in features.items() if (width := _find_width(feature))}
    return Index(folder=folder, widths=widths, columns=tuple(features), episodes=episodes)


def _find_width(feature: Any) -> int | None:  # noqa: ANN401
    """How many numbers a column of vectors has, or None for other columns."""
    if not isinstance(feature, dict) or not str(feature.get("dtype")).startswith(_NUMERIC):
        return None
    shape = feature.get("shape")
    if isinstance(shape, list) and len(shape) == 1 and type(shape[0]) is int:
        return int(shape[0])
    return None


def _make_episode(row: Mapping[str, Any], template: str, where: str, info: Path) -> Episode:
    for name in ("episode_index", "length"):
        if type(row.get(name)) is not int or row[name] < 0:
            raise InputError(f"{where}: '{name}' is {str(row.get(name))[:40]!r}, not a number")
    tasks = row.get("tasks")
    texts = [tasks] if isinstance(tasks, str) else tasks if isinstance(tasks, list) else []
    return Episode(
        number=row["episode_index"],
        length=row["length"],
        task="; ".join(text for text in texts if isinstance(text, str)) or None,
        file=_fill(template, row, info),
    )


def _fill(template: str, row: Mapping[str, Any], info: Path) -> str:
    """A path within the dataset's folder, from a template and an episode's numbers."""

    def fill(match: re.Match[str]) -> str:
        value = row.get(match[1])
        if type(value) is not int or value < 0:
            raise InputError(f"{info}: 'data_path' names {match[0]}, which episodes do not have")
        return f"{value:0{int(match[2] or 0)}d}"

    path = _FIELD.sub(fill, template)
    parts = PurePosixPath(path).parts
    if not parts or parts[0] == "/" or ".." in parts or set(path) & set("{}\\\0"):
        raise InputError(f"{info}: 'data_path' {template[:80]!r} is no path within the dataset")
    return path


def _read_lines(
    path: Path, chunks_size: object, info: Path
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each line of `episodes.jsonl`, and its place; versions 2.0 and 2.1."""
    if type(chunks_size) is not int or chunks_size < 1:
        raise InputError(f"{info}: 'chunks_size' is {str(chunks_size)[:40]!r}, not 1 or more")
    try:
        # Texts may hold what `splitlines` takes for the end of a line.
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable: {describe_error(error)}") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        with reading(where, "JSON"):
            row = json.loads(line)
        if not isinstance(row, dict):
            raise InputError(f"{where}: does not describe an episode")
        if type(index := row.get("episode_index")) is int:
            row["episode_chunk"] = index // chunks_size
        yield where, row


def _read_tables(folder: Path) -> Iterable[tuple[str, dict[str, Any]]]:
    """Each row of the tables in `meta/episodes`, and its place; version 3.0."""
    files = sorted((folder / "meta/episodes").glob("*/*.parquet"))
    if not files:
        raise InputError(f"{folder / 'meta/episodes'}: no table of episodes")
    # Not the statistics of each episode, which are most of it.
    columns = ("episode_index", "length", "tasks", "data/chunk_index", "data/file_index")
    for path in files:
        with reading(str(path), "Parquet"):
            rows = open_parquet(path).read(list(columns), use_threads=False).to_pylist()
        for number, row in enumerate(rows):
            place = {name: row.get(f"data/{name}") for name in ("chunk_index", "file_index")}
            yield f"{path}, row {number}", row | place
