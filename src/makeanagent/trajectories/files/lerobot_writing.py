"""Writing LeRobotDatasets of version 3.0, which LeRobot itself reads."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from makeanagent.artifacts import atomic_path, require_empty_folder, write_json
from makeanagent.errors import InputError
from makeanagent.trajectories.files.format import require_same_widths
from makeanagent.trajectories.files.lerobot_extras import EXTRAS, describe_extras
from makeanagent.trajectories.files.parquet import require_pyarrow
from makeanagent.trajectories.trajectory import Trajectory

if TYPE_CHECKING:
    import pyarrow as pa

_OBSERVATION = "observation.state"
_FILE = "chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
_FIRST = "chunk-000/file-000.parquet"
_KINDS = {"f": "float32", "i": "int64", "b": "bool"}


def write_lerobot(trajectories: Sequence[Trajectory], folder: Path, fps: float | None) -> None:
    """Write trajectories as a LeRobotDataset of version 3.0.

    The observation is `observation.state`, success `next.success`, and an episode's task its
    `task`, or else its `env_id`.

    Args:
        trajectories: one or more, all of the same widths.
        folder: where to; empty or absent.
        fps: steps a second.

    Raises:
        InputError: there is no `fps` above 0, widths differ, or the folder cannot be written.
    """
    require_pyarrow(folder)
    import pyarrow as pa
    import pyarrow.parquet as pq

    if fps is None or not 0 < fps < float("inf"):
        given = "" if fps is None else f", above 0 and not {fps:g}"
        raise InputError(
            f"{folder}: a LeRobotDataset notes steps a second; say them with --fps{given}"
        )
    require_empty_folder(folder)
    require_same_widths(trajectories, folder, "a LeRobotDataset")
    texts = [item.task or item.env_id or "unnamed" for item in trajectories]
    tasks = list(dict.fromkeys(texts))
    starts = np.cumsum([0, *map(len, trajectories)])
    steps = [
        _list_steps(item, number, int(starts[number]), tasks.index(texts[number]), fps)
        for number, item in enumerate(trajectories)
    ]
    joined = {name: np.concatenate([each[name] for each in steps]) for name in steps[0]}
    features = {name: _describe(values) for name, values in joined.items()}
    info = {
        "codebase_version": "v3.0",
        "robot_type": None,
        "total_episodes": len(trajectories),
        "total_frames": int(starts[-1]),
        "total_tasks": len(tasks),
        "chunks_size": 1000,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "fps": int(fps) if fps == int(fps) else fps,
        "splits": {"train": f"0:{len(trajectories)}"},
        "data_path": f"data/{_FILE}",
        "video_path": None,
        "features": features,
    }
    episodes = [
        _list_episode(each, number, texts[number], starts) for number, each in enumerate(steps)
    ]
    with atomic_path(folder) as temporary:
        for name in ("data/chunk-000", "meta/episodes/chunk-000"):
            (temporary / name).mkdir(parents=True)
        with pq.ParquetWriter(temporary / "data" / _FIRST, _to_table(joined).schema) as writer:
            for each in steps:  # A row group an episode, as LeRobot itself writes.
                writer.write_table(_to_table(each))
        pq.write_table(pa.Table.from_pylist(episodes), temporary / "meta/episodes" / _FIRST)
        pq.write_table(_list_tasks(tasks), temporary / "meta/tasks.parquet")
        stats = {name: _measure(values) for name, values in joined.items()}
        write_json(temporary / "meta/stats.json", stats)
        write_json(temporary / EXTRAS, describe_extras(trajectories, _OBSERVATION))
        write_json(temporary / "meta/info.json", info)


def _list_steps(
    item: Trajectory, number: int, start: int, task: int, fps: float
) -> dict[str, np.ndarray]:
    length = len(item)
    frames = np.arange(length)
    return {
        _OBSERVATION: item.observations[:-1],
        "action": item.actions,
        "next.success": item.success,
        "timestamp": (frames / fps).astype(np.float32),
        "frame_index": frames,
        "episode_index": np.full(length, number),
        "index": start + frames,
        "task_index": np.full(length, task),
    }


def _list_episode(
    steps: Mapping[str, np.ndarray], number: int, text: str, starts: np.ndarray
) -> dict[str, Any]:
    """A row of the table of episodes."""
    row: dict[str, Any] = {
        "episode_index": number,
        "tasks": [text],
        "length": int(starts[number + 1] - starts[number]),
        "data/chunk_index": 0,
        "data/file_index": 0,
        "dataset_from_index": int(starts[number]),
        "dataset_to_index": int(starts[number + 1]),
        "meta/episodes/chunk_index": 0,
        "meta/episodes/file_index": 0,
    }
    for name, values in steps.items():
        row |= {f"stats/{name}/{stat}": found for stat, found in _measure(values).items()}
    return row


def _list_tasks(tasks: Sequence[str]) -> "pa.Table":
    """Tasks' numbers, with their texts as the index that pandas makes of a table."""
    import pyarrow as pa

    table = pa.table({"task_index": range(len(tasks)), "task": tasks})
    notes = {
        "index_columns": ["task"],
        "column_indexes": [],
        "columns": [
            {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": numpy_kind}
            | {"metadata": None}
            for name, kind, numpy_kind in (
                ("task_index", "int64", "int64"),
                ("task", "unicode", "object"),
            )
        ],
        "pandas_version": "2.0.0",
    }
    return table.replace_schema_metadata({"pandas": json.dumps(notes)})


def _describe(values: np.ndarray) -> dict[str, Any]:
    width = values.shape[1] if values.ndim == 2 else 1
    return {"dtype": _KINDS[values.dtype.kind], "shape": [width], "names": None}


def _measure(values: np.ndarray) -> dict[str, list[float]]:
    """LeRobot's statistics of a column, over steps."""
    rows = values.reshape(len(values), -1).astype(np.float64)
    return {
        "min": rows.min(axis=0).tolist(),
        "max": rows.max(axis=0).tolist(),
        "mean": rows.mean(axis=0).tolist(),
        "std": rows.std(axis=0).tolist(),
        "count": [len(rows)],
    }


def _to_table(steps: Mapping[str, np.ndarray]) -> "pa.Table":
    """Columns as LeRobot has them: of one number plain, of more as lists of a fixed length."""
    import pyarrow as pa

    columns = {}
    for name, values in steps.items():
        flat = pa.array(values.ravel())
        is_plain = values.ndim == 1 or values.shape[1] == 1
        columns[name] = (
            flat if is_plain else pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
        )
    return pa.table(columns)
