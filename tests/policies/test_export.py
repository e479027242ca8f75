"""Exports, each run in its own runtime: the same actions, in the environment's own units."""

import json
import zipfile

import numpy as np
import pytest
import torch

import makeanagent
from makeanagent.demo import PROMPTS
from makeanagent.errors import InputError
from makeanagent.policies import Policy, PolicySpec, save_policies
from makeanagent.policies.export import OPSET, RECORD, SUFFIXES, export_policies, export_policy

SPECS = {
    "mixed": PolicySpec(
        observation_dim=5, action_dim=2, hidden=(7, 9, 8), activations=("tanh", "elu", "relu")
    ),
    "linear": PolicySpec(observation_dim=3, action_dim=2, hidden=(), activations=()),
    "mean alone": PolicySpec(observation_dim=6, action_dim=3, hidden=(9, 8), heads=("mean",)),
    "unsquashed": PolicySpec(observation_dim=6, action_dim=3, hidden=(9, 8), squash="none"),
}
KINDS = tuple(SUFFIXES)


def make_policy(spec, seed=0):
    rng = np.random.default_rng(seed)
    return Policy(0.3 * rng.standard_normal(spec.num_parameters).astype(np.float32), spec)


def make_bounds(spec):
    return [[-0.5 - k for k in range(spec.action_dim)], [3.0 + k for k in range(spec.action_dim)]]


def observe(spec):
    """Random observations of several sizes, some extreme in one number, and some in all."""
    rng = np.random.default_rng(1)
    width = spec.observation_dim
    return np.concatenate(
        [
            *(scale * rng.standard_normal((50, width)) for scale in (0.01, 1, 10)),
            np.zeros((1, width)),
            *(size * np.eye(width) for size in (-1e6, -100, 100, 1e6)),
            *(np.full((1, width), value) for value in (-1e9, 1e-30, 1e9)),
        ]
    ).astype(np.float32)


def load_onnx(path):
    runtime = pytest.importorskip("onnxruntime", reason="needs makeanagent[onnx]")
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    record = json.loads(session.get_modelmeta().custom_metadata_map[RECORD])
    return lambda rows: session.run(["action"], {"observation": rows})[0], record


def load_torchscript(path):
    files = {RECORD: ""}
    with pytest.warns(DeprecationWarning, match="torch.jit.load"):
        module = torch.jit.load(path, _extra_files=files)
    return lambda rows: module(torch.from_numpy(rows)).numpy(), json.loads(files[RECORD])


def load_torch_export(path):
    files = {RECORD: ""}
    module = torch.export.load(path, extra_files=files).module()
    return lambda rows: module(torch.from_numpy(rows)).numpy(), json.loads(files[RECORD])


def load_sb3(path):
    library = pytest.importorskip("stable_baselines3", reason="needs makeanagent[sb3]")
    model = library.SAC.load(path)
    with zipfile.ZipFile(path) as archive:
        record = json.loads(archive.read("data"))["makeanagent"]
    return lambda rows: model.predict(rows, deterministic=True)[0], record


LOADERS = {
    "onnx": load_onnx,
    "torchscript": load_torchscript,
    "torch-export": load_torch_export,
    "sb3": load_sb3,
}


def check(policy, path, kind, bounds, rows):
    """The export acts as the policy does, however many observations come at once."""
    export_policy(policy, path, action_bounds=bounds, about={"task": "suite/task"})
    act, record = LOADERS[kind](str(path))
    width = policy.spec.action_dim
    low, high = np.array(bounds or [[-1.0] * width, [1.0] * width])
    expected = low + (np.clip(policy.act(rows), -1, 1) + 1) / 2 * (high - low)
    assert np.ptp(expected, axis=0).min() > 0.1, "actions that hardly differ show nothing"
    for size in (len(rows), 1, 3):
        found = act(rows[:size])
        assert found.dtype == np.float32 and found.shape == (size, width)
        np.testing.assert_allclose(found, expected[:size], rtol=0, atol=1e-5)
    assert PolicySpec.from_dict(record["spec"]) == policy.spec
    assert record["input"]["name"] == "observation"
    assert record["output"]["shape"] == ["batch", width]
    assert record["task"] == "suite/task"
    np.testing.assert_allclose([record["output"]["low"], record["output"]["high"]], [low, high])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SPECS)
def test_every_export_acts_alike_in_its_own_runtime(kind, name, tmp_path):
    spec = SPECS[name]
    policy, path = make_policy(spec), tmp_path / f"policy{SUFFIXES[kind]}"
    bounds = make_bounds(spec)
    if kind == "sb3" and name == "unsquashed":
        with pytest.raises(InputError, match="squashed by tanh; this policy is not"):
            export_policy(policy, path, action_bounds=bounds)
        assert not list(tmp_path.iterdir())
    else:
        check(policy, path, kind, bounds, observe(spec))


