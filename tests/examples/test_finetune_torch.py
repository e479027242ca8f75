"""The recipe for fine-tuning in torch: a policy that knows nothing learns what it is shown."""

import subprocess
import sys
from pathlib import Path

import numpy as np
from tests import tiny_generator

from makeanagent import Policy, PolicySpec, Trajectory, load_policies, save_policies
from makeanagent.cli import main
from makeanagent.policies.initialization import initialize_actor

SPEC = PolicySpec(observation_dim=10, action_dim=2, hidden=(64, 64))
RECIPE = Path(__file__).parents[2] / "examples" / "finetune_torch.py"


def test_a_policy_learns_from_several_demonstrations(tmp_path):
    demos, policies, out = tmp_path / "demos", tmp_path / "policies", tmp_path / "tuned"
    env = ["--env", tiny_generator.ENV]
    assert main(["record", *env, "--num", "4", "--noise", "0", "--out", str(demos)]) == 0
    unseen = Trajectory.load(demos / "demo-003.npz")
    (demos / "demo-003.npz").unlink()
    parameters = np.stack([initialize_actor(SPEC, seed).numpy() for seed in range(2)])
    save_policies(policies, parameters, SPEC, {"action_bounds": [[-1, -1], [1, 1]]})
    command = [sys.executable, RECIPE, "--policies", policies, "--demos", demos, "--out", out]
    done = subprocess.run([*command, "--number", "1"], check=True, capture_output=True, text=True)
    assert "loss" in done.stdout

    before, spec, _ = load_policies(policies)
    after, spec_after, metadata = load_policies(out)
    assert spec_after == spec and after.shape == (1, spec.num_parameters)
    assert metadata["fine_tuned_on"] == str(demos) and metadata["action_bounds"] == [
        [-1, -1],
        [1, 1],
    ]

    def error(vector):
        actions = Policy(vector, spec).act(unseen.observations[:-1])
        return np.abs(actions - unseen.actions).mean()

    # On a layout that it has not seen.
    assert error(after[0]) < 0.5 * error(before[1])
    # Nothing of the user's is overwritten.
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode != 0 and "not empty" in again.stderr
