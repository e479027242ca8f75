"""The results in docs/ and in the README are what the JSON files in benchmarks/results say."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_pages_are_what_the_json_says():
    command = [sys.executable, "-m", "benchmarks.write_results", "--check"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
