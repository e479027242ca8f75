"""LeRobotDatasets of every version, whole and damaged, as demonstrations."""

import json
import re
import shutil
import time

import numpy as np
import pytest

from makeanagent.errors import InputError
from makeanagent.read_options import ReadOptions
from makeanagent.trajectories import Trajectory
from makeanagent.trajectories.demonstrations import (
    open_demonstrations,
    read_demonstrations,
    write_demonstrations,
)

pq = pytest.importorskip("pyarrow.parquet", reason="needs the extra lerobot")

from tests.trajectories.lerobot_datasets import (  # noqa: E402
    change_episode,
    change_info,
    make_episode,
    write_v2,
    write_v3,
)

TASKS = ("Push and close a window", "Open a door with a revolving joint", "Open a drawer")
WRITERS = {
    "v2.0": write_v2,
    "v2.1": lambda folder, episodes: write_v2(folder, episodes, "v2.1"),
    "v3.0": write_v3,
}


def make_episodes(count=5):
    return [make_episode(4 + number, number, TASKS[number % 3]) for number in range(count)]


def read(folder, **options):
    """What is read of a dataset, and what was said."""
    notes = []
    return read_demonstrations(folder, ReadOptions(**options), notes.append), notes


def assert_refused(folder, *words, **options):
    with pytest.raises(InputError) as caught:
        read(folder, **options)
    message = str(caught.value)
    assert message.startswith(str(folder)), message
    assert "\n" not in message
    assert all(word in message for word in words), message


@pytest.fixture(params=WRITERS)
def dataset(request, tmp_path):
    episodes = make_episodes()
    return WRITERS[request.param](tmp_path / "data", episodes), episodes


def test_all_episodes_of_every_version(dataset):
    folder, episodes = dataset
    found, notes = read(folder)
    assert len(found) == 5
    for number, (ours, theirs) in enumerate(zip(found, episodes, strict=True)):
        expected = theirs["observation.environment_state"]
        assert np.array_equal(ours.observations, [*expected, expected[-1]])
        assert np.array_equal(ours.actions, theirs["action"])
        assert np.array_equal(ours.success, theirs["next.success"])
        assert ours.task == theirs["task"]
        assert ours.label == f"{folder}, episode {number}"
        assert ours.source == "lerobot:data"
    assert len(notes) == 2
    assert "observations are observation.environment_state" in notes[0]
    assert "the observation before it stands for it" in notes[1]
    unread = open_demonstrations(folder).unread
    assert {"observation.image", "observation.state", "next.reward"} <= set(unread)


def test_episodes_by_number_in_the_order_that_was_asked_for(dataset):
    folder, episodes = dataset
    found, _ = read(folder, episodes=(3, 1))
    assert [len(each) for each in found] == [7, 5]
    assert_refused(folder, "no episode 9", "0, 1, 2, 3, 4", episodes=(1, 9))
    assert_refused(folder, "no episode -1", episodes=(-1,))


def test_episodes_of_a_task_by_its_text(dataset):
    folder, _ = dataset
    assert [len(each) for each in read(folder, group="open a drawer")[0]] == [6]
    assert [len(each) for each in read(folder, group="door")[0]] == [5, 8]
    assert [len(each) for each in read(folder, group="door", episodes=(4,))[0]] == [8]
    assert_refused(folder, "no episode 0", "1, 4", group="door", episodes=(0,))
    assert_refused(folder, "no task has 'fly'", TASKS[0], TASKS[1], TASKS[2], group="fly")
    assert_refused(folder, "several tasks have 'open'", TASKS[1], TASKS[2], group="open")


def test_columns_by_name_in_the_order_that_was_asked_for(dataset):
    folder, episodes = dataset
    names = ("observation.state", "observation.environment_state")
    found, notes = read(folder, observation=names)
    expected = np.concatenate([episodes[0][name] for name in names], axis=1)
    assert np.array_equal(found[0].observations[:-1], expected)
    assert len(notes) == 1
    # Where a recording keeps what one needs under another name, that will do.
    assert read(folder, observation=("action",))[0][0].observations.shape == (5, 4)
    assert_refused(folder, "no vectors 'sight'", "observation.state [4]", observation=("sight",))
    assert_refused(folder, "twice", observation=("observation.state",) * 2)


def test_success_is_read_from_elsewhere_only_when_asked_for(tmp_path):
    episode = make_episode()
    episode["next.reward"] = np.array([0, 0, 1, 0, 1], np.float32)
    episode["next.done"] = np.array([False] * 4 + [True])
    folder = write_v2(tmp_path / "data", [episode])
    for success, expected, source in (
        ("recorded", [0, 0, 0, 0, 1], "lerobot:data"),
        ("reward", [0, 0, 1, 0, 1], "lerobot:data (success: reward)"),
        ("done", [0, 0, 0, 0, 1], "lerobot:data (success: done)"),
    ):
        (found,), _ = read(folder, success=success)
        assert found.success.tolist() == expected
        assert found.source == source
    change_episode(folder, 0, next__reward=[0.1, 0.2, 1.0, 0.5, 0.0])
    assert_refused(folder, "rewards of 0 and 1 alone", success="reward")


