"""Policies on disk: what comes back, and what is refused."""

import json
import os
import stat
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.disk import fail_for_lack_of_space, file_size_limit

from makeanagent.artifacts import hash_file, write_tensors
from makeanagent.errors import InputError
from makeanagent.policies import PolicySpec, load_policies, save_policies

QUICK = settings(deadline=None, max_examples=60)
SPEC = PolicySpec(observation_dim=2, action_dim=1, hidden=(3,), activations=("relu",))
PARAMETERS = np.random.default_rng(0).standard_normal((4, 17)).astype(np.float32)
METADATA = {"prompts": ["a.npz", "b.npz"], "seeds": [0, 1], "scores": {"success": [0.5, 1.0]}}


@pytest.fixture
def folder(tmp_path):
    save_policies(tmp_path / "policies", PARAMETERS, SPEC, METADATA)
    return tmp_path / "policies"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A folder for property tests, and its files' bytes."""
    folder = tmp_path_factory.mktemp("fuzz") / "policies"
    save_policies(folder, PARAMETERS, SPEC, METADATA)
    return folder, {path.name: path.read_bytes() for path in folder.iterdir()}


def assert_refused(folder, *words):
    with pytest.raises(InputError) as caught:
        load_policies(folder)
    message = str(caught.value)
    assert "\n" not in message
    assert all(word in message for word in (str(folder), *words)), message


def edit_index(folder, **changes):
    path = folder / "policies.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def replace_tensors(folder, tensors):
    """Other tensors under a hash that vouches for them."""
    path = folder / "policies.safetensors"
    write_tensors(path, tensors)
    edit_index(folder, sha256={path.name: hash_file(path)})


@QUICK
@given(count=st.integers(1, 5), seed=st.integers(0, 99), text=st.text(max_size=9))
def test_what_is_saved_comes_back(tmp_path_factory, count, seed, text):
    folder = tmp_path_factory.mktemp("round") / "policies"
    parameters = np.random.default_rng(seed).standard_normal((count, 17)).astype(np.float32)
    save_policies(folder, parameters, SPEC, {"prompts": [text] * count})
    found, spec, metadata = load_policies(folder)
    assert found.tobytes() == parameters.tobytes()
    assert found.dtype == np.float32
    assert (spec, metadata) == (SPEC, {"prompts": [text] * count})


def test_the_index_says_where_the_policies_come_from(folder):
    index = json.loads((folder / "policies.json").read_text())
    assert index["schema_version"] == 1
    assert index["num_policies"] == 4
    assert index["provenance"]["versions"]["numpy"] == np.__version__
    assert index["sha256"] == {"policies.safetensors": hash_file(folder / "policies.safetensors")}
    assert sorted(path.name for path in folder.iterdir()) == [
        "policies.json",
        "policies.safetensors",
    ]


def test_numpy_in_metadata_becomes_plain(tmp_path):
    metadata = {"seeds": np.arange(2), "score": np.float32(0.5)}
    save_policies(str(tmp_path / "new" / "folder"), PARAMETERS, SPEC, metadata)
    assert load_policies(str(tmp_path / "new" / "folder"))[2] == {"seeds": [0, 1], "score": 0.5}


def test_files_have_the_permissions_of_any_new_file(folder, tmp_path):
    (tmp_path / "plain").touch()
    expected = stat.S_IMODE((tmp_path / "plain").stat().st_mode)
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {expected}


def test_neither_saving_nor_loading_needs_torch(tmp_path):
    code = (
        "import sys; sys.modules['torch'] = None; import numpy;"
        "from makeanagent.policies.folder import *; from makeanagent.policies import PolicySpec;"
        "spec = PolicySpec(observation_dim=1, action_dim=1, hidden=(), activations=());"
        "save_policies('p', numpy.zeros((1, 4)), spec, {}); load_policies('p')"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=tmp_path, check=True)


def test_a_folder_in_use_is_left_alone(folder):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(InputError, match="not empty"):
        save_policies(folder, PARAMETERS + 1, SPEC, {})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    with pytest.raises(InputError, match="is a file"):
        save_policies(folder / "policies.json", PARAMETERS, SPEC, {})


