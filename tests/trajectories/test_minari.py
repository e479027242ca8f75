"""Minari datasets: ours and those made elsewhere, as demonstrations."""

import json
import shutil
import warnings

import h5py
import minari
import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from minari.data_collector import EpisodeBuffer

from makeanagent.errors import InputError
from makeanagent.read_options import ReadOptions
from makeanagent.trajectories import Trajectory, make_prompt
from makeanagent.trajectories.files.minari import (
    Minari,
    find_minari,
    is_minari,
    load_minari,
    save_minari,
)

QUICK = settings(deadline=None, max_examples=60)
RNG = np.random.default_rng(0)
ABSENT = object()


def make_trajectory(num_steps=5, observation_dim=3, action_dim=2, **texts):
    return Trajectory(
        observations=RNG.standard_normal((num_steps + 1, observation_dim)),
        actions=RNG.standard_normal((num_steps, action_dim)),
        success=np.arange(num_steps) >= num_steps - 2,
        **texts,
    )


def assert_same_numbers(found, expected):
    for name in ("observations", "actions", "success"):
        ours, theirs = getattr(found, name), getattr(expected, name)
        assert ours.dtype == theirs.dtype
        assert ours.shape == theirs.shape
        assert ours.tobytes() == theirs.tobytes()


def assert_refused(folder, message):
    with pytest.raises(InputError, match=message) as caught:
        load_minari(folder)
    assert str(caught.value).startswith(str(folder))
    assert "\n" not in str(caught.value)


