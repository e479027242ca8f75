"""The snippets of `docs/formats.md` run as they stand, without the package."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from makeanagent import ReadOptions
from makeanagent.policies import Policy, PolicySpec, save_policies
from makeanagent.trajectories import make_prompt, read_demonstrations

PAGE = Path(__file__).parents[2] / "docs" / "formats.md"
SNIPPETS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
NO_PACKAGE = "import sys\nsys.modules['makeanagent'] = None\n"


def find_snippet(word):
    (snippet,) = (snippet for snippet in SNIPPETS if word in snippet)
    return snippet


def run(snippet, folder, epilogue=""):
    """Run a snippet in a process of its own, in `folder`, where the package cannot be imported."""
    # Minari asks for an author and more.
    options = ["-W", "error", "-W", "ignore::UserWarning:minari.utils"]
    subprocess.run(
        [sys.executable, *options, "-c", NO_PACKAGE + snippet + "\n" + epilogue],
        cwd=folder,
        env=os.environ | {"MINARI_DATASETS_PATH": str(folder)},
        check=True,
    )


def test_every_snippet_is_tested_here():
    words = (
        "savez",
        "minari",
        "h5py",
        "behavior =",
        "safetensors.numpy",
        "safetensors.torch",
        "zoo/",
    )
    assert [find_snippet(word) for word in words] == SNIPPETS
    assert not any("makeanagent" in snippet for snippet in SNIPPETS)


def test_a_demonstration_and_its_prompt(tmp_path):
    run(find_snippet("savez"), tmp_path)
    (demonstration,) = read_demonstrations(tmp_path / "demo.npz")
    assert len(demonstration) == 80
    assert demonstration.env_id == "metaworld/window-close-v3"
    for success in (demonstration.success, np.zeros(80, bool), np.arange(80) == 79):
        np.savez(
            tmp_path / "demo.npz",
            observations=demonstration.observations,
            actions=demonstration.actions,
            success=success,
        )
        run(
            find_snippet("behavior ="),
            tmp_path,
            "np.savez('prompt.npz', behavior=behavior, outcome=outcome)",
        )
        prompt = make_prompt(*read_demonstrations(tmp_path / "demo.npz"))
        with np.load(tmp_path / "prompt.npz") as found:
            assert found["behavior"].tobytes() == prompt.behavior.tobytes()
            assert found["outcome"].tobytes() == prompt.outcome.tobytes()


def test_a_minari_dataset(tmp_path):
    run(find_snippet("minari"), tmp_path)
    (demonstration,) = read_demonstrations(tmp_path / "window-close" / "expert-v0")
    assert len(demonstration) == 80
    assert demonstration.first_success == 71


def test_a_robomimic_file(tmp_path):
    run(find_snippet("h5py"), tmp_path)
    options = ReadOptions(group="train", success="reward")
    found = read_demonstrations(tmp_path / "demos.hdf5", options)
    assert [(len(each), each.first_success) for each in found] == [(80, 71)] * 2


@pytest.mark.parametrize(
    ("library", "epilogue"),
    [
        ("numpy", "np.save('found.npy', [act(vector, rows) for vector in parameters])"),
        (
            "torch",
            "import numpy\n"
            "rows = torch.from_numpy(rows)\n"
            "found = [make_network(vector)(rows).detach().numpy() for vector in parameters]\n"
            "numpy.save('found.npy', found)",
        ),
    ],
)
def test_policies_without_the_package(tmp_path, library, epilogue):
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((5, 39)).astype(np.float32)
    np.save(tmp_path / "rows.npy", rows)
    for name, spec in (
        ("policies", PolicySpec(observation_dim=39, action_dim=4)),
        (
            "others",
            PolicySpec(
                observation_dim=39,
                action_dim=2,
                hidden=(16, 8, 8),
                activations=("tanh", "elu", "relu"),
                heads=("mean",),
                squash="none",
            ),
        ),
    ):
        parameters = 0.1 * rng.standard_normal((3, spec.num_parameters))
        save_policies(tmp_path / name, parameters, spec, {})
        snippet = find_snippet(f"safetensors.{library}").replace("policies/", f"{name}/")
        run(snippet, tmp_path, "import numpy; rows = numpy.load('rows.npy')\n" + epilogue)
        found = np.load(tmp_path / "found.npy")
        expected = [Policy(vector, spec).act(rows) for vector in parameters]
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_zoo_without_the_package(tmp_path, tiny_zoo):
    (tmp_path / "zoo").symlink_to(tiny_zoo.folder)
    run(
        find_snippet("zoo/"),
        tmp_path,
        "np.savez('found.npz', policies=policies, qualified=qualified,"
        " actions=actions_k, observations=observations_k)",
    )
    (shard,) = tiny_zoo.load_task("Reacher-v5")
    with np.load(tmp_path / "found.npz") as found:
        assert np.array_equal(found["qualified"], shard.qualified)
        rows = shard.qualified & (shard.step == 30)
        assert np.array_equal(found["policies"], shard.parameters[rows])
        assert np.array_equal(found["actions"], shard.rollouts[4].actions)
        assert np.array_equal(found["observations"], shard.rollouts[4].observations)
