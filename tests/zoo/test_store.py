"""What a zoo's folder keeps, and what it says when something is wrong with it."""

import json
import os
import stat
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from makeanagent.errors import InputError
from makeanagent.policies.spec import PolicySpec
from makeanagent.rl.sac.config import SACConfig
from makeanagent.trajectories import Trajectory
from makeanagent.trajectories.space import Space
from makeanagent.zoo import store
from makeanagent.zoo.recipes.distillation_config import DistillationConfig
from makeanagent.zoo.shard import ZooShard, shard_name
from makeanagent.zoo.store import Zoo

SPEC = PolicySpec(observation_dim=3, action_dim=2, hidden=(4,), activations=("elu",))
SHARED_FOLDER = settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def make_trajectory(rng, num_steps=4):
    return Trajectory(
        observations=rng.standard_normal((num_steps + 1, 3)),
        actions=rng.standard_normal((num_steps, 2)),
        success=rng.random(num_steps) < 0.5,
    )


WIDER = Trajectory(observations=np.zeros((3, 4)), actions=np.zeros((2, 2)), success=np.zeros(2))


def make_shard(task="reach", block=0, num_policies=3, num_layouts=2, seed=0):
    rng = np.random.default_rng(seed)
    return ZooShard(
        task=task,
        block=block,
        parameters=rng.standard_normal((num_policies, SPEC.num_parameters)).astype(np.float32),
        run=np.arange(num_policies) % 2,
        step=np.arange(num_policies) // 2 * 50,
        success=rng.random((num_policies, num_layouts)) < 0.5,
        rollouts=[make_trajectory(rng, 1 + index) for index in range(num_policies)],
        demonstrations=[make_trajectory(rng), make_trajectory(rng, 7)],
        seed=seed,
        expert_success=0.75,
    )


def create(folder, **changes):
    settings_of_zoo = {
        "suite": "metaworld",
        "spec": SPEC,
        "recipe": "distillation",
        "config": DistillationConfig(),
        "seed": 0,
    }
    return Zoo.create(folder, **settings_of_zoo | changes)


@pytest.fixture
def zoo(tmp_path):
    made = create(tmp_path / "zoo")
    made.add_shard(make_shard())
    made.add_shard(make_shard(block=1, seed=1))
    made.add_shard(make_shard("push", seed=2))
    return made


def edit(path, **changes):
    """Change fields of a JSON file; None takes one away."""
    content = json.loads(path.read_text()) | changes
    kept = {key: value for key, value in content.items() if value is not None}
    path.write_text(json.dumps(kept))


def assert_same(found, expected, env_id):
    for name in ("task", "block", "seed", "expert_success"):
        assert getattr(found, name) == getattr(expected, name)
    for name in ("parameters", "run", "step", "success"):
        ours, theirs = getattr(found, name), getattr(expected, name)
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    for name, source in (("rollouts", "zoo"), ("demonstrations", "expert")):
        for ours, theirs in zip(getattr(found, name), getattr(expected, name), strict=True):
            assert (ours.env_id, ours.source) == (env_id, source)
            for field in ("observations", "actions", "success"):
                assert getattr(ours, field).tobytes() == getattr(theirs, field).tobytes()


def test_the_space_is_kept_and_is_a_setting(tmp_path):
    space = Space(observation_dim=SPEC.observation_dim, action_dim=SPEC.action_dim, positions=(0,))
    assert create(tmp_path / "zoo", space=space).space == space
    assert Zoo.open(tmp_path / "zoo").space == space
    plain = replace(space, positions=())
    assert create(tmp_path / "plain").space == plain


SUITE_FILE = """from makeanagent.suites.gymnasium import GymnasiumSuite, GymnasiumTask
suite = GymnasiumSuite((GymnasiumTask(env_id="Reacher-v5"),))
"""