def test_an_empty_folder_and_a_killed_writers_leftovers_are_no_obstacle(tmp_path):
    (tmp_path / ".policies.safetensors.123.tmp").touch()
    save_policies(tmp_path, PARAMETERS, SPEC, {})
    assert len(load_policies(tmp_path)[0]) == 4


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (np.zeros((4, 16)), "expected"),
        (np.zeros(17), "expected"),
        (np.zeros((0, 17)), "expected"),
        (np.where(np.arange(68).reshape(4, 17) == 40, np.nan, 0), "policy 2 holds NaN"),
        (np.where(np.arange(68).reshape(4, 17) == 67, np.inf, 0), "policy 3 holds NaN"),
    ],
)
def test_parameters_that_cannot_act_are_not_saved(tmp_path, parameters, message):
    with pytest.raises(InputError, match=message):
        save_policies(tmp_path / "policies", parameters, SPEC, {})
    assert list(tmp_path.iterdir()) == []


def test_metadata_that_json_cannot_hold_leaves_nothing(tmp_path):
    with pytest.raises(TypeError, match="object"):
        save_policies(tmp_path / "policies", PARAMETERS, SPEC, {"x": object()})
    assert list((tmp_path / "policies").iterdir()) == []


@pytest.mark.parametrize("num_bytes", [0, 100, 400])
def test_a_disk_that_fills_up_leaves_nothing(tmp_path, num_bytes):
    # The tensors' file has 368 bytes, the index more than 400.
    with pytest.raises(InputError, match="policies.*cannot be written"), file_size_limit(num_bytes):
        save_policies(tmp_path / "policies", PARAMETERS, SPEC, {})
    assert list((tmp_path / "policies").iterdir()) == []


def test_a_failed_rename_leaves_no_policies(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "replace", fail_for_lack_of_space)
    with pytest.raises(InputError, match="cannot be written: No space left on device"):
        save_policies(tmp_path / "policies", PARAMETERS, SPEC, {})
    assert list((tmp_path / "policies").iterdir()) == []


@pytest.mark.parametrize("name", ["policies.json", "policies.safetensors"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    assert_refused(folder, name, "no such file")


def test_another_schema_version_is_named(folder):
    edit_index(folder, schema_version=2)
    assert_refused(folder, "policies.json", "schema version 2", "reads 1")


@pytest.mark.parametrize("field", ["spec", "sha256", "metadata"])
def test_a_field_of_another_kind_is_named(folder, field):
    edit_index(folder, **{field: [1]})
    assert_refused(folder, "policies.json", field)


def test_a_spec_that_is_wrong_is_named(folder):
    edit_index(folder, spec=SPEC.to_dict() | {"squash": "sigmoid"})
    assert_refused(folder, "policies.json", "sigmoid")
    edit_index(folder, spec=SPEC.to_dict() | {"action_dim": 2})
    assert_refused(folder, "policies.safetensors", "(4, 17)")


@pytest.mark.parametrize(
    ("tensors", "word"),
    [
        ({"weights": PARAMETERS}, "'parameters'"),
        ({"parameters": PARAMETERS.astype(np.float64)}, "float32"),
        ({"parameters": PARAMETERS[0]}, "(17,)"),
        ({"parameters": PARAMETERS[:, :-1]}, "(4, 16)"),
        ({"parameters": PARAMETERS[:3]}, "3 policies"),
        ({"parameters": np.full((4, 17), np.nan, np.float32)}, "policy 0 holds NaN"),
    ],
)
def test_tensors_that_do_not_fit_are_named(folder, tensors, word):
    replace_tensors(folder, tensors)
    assert_refused(folder, "policies.safetensors", word)


@QUICK
@given(data=st.data())
def test_a_flipped_byte_of_the_tensors_is_found(shared, data):
    folder, contents = shared
    damaged = bytearray(contents["policies.safetensors"])
    place = data.draw(st.integers(0, len(damaged) - 1))
    damaged[place] ^= data.draw(st.integers(1, 255))
    (folder / "policies.safetensors").write_bytes(damaged)
    (folder / "policies.json").write_bytes(contents["policies.json"])
    assert_refused(folder, "policies.safetensors: altered")


@QUICK
@given(data=st.data())
def test_damage_never_gives_another_error(shared, data):
    folder, contents = shared
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    name = data.draw(st.sampled_from(sorted(contents)))
    content = bytearray(contents[name])
    match data.draw(st.sampled_from(["random", "truncated", "flipped"])):
        case "random":
            content = data.draw(st.binary(max_size=200))
        case "truncated":
            content = content[: data.draw(st.integers(0, len(content) - 1))]
        case "flipped":
            content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    (folder / name).write_bytes(content)
    if name == "policies.safetensors":
        # As if whoever damaged it had also made the hash anew.
        edit_index(folder, sha256={name: hash_file(folder / name)})
    try:
        parameters, spec, _ = load_policies(folder)
    except InputError as error:
        assert name in str(error)
        assert "\n" not in str(error)
    else:
        assert parameters.shape == (4, spec.num_parameters)
