"""`export`: a folder of files beside the policies, and nothing of the user's overwritten."""

import numpy as np
import pytest

from makeanagent.policies import PolicySpec, save_policies

SPEC = PolicySpec(observation_dim=2, action_dim=1, hidden=(3,), activations=("relu",))


@pytest.fixture
def policies(tmp_path):
    parameters = np.ones((3, SPEC.num_parameters), np.float32)
    save_policies(tmp_path / "policies", parameters, SPEC, {})
    return tmp_path / "policies"


def test_all_beside_the_folder_and_some_elsewhere(run, fails, policies, tmp_path):
    out = run("export", policies, "--format", "torchscript")
    beside = tmp_path / "policies-torchscript"
    assert out == f"{beside}: 3 exported for torchscript: policy-000.pt to policy-002.pt\n"
    assert sorted(file.name for file in beside.iterdir()) == [f"policy-00{k}.pt" for k in range(3)]
    before = {file: file.read_bytes() for file in beside.iterdir()}
    fails(f"{beside}: not empty", "export", policies, "--format", "torchscript")
    assert before == {file: file.read_bytes() for file in beside.iterdir()}
    out = run("export", policies, "--format", "torchscript", "--only", 1, "--out", tmp_path / "one")
    assert out == f"{tmp_path / 'one'}: 1 exported for torchscript: policy-001.pt\n"


def test_what_is_refused(fails, policies, tmp_path):
    out = ("--format", "torchscript", "--out", tmp_path / "out")
    fails("there is no policy 7; they are 0 to 2", "export", policies, *out, "--only", 0, 7)
    fails("twice", "export", policies, *out, "--only", 1, 1)
    fails("no such file", "export", tmp_path / "nowhere", *out)
    fails("is a file", "export", policies, "--format", "torchscript", "--out",
          policies / "policies.json")  # fmt: skip
    assert not (tmp_path / "out").exists()
