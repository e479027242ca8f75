"""`import makeanagent` and `make-an-agent --help` answer at once."""

import resource
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

MAX_SECONDS = 0.5
COMMAND = str(Path(sysconfig.get_path("scripts")) / "make-an-agent")
HEAVY = (
    "numpy",
    "torch",
    "diffusers",
    "metaworld",
    "mujoco",
    "gymnasium",
    "matplotlib",
    "minari",
    "scipy",
)


def cpu_seconds(command: list[str]) -> float:
    """User and system time of a command; unlike wall time, hardly changed by other processes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


@pytest.mark.parametrize(
    "command",
    [[sys.executable, "-c", "import makeanagent"], [COMMAND, "--help"]],
    ids=["import", "help"],
)
def test_starts_at_once(command):
    times = []
    for _ in range(5):
        times.append(cpu_seconds(command))
        if times[-1] < MAX_SECONDS:
            return
    pytest.fail(f"the fastest of five took {min(times):.2f} s; at most {MAX_SECONDS} s is allowed")


@pytest.mark.parametrize("module", ["makeanagent", "makeanagent.cli"])
def test_imports_nothing_heavy(module):
    code = f"import sys, {module}; print(*sorted(set({HEAVY}) & sys.modules.keys()))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == []
