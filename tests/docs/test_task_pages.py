"""The snippets of `docs/procedural.md` and `docs/robosuite.md` run as they stand."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.tiny_generator import READER

from makeanagent import MakeAnAgent, PolicySpec
from makeanagent.rollouts.episodes import record_episode
from makeanagent.suites import find_task

DOCS = Path(__file__).parents[2] / "docs"


def run(page, folder, check):
    text = (DOCS / page).read_text()
    (snippet,) = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    subprocess.run([sys.executable, "-c", f"{snippet}\n{check}"], cwd=folder, check=True)


def test_drawn_tasks(tmp_path):
    run(
        "procedural.md",
        tmp_path,
        "assert episodes.observations.shape == (1000, 4, 151, 39)\n"
        "assert len(episodes.labels) == len(tasks) == 1000\n"
        "assert succeeds.all()",
    )


def test_an_arm_that_is_driven_by_its_joints(tmp_path):
    pytest.importorskip("robosuite", reason="needs the extra robosuite", exc_type=ImportError)
    suite, task = find_task("robosuite/lift-sawyer-joint")
    shown = record_episode(suite.make(task), suite.expert(task), 0, max_steps=30)
    replace(shown, env_id="robosuite/lift-sawyer-joint").save(tmp_path / "demo.npz")
    spec = PolicySpec(observation_dim=41, action_dim=8, hidden=(8, 8))
    hand = suite.space("lift-sawyer")
    generator = MakeAnAgent(replace(READER, spec=spec, space=hand, suite="robosuite"))
    generator.save_pretrained(tmp_path / "runs" / "panda" / "generator")
    run(
        "robosuite.md",
        tmp_path,
        "assert actor.act(Trajectory.load('demo.npz').observations[:2]).shape == (2, 8)",
    )
