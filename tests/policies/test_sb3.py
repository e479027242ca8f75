"""A policy as SAC's actor: saved, opened, fine-tuned, and read as an expert."""

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box

from makeanagent.policies import Policy, PolicySpec
from makeanagent.policies.export import export_policy
from makeanagent.suites.gymnasium import GymnasiumSuite, GymnasiumTask

sb3 = pytest.importorskip("stable_baselines3", reason="needs makeanagent[sb3]")

from makeanagent.policies.sb3 import CarefulSAC  # noqa: E402

BOUNDS = [[-2.0], [2.0]]
SPEC = PolicySpec(observation_dim=3, action_dim=1, hidden=(16, 8, 12),
                  activations=("tanh", "relu", "elu"))  # fmt: skip


@pytest.fixture
def policy():
    rng = np.random.default_rng(0)
    return Policy(0.3 * rng.standard_normal(SPEC.num_parameters).astype(np.float32), SPEC)


@pytest.fixture
def path(policy, tmp_path):
    export_policy(policy, tmp_path / "policy.zip", action_bounds=BOUNDS)
    return tmp_path / "policy.zip"


@pytest.fixture
def model(path):
    """Opened for Pendulum, whose observation space has bounds of its own."""
    env = gymnasium.make("Pendulum-v1")
    return sb3.SAC.load(
        path,
        env=env,
        custom_objects={"observation_space": env.observation_space},
        learning_starts=50,
        buffer_size=1_000,
        seed=0,
    )


def in_bounds(policy, rows):
    return 2 * policy.act(rows)


def test_it_learns_and_is_saved_and_opened_again(model, policy, tmp_path):
    rows = np.random.default_rng(1).standard_normal((20, 3)).astype(np.float32)
    np.testing.assert_allclose(model.predict(rows, deterministic=True)[0], in_bounds(policy, rows),
                               atol=1e-5)  # fmt: skip
    model.learn(100)
    learned = model.predict(rows, deterministic=True)[0]
    assert np.abs(learned - in_bounds(policy, rows)).max() > 1e-3
    model.save(tmp_path / "again.zip")
    again = sb3.SAC.load(tmp_path / "again.zip")
    np.testing.assert_allclose(again.predict(rows, deterministic=True)[0], learned, atol=1e-6)
    model.policy.save(tmp_path / "policy_alone.zip")
    alone = type(model.policy).load(tmp_path / "policy_alone.zip")
    np.testing.assert_allclose(alone.predict(rows, deterministic=True)[0], learned, atol=1e-6)


def test_it_explores_a_little_whatever_was_generated_as_log_std(model):
    rows = 100 * np.random.default_rng(1).standard_normal((20, 3)).astype(np.float32)
    observations, _ = model.policy.obs_to_tensor(rows)
    _, log_std, _ = model.actor.get_action_dist_params(observations)
    np.testing.assert_array_equal(log_std.detach().numpy(), -2.0)


def test_divergence_from_the_given_actor_is_what_a_careful_model_measures(path):
    env = gymnasium.make("Pendulum-v1")
    spaces = {"observation_space": env.observation_space}
    model = CarefulSAC.load(path, env=env, custom_objects=spaces, learning_starts=10, seed=0)
    model.care_for_actor(warm_up=40, learning_rate=1e-2)
    # To saturation, where actions no longer tell what they were before tanh.
    rows = 100 * np.random.default_rng(1).standard_normal((200, 3)).astype(np.float32)
    observations, _ = model.policy.obs_to_tensor(rows)
    _, divergence = model.actor.action_log_prob(observations)
    np.testing.assert_allclose(divergence.detach().numpy(), 0, atol=1e-3)
    model.learn(39)
    _, divergence = model.actor.action_log_prob(observations)
    np.testing.assert_allclose(divergence.detach().numpy(), 0, atol=1e-3)
    model.learn(30, reset_num_timesteps=False)
    _, divergence = model.actor.action_log_prob(observations)
    assert 0.01 < divergence.mean() < 1e4


def test_it_is_read_as_an_expert_without_unpickling(policy, path):
    task = GymnasiumTask(env_id="Pendulum-v1", success=False, expert=str(path))
    expert = GymnasiumSuite((task,)).expert("Pendulum-v1")
    rows = np.random.default_rng(1).standard_normal((5, 3))
    # As experts of any suite do, in [-1, 1].
    np.testing.assert_allclose([expert(row) for row in rows], policy.act(rows), atol=1e-6)


def test_an_environment_of_other_bounds_is_refused(path):
    class Wider(gymnasium.ActionWrapper):
        action_space = Box(-3, 3, (1,), np.float32)

    with pytest.raises(ValueError, match="Action spaces do not match"):
        sb3.SAC.load(
            path,
            env=Wider(gymnasium.make("Pendulum-v1")),
            custom_objects={"observation_space": gymnasium.make("Pendulum-v1").observation_space},
        )