def test_a_zoo_finds_its_suite_from_any_folder(tmp_path, monkeypatch):
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    project.mkdir()
    elsewhere.mkdir()
    (project / "suite_beside_a_zoo.py").write_text(SUITE_FILE)
    monkeypatch.chdir(project)
    create(project / "zoo", suite="suite_beside_a_zoo.py").add_shard(make_shard())
    monkeypatch.chdir(elsewhere)
    found = Zoo.open("../project/zoo").find_suite()
    assert found.tasks() == ("Reacher-v5",)
    assert found.name == "suite_beside_a_zoo.py"
    # The same file by another name is no other setting; another file is.
    create(project / "zoo", suite="../project/suite_beside_a_zoo.py")
    with pytest.raises(InputError, match="begun with suite suite_beside_a_zoo.py"):
        create(project / "zoo", suite="another_suite.py")
    monkeypatch.chdir(tmp_path)
    project.rename(tmp_path / "moved")
    assert "project" not in (tmp_path / "moved/zoo/zoo.json").read_text()
    path = Zoo.open("moved/zoo").folder / Zoo.open("moved/zoo").header["suite_file"]
    assert path.resolve() == tmp_path / "moved/suite_beside_a_zoo.py"


def test_a_zoo_of_another_space_is_refused(zoo):
    space = replace(zoo.space, unit=1000.0)
    with pytest.raises(InputError, match="begun with space"):
        create(zoo.folder, space=space)
    assert Zoo.open(zoo.folder).space == zoo.space


def test_a_zoo_that_was_begun_before_spaces_said_as_much_goes_on(tmp_path):
    space = Space(observation_dim=3, action_dim=2, positions=(0,), past=(0,), unit=2.0)
    zoo = create(tmp_path / "zoo", space=space)
    zoo.add_shard(make_shard())
    older = {name: value for name, value in space.to_dict().items() if name != "past"}
    edit(zoo.folder / "zoo.json", space=older)
    assert create(zoo.folder, space=space).shard_names() == zoo.shard_names()
    with pytest.raises(InputError, match="begun with space"):
        create(zoo.folder, space=replace(space, unit=1.0))


@SHARED_FOLDER
@given(
    num_policies=st.integers(1, 6),
    num_layouts=st.integers(1, 4),
    block=st.integers(0, 2_000),
    task=st.text(st.characters(codec="utf-8"), min_size=1, max_size=20),
)
def test_what_is_added_comes_back(tmp_path_factory, num_policies, num_layouts, block, task):
    zoo = create(tmp_path_factory.mktemp("round") / "zoo")
    shard = make_shard(task, block, num_policies, num_layouts)
    zoo.add_shard(shard)
    again = Zoo.open(zoo.folder)
    assert again.spec == SPEC
    assert again.tasks() == [task]
    (found,) = again.load_task(task)
    assert_same(found, shard, f"metaworld/{task}")
    assert again.verify() == []


@given(
    one=st.tuples(st.text(max_size=9), st.integers(0, 2_000)),
    other=st.tuples(st.text(max_size=9), st.integers(0, 2_000)),
)
def test_no_two_shards_share_a_file(one, other):
    assert (shard_name(*one) == shard_name(*other)) is (one == other)
    assert "/" not in shard_name(*one)


def test_qualified_means_success_on_every_layout():
    shard = replace(make_shard(), success=np.array([[1, 1], [1, 0], [0, 0]], bool))
    assert shard.qualified.tolist() == [True, False, False]


def test_a_task_can_be_trained_on_where_a_policy_of_it_is_qualified(tmp_path):
    scores = {"all": [[0, 0], [1, 1]], "each": [[1, 0], [0, 1]], "none": [[0, 0], [0, 0]]}
    for recipe, config, expected in (
        ("distillation", DistillationConfig(), ["all"]),
        ("sac", SACConfig(), ["all", "each", "none"]),
    ):
        zoo = create(tmp_path / recipe, recipe=recipe, config=config)
        for task, success in scores.items():
            shard = make_shard(task, num_policies=2)
            zoo.add_shard(replace(shard, success=np.array(success, bool)))
        assert Zoo.open(zoo.folder).trainable_tasks() == expected


def test_shards_are_found_by_task(zoo):
    assert zoo.shard_names() == ["push-000", "reach-000", "reach-001"]
    assert zoo.tasks() == ["push", "reach"]
    assert [shard.block for shard in zoo.load_task("reach")] == [0, 1]
    with pytest.raises(InputError, match="no policies of pull; its tasks: push, reach"):
        zoo.load_task("pull")


