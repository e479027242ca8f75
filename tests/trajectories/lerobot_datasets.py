"""LeRobotDatasets as LeRobot and public data have them, written by pyarrow alone."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

V2 = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
V3 = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
KEYS = ("observation.state", "observation.environment_state", "action", "next.success")


def make_episode(num_steps=5, seed=0, task="Push and close a window", widths=(4, 39, 4)):
    """Rows of an episode by column, with success in its last step."""
    rng = np.random.default_rng(seed)
    state, environment, action = (
        rng.normal(size=(num_steps, width)).astype(np.float32) for width in widths
    )
    return {
        "task": task,
        "observation.state": state,
        "observation.environment_state": environment,
        "action": 3 * action,
        "next.reward": rng.uniform(0, 10, num_steps).astype(np.float32),
        "next.success": np.arange(num_steps) == num_steps - 1,
    }


def as_table(episode, number, start=0, fps=80, images=True):
    """A table of an episode's rows, in the types that LeRobot's own writer gives."""
    frames = np.arange(len(episode["action"]))
    columns = {
        name: pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
        if values.ndim == 2
        else pa.array(values)
        for name, values in episode.items()
        if name != "task"
    }
    columns |= {
        "timestamp": pa.array((frames / fps).astype(np.float32)),
        "frame_index": pa.array(frames),
        "episode_index": pa.array(np.full(len(frames), number)),
        "index": pa.array(start + frames),
        "task_index": pa.array(np.zeros(len(frames), np.int64)),
    }
    if images:
        picture = {"bytes": b"\x89PNG", "path": None}
        columns["observation.image"] = pa.array([picture] * len(frames))
    return pa.table(columns)


def describe(episodes, version, template):
    def shape(values):
        return [values.shape[1]] if values.ndim == 2 else [1]

    kinds = {"f": "float32", "b": "bool", "i": "int64"}
    features = {
        name: {"dtype": kinds[values.dtype.kind], "shape": shape(values), "names": None}
        for name, values in episodes[0].items()
        if name != "task"
    }
    for name in ("timestamp", "frame_index", "episode_index", "index", "task_index"):
        kind = "float32" if name == "timestamp" else "int64"
        features[name] = {"dtype": kind, "shape": [1], "names": None}
    features["observation.image"] = {"dtype": "image", "shape": [480, 480, 3], "names": None}
    return {
        "codebase_version": version,
        "robot_type": "sawyer",
        "total_episodes": len(episodes),
        "total_frames": sum(len(each["action"]) for each in episodes),
        "total_tasks": len({each["task"] for each in episodes}),
        "total_videos": 0,
        "total_chunks": 1,
        "chunks_size": 1000,
        "fps": 80,
        "splits": {"train": f"0:{len(episodes)}"},
        "data_path": template,
        "video_path": None,
        "features": features,
    }


def write_lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_v2(folder, episodes, version="v2.0"):
    """A file for each episode, as `lerobot/metaworld_mt50` has."""
    (folder / "meta").mkdir(parents=True)
    (folder / "meta/info.json").write_text(json.dumps(describe(episodes, version, V2)))
    tasks = list(dict.fromkeys(each["task"] for each in episodes))
    write_lines(
        folder / "meta/tasks.jsonl",
        [{"task_index": number, "task": task} for number, task in enumerate(tasks)],
    )
    write_lines(
        folder / "meta/episodes.jsonl",
        [
            {"episode_index": number, "tasks": [each["task"]], "length": len(each["action"])}
            for number, each in enumerate(episodes)
        ],
    )
    start = 0
    for number, each in enumerate(episodes):
        path = folder / V2.format(episode_chunk=number // 1000, episode_index=number)
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(as_table(each, number, start), path)
        start += len(each["action"])
    return folder


def write_v3(folder, episodes, per_file=2):
    """Several episodes a file, and one row group for all of a file."""
    (folder / "meta/episodes/chunk-000").mkdir(parents=True)
    (folder / "data/chunk-000").mkdir(parents=True)
    (folder / "meta/info.json").write_text(json.dumps(describe(episodes, "v3.0", V3)))
    rows, start = [], 0
    for first in range(0, len(episodes), per_file):
        tables = []
        for number, each in enumerate(episodes[first : first + per_file], start=first):
            tables.append(as_table(each, number, start))
            stop = start + len(each["action"])
            rows.append(
                {
                    "episode_index": number,
                    "tasks": [each["task"]],
                    "length": stop - start,
                    "data/chunk_index": 0,
                    "data/file_index": first // per_file,
                    "dataset_from_index": start,
                    "dataset_to_index": stop,
                    "stats/action/mean": [0.0] * 4,
                }
            )
            start = stop
        path = folder / V3.format(chunk_index=0, file_index=first // per_file)
        pq.write_table(pa.concat_tables(tables), path)
    pq.write_table(pa.Table.from_pylist(rows), folder / "meta/episodes/chunk-000/file-000.parquet")
    return folder


def change_info(folder, **changes):
    path = folder / "meta/info.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def change_episode(folder, number, **columns):
    """Put other columns into an episode's file of version 2; None takes one away."""
    path = folder / V2.format(episode_chunk=0, episode_index=number)
    table = pq.read_table(path)
    for name, values in columns.items():
        name = name.replace("__", ".")
        place = table.schema.get_field_index(name)
        table = table.remove_column(place)
        if values is not None:
            table = table.append_column(name, pa.array(values))
    pq.write_table(table, path)
