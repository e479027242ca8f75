"""robomimic files, whole and damaged, as demonstrations."""

import h5py
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

KEYS = ("robot0_eef_pos", "object")


def write_file(path, lengths=(4, 6, 5), next_obs=True):
    """A file as robomimic's own scripts make: sparse rewards, and `dones` at the end."""
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["total"] = sum(lengths)
        data.attrs["env_args"] = '{"env_name": "Lift", "type": 1, "env_kwargs": {}}'
        for number, length in enumerate(lengths):
            demo = data.create_group(f"demo_{number}")
            demo.attrs["num_samples"] = length
            demo.attrs["model_file"] = "<mujoco/>"
            demo["actions"] = rng.uniform(-1, 1, (length, 7))
            demo["rewards"] = (np.arange(length) == length - 2).astype(float)
            demo["dones"] = (np.arange(length) == length - 1).astype(int)
            demo["states"] = rng.normal(size=(length, 9))
            for key, width in (("object", 10), ("robot0_eef_pos", 3)):
                values = rng.normal(size=(length + 1, width))
                demo[f"obs/{key}"] = values[:-1]
                if next_obs:
                    demo[f"next_obs/{key}"] = values[1:]
            demo["obs/agentview_image"] = np.zeros((length, 8, 8, 3), np.uint8)
        file["mask/train"] = np.array([b"demo_0", b"demo_2"])
        file["mask/valid"] = ["demo_1"]
    return path


def read(path, observation=KEYS, **options):
    notes = []
    chosen = ReadOptions(observation=observation, **options)
    return read_demonstrations(path, chosen, notes.append), notes


def assert_refused(path, *words, **options):
    with pytest.raises(InputError) as caught:
        read(path, **options)
    message = str(caught.value)
    assert message.startswith(str(path)), message
    assert "\n" not in message
    assert all(word in message for word in words), message


def change(path, name, values):
    """Put another array, or None, in place of one."""
    with h5py.File(path, "a") as file:
        del file[name]
        if values is not None:
            file[name] = values


@pytest.fixture
def path(tmp_path):
    return write_file(tmp_path / "lift.hdf5")


def test_demonstrations_with_keys_in_the_order_that_was_asked_for(path):
    found, notes = read(path)
    assert [len(each) for each in found] == [4, 6, 5]
    with h5py.File(path) as file:
        for number, each in enumerate(found):
            demo = file[f"data/demo_{number}"]
            for part, last in (("obs", -1), ("next_obs", None)):
                expected = np.concatenate([demo[f"{part}/{key}"][()] for key in KEYS], axis=1)
                rows = each.observations[:last] if last else each.observations[1:]
                assert np.array_equal(rows, expected.astype(np.float32))
            assert np.array_equal(each.actions, demo["actions"][()].astype(np.float32))
            assert not each.success.any()
            assert each.label == f"{path}, demo_{number}"
            assert each.source == "robomimic:lift"
    assert len(notes) == 1 and "no success is recorded; --success reward or done" in notes[0]
    unread = open_demonstrations(path, ReadOptions(observation=KEYS)).unread
    assert set(unread) == {"dones", "rewards", "states", "obs/agentview_image"}


def test_keys_are_asked_for_by_name(path):
    with pytest.raises(InputError, match=r"object \[10\], robot0_eef_pos \[3\]$"):
        read(path, observation=())
    assert_refused(path, "no vectors 'agentview_image'", observation=("agentview_image",))
    assert_refused(path, "no vectors 'eef'", "object [10]", observation=("eef",))
    assert_refused(path, "names 'object' twice", observation=("object", "object"))


def test_success_is_read_from_elsewhere_only_when_asked_for(path):
    (first, *_), notes = read(path, success="reward")
    assert first.success.tolist() == [False, False, True, False]
    assert first.source == "robomimic:lift (success: reward)"
    assert notes == []
    assert read(path, success="done")[0][0].success.tolist() == [False, False, False, True]
    change(path, "data/demo_1/rewards", np.linspace(0, 1, 6))
    assert_refused(path, "demo_1", "rewards of 0 and 1 alone", success="reward")
    change(path, "data/demo_0/rewards", None)
    assert_refused(path, "demo_0", "'rewards' is missing", success="reward")


def test_a_mask_and_numbers_choose(path):
    assert [len(each) for each in read(path, group="train")[0]] == [4, 5]
    assert [len(each) for each in read(path, group="valid")[0]] == [6]
    assert [len(each) for each in read(path, episodes=(2,))[0]] == [5]
    assert_refused(path, "no filter 'test'", "train, valid", group="test")
    assert_refused(path, "no episode 1; there are 0, 2", group="train", episodes=(1,))
    change(path, "mask/train", np.array([b"demo_0", b"demo_9"]))
    assert_refused(path, "mask/train names demonstrations that are not there", group="train")