def test_listing_tasks_reads_each_index_once(tmp_path, monkeypatch):
    zoo = create(tmp_path / "zoo")
    tasks = [f"task-{number:02d}" for number in range(50)]
    for task in tasks:
        zoo.add_shard(make_shard(task))
    read, paths = store.read_json, []
    monkeypatch.setattr(store, "read_json", lambda path: paths.append(path) or read(path))
    assert zoo.tasks() == tasks
    assert [list(zoo.read_indices(task)) for task in tasks] == [[f"{task}-000"] for task in tasks]
    assert len(paths) == len(set(paths)) == 50
    # Whatever another process has written meanwhile is seen.
    edit(zoo.folder / "task-07-000.json", seed=9)
    assert [index["seed"] for index in zoo.read_indices("task-07").values()] == [9]
    assert len(paths) == 51
    (zoo.folder / "task-08-000.json").write_text("{")
    with pytest.raises(InputError, match="task-08-000.json: not readable as JSON"):
        zoo.read_indices("task-07")


def test_files_follow_the_umask(zoo):
    mask = os.umask(0)
    os.umask(mask)
    for path in zoo.folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask, path.name


@SHARED_FOLDER
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_found_and_named(zoo, place, bit):
    path = zoo.folder / "reach-001.safetensors"
    content = path.read_bytes()
    damaged = bytearray(content)
    damaged[int(place * len(damaged))] ^= 1 << bit
    path.write_bytes(damaged)
    try:
        (fault,) = zoo.verify()
        assert fault == f"{path}: altered: its SHA-256 is not the one in reach-001.json"
        with pytest.raises(InputError) as caught:
            zoo.load_task("reach")
        assert str(caught.value) == fault
        zoo.load_task("push")
    finally:
        path.write_bytes(content)


def test_a_truncated_shard_is_named(zoo):
    path = zoo.folder / "reach-001.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    (fault,) = zoo.verify()
    assert fault.startswith(f"{path}: ")


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_text(path.read_text()[:-20]),
        lambda path: path.write_text("[]"),
        lambda path: path.write_bytes(b"\xff\xfe"),
        lambda path: edit(path, sha256=None),
        lambda path: edit(path, run="0"),
        lambda path: edit(path, num_policies=2),
        lambda path: edit(path, step=[0, 0]),
        lambda path: edit(path, schema_version=2),
        lambda path: edit(path, success=[[0, 1], [0], [1, 1]]),
        lambda path: edit(path, success=[0, 1, 1]),
        lambda path: edit(path, success=[[], [], []]),
        lambda path: edit(path, success=[[0, 2], [0, 1], [1, 1]]),
        lambda path: edit(path, run=["0", "1", "2"]),
        lambda path: edit(path, step=[0.5, 1, 2]),
        lambda path: edit(path, task="../reach"),
        lambda path: edit(path, block=7),
        lambda path: edit(path, replay_run=1),
        lambda path: edit(path, replay_step=[2**70]),
    ],
    ids=[
        *("cut", "list", "bytes", "field", "type", "count", "rows", "schema", "ragged", "flat"),
        *("empty", "code", "text", "fraction", "elsewhere", "block", "replay", "huge"),
    ],
)
def test_a_damaged_index_is_named(zoo, damage):
    path = zoo.folder / "reach-001.json"
    damage(path)
    (fault,) = zoo.verify()
    assert fault.startswith((f"{path}: ", f"{path.with_suffix('.safetensors')}: "))
    assert "\n" not in fault
    with pytest.raises(InputError, match="reach-001"):
        zoo.load_task("reach")


def test_a_missing_index_or_shard_is_named(zoo):
    (zoo.folder / "push-000.json").unlink()
    (zoo.folder / "reach-000.safetensors").unlink()
    missing, alone = zoo.verify()
    assert missing == f"{zoo.folder / 'reach-000.safetensors'}: no such file"
    assert alone == f"{zoo.folder / 'push-000.safetensors'}: no index beside it (push-000.json)"
    assert zoo.shard_names() == ["reach-000", "reach-001"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parameters": np.zeros((3, 5), np.float32)}, r"parameters float32 \(3, 5\), expected"),
        ({"parameters": np.full((3, SPEC.num_parameters), np.nan, np.float32)}, "NaN or infinity"),
        ({"rollouts": [make_trajectory(np.random.default_rng(0))]}, "1 rollouts of 3 policies"),
        ({"rollouts": [WIDER] * 3}, r"trajectories of \(\d+, \d+\) numbers"),
    ],
)
def test_arrays_that_disagree_are_named(tmp_path, change, message):
    zoo = create(tmp_path / "zoo")
    zoo.add_shard(replace(make_shard(), **change))
    (fault,) = zoo.verify()
    assert fault.startswith(f"{zoo.folder / 'reach-000.safetensors'}: ")
    with pytest.raises(InputError, match=message):
        zoo.load_shard("reach-000")


