"""Replay prompts: Minari datasets of rounded episodes, each with what it was made from."""

import json
from dataclasses import replace

import minari
import numpy as np
import pytest

from makeanagent.errors import InputError
from makeanagent.trajectories.files.minari import load_minari
from makeanagent.trajectories.trajectory import Trajectory
from makeanagent.zoo.replay import RESOLUTION, load_replay, save_replay

TASK = "reach-v3"
ORIGIN = {"recipe": "SAC", "agent": [0, 1, 0, 1], "steps_to_success": 3.5}


def make_episode(seed, num_steps=120, observation_dim=39):
    rng = np.random.default_rng(seed)
    walk = 0.02 * rng.standard_normal((num_steps + 1, observation_dim)).cumsum(axis=0)
    walk[:, 7:18] = 0  # As of objects that are not there.
    return Trajectory(
        observations=walk,
        actions=np.tanh(rng.standard_normal((num_steps, 4))),
        success=np.arange(num_steps) >= num_steps - 3,
        env_id=f"metaworld/{TASK}",
        source="replay",
    )


EPISODES = [make_episode(seed, 60 + 20 * seed) for seed in range(4)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with one task's prompts; tests must not alter it."""
    folder = tmp_path_factory.mktemp("replay")
    assert save_replay(folder, TASK, EPISODES, ORIGIN) == folder / TASK
    return folder


def test_what_is_saved_comes_back_within_the_resolution(folder):
    found = load_replay(folder, TASK, 4)
    for ours, theirs in zip(found, EPISODES, strict=True):
        for name in ("observations", "actions"):
            ours_, theirs_ = getattr(ours, name), getattr(theirs, name)
            assert ours_.dtype == np.float32
            np.testing.assert_allclose(ours_, theirs_, rtol=0, atol=RESOLUTION / 2 + 1e-6)
            multiples = ours_ / RESOLUTION
            assert np.array_equal(multiples, np.round(multiples))
        assert np.array_equal(ours.success, theirs.success)
        assert (ours.env_id, ours.source) == (theirs.env_id, theirs.source)


def test_what_is_rounded_already_comes_back_exactly(tmp_path, folder):
    found = load_replay(folder, TASK, 4)
    save_replay(tmp_path, TASK, found, ORIGIN)
    for ours, theirs in zip(load_replay(tmp_path, TASK, 4), found, strict=True):
        assert ours.observations.tobytes() == theirs.observations.tobytes()
        assert ours.actions.tobytes() == theirs.actions.tobytes()


def test_the_first_few_are_always_the_same(folder):
    found = load_replay(folder, TASK, 2)
    assert [len(item) for item in found] == [60, 80]


def test_minari_itself_reads_it(folder):
    dataset = minari.MinariDataset(folder / TASK / "data")
    assert dataset.spec.dataset_id == "makeanagent/reach/replay-v0"
    assert dataset.total_episodes == 4
    assert dataset.total_steps == sum(map(len, EPISODES))
    lengths = [len(episode.actions) for episode in dataset.iterate_episodes()]
    assert lengths == [len(item) for item in EPISODES]
    assert dataset[0].infos["success"].tolist() == [False] * 58 + [True] * 3


def test_the_metadata_says_what_they_are(folder):
    metadata = json.loads((folder / TASK / "data" / "metadata.json").read_text())
    assert metadata["description"].startswith("4 successful episodes of SAC agents")
    assert TASK in metadata["description"]
    assert "never to train on" in metadata["description"]
    assert metadata["origin"] == ORIGIN | {"resolution": RESOLUTION}
    dataset = minari.MinariDataset(folder / TASK / "data")
    assert dataset.storage.metadata["description"] == metadata["description"]


def test_files_are_compressed(tmp_path):
    episodes = [make_episode(seed) for seed in range(20)]
    save_replay(tmp_path, TASK, episodes, ORIGIN)
    num_bytes = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    raw = sum(item.observations.nbytes + item.actions.nbytes for item in episodes)
    assert num_bytes < 0.6 * raw


def test_tasks_lie_side_by_side(tmp_path):
    # Names of a user's own tasks may end otherwise.
    for task in ("push-v3", "Reacher-mirrored"):
        save_replay(tmp_path, task, EPISODES[:1], ORIGIN)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Reacher-mirrored", "push-v3"]
    dataset = minari.MinariDataset(tmp_path / "Reacher-mirrored" / "data")
    assert dataset.spec.dataset_id == "makeanagent/Reacher-mirrored/replay-v0"
    assert len(load_minari(tmp_path / "push-v3")) == 1


def assert_refused(message, call, *arguments):
    with pytest.raises(InputError) as caught:
        call(*arguments)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_missing_prompts_are_named(tmp_path, folder):
    where = folder / "push-v3"
    assert_refused(f"{where}: no replay prompts here; ", load_replay, folder, "push-v3", 1)
    nowhere = tmp_path / "absent"
    assert_refused(f"{nowhere / TASK}: no replay", load_replay, nowhere, TASK, 1)


def test_too_few_prompts_are_refused(folder):
    message = f"{folder / TASK}: holds 4 episodes, fewer than the 5 asked for"
    assert_refused(message, load_replay, folder, TASK, 5)


def test_what_is_there_is_not_written_over(folder):
    before = (folder / TASK / "data" / "main_data.hdf5").read_bytes()
    assert_refused(f"{folder / TASK}: not empty", save_replay, folder, TASK, EPISODES, ORIGIN)
    assert (folder / TASK / "data" / "main_data.hdf5").read_bytes() == before


def test_episodes_are_not_written_to(tmp_path):
    episode = replace(EPISODES[0])
    before = episode.observations.tobytes(), episode.actions.tobytes()
    save_replay(tmp_path, TASK, [episode], ORIGIN)
    assert (episode.observations.tobytes(), episode.actions.tobytes()) == before
