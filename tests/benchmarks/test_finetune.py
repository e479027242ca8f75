"""Fine-tuning with SAC: beginnings, warm-up, the end at the goal, and going on after a stop."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from benchmarks.__main__ import main
from benchmarks.experiments import finetune
from benchmarks.experiments.finetune_config import FineTuningConfig
from tests import tiny_generator

from makeanagent.artifacts import read_json
from makeanagent.methods.cloning import Cloning, CloningConfig
from makeanagent.policies import Policy, PolicySpec
from makeanagent.suites import find_task

pytest.importorskip("stable_baselines3", reason="needs makeanagent[sb3]")

from benchmarks.experiments import finetune_training as training  # noqa: E402

TINY = FineTuningConfig(
    num_steps=120,
    evaluate_every=60,
    num_layouts=2,
    horizon=20,
    warm_up=70,
    actor_learning_rate=1e-2,
    learning_starts=10,
    batch_size=8,
)


@pytest.fixture(scope="module")
def task():
    return find_task(tiny_generator.ENV)


@pytest.fixture(scope="module")
def shown(task):
    return training.demonstrate(*task, 0, TINY)


@pytest.fixture
def policy(task):
    space = task[0].space(task[1])
    spec = PolicySpec(observation_dim=space.observation_dim, action_dim=space.action_dim,
                      hidden=(8,), activations=("elu",))  # fmt: skip
    rng = np.random.default_rng(0)
    return Policy(0.1 * rng.standard_normal(spec.num_parameters).astype(np.float32), spec)


def open_model(task, policy, from_scratch=False, config=TINY):
    world = training.World(*task, config)
    return training._open_model(world, policy, 0, config, from_scratch)


def read_actor(model):
    return torch.cat([value.ravel().clone() for value in model.actor.state_dict().values()])


def test_the_demonstration_is_remembered_with_its_rewards(task, shown, policy):
    trajectory, rewards = shown
    assert trajectory.first_success is not None and rewards.shape == (len(trajectory),)
    model = open_model(task, policy)
    training._remember(model, trajectory, rewards, TINY)
    buffer = model.replay_buffer
    assert buffer.size() == len(trajectory)
    np.testing.assert_allclose(buffer.rewards[: buffer.size(), 0], 0.1 * rewards, rtol=1e-5)
    np.testing.assert_array_equal(
        buffer.next_observations[: buffer.size(), 0], trajectory.observations[1:]
    )
    # Its end is where the recording stopped, and not the episode's.
    assert buffer.dones[: buffer.size()].sum() == buffer.timeouts[: buffer.size()].sum() == 1


def test_a_given_actor_waits_for_its_critics_and_a_new_one_does_not(task, policy):
    given, new = open_model(task, policy), open_model(task, policy, from_scratch=True)
    before = read_actor(given)
    assert given.replay_buffer.n_steps == TINY.n_steps
    given.learn(60)
    assert torch.equal(read_actor(given), before)
    given.learn(30, reset_num_timesteps=False)
    assert not torch.equal(read_actor(given), before)
    before = read_actor(new)
    new.learn(60)
    assert not torch.equal(read_actor(new), before)


def test_a_run_ends_at_the_goal(task, shown, policy, monkeypatch):
    rates = iter([0.0, 1.0, 0.0])
    monkeypatch.setattr(training, "evaluate", lambda *_: next(rates))
    assert training.fine_tune(*task, policy, shown, 0, TINY) == [[0.0, 0.0], [60.0, 1.0]]


def test_the_experiment_goes_on_where_it_was_stopped(tmp_path, monkeypatch, capsys):
    generator = tiny_generator.save(tmp_path / "generator")
    monkeypatch.setattr(
        finetune, "FineTuningConfig", lambda **given: replace(TINY, num_steps=60) if given else TINY
    )
    monkeypatch.setattr(finetune, "Cloning", partial(Cloning, config=CloningConfig(num_steps=5)))
    out, picture = tmp_path / "finetune.json", tmp_path / "finetune.png"
    command = ["finetune", "--envs", tiny_generator.ENV, "--generator", str(generator),
               "--seeds", "1", "--num-steps", "60", "--runs", str(tmp_path / "runs"),
               "--out", str(out), "--figure", str(picture)]  # fmt: skip
    assert main(command) == 0
    result = read_json(out)
    assert [row["arm"] for row in result["tasks"]] == ["generated", "cloned", "scratch"]
    assert all(len(run["curve"]) == 2 or run["curve"][-1][1] >= 0.95 for run in result["runs"])
    assert picture.read_bytes().startswith(b"\x89PNG")

    def fail(*_, **__):
        raise AssertionError("trained again")

    monkeypatch.setattr(training, "fine_tune", fail)
    assert main(command) == 0
    assert read_json(out)["tasks"] == result["tasks"]
    monkeypatch.setattr(finetune, "read_optional", lambda name: result)
    page = finetune.write_page()
    assert "| generated |" in page and "60 steps (–)" in page


def test_a_goal_that_is_not_met_has_no_steps():
    runs = [
        {"env": "a", "arm": arm, "seen": False, "curve": [[0, 0.1], [60, last]]}
        for arm in finetune.ARMS
        for last in (0.9, 0.95)
    ]
    for row in finetune.summarize(runs, 0.95):
        assert row["steps"] == [None, 60]
        assert row["first"] == pytest.approx(0.1) and row["last"] == pytest.approx(0.925)
