"""Demonstration files: what comes back, and what is refused."""

import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makeanagent.errors import InputError
from makeanagent.trajectories import Trajectory

QUICK = settings(deadline=None, max_examples=60)


def make_trajectory(num_steps=5, observation_dim=3, action_dim=2, seed=0, **texts):
    rng = np.random.default_rng(seed)
    return Trajectory(
        observations=rng.standard_normal((num_steps + 1, observation_dim)),
        actions=rng.standard_normal((num_steps, action_dim)),
        success=rng.random(num_steps) < 0.5,
        **texts,
    )


def assert_same_numbers(found, expected):
    for name in ("observations", "actions", "success"):
        ours, theirs = getattr(found, name), getattr(expected, name)
        assert ours.dtype == theirs.dtype
        assert ours.shape == theirs.shape
        assert ours.tobytes() == theirs.tobytes()


def assert_refused(path, message=None):
    with pytest.raises(InputError, match=message) as caught:
        Trajectory.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "demo.npz"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A path for property tests."""
    return tmp_path_factory.mktemp("npz") / "demo.npz"


TEXTS = st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=9)


@QUICK
@given(
    num_steps=st.integers(1, 6),
    observation_dim=st.integers(1, 4),
    action_dim=st.integers(1, 4),
    env_id=TEXTS,
    source=TEXTS,
)
def test_what_is_saved_comes_back(shared, num_steps, observation_dim, action_dim, env_id, source):
    trajectory = make_trajectory(
        num_steps, observation_dim, action_dim, env_id=env_id, source=source
    )
    trajectory.save(shared)
    found = Trajectory.load(str(shared))
    assert_same_numbers(found, trajectory)
    assert (found.env_id, found.source) == (env_id, source)
    assert found.label == str(shared)


def test_numpy_alone_reads_and_writes_it(path):
    make_trajectory(env_id="metaworld/reach-v3").save(path)
    with np.load(path, allow_pickle=False) as archive:
        assert sorted(archive.files) == ["actions", "env_id", "observations", "success"]
        assert archive["observations"].dtype == np.float32
        assert archive["success"].dtype == bool
    np.savez(path, observations=np.eye(3, 2), actions=np.ones((2, 1), int), success=[0, 1], more=1)
    found = Trajectory.load(path)
    assert found.observations.dtype == found.actions.dtype == np.float32
    assert found.success.tolist() == [False, True]
    assert (found.env_id, found.source) == (None, None)


def test_what_is_not_there_is_named(path, tmp_path):
    assert_refused(path, "no such file")
    assert_refused(tmp_path, "no such file")


@pytest.mark.parametrize("field", ["observations", "actions", "success"])
def test_a_missing_field_is_named(path, field):
    trajectory = make_trajectory()
    fields = {"observations", "actions", "success"} - {field}
    np.savez(path, **{name: getattr(trajectory, name) for name in fields})
    assert_refused(path, f"field '{field}' is missing; a demonstration holds")


@pytest.mark.parametrize("text", [b"bytes", 3, ["a", "b"], 0.5])
def test_texts_must_be_texts(path, text):
    trajectory = make_trajectory()
    fields = {name: getattr(trajectory, name) for name in ("observations", "actions", "success")}
    np.savez(path, **fields, source=text)
    assert_refused(path, "field 'source' is no single text")


def test_an_invalid_trajectory_is_named_by_its_file(path):
    np.savez(
        path, observations=np.zeros((3, 1)), actions=np.zeros((3, 1)), success=[0] * 3, source="a"
    )
    assert_refused(path, "3 observations, 3 actions and 3 success flags")


def test_nothing_is_unpickled(path):
    trajectory = make_trajectory()
    trap = np.array([print], object)
    np.savez(path, observations=trap, actions=trajectory.actions, success=trajectory.success)
    assert_refused(path, "allow_pickle=False")
    np.savez(
        path,
        observations=trajectory.observations,
        actions=trajectory.actions,
        success=trajectory.success,
        extra=trap,
    )
    assert_same_numbers(Trajectory.load(path), trajectory)


def test_other_files_are_refused(path):
    with path.open("wb") as stream:
        np.save(stream, np.zeros(3))
    assert_refused(path, "not an .npz file")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("observations", "text")
        archive.writestr("actions", "text")
        archive.writestr("success", "text")
    assert_refused(path, "'observations' does not hold numbers")


@QUICK
@given(content=st.binary(max_size=300), prefix=st.sampled_from([b"", b"PK\3\4", b"\x93NUMPY\1\0"]))
def test_random_bytes_are_refused(shared, content, prefix):
    shared.write_bytes(prefix + content)
    assert_refused(shared)


@QUICK
@given(data=st.data())
def test_a_truncated_file_is_refused(shared, data):
    make_trajectory(source="expert").save(shared)
    content = shared.read_bytes()
    shared.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    assert_refused(shared)


@settings(deadline=None, max_examples=200)
@given(data=st.data())
def test_a_flipped_byte_is_found_or_harmless(shared, data):
    trajectory = make_trajectory(env_id="metaworld/reach-v3", source="expert")
    trajectory.save(shared)
    content = bytearray(shared.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    shared.write_bytes(content)
    try:
        found = Trajectory.load(shared)
    except InputError as error:
        assert str(error).startswith(f"{shared}: ")
        assert "\n" not in str(error)
    else:
        assert_same_numbers(found, trajectory)


ARRAYS = st.builds(
    lambda shape, kind: np.ones(shape).astype(kind),
    st.lists(st.integers(0, 3), max_size=3),
    st.sampled_from(["f2", "f8", ">f4", "i1", "u8", "?", "c8", "S3", "U3", "M8[s]", "m8[s]"]),
)


@QUICK
@given(
    fields=st.dictionaries(
        st.sampled_from(["observations", "actions", "success", "env_id", "source", "other"]), ARRAYS
    )
)
def test_wrong_fields_are_refused(shared, fields):
    np.savez(shared, **fields)
    try:
        found = Trajectory.load(shared)
    except InputError as error:
        assert str(error).startswith(f"{shared}: ")
        assert "\n" not in str(error)
    else:
        assert len(found.observations) == len(found) + 1


@QUICK
@given(header=st.text(max_size=60) | st.sampled_from(["(" * 500, "{'descr': '<f4', 'shape': ("]))
def test_a_wrong_array_header_is_refused(shared, header):
    encoded = header.encode()
    content = b"\x93NUMPY\3\0" + len(encoded).to_bytes(4, "little") + encoded
    with zipfile.ZipFile(shared, "w") as archive:
        for name in ("observations", "actions", "success"):
            archive.writestr(f"{name}.npy", content)
    assert_refused(shared, "not readable as .npz")


def test_an_array_that_claims_too_much_is_refused(shared):
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (%d, 39)}" % 10**15
    content = b"\x93NUMPY\3\0" + len(header).to_bytes(4, "little") + header
    with zipfile.ZipFile(shared, "w") as archive:
        for name in ("observations", "actions", "success"):
            archive.writestr(f"{name}.npy", content)
    assert_refused(shared, "not readable as .npz")