@pytest.fixture(scope="module")
def generated():
    """A policy of the bundled generator's, and observations of its demonstration."""
    demonstration = makeanagent.Trajectory.load(PROMPTS / "door-close-v3.npz")
    generator = makeanagent.MakeAnAgent.from_pretrained("metaworld-41", torch.device("cpu"))
    return generator.generate(demonstration, 1)[0], demonstration.observations


@pytest.mark.parametrize("kind", KINDS)
def test_a_generated_policy(kind, generated, tmp_path):
    policy, observations = generated
    rows = np.concatenate([observations, observe(policy.spec)])
    check(policy, tmp_path / f"policy{SUFFIXES[kind]}", kind, None, rows)


def test_opset_and_names_of_the_graph(tmp_path):
    onnx = pytest.importorskip("onnx", reason="needs makeanagent[onnx]")
    export_policy(make_policy(SPECS["mixed"]), tmp_path / "policy.onnx", action_bounds=None)
    model = onnx.load(tmp_path / "policy.onnx")
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", OPSET)]
    names = {constant.name for constant in model.graph.initializer}
    assert {"linear1.weight", "mean.bias", "scale", "shift"} <= names
    assert not any("log_std" in name for name in names)


@pytest.fixture
def folder(tmp_path):
    spec = SPECS["mixed"]
    parameters = np.stack([make_policy(spec, seed).parameters for seed in range(4)])
    metadata = {
        "prompt": "demos",
        "env_ids": ["suite/first", "suite/second"],
        "prompt_of_policy": [0, 1, 0, 1],
        "action_bounds": make_bounds(spec),
        "seed": 5,
        "success": [0.1, 0.2, 0.3, 0.4],
    }
    save_policies(tmp_path / "policies", parameters, spec, metadata)
    return tmp_path / "policies"


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_with_what_it_knows_of_its_policies(folder, tmp_path, kind):
    if kind in ("onnx", "sb3"):
        pytest.importorskip({"onnx": "onnx", "sb3": "stable_baselines3"}[kind])
    files = export_policies(folder, tmp_path / "out", kind, [3, 0])
    assert [file.name for file in files] == [f"policy-{n}{SUFFIXES[kind]}" for n in ("003", "000")]
    assert sorted((tmp_path / "out").iterdir()) == sorted(files)
    act, record = LOADERS[kind](str(files[0]))
    parameters, spec, _ = makeanagent.load_policies(folder)
    low, high = np.array(make_bounds(spec))
    rows = observe(spec)
    expected = low + (Policy(parameters[3], spec).act(rows) + 1) / 2 * (high - low)
    np.testing.assert_allclose(act(rows), expected, rtol=1e-5, atol=1e-5)
    found = [record[name] for name in ("policy", "task", "prompt", "seed", "success")]
    assert found == [3, "suite/second", "demos", 5, 0.4]


def refuses(words, function, *arguments, **options):
    with pytest.raises(InputError) as caught:
        function(*arguments, **options)
    message = str(caught.value)
    assert words in message and "\n" not in message, message


def test_what_is_refused(folder, tmp_path):
    policy = make_policy(SPECS["mixed"])
    mine = tmp_path / "mine.pt"
    mine.write_text("mine")
    refuses("mine.pt: exists", export_policy, policy, mine, action_bounds=None)
    assert mine.read_text() == "mine"
    refuses("must end in .onnx, .pt", export_policy, policy, tmp_path / "x.tf", action_bounds=None)
    for bounds in ([[1, 1], [2, 1]], [[0], [1]], [[-1, -1], [1, np.inf]], "low", 3):
        path = tmp_path / "new.pt"
        refuses("must be [low, high] with 2", export_policy, policy, path, action_bounds=bounds)
    broken = Policy(np.full_like(policy.parameters, np.nan), policy.spec)
    refuses("NaN", export_policy, broken, tmp_path / "new.pt", action_bounds=None)
    refuses("there is no policy 4; they are 0 to 3", export_policies, folder, tmp_path / "out",
            "torchscript", [4])  # fmt: skip
    refuses("not empty", export_policies, folder, folder, "torchscript")
    assert not (tmp_path / "new.pt").exists() and not (tmp_path / "out").exists()


def test_damaged_bounds_are_of_the_index(folder, tmp_path):
    index = json.loads((folder / "policies.json").read_text())
    index["metadata"]["action_bounds"] = [[0, 0]]
    (folder / "policies.json").write_text(json.dumps(index))
    words = f"{folder / 'policies.json'}: action_bounds"
    refuses(words, export_policies, folder, tmp_path / "out", "torchscript")


@pytest.mark.parametrize(
    ("kind", "module", "extra"),
    [("onnx", "onnx", "onnx"), ("sb3", "stable_baselines3", "sb3")],
)
def test_a_missing_extra_is_said_in_one_line(folder, tmp_path, monkeypatch, kind, module, extra):
    monkeypatch.setitem(__import__("sys").modules, module, None)
    words = f"pip install 'makeanagent[{extra}]'"
    refuses(words, export_policies, folder, tmp_path / "out", kind)
    assert not (tmp_path / "out").exists()
