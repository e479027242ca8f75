"""Fitting familiarity to lessons."""

import numpy as np
import pytest
import torch

from makeanagent.suites.procedural import ProceduralSuite
from makeanagent.training import familiarity as module
from makeanagent.training.augment import AugmentConfig
from makeanagent.training.familiarity import fit_familiarity
from makeanagent.training.lessons import LessonShard
from makeanagent.trajectories.excerpt import Excerpts

SPACE = ProceduralSuite().space("0")


def make_shard(task, num_demonstrations=4, num_knots=8):
    """Lessons of a task whose hand goes where it is pushed, beside things on its left."""
    rng = np.random.default_rng(task)
    actions = rng.uniform(-1, 1, (1, num_demonstrations, num_knots, 4))
    observations = np.zeros((1, num_demonstrations, num_knots + 1, 39))
    observations[..., 0:3] = [0.2, 0.6, 0.2]
    observations[:, :, 1:, 0:3] += 0.01 * actions[..., :3].cumsum(axis=2)
    observations[..., 4:7] = [-0.3, 0.7, 0.02] + 0.02 * rng.standard_normal(3)
    observations[..., 36:39] = [-0.2, 0.8, 0.02] + 0.02 * rng.standard_normal(3)
    steps = np.broadcast_to(np.arange(num_knots + 1), (1, num_demonstrations, num_knots + 1))
    parts = {
        "observations": observations,
        "actions": actions,
        "mean_actions": actions,
        "steps": steps,
        "success": np.ones((1, num_demonstrations)),
        "states": observations[:, 0],
        "labels": np.zeros((1, num_knots + 1, 4)),
        "targets": np.zeros((1, 0)),
        "masks": np.zeros((1, 0)),
    }
    return LessonShard(
        **{name: torch.from_numpy(np.ascontiguousarray(a)).float() for name, a in parts.items()}
    )


@pytest.fixture
def paths(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_DEMONSTRATIONS", 96)
    found = [tmp_path / f"{task}.safetensors" for task in range(12)]
    for task, path in enumerate(found):
        make_shard(task).save(path)
    return found


def excerpts_of(task, change=lambda observations: observations):
    shard = make_shard(task)
    arrays = {name: getattr(shard, name)[0].numpy() for name in Excerpts.__dataclass_fields__}
    return Excerpts(**arrays | {"observations": change(arrays["observations"].copy())})


def hide_goal(observations):
    observations[..., 36:39] = 0
    return observations


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_goals_are_shown_to_it_and_noted_where_training_hid_them(paths, share):
    plain = AugmentConfig(symmetric=0, moved=0, hidden_goals=share)
    familiarity = fit_familiarity(SPACE, [(paths, plain, None)])
    for each in familiarity.judge(excerpts_of(20, hide_goal)):
        missing = [(found.subject, found.check) for found in each.findings]
        assert (("goal", "presence") in missing) == (share == 0)
        assert len(each.notes) == (share > 0)


@pytest.mark.parametrize("symmetric", [0.0, 1.0])
def test_it_knows_the_mirrored_lessons_that_training_saw(paths, symmetric):
    def mirror(observations):
        for start in SPACE.positions:
            observations[..., start] *= -1
        return observations

    augment = AugmentConfig(symmetric=symmetric, moved=0)
    familiarity = fit_familiarity(SPACE, [(paths, augment, None), (paths, augment, 6)])
    for each in familiarity.judge(excerpts_of(20, mirror)):
        placed = ("object", "place") in {(found.subject, found.check) for found in each.findings}
        assert placed == (symmetric == 0)
