"""The recipe for fine-tuning in torch: a policy that knows nothing learns what it is shown."""

import subprocess
import sys
from pathlib import Path

import numpy as np
from tests import tiny_generator

from makeanagent import Policy, Trajectory, load_policies
from makeanagent.cli import main

RECIPE = Path(__file__).parents[2] / "examples" / "finetune_torch.py"


def test_a_policy_learns_from_several_demonstrations(tmp_path):
    generator = tiny_generator.save(tmp_path / "untrained")
    demos, policies, out = tmp_path / "demos", tmp_path / "policies", tmp_path / "tuned"
    env = ["--env", tiny_generator.ENV]
    assert main(["record", *env, "--num", "4", "--out", str(demos)]) == 0
    unseen = Trajectory.load(demos / "demo-003.npz")
    (demos / "demo-003.npz").unlink()
    common = ["--prompt", str(demos), "--together", "--generator", str(generator)]
    assert main(["generate", *common, "--num", "2", "--out", str(policies)]) == 0
    command = [sys.executable, RECIPE, "--policies", policies, "--demos", demos, "--out", out]
    done = subprocess.run([*command, "--number", "1"], check=True, capture_output=True, text=True)
    assert "loss" in done.stdout

    before, spec, _ = load_policies(policies)
    after, spec_after, metadata = load_policies(out)
    assert spec_after == spec and after.shape == (1, spec.num_parameters)
    assert metadata["fine_tuned_on"] == str(demos) and "action_bounds" in metadata

    def error(vector):
        actions = Policy(vector, spec).act(unseen.observations[:-1])
        return np.abs(actions - unseen.actions).mean()

    # A layout that it has not seen, with the expert's noise in the labels.
    assert error(after[0]) < 0.75 * error(before[1])
    # Nothing of the user's is overwritten.
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode != 0 and "not empty" in again.stderr
