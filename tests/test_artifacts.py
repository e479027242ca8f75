"""Files on disk: whole or not there, and every damage is found and named."""

import contextlib
import errno
import json
import os
import stat

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.disk import fail_for_lack_of_space, file_size_limit

from makeanagent.artifacts import (
    atomic_path,
    check_manifest,
    check_schema,
    describe_error,
    describe_provenance,
    hash_file,
    read_json,
    read_tensors,
    require_empty_folder,
    write_json,
    write_manifest,
    write_tensors,
)
from makeanagent.errors import InputError
from makeanagent.trajectories import Trajectory

QUICK = settings(deadline=None, max_examples=60)
NUMBERS = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
DEMONSTRATION = Trajectory(
    observations=NUMBERS[:900].reshape(30, 30),
    actions=NUMBERS[:58].reshape(29, 2),
    success=np.zeros(29),
)
WRITERS = {
    "json": lambda path: write_json(path, NUMBERS.tolist()),
    "tensors": lambda path: write_tensors(path, {"numbers": NUMBERS}),
    "npz": DEMONSTRATION.save,
}


def assert_one_line(error, path):
    assert str(error).startswith(f"{path}: ")
    assert "\n" not in str(error)


def test_a_file_is_replaced_only_at_the_end(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with atomic_path(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.parent == path.parent
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, RuntimeError, InputError])
@pytest.mark.parametrize("make", ["file", "folder"])
def test_an_interrupted_writer_leaves_the_old_file(tmp_path, interruption, make):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(interruption), atomic_path(path) as temporary:
        if make == "folder":
            temporary.mkdir()
            (temporary / "half").touch()
        else:
            temporary.write_text("half")
        raise interruption
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_may_be_written_in_one_piece(tmp_path):
    with atomic_path(tmp_path / "folder") as temporary:
        temporary.mkdir()
        (temporary / "file").write_text("whole")
        assert not (tmp_path / "folder").exists()
    assert (tmp_path / "folder" / "file").read_text() == "whole"
    assert list(tmp_path.iterdir()) == [tmp_path / "folder"]


@pytest.mark.parametrize("num_bytes", [0, 1000])
@pytest.mark.parametrize("kind", WRITERS)
def test_a_disk_that_fills_up_leaves_the_old_file(tmp_path, kind, num_bytes):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(InputError, match="cannot be written") as caught, file_size_limit(num_bytes):
        WRITERS[kind](path)
    assert_one_line(caught.value, path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", WRITERS)
def test_a_rename_that_fails_leaves_the_old_file(tmp_path, kind, monkeypatch):
    path = tmp_path / "file"
    path.write_text("old")
    monkeypatch.setattr(os, "replace", fail_for_lack_of_space)
    with pytest.raises(InputError) as caught:
        WRITERS[kind](path)
    assert str(caught.value) == f"{path}: cannot be written: No space left on device"
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_full_device_is_one_line(tmp_path):
    with (
        pytest.raises(InputError, match="cannot be written: No space left on device"),
        atomic_path(tmp_path / "file"),
        open("/dev/full", "w") as stream,
    ):
        stream.write("x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", WRITERS)
def test_a_path_that_cannot_be_a_file_is_named(tmp_path, kind):
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "below"):
        with pytest.raises(InputError, match="cannot be written"):
            WRITERS[kind](path)
    with pytest.raises(InputError, match="give the name of a file"):
        DEMONSTRATION.save("")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("kind", WRITERS)
def test_files_have_the_permissions_of_any_new_file(tmp_path, kind):
    (tmp_path / "plain").touch()
    WRITERS[kind](tmp_path / "below" / "file")
    modes = [
        stat.S_IMODE(path.stat().st_mode)
        for path in (tmp_path / "plain", tmp_path / "below" / "file")
    ]
    assert modes[0] == modes[1]


@QUICK
@given(
    shape=st.lists(st.integers(0, 4), max_size=3),
    kind=st.sampled_from(["float32", "float16", "int64", "bool", "uint8"]),
    transposed=st.booleans(),
)
def test_tensors_come_back(tmp_path_factory, shape, kind, transposed):
    path = tmp_path_factory.mktemp("tensors") / "file"
    array = (np.arange(np.prod(shape)) % 2).reshape(shape).astype(kind)
    array = array.T if transposed else array
    write_tensors(path, {"a": array, "b": array + array})
    found = read_tensors(path)
    assert found.keys() == {"a", "b"}
    assert found["a"].dtype == array.dtype
    assert found["a"].shape == array.shape
    np.testing.assert_array_equal(found["a"], array)