def test_without_a_record_of_success_there_is_none_and_it_is_said(tmp_path):
    episode = make_episode()
    del episode["next.success"]
    folder = write_v2(tmp_path / "data", [episode])
    (found,), notes = read(folder)
    assert not found.success.any()
    assert any("no success is recorded" in note for note in notes)
    assert_refused(folder, "no column 'next.done' for --success done", success="done")


@pytest.mark.parametrize(
    "values", [[[False]] * 4 + [[True]], [0, 0, 0, 0, 1], [0.0, 0.0, 0.0, 0.0, 1.0]]
)
def test_success_may_be_of_other_types(tmp_path, values):
    folder = write_v2(tmp_path / "data", [make_episode()])
    change_episode(folder, 0, next__success=values)
    assert read(folder)[0][0].success.tolist() == [False] * 4 + [True]


def test_a_single_vector_needs_no_name(tmp_path):
    episode = make_episode()
    del episode["observation.environment_state"]
    assert read(write_v2(tmp_path / "a", [episode]))[0][0].observations.shape == (6, 4)
    episode["observation.joints"] = episode.pop("observation.state")
    assert read(write_v2(tmp_path / "b", [episode]))[0][0].observations.shape == (6, 4)
    episode["observation.hand"] = episode["observation.joints"]
    folder = write_v2(tmp_path / "c", [episode])
    assert_refused(folder, "--observation", "observation.joints [4], observation.hand [4]")


BAD_ROWS = [
    ({"action": [[1.0], [1.0, 2.0], [1.0], [1.0], [1.0]]}, "lists of 1, 2 numbers"),
    ({"action": [[1.0] * 3] * 5}, "'action' is 3 wide, and the dataset's description says 4"),
    ({"action": [[1.0, 2.0, 3.0, np.nan]] * 5}, "'actions' holds NaN or infinity at step 0"),
    ({"action": [[1.0, 2.0, 3.0, None]] * 5}, "empty entries"),
    ({"action": [None, *[[1.0] * 4] * 4]}, "'action'"),
    ({"action": ["up"] * 5}, "not numbers"),
    ({"action": None}, "no column 'action'"),
    ({"next__success": [np.nan] * 5}, "NaN or infinity"),
    ({"next__success": ["yes"] * 5}, "not numbers"),
    ({"next__success": [[True, False]] * 5}, "5 observations, 5 actions|success"),
    ({"frame_index": [0, 2, 1, 3, 4]}, "does not count its steps"),
    ({"episode_index": [0] * 5}, "episode 1: 0 steps, and the"),
    ({"episode_index": None}, "no column 'episode_index'"),
]


@pytest.mark.parametrize(("columns", "message"), BAD_ROWS)
def test_a_bad_episode_is_named_and_the_others_are_read_without_it(tmp_path, columns, message):
    folder = write_v2(tmp_path / "data", [make_episode(4), make_episode(5), make_episode(6)])
    change_episode(folder, 1, **columns)
    with pytest.raises(InputError, match=message) as caught:
        read(folder)
    assert "--skip-bad goes on without it" in str(caught.value)
    assert re.search("episode 1|episode_000001", str(caught.value))
    found, notes = read(folder, skip_bad=True)
    assert [len(each) for each in found] == [4, 6]
    assert [note.startswith("left out: ") for note in notes].count(True) == 1
    with pytest.raises(InputError, match="no demonstration is valid"):
        read(folder, episodes=(1,), skip_bad=True)


@pytest.mark.parametrize("kind", ["absent", "cut", "text", "empty"])
def test_a_damaged_file_is_named(tmp_path, kind):
    folder = write_v2(tmp_path / "data", [make_episode(4), make_episode(5)])
    path = folder / "data/chunk-000/episode_000001.parquet"
    content = path.read_bytes()
    path.unlink()
    if kind != "absent":
        path.write_bytes({"cut": content[:-100], "text": b"text", "empty": b""}[kind])
    assert_refused(folder, "no such file" if kind == "absent" else "episode 1: not readable")
    assert len(read(folder, skip_bad=True)[0]) == 1


