"""The snippets of `docs/export.md` run as they stand."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from makeanagent.demo import PROMPTS
from makeanagent.policies import Policy, PolicySpec, save_policies
from makeanagent.policies.export import SUFFIXES, export_policy

PAGE = (Path(__file__).parents[2] / "docs" / "export.md").read_text()
SNIPPETS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
NEEDS = {
    "export_policies": "onnx",
    "onnxruntime": "onnxruntime",
    "stable_baselines3": "stable_baselines3",
}
# As wide as what each snippet plays.
SPEC = PolicySpec(observation_dim=3, action_dim=1, hidden=(8, 8))


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_snippet(snippet, tmp_path):
    for word, module in NEEDS.items():
        if word in snippet:
            pytest.importorskip(module)
    parameters = 0.1 * np.ones((2, SPEC.num_parameters), np.float32)
    save_policies(tmp_path / "policies", parameters, SPEC, {})
    (tmp_path / "demo.npz").write_bytes((PROMPTS / "door-close-v3.npz").read_bytes())
    suffix = next((s for s in SUFFIXES.values() if f'"policy{s}"' in snippet), None)
    is_read = "export_policy(" not in snippet
    if is_read:
        path = tmp_path / f"policy{suffix}"
        export_policy(Policy(parameters[0], SPEC), path, action_bounds=[[-2], [2]])
    subprocess.run([sys.executable, "-c", snippet], cwd=tmp_path, check=True)
    if not is_read:
        assert (tmp_path / "policy.onnx").is_file()
        assert len(list((tmp_path / "policies-torch").iterdir())) == 2


def test_each_format_is_shown():
    assert len(SNIPPETS) == 4
    assert all(f"`{suffix}`" in PAGE for suffix in SUFFIXES.values() if suffix != ".onnx")