@QUICK
@given(data=st.data())
def test_damaged_tensors_are_an_input_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("tensors") / "file"
    write_tensors(path, {"a": NUMBERS[:4], "b": NUMBERS[:3].astype(np.float16)})
    content = bytearray(path.read_bytes())
    match data.draw(st.sampled_from(["random", "truncated", "flipped"])):
        case "random":
            content = data.draw(st.binary(max_size=200))
        case "truncated":
            content = content[: data.draw(st.integers(0, len(content) - 1))]
        case "flipped":
            content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        read_tensors(path)
    except InputError as error:
        assert_one_line(error, path)


def test_a_type_that_numpy_lacks_is_an_input_error(tmp_path):
    header = b'{"a":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}}'
    (tmp_path / "file").write_bytes(len(header).to_bytes(8, "little") + header + b"\0\0")
    with pytest.raises(InputError, match="not readable as safetensors"):
        read_tensors(tmp_path / "file")


@pytest.mark.parametrize("read", [read_json, read_tensors, hash_file])
def test_a_file_that_is_not_there_is_named(tmp_path, read):
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(InputError) as caught:
            read(path)
        assert_one_line(caught.value, path)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"1" * 5000])
def test_what_is_no_json_is_an_input_error(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(InputError, match="not readable as JSON") as caught:
        read_json(tmp_path / "file")
    assert_one_line(caught.value, tmp_path / "file")


@QUICK
@given(content=st.binary(max_size=30))
def test_random_json_is_read_or_an_input_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("json") / "file"
    path.write_bytes(content)
    with contextlib.suppress(InputError):
        read_json(path)


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    folder = tmp_path_factory.mktemp("artifact")
    write_json(folder / "config.json", {"a": [1, 2]})
    write_tensors(folder / "weights.safetensors", {"a": NUMBERS[:20]})
    (folder / "empty").touch()
    write_manifest(folder)
    return folder


def test_an_artifact_as_it_was_written_passes(artifact):
    manifest = check_manifest(artifact)
    assert manifest == {
        name: hash_file(artifact / name) for name in ("config.json", "empty", "weights.safetensors")
    }


@QUICK
@given(data=st.data())
def test_a_flipped_byte_is_found_and_named(artifact, data):
    path = artifact / data.draw(st.sampled_from(["config.json", "weights.safetensors"]))
    content = path.read_bytes()
    damaged = bytearray(content)
    damaged[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="altered: its SHA-256") as caught:
            check_manifest(artifact)
        assert_one_line(caught.value, path)
    finally:
        path.write_bytes(content)


def test_a_missing_file_is_named(tmp_path):
    (tmp_path / "weights").write_text("x")
    write_manifest(tmp_path)
    (tmp_path / "weights").unlink()
    with pytest.raises(InputError, match="weights: missing, though manifest.json lists it"):
        check_manifest(tmp_path)


def test_a_manifest_of_another_kind_is_named(tmp_path):
    with pytest.raises(InputError, match=r"manifest\.json: no such file"):
        check_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text("[1]")
    with pytest.raises(InputError, match=r"manifest\.json: no record"):
        check_manifest(tmp_path)


def test_a_killed_writers_leftovers_do_not_count(tmp_path):
    (tmp_path / ".weights.123.tmp").touch()
    assert require_empty_folder(tmp_path) == tmp_path
    write_manifest(tmp_path)
    assert json.loads((tmp_path / "manifest.json").read_text()) == {}


def test_only_an_empty_or_absent_folder_will_do(tmp_path):
    assert require_empty_folder(tmp_path / "absent") == tmp_path / "absent"
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="not empty; give a folder"):
        require_empty_folder(tmp_path)
    with pytest.raises(InputError, match="is a file; give a folder"):
        require_empty_folder(tmp_path / "file")


def test_a_schema_of_another_version_is_refused(tmp_path):
    check_schema(tmp_path, 1, 1)
    for found in (2, None, "1"):
        with pytest.raises(InputError, match="schema version"):
            check_schema(tmp_path, found, 1)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left"), "No space left"),
        (ValueError("two\n  lines"), "two lines"),
        (EOFError(), "EOFError"),
    ],
)
def test_errors_are_described_on_one_line(error, expected):
    assert describe_error(error) == expected


def test_provenance_is_json():
    provenance = json.loads(json.dumps(describe_provenance()))
    assert provenance["versions"]["numpy"] == np.__version__
    assert provenance.keys() == {"created", "git_commit", "versions", "machine"}