def test_what_is_no_zoo_is_refused(tmp_path):
    with pytest.raises(InputError, match=f"^{tmp_path}: no zoo here"):
        Zoo.open(tmp_path)
    path = tmp_path / "zoo.json"
    for content in (
        "",
        "{",
        "[]",
        "3",
        '{"schema_version": 1}',
        '{"schema_version": 1, "spec": 3}',
    ):
        path.write_text(content)
        with pytest.raises(InputError, match=f"^{path}: ") as caught:
            Zoo.open(tmp_path)
        assert "\n" not in str(caught.value)


def test_a_header_of_another_version_or_spec_is_refused(zoo):
    path = zoo.folder / "zoo.json"
    edit(path, spec={"observation_dim": 3})
    with pytest.raises(InputError, match=f"^{path}: policy spec"):
        Zoo.open(zoo.folder)
    edit(path, schema_version=2)
    with pytest.raises(InputError, match=f"^{path}: schema version 2; .* reads 1$"):
        Zoo.open(zoo.folder)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("suite", "gymnasium"),
        ("spec", replace(SPEC, action_dim=3)),
        ("config", DistillationConfig(num_runs=5)),
        ("seed", 1),
        ("num_steps", 30),
    ],
)
def test_a_zoo_goes_on_with_its_own_settings_alone(zoo, field, value):
    assert create(zoo.folder).shard_names() == zoo.shard_names()
    before = (zoo.folder / "zoo.json").read_bytes()
    with pytest.raises(InputError, match=f"^{zoo.folder}: this zoo was begun with {field} "):
        create(zoo.folder, **{field: value})
    assert (zoo.folder / "zoo.json").read_bytes() == before


def test_what_is_no_setting_any_more_or_was_none_yet_is_another_setting(tmp_path):
    zoo = create(tmp_path / "zoo", recipe="sac", config=SACConfig())
    zoo.add_shard(make_shard())
    config = zoo.header["config"]
    for change in ({"momentum": 0.9}, {"tau": None}):
        changed = {name: value for name, value in (config | change).items() if value is not None}
        edit(zoo.folder / "zoo.json", config=changed)
        with pytest.raises(InputError, match=f"begun with config {next(iter(change))} "):
            create(zoo.folder, recipe="sac", config=SACConfig())
    with pytest.raises(InputError, match="begun with recipe sac, not distillation"):
        create(zoo.folder)


def test_settings_may_change_as_long_as_there_is_no_work(tmp_path):
    folder = tmp_path / "zoo"
    create(folder)
    assert create(folder, seed=1).header["seed"] == 1
    assert Zoo.open(folder).header["seed"] == 1
    (folder / ".reach-000.partial").touch()
    with pytest.raises(InputError, match="begun with seed 1, not 0"):
        create(folder)


def test_only_an_empty_folder_becomes_a_zoo(tmp_path):
    # What a writer leaves that was killed over the header.
    (tmp_path / ".zoo.json.1234.tmp").write_text("{")
    zoo = create(tmp_path)
    with zoo.adding():
        assert [path.name for path in tmp_path.iterdir()] == ["zoo.json"]
    other = tmp_path / "other"
    other.mkdir()
    (other / "notes.txt").touch()
    with pytest.raises(InputError, match=f"^{other}: not empty"):
        create(other)


def test_one_process_at_a_time_adds_shards(zoo):
    with (
        zoo.adding(),
        pytest.raises(InputError, match="another process is building this zoo"),
        Zoo.open(zoo.folder).adding(),
    ):
        pass
    with zoo.adding():
        pass


def test_an_empty_zoo_is_not_whole(tmp_path):
    zoo = create(tmp_path / "zoo")
    assert zoo.verify() == [f"{zoo.folder}: holds no shard"]