BAD_INFO = [
    ({"codebase_version": "v1.6"}, "codebase_version 'v1.6'; read are v2.0, v2.1, v3.0"),
    ({"codebase_version": None}, "codebase_version"),
    ({"codebase_version": ["v2.0"]}, "codebase_version"),
    ({"features": []}, "'features'"),
    ({"features": {}}, "there are: none"),
    ({"data_path": 3}, "'data_path' is no text"),
    ({"data_path": "../{episode_index}.parquet"}, "no path within the dataset"),
    ({"data_path": "/etc/{episode_index}"}, "no path within the dataset"),
    ({"data_path": "a/../../{episode_index}"}, "no path within the dataset"),
    ({"data_path": "{episode_index.real}"}, "no path within the dataset"),
    ({"data_path": "{episode_index:099999999d}"}, "no path within the dataset"),
    ({"data_path": "{length:03d}{video_key}"}, "{video_key}, which episodes do not have"),
    ({"data_path": ""}, "no path within the dataset"),
    ({"chunks_size": 0}, "'chunks_size' is '0'"),
    ({"chunks_size": "many"}, "'chunks_size'"),
]


@pytest.mark.parametrize(("changes", "message"), BAD_INFO)
def test_a_description_that_cannot_be_right_is_refused(tmp_path, changes, message):
    folder = write_v2(tmp_path / "data", [make_episode()])
    change_info(folder, **changes)
    assert_refused(folder, message)


BAD_LINES = [
    ("{", "line 1: not readable as JSON"),
    ("[]", "line 1: does not describe an episode"),
    ('{"episode_index": "0", "length": 5}', "'episode_index' is '0'"),
    ('{"episode_index": 0, "length": -5}', "'length' is '-5'"),
    ('{"episode_index": 0, "length": 1e99}', "'length'"),
    ('{"episode_index": 0, "length": 1000000000000}', "episode 0: 5 steps, and the"),
    ('{"episode_index": 0, "length": 5}\n{"episode_index": 0, "length": 5}', "there twice"),
    ("", "no demonstration is in it"),
]


@pytest.mark.parametrize(("text", "message"), BAD_LINES)
def test_a_list_of_episodes_that_cannot_be_right_is_refused(tmp_path, text, message):
    folder = write_v2(tmp_path / "data", [make_episode()])
    (folder / "meta/episodes.jsonl").write_text(text)
    assert_refused(folder, message)


@pytest.mark.parametrize("name", ["episodes.jsonl", "episodes"])
def test_a_missing_list_of_episodes_is_named(tmp_path, name):
    writer = write_v2 if name.endswith("l") else write_v3
    folder = writer(tmp_path / "data", [make_episode()])
    path = folder / "meta" / name
    path.unlink() if path.is_file() else shutil.rmtree(path)
    assert_refused(folder, name)


def test_only_the_episodes_that_are_asked_for_are_read(tmp_path):
    episodes = [make_episode(82, seed) for seed in range(20)] * 125
    folder = tmp_path / "data"
    write_v2(folder, episodes[:1])
    lines = [
        json.dumps({"episode_index": number, "tasks": ["x"], "length": 82})
        for number in range(len(episodes))
    ]
    (folder / "meta/episodes.jsonl").write_text("\n".join(lines))
    # The files of all others are not there.
    begin = time.perf_counter()
    (found,), _ = read(folder, episodes=(0,))
    assert time.perf_counter() - begin < 2
    assert len(found) == 82


def make_trajectories():
    rng = np.random.default_rng(0)
    return [
        Trajectory(
            observations=rng.normal(size=(length + 1, 3)),
            actions=rng.normal(size=(length, 2)),
            success=np.arange(length) > 3,
            **texts,
        )
        for length, texts in (
            (5, {"env_id": "metaworld/reach-v3", "source": "expert", "task": "Reach"}),
            (9, {}),
            (7, {"task": "Reach", "source": "expert (success: termination)"}),
        )
    ]


def test_what_is_written_comes_back(tmp_path):
    trajectories = make_trajectories()
    write_demonstrations(trajectories, tmp_path / "data", "lerobot", fps=80)
    found, notes = read(tmp_path / "data")
    assert len(notes) == 1
    for ours, theirs in zip(found, trajectories, strict=True):
        for name in ("observations", "actions", "success"):
            assert getattr(ours, name).tobytes() == getattr(theirs, name).tobytes()
        assert (ours.env_id, ours.task) == (theirs.env_id, theirs.task)
        assert ours.source == (theirs.source or "lerobot:data")
    table = pq.read_table(tmp_path / "data/meta/tasks.parquet")
    assert table["task"].to_pylist() == ["Reach", "unnamed"]
    info = json.loads((tmp_path / "data/meta/info.json").read_text())
    assert (info["fps"], info["total_frames"], info["total_tasks"]) == (80, 21, 2)


