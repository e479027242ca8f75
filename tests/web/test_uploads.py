"""Uploads of every format are read, and those that would do harm are not."""

import shutil
import zlib

import h5py
import numpy as np
import pytest

from makeanagent.errors import InputError
from makeanagent.read_options import ReadOptions
from makeanagent.trajectories.demonstrations import write_demonstrations
from makeanagent.web import uploads
from makeanagent.web.uploads import ReadLimits, clean_name, read_upload

LIMITS = ReadLimits(max_bytes=10**7, max_seconds=60)
PLAIN = ReadOptions()


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("demo.npz", "demo.npz"),
        ("../../etc/My demo (1).NPZ", "My_demo_1_.npz"),
        ("C:\\demos\\a.hdf5", "a.hdf5"),
        (".hidden.zip", "hidden.zip"),
        ("ü" * 200 + ".h5", "_.h5"),
    ],
)
def test_names_are_made_harmless(name, kept):
    assert clean_name(name) == kept


@pytest.mark.parametrize("name", ["", "demo", "demo.pkl", ".npz", "demo.npz/..", "demo.npz.exe"])
def test_other_names_are_refused(name):
    with pytest.raises(InputError, match="must be an .npz file"):
        clean_name(name)


@pytest.mark.parametrize("form", ["npz", "minari", "lerobot", "robomimic"])
def test_every_format_is_read(form, demonstration, tmp_path):
    if form == "lerobot":
        pytest.importorskip("pyarrow", reason="the extra `lerobot` is not installed")
    (tmp_path / "upload").mkdir()
    path = tmp_path / "upload" / f"mine.{'hdf5' if form == 'robomimic' else 'zip'}"
    written = path if form == "robomimic" else tmp_path / "set"
    write_demonstrations([demonstration] * 2, written, form, fps=50)
    if form != "robomimic":
        shutil.make_archive(str(path.with_suffix("")), "zip", tmp_path, "set")
    for options, number in ((PLAIN, 0), (ReadOptions(episodes=(1,)), 1)):
        found = uploads._read_one(path, options, LIMITS)
        np.testing.assert_array_equal(found.demonstration.actions, demonstration.actions)
        assert (found.episode, found.episodes, found.num_episodes) == (number, (0, 1), 2)


def test_reading_in_a_process_of_its_own_names_no_folder(npz, tmp_path):
    path = tmp_path / "mine.npz"
    shutil.copy(npz, path)
    found = read_upload(path, PLAIN, LIMITS)
    assert found.demonstration.label == "mine.npz"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError) as caught:
        read_upload(path, PLAIN, LIMITS)
    assert str(caught.value).startswith("mine.npz: not readable as a zip file")
    assert str(tmp_path) not in str(caught.value)


def test_a_small_file_of_endless_numbers_costs_a_line_and_nothing_else(tmp_path):
    path, rows, piece = tmp_path / "bomb.hdf5", 5 * 10**7, 10**6
    zeros = zlib.compress(bytes(piece * 40 * 4), 9)
    with h5py.File(path, "w") as file:
        for name in ("actions", "obs/flat"):
            array = file.create_dataset(
                f"data/demo_0/{name}", (rows, 40), "float32",
                chunks=(piece, 40), compression="gzip",
            )  # fmt: skip
            for start in range(0, rows, piece):
                array.id.write_direct_chunk((start, 0), zeros)
    assert path.stat().st_size < 2e7
    with pytest.raises(InputError, match=r"^bomb.hdf5.*Unable to allocate") as caught:
        read_upload(path, PLAIN, LIMITS)
    assert "\n" not in str(caught.value)


def test_reading_that_takes_too_long_is_ended(npz, tmp_path):
    path = tmp_path / "mine.npz"
    shutil.copy(npz, path)
    with pytest.raises(InputError, match=r"^mine.npz: not read within 0.01 s$"):
        read_upload(path, PLAIN, ReadLimits(max_bytes=10**7, max_seconds=0.01))


def test_an_npz_file_that_unpacks_to_too_much_is_refused(tmp_path):
    path = tmp_path / "mine.npz"
    np.savez_compressed(path, observations=np.zeros((10**6, 10)))
    with pytest.raises(InputError, match="80 MB unpacked; at most 10 MB are taken"):
        uploads._read_one(path, PLAIN, LIMITS)


def test_so_is_one_in_a_zip_file(tmp_path):
    (tmp_path / "set").mkdir()
    np.savez_compressed(tmp_path / "set" / "mine.npz", observations=np.zeros((10**6, 10)))
    shutil.make_archive(str(tmp_path / "mine"), "zip", tmp_path, "set")
    with pytest.raises(InputError, match="80 MB unpacked; at most 10 MB are taken"):
        uploads._read_one(tmp_path / "mine.zip", PLAIN, LIMITS)
