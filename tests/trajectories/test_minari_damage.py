"""Minari datasets on disks that fill up or fail, and damaged ones."""

import errno
import json
import os
import shutil

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.disk import fail_for_lack_of_space, file_size_limit
from tests.trajectories.test_minari import QUICK, assert_refused, make_trajectory

from makeanagent.errors import InputError
from makeanagent.trajectories.files.minari import load_minari, save_minari


def test_a_folder_in_use_is_left_alone(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="not empty"):
        save_minari([make_trajectory()], tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["file"]


@pytest.mark.parametrize("num_bytes", [0, 1000, 40_000])
def test_a_disk_that_fills_up_leaves_nothing(tmp_path, num_bytes):
    # HDF5 brings the process down when it cannot write, so that this must be seen beforehand.
    with (
        pytest.raises(InputError, match="demos/data: cannot be written: File too large"),
        file_size_limit(num_bytes),
    ):
        save_minari([make_trajectory()], tmp_path / "demos")
    assert list((tmp_path / "demos").iterdir()) == []


@pytest.mark.parametrize(
    ("num_episodes", "shape"),
    [(1, (1, 1, 1)), (20, (3, 1, 1)), (3, (130, 300, 9)), (2, (500, 39, 4))],
)
def test_the_room_that_is_asked_for_is_enough(tmp_path, num_episodes, shape):
    trajectories = [make_trajectory(*shape)] * num_episodes
    numbers = 4 * (shape[0] + 1) * shape[1] + 4 * shape[0] * shape[2] + 8 * shape[0]
    with file_size_limit(num_episodes * (2 * numbers + 2**16)):
        save_minari(trajectories, tmp_path)
    assert len(load_minari(tmp_path)) == num_episodes


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), RuntimeError("file write\nfailed")]
)
def test_a_failing_storage_leaves_nothing(tmp_path, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("minari.dataset._storages.hdf5_storage.h5py.File", fail)
    with pytest.raises(InputError, match="demos/data: cannot be written: ") as caught:
        save_minari([make_trajectory()], tmp_path / "demos")
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "demos").iterdir()) == []


def test_a_failed_rename_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "replace", fail_for_lack_of_space)
    with pytest.raises(InputError, match="cannot be written: No space left on device"):
        save_minari([make_trajectory()], tmp_path / "demos")
    assert list((tmp_path / "demos").iterdir()) == []


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A dataset for property tests, and its files' bytes."""
    folder = tmp_path_factory.mktemp("fuzz") / "demos"
    save_minari([make_trajectory(source="expert")], folder)
    return folder, {path: path.read_bytes() for path in (folder / "data").iterdir()}


@pytest.mark.parametrize("name", ["metadata.json", "main_data.hdf5"])
def test_a_missing_file_is_named(shared, tmp_path, name):
    shutil.copytree(shared[0], tmp_path / "demos")
    (tmp_path / "demos" / "data" / name).unlink()
    assert_refused(tmp_path / "demos", "demos")


def test_an_array_that_claims_too_much_is_refused(shared, tmp_path):
    # As after a flipped bit in its shape; to read it would take 12 TB.
    shutil.copytree(shared[0], tmp_path / "demos")
    with h5py.File(tmp_path / "demos" / "data" / "main_data.hdf5", "a") as file:
        del file["episode_0"]["observations"]
        file["episode_0"].create_dataset("observations", (10**12, 3), "f4", chunks=(6, 3))
    assert_refused(tmp_path / "demos", "'episode_0/observations' claims more numbers than")


def test_a_compressed_dataset_is_read(shared, tmp_path):
    shutil.copytree(shared[0], tmp_path / "demos")
    with h5py.File(tmp_path / "demos" / "data" / "main_data.hdf5", "a") as file:
        for name in ("observations", "actions", "rewards"):
            values = np.ones((200_000, *file["episode_0"][name].shape[1:]))
            del file["episode_0"][name]
            file["episode_0"].create_dataset(name, data=values, compression="gzip")
    assert_refused(tmp_path / "demos", "5 steps|each of the 200000 steps")


@pytest.mark.parametrize(
    "change", [None, [], 3, {"data_format": "none"}, {"total_episodes": 9}, "text"]
)
def test_metadata_of_another_kind_is_refused(shared, tmp_path, change):
    shutil.copytree(shared[0], tmp_path / "demos")
    path = tmp_path / "demos" / "data" / "metadata.json"
    metadata = json.loads(path.read_text())
    path.write_text(json.dumps(metadata | change if isinstance(change, dict) else change))
    assert_refused(tmp_path / "demos", "demos")


@QUICK
@given(data=st.data())
def test_damage_never_gives_another_error(shared, data):
    folder, contents = shared
    for path, content in contents.items():
        path.write_bytes(content)
    path = data.draw(st.sampled_from(sorted(contents)))
    content = bytearray(contents[path])
    match data.draw(st.sampled_from(["random", "truncated", "flipped"])):
        case "random":
            content = data.draw(st.binary(max_size=100))
        case "truncated":
            content = content[: data.draw(st.integers(0, len(content) - 1))]
        case "flipped":
            content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        found = load_minari(folder)
    except InputError as error:
        assert str(error).startswith(str(folder))
        assert "\n" not in str(error)
    else:
        assert all(len(item.observations) == len(item) + 1 for item in found)