def test_episodes_that_changed_since_lose_what_lerobot_has_no_place_for(tmp_path):
    write_demonstrations(make_trajectories(), tmp_path / "data", "lerobot", fps=80)
    path = tmp_path / "data/meta/makeanagent.json"
    content = json.loads(path.read_text())
    content["episodes"][0]["length"] = 6
    path.write_text(json.dumps(content))
    found, notes = read(tmp_path / "data")
    assert np.array_equal(found[0].observations[-1], found[0].observations[-2])
    assert found[0].env_id is None
    assert len(notes) == 2
    for damaged in ([], {"episodes": 3}, {"episodes": [1]}):
        path.write_text(json.dumps(damaged))
        assert_refused(tmp_path / "data", "makeanagent.json", "'episodes'")
    content["episodes"][0] |= {"length": 5, "last_observation": "x"}
    path.write_text(json.dumps(content))
    assert_refused(tmp_path / "data", "'last_observation'")


def test_what_cannot_be_written_is_refused_and_nothing_is_left(tmp_path):
    one, other = make_trajectories()[0], make_episode()
    odd = Trajectory(
        observations=np.zeros((6, 7)), actions=other["action"], success=np.zeros(5, bool)
    )
    for trajectories, fps, message in (
        ([one], None, "--fps$"),
        ([one], 0, "--fps, above 0 and not 0"),
        ([one], float("nan"), "--fps, above 0 and not nan"),
        ([], 80, "same observation"),
        ([one, odd], 80, "same observation and action width"),
    ):
        with pytest.raises(InputError, match=message):
            write_demonstrations(trajectories, tmp_path / "data", "lerobot", fps)
    (tmp_path / "used").mkdir()
    (tmp_path / "used/file").touch()
    with pytest.raises(InputError, match="not empty"):
        write_demonstrations([one], tmp_path / "used", "lerobot", 80)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "used"]
    with pytest.raises(InputError, match="no such format; there are npz, minari, lerobot"):
        write_demonstrations([one], tmp_path / "data", "rlds")


def test_a_dataset_that_lerobot_recorded_here_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_LEROBOT_HOME", str(tmp_path))
    write_v3(tmp_path / "me" / "pushes", make_episodes())
    assert len(read("lerobot:me/pushes", episodes=(1,))[0]) == 1


def test_of_a_dataset_of_the_hub_only_what_is_needed_is_fetched(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_LEROBOT_HOME", str(tmp_path / "none"))
    whole = write_v2(tmp_path / "whole", make_episodes())
    cache = tmp_path / "datasets--lerobot--metaworld_mt50" / "snapshots" / "0123abc"
    asked = []

    def fetch(name, *, repo_type, allow_patterns):
        asked.append((name, repo_type, allow_patterns))
        for path in whole.rglob("*"):
            inner = path.relative_to(whole)
            if path.is_file() and (inner.parts[0] == "meta" or str(inner) in allow_patterns):
                (cache / inner).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, cache / inner)
        return str(cache)

    monkeypatch.setattr("huggingface_hub.snapshot_download", fetch)
    found, _ = read("lerobot:lerobot/metaworld_mt50", group="door", episodes=(4,))
    assert [len(each) for each in found] == [8]
    assert found[0].source == "lerobot:lerobot/metaworld_mt50"
    assert asked[0] == ("lerobot/metaworld_mt50", "dataset", ["meta/*"])
    assert asked[1][2] == ["meta/*", "data/chunk-000/episode_000004.parquet"]
    assert [path.name for path in cache.rglob("*.parquet")] == ["episode_000004.parquet"]


def test_without_a_network_one_line_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_LEROBOT_HOME", str(tmp_path))

    def fail(*_, **__):
        raise ConnectionError("no\nnetwork")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    assert_refused("lerobot:lerobot/pusht", "not to be had from the hub: no network")
    for name in ("lerobot:", "lerobot:../x", "lerobot:pusht", "lerobot:a/b/c"):
        assert_refused(name, "not a hub id")


def test_without_pyarrow_one_line_says_how_to_get_it(tmp_path, monkeypatch):
    folder = write_v2(tmp_path / "data", [make_episode()])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert_refused(folder, "pip install 'makeanagent[lerobot]'")
    with pytest.raises(InputError, match="makeanagent.lerobot"):
        write_demonstrations(make_trajectories(), tmp_path / "new", "lerobot", 80)


def test_rows_that_a_file_cannot_hold_are_refused_before_memory_is_set_aside(tmp_path):
    import pyarrow as pa

    folder = write_v2(tmp_path / "data", [make_episode()])
    path = folder / "data/chunk-000/episode_000000.parquet"
    pq.write_table(pa.table({"episode_index": np.zeros(10**7, np.int64)}), path)
    assert_refused(folder, "damaged: claims 10000000 rows")
    folder = write_v3(tmp_path / "new", [make_episode()])
    path = folder / "meta/episodes/chunk-000/file-000.parquet"
    pq.write_table(pa.table({"episode_index": np.zeros(10**7, np.int64)}), path)
    assert_refused(folder, "damaged: claims 10000000 rows")
