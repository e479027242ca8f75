"""The snippets of `docs/dataset.md` run as they stand, on a published zoo."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from makeanagent.zoo.publish import publish_zoo

pytest.importorskip("pyarrow", reason="the extra `publish` is not installed")

PAGE = Path(__file__).parents[2] / "docs" / "dataset.md"
SNIPPETS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
CHECKS = {
    "load_published": "assert len(vectors) == len(trajectories) and len(demonstrations) == 12",
    "pq.read_table": "assert weight.shape == (128, 10) and index['row'][3] == 3",
}


@pytest.mark.parametrize("word", CHECKS)
def test_snippets(word, tiny_zoo, tmp_path):
    publish_zoo(tiny_zoo, tmp_path / "runs" / "zoo_dataset")
    (snippet,) = (each for each in SNIPPETS if word in each)
    assert len(SNIPPETS) == len(CHECKS)
    before = "" if "makeanagent" in snippet else "import sys; sys.modules['makeanagent'] = None\n"
    subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{before}{snippet}\n{CHECKS[word]}"],
        cwd=tmp_path,
        check=True,
    )
