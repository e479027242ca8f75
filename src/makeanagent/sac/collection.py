"""What agents live through between two blocks of updates; runs in worker processes."""

from dataclasses import dataclass

import numpy as np

from makeanagent.environments import Act, Environment, Suite
from makeanagent.evaluation.rollouts import open_environment, record_episode
from makeanagent.policies.policy import Policy
from makeanagent.policies.spec import PolicySpec
from makeanagent.sac.config import SACConfig
from makeanagent.sac.replay import make_transitions
from makeanagent.trajectories.prompt import PromptWindow
from makeanagent.trajectories.trajectory import Trajectory


@dataclass(frozen=True, kw_only=True)
class Episode:
    """What an agent saw, did and earned from a reset on."""

    observations: np.ndarray
    "float32 `[T + 1, O]`."
    actions: np.ndarray
    "float32 `[T, A]`."
    rewards: np.ndarray
    "`[T]`."
    success: np.ndarray
    "bool `[T]`."
    terminated: bool

    def transitions(self, config: SACConfig) -> np.ndarray:
        """Rows of a replay buffer, `[T, W]`."""
        return make_transitions(
            self.observations,
            self.actions,
            self.rewards,
            self.terminated,
            config.discount,
            config.return_steps,
        )


def play_episode(environment: Environment, act: Act, layout: int, num_steps: int) -> Episode:
    """Play until the episode ends by itself, or for `num_steps` steps."""
    observations = [environment.reset(layout)]
    actions, rewards, success = list[np.ndarray](), list[float](), list[bool]()
    terminated = over = False
    while not over and len(actions) < num_steps:
        actions.append(np.asarray(act(observations[-1]), np.float32))
        observation, solved, over = environment.step(actions[-1])
        observations.append(observation)
        rewards.append(environment.reward)
        success.append(solved)
        terminated = environment.terminated
    return Episode(
        observations=np.array(observations, np.float32),
        actions=np.array(actions),
        rewards=np.array(rewards),
        success=np.array(success),
        terminated=terminated,
    )


def explore(
    suite: Suite,
    task: str,
    parameters: np.ndarray | None,
    spec: PolicySpec,
    config: SACConfig,
    layout: int,
    seed: tuple[int, ...],
) -> list[Episode]:
    """One agent's round: episodes of its stochastic actor, or of uniformly random actions.

    Args:
        suite: the environments.
        task: the agent's task.
        parameters: the actor, `[P]`; none for random actions.
        spec: the actor's layers.
        config: how long a round and an episode are.
        layout: where every episode starts.
        seed: of the actions' noise.

    Returns:
        Episodes of `round_steps` steps together; the last one may be cut.
    """
    rng = np.random.default_rng(seed)
    policy = Policy(parameters, spec) if parameters is not None else None

    def act(observation: np.ndarray) -> np.ndarray:
        if policy is None:
            return rng.uniform(-1, 1, spec.action_dim)
        return policy.act(observation, deterministic=False, rng=rng)

    environment = open_environment(suite, task)
    episodes, left = list[Episode](), config.round_steps
    while left > 0:
        episodes.append(play_episode(environment, act, layout, min(config.horizon, left)))
        left -= len(episodes[-1].actions)
    return episodes


def try_actor(
    suite: Suite,
    task: str,
    parameters: np.ndarray,
    spec: PolicySpec,
    config: SACConfig,
    layout: int,
    window: PromptWindow,
) -> Trajectory:
    """The deterministic actor's episode on the training layout, long enough for a prompt."""
    return record_episode(
        open_environment(suite, task),
        Policy(parameters, spec),
        layout,
        min_steps=window.num_steps,
        steps_after_success=window.num_outcome_states,
        max_steps=config.horizon,
        env_id=f"{suite.name}/{task}",
        source="zoo",
    )