def test_without_next_obs_the_last_observation_is_repeated_and_it_is_said(tmp_path):
    path = write_file(tmp_path / "lift.h5", next_obs=False)
    found, notes = read(path)
    assert np.array_equal(found[0].observations[-1], found[0].observations[-2])
    assert any("the observation before it stands for it" in note for note in notes)


BAD = [
    ("actions", None, "'actions' is missing"),
    ("actions", np.zeros((5, 7)), "6 observations|7 observations, 5 actions"),
    ("actions", np.full((6, 7), np.nan), "'actions' holds NaN or infinity at step 0"),
    ("actions", np.zeros((6, 7, 2)), "'actions' is float64 of shape"),
    ("actions", np.array([b"up"] * 6), "accepted are vectors of numbers"),
    ("obs/object", None, "'obs/object' is missing"),
    ("obs/object", np.zeros((5, 10)), "lengths differ: 'obs/robot0_eef_pos' 6, 'obs/object' 5"),
    ("obs/object", np.zeros((6, 10, 1)), "'obs/object' is float64 of shape"),
    (
        "next_obs/object",
        np.zeros((6, 9)),
        r"last observation is of shape \(12,\), and the others of \(13,\)",
    ),
    ("next_obs/object", None, "'next_obs/object' is missing"),
]


@pytest.mark.parametrize(("name", "values", "message"), BAD)
def test_a_bad_demonstration_is_named_and_the_others_are_read(path, name, values, message):
    change(path, f"data/demo_1/{name}", values)
    with pytest.raises(InputError, match=message) as caught:
        read(path)
    assert "demo_1: " in str(caught.value)
    found, notes = read(path, skip_bad=True)
    assert [len(each) for each in found] == [4, 5]
    assert sum(note.startswith("left out: ") for note in notes) == 1


def test_what_claims_too_much_or_lies_elsewhere_is_refused(path, tmp_path):
    change(path, "data/demo_0/obs/object", None)
    with h5py.File(path, "a") as file:
        file["data/demo_0"].create_dataset("obs/object", (10**12, 10), "f4", chunks=(6, 10))
    assert_refused(path, "'data/demo_0/obs/object' claims more numbers than")
    change(path, "data/demo_0/obs/object", None)
    (tmp_path / "other").write_bytes(bytes(10**4))
    with h5py.File(path, "a") as file:
        file["data/demo_0"].create_dataset(
            "obs/object", (4, 10), "f4", external=[(str(tmp_path / "other"), 0, 160)]
        )
    assert_refused(path, "in another file")


@pytest.mark.parametrize("content", [b"", b"text", None])
def test_what_is_no_robomimic_file_is_refused(tmp_path, content):
    path = tmp_path / "demos.hdf5"
    if content is None:
        with h5py.File(path, "w") as file:
            file["data/episodes"] = 3
        assert_refused(path, "no robomimic file")
    else:
        path.write_bytes(content)
        assert_refused(path, "not readable as a robomimic file")


def make_trajectories(width=3):
    rng = np.random.default_rng(0)
    return [
        Trajectory(
            observations=rng.normal(size=(length + 1, width)),
            actions=rng.normal(size=(length, 2)),
            success=np.arange(length) == 3,
            **texts,
        )
        for length, texts in (
            (5, {"env_id": "metaworld/reach-v3", "source": "expert", "task": "Größe"}),
            (9, {}),
        )
    ]


def test_what_is_written_comes_back(tmp_path):
    trajectories, path = make_trajectories(), tmp_path / "below" / "demos.hdf5"
    write_demonstrations(trajectories, path, "robomimic")
    found, notes = read(path, observation=())
    assert notes == []
    for ours, theirs in zip(found, trajectories, strict=True):
        for name in ("observations", "actions", "success"):
            assert getattr(ours, name).tobytes() == getattr(theirs, name).tobytes()
        assert (ours.env_id, ours.task) == (theirs.env_id, theirs.task)
        assert ours.source == (theirs.source or "robomimic:demos")
    assert [each.success.tolist() for each in read(path, (), success="reward")[0]] == [
        each.success.tolist() for each in trajectories
    ]


def test_what_cannot_be_written_is_refused_and_nothing_is_left(tmp_path):
    for trajectories, name, message in (
        (make_trajectories(), "demos", r"ends in \.hdf5"),
        ([], "demos.hdf5", "same observation"),
        (make_trajectories() + make_trajectories(4), "demos.hdf5", "same observation"),
    ):
        with pytest.raises(InputError, match=message):
            write_demonstrations(trajectories, tmp_path / name, "robomimic")
    (tmp_path / "used.hdf5").write_text("x")
    with pytest.raises(InputError, match="exists"):
        write_demonstrations(make_trajectories(), tmp_path / "used.hdf5", "robomimic")
    assert [path.name for path in tmp_path.iterdir()] == ["used.hdf5"]
