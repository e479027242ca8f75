"""SAC of Stable-Baselines3 that begins with a given actor, and how far each step takes it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box
from stable_baselines3 import SAC
from torch import nn

from benchmarks.experiments.finetune_config import FineTuningConfig
from makeanagent.errors import InputError
from makeanagent.policies.export import export_policy
from makeanagent.policies.policy import Policy
from makeanagent.policies.sb3 import CarefulSAC
from makeanagent.rollouts.actors import add_action_noise
from makeanagent.rollouts.episodes import play, record_episode
from makeanagent.suites import Environment, Suite, layouts
from makeanagent.trajectories import Trajectory


class World(gymnasium.Env):
    """A suite's task for training: layouts at random among those of training data."""

    def __init__(self, suite: Suite, task: str, config: FineTuningConfig) -> None:
        space = suite.space(task)
        self.observation_space = Box(-np.inf, np.inf, (space.observation_dim,), np.float32)
        self.action_space = Box(-1, 1, (space.action_dim,), np.float32)
        self.environment, self.config = suite.make(task), config
        self._steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode on another layout."""
        super().reset(seed=seed)
        self._steps = 0
        layout = layouts.ZOO[int(self.np_random.integers(self.config.training_layouts))]
        return self.environment.reset(layout).astype(np.float32), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Act in [-1, 1]."""
        step = self.environment.step(action)
        self._steps += 1
        truncated = not step.terminated and (step.over or self._steps >= self.config.horizon)
        reward = self.config.reward_scale * step.reward
        return step.observation.astype(np.float32), reward, step.terminated, truncated, {}


def demonstrate(
    suite: Suite, task: str, seed: int, config: FineTuningConfig
) -> tuple[Trajectory, np.ndarray]:
    """A success of the task's expert with action noise, and its rewards `[T]`.

    Raises:
        InputError: the expert keeps failing.
    """
    environment, expert = suite.make(task), suite.expert(task)
    with _closing(environment):
        for layout in layouts.PROMPTS[100 * seed : 100 * seed + 20]:
            rng = np.random.default_rng((seed, layout))
            act = add_action_noise(expert, config.demonstration_noise, rng)
            shown = record_episode(environment, act, layout, env_id=f"{suite.name}/{task}")
            if shown.first_success is not None:
                # The same numbers once more, for rewards, which a demonstration has none of.
                environment.reset(layout)
                rewards = [environment.step(action).reward for action in shown.actions]
                return shown, np.array(rewards)
    raise InputError(f"{suite.name}/{task}: its expert failed on 20 layouts")


def fine_tune(
    suite: Suite,
    task: str,
    policy: Policy,
    demonstration: tuple[Trajectory, np.ndarray],
    seed: int,
    config: FineTuningConfig,
    *,
    from_scratch: bool = False,
) -> list[list[float]]:
    """Train until the goal is met or steps are used up.

    Args:
        suite: of the task.
        task: its full name.
        policy: the actor at first.
        demonstration: with its rewards, for the replay buffer.
        seed: of networks and layouts.
        config: sizes and rates.
        from_scratch: whether the actor knows nothing: it then learns from the first update on, at
            the critics' rate, and explores widely.

    Returns:
        Environment steps and success rate of each evaluation.
    """
    world = World(suite, task, config)
    judge = suite.make(task)
    with _closing(world.environment), _closing(judge):
        model = _open_model(world, policy, seed, config, from_scratch)
        _remember(model, *demonstration, config)
        curve = [[0.0, evaluate(model, judge, config)]]
        while curve[-1][1] < config.goal and model.num_timesteps < config.num_steps:
            model.learn(config.evaluate_every, reset_num_timesteps=False)
            curve.append([float(model.num_timesteps), evaluate(model, judge, config)])
    return curve


def evaluate(model: SAC, judge: Environment, config: FineTuningConfig) -> float:
    """Success rate of the deterministic actor on the layouts of reported scores."""

    def act(observation: np.ndarray) -> np.ndarray:
        return model.predict(observation.astype(np.float32), deterministic=True)[0]

    successes = [
        any(step.success for _, _, step in play(judge, act, layout, config.horizon))
        for layout in layouts.SCORING[: config.num_layouts]
    ]
    return float(np.mean(successes))


def _open_model(
    world: World, policy: Policy, seed: int, config: FineTuningConfig, from_scratch: bool
) -> CarefulSAC:
    """The actor as users have it: exported, and opened again."""
    torch.manual_seed(seed)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "policy.zip"
        export_policy(policy, path, action_bounds=None)
        model = CarefulSAC.load(
            path,
            env=world,
            learning_rate=config.learning_rate,
            learning_starts=config.learning_starts if not from_scratch else 2 * config.batch_size,
            buffer_size=config.num_steps + 1_000,
            replay_buffer_class=None,  # One for returns of several steps.
            n_steps=config.n_steps,
            batch_size=config.batch_size,
            train_freq=config.update_every,
            seed=seed,
        )
    if from_scratch:
        assert isinstance(model.actor.log_std, nn.Linear)
        nn.init.zeros_(model.actor.log_std.bias)
    else:
        model.care_for_actor(config.warm_up, config.actor_learning_rate)
    return model


def _remember(model: SAC, shown: Trajectory, rewards: np.ndarray, config: FineTuningConfig) -> None:
    """Put a demonstration into the replay buffer."""
    assert model.replay_buffer is not None
    for index, (action, reward) in enumerate(zip(shown.actions, rewards, strict=True)):
        last = index + 1 == len(shown)
        model.replay_buffer.add(
            shown.observations[index][None],
            shown.observations[index + 1][None],
            action[None],
            np.array([config.reward_scale * reward]),
            np.array([last]),
            [{"TimeLimit.truncated": last}],
        )


@contextmanager
def _closing(environment: Environment) -> Iterator[None]:
    try:
        yield
    finally:
        environment.close()
