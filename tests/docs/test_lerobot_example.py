"""`examples/lerobot.md`: its snippet runs on a dataset of the layout that it is about."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from makeanagent.trajectories import Trajectory

pytest.importorskip("pyarrow", reason="needs the extra lerobot")

from tests.trajectories.lerobot_datasets import write_v2  # noqa: E402

ROOT = Path(__file__).parents[2]


def test_the_snippet_runs(tmp_path):
    page = (ROOT / "examples" / "lerobot.md").read_text()
    (snippet,) = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    demo = Trajectory.load(ROOT / "src" / "makeanagent" / "prompts" / "door-open-v3.npz")
    episode = {
        "task": "Open a drawer",
        "observation.state": demo.observations[:-1, :4],
        "observation.environment_state": demo.observations[:-1],
        "action": 3 * demo.actions,
        "next.reward": np.zeros(len(demo), np.float32),
        "next.success": demo.success,
    }
    write_v2(tmp_path / "metaworld_mt50", [episode] * 3)
    result = subprocess.run(
        [sys.executable, "-c", snippet + "\nassert (len(demos), len(policies)) == (1, 20)"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert "observations are observation.environment_state" in result.stdout
