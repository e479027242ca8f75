"""A zoo as a dataset: what goes in comes back, and others read it without a simulator."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from makeanagent.artifacts import hash_file, read_tensors, write_json, write_tensors
from makeanagent.cli import main
from makeanagent.errors import InputError
from makeanagent.policies.codec import unflatten_policy
from makeanagent.policies.spec import PolicySpec
from makeanagent.suites import layouts
from makeanagent.trajectories import Trajectory
from makeanagent.zoo.publish import publish_zoo
from makeanagent.zoo.published import PublishedZoo, load_published
from makeanagent.zoo.recipes.distillation_config import DistillationConfig
from makeanagent.zoo.shard import ZooShard
from makeanagent.zoo.splits import SPLITS, split_names
from makeanagent.zoo.store import Zoo

pytest.importorskip("pyarrow", reason="the extra `publish` is not installed")

SPEC = PolicySpec(observation_dim=3, action_dim=2, hidden=(4,), activations=("elu",))
TASKS = ("button", "door/lock", "reach")
NUM_RUNS, NUM_CHECKPOINTS, NUM_LAYOUTS = 6, 3, 4


def make_trajectory(rng, num_steps):
    return Trajectory(
        observations=rng.standard_normal((num_steps + 1, 3)),
        actions=rng.uniform(-1, 1, (num_steps, 2)),
        success=rng.random(num_steps) < 0.5,
    )


def make_shard(task, block, seed):
    rng = np.random.default_rng(seed)
    count = NUM_RUNS * NUM_CHECKPOINTS
    return ZooShard(
        task=task,
        block=block,
        parameters=rng.standard_normal((count, SPEC.num_parameters)).astype(np.float32),
        run=np.arange(count) % NUM_RUNS,
        step=np.arange(count) // NUM_RUNS * 50,
        success=rng.random((count, NUM_LAYOUTS)) < 0.8,
        rollouts=[make_trajectory(rng, 2 + row) for row in range(count)],
        demonstrations=[make_trajectory(rng, 5), make_trajectory(rng, 7)],
        replay=[make_trajectory(rng, 4)] if block else [],
        replay_run=np.zeros(block, int),
        replay_step=np.zeros(block, int),
        seed=seed,
        expert_success=None if block else 0.75,
    )


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zoo") / "zoo"
    zoo = Zoo.create(
        folder, "somewhere/my_suite.py", SPEC, "distillation", DistillationConfig(), 3,
        given={"num_runs": NUM_RUNS},
    )  # fmt: skip
    for number, task in enumerate(TASKS):
        for block in range(2 if task == "reach" else 1):
            zoo.add_shard(make_shard(task, block, 10 * number + block))
    return zoo


@pytest.fixture(scope="module")
def published(zoo, tmp_path_factory):
    folder = publish_zoo(zoo, tmp_path_factory.mktemp("out") / "new", license_name="cc-by-4.0")
    return load_published(folder)


@pytest.fixture
def copy(published, tmp_path):
    return Path(shutil.copytree(published.folder, tmp_path / "copy"))


def assert_same_episodes(ours, theirs, sources):
    assert len(ours) == len(theirs) > 0
    for one, other in zip(ours, theirs, strict=True):
        for name in ("observations", "actions", "success"):
            left, right = getattr(one, name), getattr(other, name)
            assert left.dtype == right.dtype and left.tobytes() == right.tobytes()
    assert {one.source for one in ours} == sources


def test_what_goes_in_comes_back_bit_for_bit(zoo, published):
    assert len(published) == 4 * NUM_RUNS * NUM_CHECKPOINTS
    shards = [zoo.load_shard(name) for name in zoo.shard_names()]
    assert published.spec == zoo.spec and published.space == zoo.space
    expected = np.concatenate([shard.parameters for shard in shards])
    assert published.read_parameters().tobytes() == expected.tobytes()
    rollouts = [each for shard in shards for each in shard.rollouts]
    assert_same_episodes(published.read_rollouts(), rollouts, {"zoo"})
    for column in ("run", "step", "success", "qualified"):
        whole = np.concatenate([getattr(shard, column) for shard in shards])
        assert np.array_equal(published.index[column], whole), column
    for task in TASKS:
        own = [shard for shard in shards if shard.task == task]
        shown = [each for shard in own for each in shard.demonstrations]
        assert_same_episodes(published.read_episodes(task), shown, {"expert"})
    replay = next(shard for shard in shards if shard.replay).replay
    assert_same_episodes(published.read_episodes("reach", "replay"), replay, {"replay"})
    assert published.read_episodes("button", "replay") == []


def test_rows_come_in_the_order_that_is_asked_for(published):
    rows = np.random.default_rng(0).permutation(len(published))[:20]
    whole, played = published.read_parameters(), published.read_rollouts()
    assert np.array_equal(published.read_parameters(rows), whole[rows])
    assert_same_episodes(published.read_rollouts(rows), [played[row] for row in rows], {"zoo"})
    assert published.read_parameters([]).shape == (0, SPEC.num_parameters)
    for bad in ([len(published)], [-1], [0.5]):
        with pytest.raises(InputError, match=f"^rows: must be whole numbers from 0 to {71}$"):
            published.read_parameters(bad)


def test_the_index_means_what_it_says(zoo, published):
    index, scores = published.index, published.index["success"]
    assert scores.shape == (len(published), NUM_LAYOUTS)
    assert np.array_equal(index["success_rate"], scores.mean(axis=1))
    assert np.array_equal(index["qualified"], scores.all(axis=1))
    assert published.header["score_layouts"] == list(layouts.ZOO_SCORES[:NUM_LAYOUTS])
    rows = published.select(task="reach", qualified=True)
    assert len(rows) and set(index["task"][rows]) == {"reach"}
    assert scores[rows].all()
    seeds = {zoo.load_shard(name).name: zoo.load_shard(name).seed for name in zoo.shard_names()}
    assert [seeds[name] for name in index["shard"]] == index["seed"].tolist()
    with pytest.raises(InputError, match="^tasks: no column of the index; there are task, "):
        published.select(tasks="reach")


def test_layers_lie_where_index_dict_says(published):
    (vector,) = published.read_parameters([5])
    expected = unflatten_policy(vector, SPEC)
    found = published.header["index_dict"]
    assert found.keys() == expected.keys()
    for name, place in found.items():
        layer = vector[place["start"] : place["stop"]].reshape(place["shape"])
        assert np.array_equal(layer, expected[name])


def test_no_run_and_no_task_is_in_two_splits(published):
    index = published.index
    runs = list(zip(index["shard"], index["run"], strict=True))
    for names, column in ((runs, "split_by_run"), (index["task"].tolist(), "split_by_task")):
        found = {}
        for name, split in zip(names, index[column], strict=True):
            assert found.setdefault(name, split) == split
        assert set(found.values()) == set(SPLITS)
    for shard in np.unique(index["shard"]):
        assert set(index["split_by_run"][index["shard"] == shard]) == set(SPLITS)


@given(st.sets(st.text(), min_size=1, max_size=60))
def test_splits_are_a_fifth_each_and_the_same_for_everyone(names):
    found = split_names(names)
    assert found == split_names(sorted(names, reverse=True))
    assert found.keys() == names
    num_test, num_validation = (
        list(found.values()).count(split) for split in ("test", "validation")
    )
    assert num_test == (max(1, len(names) // 5) if len(names) > 1 else 0)
    assert num_validation == (num_test if len(names) > 2 else 0)


def test_the_card_tells_how_it_was_made_and_measured(published):
    card = (published.folder / "README.md").read_text()
    head, _, text = card.removeprefix("---\n").partition("\n---\n")
    assert "license: cc-by-4.0" in head and "data_files: index.parquet" in head
    words = " ".join(text.split())
    made = published.header["provenance"]
    assert "72 trained policy networks (3 -> 4 -> 2, 36 numbers each) of 24 training runs" in words
    assert f"seed 3 (num_runs {NUM_RUNS})" in words
    assert f"on each of {NUM_LAYOUTS} layouts" in words
    assert str(made["git_commit"]) in words and made["versions"]["numpy"] in words
    assert "| door/lock | 18 | 6 | " in words and "| 0.75 |" in words
    for column in published.index:
        assert f"| `{column}` | " in words


def test_nothing_names_the_folder_of_a_suite_file(published):
    for path in published.folder.iterdir():
        if path.suffix in (".json", ".md"):
            assert "somewhere" not in path.read_text(), path.name
    assert published.header["suite"] == "my_suite.py"
    assert published.read_rollouts([0])[0].env_id == "my_suite.py/button"


@pytest.mark.filterwarnings("ignore")
def test_the_croissant_file_is_valid_and_gives_the_rows(published):
    croissant = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed")
    path = published.folder / "croissant.json"
    content = json.loads(path.read_text())
    for name in (
        "dataCollection", "dataUseCases", "dataLimitations", "dataBiases", "dataSocialImpact",
        "personalSensitiveInformation",
    ):  # fmt: skip
        assert len(content[f"rai:{name}"]) > 20
    for file in content["distribution"]:
        assert file["sha256"] == hash_file(published.folder / file["contentUrl"])
    assert len(content["distribution"]) == 2 + 4
    dataset = croissant.Dataset(jsonld=path)  # Raises what the validator finds.
    assert not dataset.metadata.ctx.issues.errors
    rows = list(dataset.records("policies"))
    assert len(rows) == len(published)
    for number in (0, 40, 71):
        row = rows[number]
        assert row["policies/task"].decode() == published.index["task"][number]
        assert row["policies/run"] == published.index["run"][number]
        assert list(row["policies/success"]) == published.index["success"][number].tolist()


READ = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("metaworld", "mujoco", "gymnasium", "robosuite", "diffusers"):
            raise ImportError(f"{name} is not here")

sys.meta_path.insert(0, Blocked())
from makeanagent.zoo.published import load_published

zoo = load_published(sys.argv[1])
rows = zoo.select(split_by_run="test")
episodes = zoo.read_episodes("reach")
print(zoo.read_parameters(rows).shape, len(zoo.read_rollouts(rows)), len(episodes))
"""


