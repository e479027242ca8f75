"""README's Python snippets run as they stand, on the demonstration that its commands record."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SNIPPETS = re.findall(
    r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE
)
CHECK = """
assert len(policies) == 20
assert policies[0].spec == policies.spec
assert action.shape == (demo.actions.shape[1],)
"""


def test_the_snippet_runs(tmp_path):
    (snippet,) = SNIPPETS
    # What `make-an-agent record --env metaworld/window-close-v3 --out demo.npz` makes.
    prompts = ROOT / "src" / "makeanagent" / "prompts"
    shutil.copy(prompts / "window-close-v3.npz", tmp_path / "demo.npz")
    result = subprocess.run(
        [sys.executable, "-c", snippet + CHECK],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