@pytest.fixture
def datasets(tmp_path, monkeypatch):
    """Where Minari keeps its datasets."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "datasets"))
    return tmp_path / "datasets"


def make_elsewhere(
    datasets,
    *,
    infos=None,
    terminations=(False,) * 5,
    observation_space=None,
    observations=None,
    action_space=None,
    actions=None,
    num_episodes=2,
    **options,
):
    """A dataset of five-step episodes by Minari alone; returns its folder."""
    episode = EpisodeBuffer(
        observations=RNG.normal(size=(6, 3)) if observations is None else observations,
        actions=RNG.normal(size=(5, 2)) if actions is None else actions,
        rewards=np.zeros(5),
        terminations=np.array(terminations),
        truncations=np.zeros(5, bool),
        infos=infos,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # It asks for an author and more.
        minari.create_dataset_from_buffers(
            "ours/elsewhere-v3",
            [episode] * num_episodes,
            observation_space=observation_space or spaces.Box(-np.inf, np.inf, (3,), np.float64),
            action_space=action_space or spaces.Box(-np.inf, np.inf, (2,), np.float64),
            **options,
        )
    return datasets / "ours" / "elsewhere-v3"


def test_what_is_saved_comes_back(tmp_path):
    trajectories = [
        make_trajectory(5, env_id="metaworld/reach-v3", source="expert"),
        make_trajectory(9),
        make_trajectory(1, source="replay"),
    ]
    folder = tmp_path / "below" / "demos"
    save_minari(trajectories, folder, dataset_id="reach/expert-v1")
    for place in (folder, folder / "data"):
        found = load_minari(place)
        assert len(found) == 3
        for index, (ours, theirs) in enumerate(zip(found, trajectories, strict=True)):
            assert_same_numbers(ours, theirs)
            assert ours.env_id == theirs.env_id
            assert ours.source == (theirs.source or "minari:reach/expert-v1")
            assert ours.label == f"{place}, episode {index}"
    assert sorted(path.name for path in folder.rglob("*")) == [
        "data",
        "main_data.hdf5",
        "metadata.json",
    ]


def test_minari_itself_reads_it(datasets):
    trajectory = make_trajectory()
    save_minari([trajectory], datasets / "mine-v0", dataset_id="mine-v0")
    dataset = minari.load_dataset("mine-v0")
    assert dataset.spec.total_steps == 5
    assert dataset.spec.dataset_id == "mine-v0"
    episode = dataset[0]
    assert episode.observations.tobytes() == trajectory.observations.tobytes()
    assert episode.actions.tobytes() == trajectory.actions.tobytes()
    assert episode.infos["success"].tolist() == [False] * 4 + [True] * 2
    assert episode.rewards.tolist() == [0, 0, 0, 1, 1]
    assert episode.truncations.tolist() == [False] * 4 + [True]
    assert not episode.terminations.any()
    assert minari.list_local_datasets().keys() == {"mine-v0"}


@settings(deadline=None, max_examples=10)
@given(
    lengths=st.lists(st.integers(1, 70), min_size=1, max_size=4),
    observation_dim=st.integers(1, 40),
    action_dim=st.integers(1, 5),
)
def test_any_trajectories_come_back(tmp_path_factory, lengths, observation_dim, action_dim):
    folder = tmp_path_factory.mktemp("minari")
    trajectories = [make_trajectory(length, observation_dim, action_dim) for length in lengths]
    save_minari(trajectories, folder)
    for ours, theirs in zip(load_minari(folder), trajectories, strict=True):
        assert_same_numbers(ours, theirs)


def test_a_relative_folder_will_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trajectory = make_trajectory()
    save_minari([trajectory], tmp_path.relative_to(tmp_path))
    assert_same_numbers(load_minari(tmp_path.relative_to(tmp_path))[0], trajectory)


SOLVED = [False, False, True, False, True]


@pytest.mark.parametrize("key", ["success", "is_success"])
@pytest.mark.parametrize(
    "values",
    [
        np.array(SOLVED),
        np.array([True, *SOLVED]),
        np.array([0, *SOLVED], np.float64),
        np.array([np.nan, *SOLVED]),
        np.array([False, *SOLVED])[:, None],
    ],
    ids=["T", "T+1", "float", "nan at reset", "column"],
)
def test_success_of_infos(datasets, key, values):
    folder = make_elsewhere(datasets, infos={key: values, "other": np.zeros(len(values))})
    for trajectory in load_minari(folder):
        assert trajectory.success.tolist() == SOLVED
        assert trajectory.source == "minari:ours/elsewhere-v3"
        assert trajectory.observations.dtype == np.float32
    assert find_minari("ours/elsewhere-v3") == folder


def test_the_environment_is_named(datasets):
    assert load_minari(make_elsewhere(datasets))[0].env_id is None
    shutil.rmtree(datasets)
    assert load_minari(make_elsewhere(datasets, env="CartPole-v1"))[0].env_id == "CartPole-v1"


def test_infos_go_before_terminations(datasets):
    terminations = [False, False, False, False, True]
    folder = make_elsewhere(
        datasets, infos={"success": np.zeros(6, bool)}, terminations=terminations
    )
    assert not load_minari(folder)[0].success.any()


@pytest.mark.parametrize("infos", [None, {"score": np.zeros(6)}])
def test_without_infos_the_termination_is_the_success(datasets, infos):
    folder = make_elsewhere(datasets, infos=infos, terminations=[False] * 4 + [True])
    trajectory = load_minari(folder)[0]
    assert trajectory.success.tolist() == [False] * 4 + [True]
    assert trajectory.source == "minari:ours/elsewhere-v3 (success: termination)"


def test_with_neither_the_prompt_is_flexible(tmp_path):
    trajectory = make_trajectory(60)
    save_minari(
        [
            Trajectory(
                observations=trajectory.observations,
                actions=trajectory.actions,
                success=np.zeros(60),
            )
        ],
        tmp_path,
    )
    path = tmp_path / "data" / "main_data.hdf5"
    with h5py.File(path, "a") as file:
        del file["episode_0"]["infos"]
    (found,) = load_minari(tmp_path)
    assert found.source == "minari:makeanagent/demonstrations-v0"
    prompt = make_prompt(found)
    assert not prompt.has_success
    assert prompt.outcome[0].tolist() == trajectory.observations[-3:].ravel().tolist()


@pytest.mark.parametrize("data_format", ["arrow", "parquet"])
def test_minaris_other_formats(datasets, data_format):
    pytest.importorskip("pyarrow")
    # A list, as its recorder makes; it cannot read back an array of one axis.
    infos = {"success": [False, *SOLVED]}
    folder = make_elsewhere(datasets, infos=infos, data_format=data_format)
    for trajectory in load_minari(folder):
        assert trajectory.success.tolist() == SOLVED
        assert trajectory.observations.shape == (6, 3)


GOAL_SPACE = spaces.Dict(
    {
        name: spaces.Box(-1, 1, (2,), np.float64)
        for name in ("observation", "achieved_goal", "desired_goal")
    }
)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {
                "observation_space": GOAL_SPACE,
                "observations": {name: np.zeros((6, 2)) for name in GOAL_SPACE},
            },
            "observation space Dict of Minari dataset ours/elsewhere-v3 is not accepted",
        ),
        (
            {
                "observation_space": spaces.Box(0, 255, (32, 32, 3), np.uint8),
                "observations": np.zeros((6, 32, 32, 3), np.uint8),
            },
            r"observation space Box \(32, 32, 3\) of Minari dataset ours/elsewhere-v3",
        ),
        (
            {"action_space": spaces.Discrete(3), "actions": np.zeros(5, np.int64)},
            "action space Discrete of Minari dataset ours/elsewhere-v3 is not accepted; .*one axis",
        ),
        ({"infos": {"success": np.zeros(4)}}, "episode 0: info 'success': .*each of the 5 steps"),
        ({"infos": {"success": np.zeros((6, 2))}}, "episode 0: info 'success': .*5 steps"),
        ({"infos": {"success": {"a": np.zeros(6)}}}, "episode 0: info 'success': object"),
        ({"infos": {"success": np.array([b"no"] * 6)}}, "episode 0: info 'success'"),
        ({"observations": np.zeros((5, 3))}, "episode 0: 5 observations, 5 actions"),
        ({"observations": np.full((6, 3), np.nan)}, "episode 0: 'observations' holds NaN"),
        ({"num_episodes": 0}, "holds no episode"),
    ],
)
def test_what_is_no_demonstration_is_named(datasets, changes, message):
    assert_refused(make_elsewhere(datasets, **changes), message)


def test_a_dataset_without_spaces_does_not_start_a_simulator(datasets):
    folder = make_elsewhere(datasets)
    path = folder / "data" / "metadata.json"
    metadata = json.loads(path.read_text())
    del metadata["observation_space"]
    path.write_text(json.dumps(metadata))
    assert_refused(folder, "names no observation and action space")


@pytest.mark.parametrize(
    "dataset_id", ["", "x", "../x-v0", "/etc-v0", "a b-v0", "x-v0\n", "x-v", "minari:x-v0"]
)
def test_an_id_that_is_none_is_refused(datasets, dataset_id):
    with pytest.raises(InputError, match="not a Minari id"):
        find_minari(dataset_id)
    with pytest.raises(InputError, match="not a Minari id"):
        save_minari([make_trajectory()], datasets, dataset_id=dataset_id)


def test_a_dataset_that_is_not_here_is_not_fetched(datasets):
    with pytest.raises(InputError, match="`minari download D4RL/door/human-v2` fetches it"):
        find_minari("D4RL/door/human-v2")


def test_a_folder_that_is_no_dataset(tmp_path):
    assert not is_minari(tmp_path)
    assert not is_minari(tmp_path / "absent")
    assert_refused(tmp_path, r"metadata\.json: no such file")


def test_trajectories_must_match(tmp_path):
    for trajectories in ([], [make_trajectory(), make_trajectory(action_dim=3)]):
        with pytest.raises(InputError, match="same observation and action width"):
            save_minari(trajectories, tmp_path / "demos")
    assert list(tmp_path.iterdir()) == []


def read_some(folder, **options):
    dataset = Minari(folder, ReadOptions(**options))
    return [dataset.read(number) for number in dataset.numbers]


def test_keys_of_a_dict_space_make_up_an_observation_in_the_order_asked_for(datasets):
    parts = {name: RNG.uniform(-1, 1, (6, 2)) for name in GOAL_SPACE}
    folder = make_elsewhere(datasets, observation_space=GOAL_SPACE, observations=parts)
    names = ("desired_goal", "observation")
    found = read_some(folder, observation=names)[0]
    expected = np.concatenate([parts[name] for name in names], axis=1).astype(np.float32)
    assert np.array_equal(found.observations, expected)
    with pytest.raises(InputError, match="--observation achieved_goal desired_goal observation$"):
        read_some(folder)
    with pytest.raises(InputError, match=r"no vectors 'eyes' .*observation \[2\]"):
        read_some(folder, observation=("eyes",))


def test_a_plain_space_has_no_keys_and_a_dataset_no_groups(datasets):
    folder = make_elsewhere(datasets)
    for options, message in (
        ({"observation": ("a",)}, "keys of a Dict space, and this is none"),
        ({"group": "train"}, "no groups"),
    ):
        with pytest.raises(InputError, match=message):
            read_some(folder, **options)


def test_success_is_read_from_elsewhere_when_asked_for(datasets):
    infos = {"success": np.array([False, *SOLVED])}
    folder = make_elsewhere(datasets, infos=infos, terminations=[False] * 4 + [True])
    done = read_some(folder, success="done")[0]
    assert done.success.tolist() == [False] * 4 + [True]
    assert done.source == "minari:ours/elsewhere-v3 (success: done)"
    rewarded = read_some(folder, success="reward")[0]
    assert not rewarded.success.any()
    assert rewarded.source.endswith("(success: reward)")


def test_an_environment_that_nobody_here_knows_is_not_asked(datasets):
    folder = make_elsewhere(datasets, env="CartPole-v1")
    path = folder / "data" / "metadata.json"
    metadata = json.loads(path.read_text())
    spec = json.loads(metadata["env_spec"])
    spec |= {"id": "Nowhere-v7", "entry_point": "nowhere:Nowhere", "from_the_future": 1}
    for text, env_id in ((json.dumps(spec), "Nowhere-v7"), ("{", None), ("[]", None)):
        path.write_text(json.dumps(metadata | {"env_spec": text}))
        assert load_minari(folder)[0].env_id == env_id
    path.write_text(json.dumps(metadata | {"minari_version": "99.0.0"}))
    assert_refused(folder, "made by Minari 99.0.0")