def test_it_is_read_without_a_simulator(published):
    command = [sys.executable, "-c", READ, str(published.folder)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "(12, 36) 12 4\n"


def test_it_goes_to_the_hub_and_comes_back(published, tmp_path, monkeypatch):
    class Hub:
        def create_repo(self, repo_id, repo_type, private, exist_ok):
            assert (repo_id, repo_type, private, exist_ok) == ("me/zoo", "dataset", True, True)

        def upload_folder(self, repo_id, repo_type, folder_path):
            assert repo_type == "dataset"
            shutil.copytree(folder_path, tmp_path / "hub")
            return f"hub/{repo_id}"

    def fetch(repo_id, repo_type, allow_patterns):
        assert (repo_id, repo_type) == ("me/zoo", "dataset")
        return str(tmp_path / "hub")

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    assert published.push_to_hub("me/zoo", private=True) == "hub/me/zoo"
    remote = load_published("me/zoo")
    assert np.array_equal(remote.read_parameters(), published.read_parameters())


def test_the_command_publishes_and_says_what(zoo, tmp_path, capsys):
    out = tmp_path / "published"
    assert main(["zoo", "publish", str(zoo.folder), "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}: 72 policies, 3 tasks\n"
    assert isinstance(load_published(out), PublishedZoo)
    # The zoo stays a zoo, and the dataset is none.
    assert main(["zoo", "verify", str(zoo.folder)]) == 0
    assert main(["zoo", "list", str(out)]) == 2


def refuse(zoo, out, capsys):
    capsys.readouterr()
    assert main(["zoo", "publish", str(zoo), "--out", str(out)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line.removeprefix("make-an-agent: error: ")


def test_what_cannot_be_published_is_refused_in_one_line(zoo, tmp_path, capsys):
    out = tmp_path / "out"
    assert refuse(tmp_path, out, capsys).startswith(f"{tmp_path}: no zoo here")
    folder = Path(shutil.copytree(zoo.folder, tmp_path / "zoo"))
    begun = folder / ".reach-002.progress"
    begun.touch()
    assert refuse(folder, out, capsys).startswith(f"{folder}: this zoo is not finished; ")
    begun.unlink()
    with Zoo.open(folder).adding():
        line = f"{folder}: another process is building this zoo"
        assert refuse(folder, out, capsys) == line
    (folder / "reach-000.safetensors").write_bytes(b"damaged")
    assert refuse(folder, out, capsys).startswith(f"{folder}/reach-000.safetensors: altered")
    for path in folder.glob("*-0*"):
        path.unlink()
    assert refuse(folder, out, capsys).startswith(f"{folder}: this zoo is not finished; ")
    with pytest.raises(InputError, match="^license 'my own: 1': not as the hub names one"):
        publish_zoo(zoo, out, license_name="my own: 1")
    assert not out.exists()
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    assert refuse(zoo.folder, out, capsys).startswith(f"{out}: not empty; ")
    assert [path.name for path in out.iterdir()] == ["mine.txt"]


def test_without_pyarrow_one_line_says_how_to_get_it(zoo, published, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    message = r"needs pyarrow: pip install 'makeanagent\[publish\]'$"
    with pytest.raises(InputError, match=message):
        publish_zoo(zoo, tmp_path / "out")
    with pytest.raises(InputError, match=message):
        load_published(published.folder)


def edit(folder, change):
    path = folder / "dataset.json"
    content = json.loads(path.read_text())
    change(content)
    write_json(path, content)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda header: header.update(schema_version=2), "schema version 2; "),
        (lambda header: header.pop("index_sha256"), "not readable as a published zoo's header"),
        (lambda header: header["spec"].update(action_dim=3), "'parameters' must be"),
        (lambda header: header["shards"].pop("reach-000"), "its rows are not those of the shards"),
        (
            lambda header: header["shards"]["reach-000"].update(num_policies=10**12),
            "its rows are not those of the shards",
        ),
        (lambda header: header["shards"].update({"../x": {}}), "is no plain name of a file"),
        (lambda header: header["shards"].update({"x": {}}), "shard x: field 'task' is missing"),
        (lambda header: header.update(shards=[]), "not readable as a published zoo's header"),
        (lambda header: header["spec"].pop("hidden"), "dataset.json: PolicySpec: 2 hidden layers"),
    ],
)
def test_headers_that_cannot_be(copy, change, message):
    edit(copy, change)
    with pytest.raises(InputError, match=message) as caught:
        load_published(copy).read_parameters()
    assert "\n" not in str(caught.value)


def test_a_shard_that_lacks_rollouts_is_named(copy):
    path = copy / "reach-000.safetensors"
    tensors = read_tensors(path)
    count = tensors["rollouts.lengths"][-1]
    for name, cut in (("observations", count + 1), ("actions", count), ("success", count)):
        tensors[f"rollouts.{name}"] = tensors[f"rollouts.{name}"][:-cut]
    tensors["rollouts.lengths"] = tensors["rollouts.lengths"][:-1]
    write_tensors(path, tensors)
    edit(copy, lambda header: header["shards"]["reach-000"].update(sha256=hash_file(path)))
    with pytest.raises(InputError, match="reach-000.safetensors: 17 rollouts of 18 policies$"):
        load_published(copy).read_rollouts()


def test_missing_and_altered_files_are_named(copy):
    with pytest.raises(InputError, match=r"no published zoo here \(dataset.json is missing\)$"):
        load_published(copy.parent)
    shard = copy / "reach-000.safetensors"
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)
    opened = load_published(copy)
    with pytest.raises(InputError, match="reach-000.safetensors: altered: its SHA-256"):
        opened.read_parameters()
    shard.unlink()
    with pytest.raises(InputError, match="reach-000.safetensors: no such file"):
        opened.read_rollouts()
    (copy / "index.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match="index.parquet: altered: its SHA-256"):
        load_published(copy)
    edit(copy, lambda header: header.update(index_sha256=hash_file(copy / "index.parquet")))
    with pytest.raises(InputError, match="index.parquet: not readable as a published zoo's index"):
        load_published(copy)
