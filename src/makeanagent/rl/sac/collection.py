"""What agents live through between two blocks of updates; runs in worker processes."""

from dataclasses import dataclass

import numpy as np

from makeanagent.policies.policy import Policy
from makeanagent.policies.spec import PolicySpec
from makeanagent.rl.sac.config import SACConfig
from makeanagent.rl.sac.replay_buffer import make_transitions
from makeanagent.rollouts.actors import add_action_noise
from makeanagent.rollouts.episodes import open_environment, play, record_episode
from makeanagent.suites import Act, Environment, Suite
from makeanagent.suites.layouts import ZOO
from makeanagent.trajectories.trajectory import Trajectory
from makeanagent.trajectories.windows import PromptWindow


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

    def act_as_kept(observation: np.ndarray) -> np.ndarray:
        # The simulator gets the very numbers that the buffer holds.
        return np.asarray(act(observation), np.float32)

    observations, actions, steps = zip(
        *play(environment, act_as_kept, layout, num_steps), strict=True
    )
    return Episode(
        observations=np.array([*observations, steps[-1].observation], np.float32),
        actions=np.array(actions),
        rewards=np.array([step.reward for step in steps]),
        success=np.array([bool(step.success) for step in steps]),
        terminated=steps[-1].terminated,
    )


@dataclass(frozen=True, kw_only=True)
class Course:
    """What all agents of a population share; goes to worker processes with every job."""

    suite: Suite
    spec: PolicySpec
    "The actors' layers."
    config: SACConfig
    window: PromptWindow
    "Prompts must be able to be cut out of every kept trajectory."

    @property
    def layout(self) -> int:
        """Where every episode starts."""
        return ZOO[self.config.layout]


def explore(
    course: Course, task: str, parameters: np.ndarray | None, seed: tuple[int, ...]
) -> list[Episode]:
    """One agent's round: episodes of its stochastic actor, or of uniformly random actions.

    Args:
        course: how long a round and an episode are, and where they start.
        task: the agent's task.
        parameters: the actor, `[P]`; none for random actions.
        seed: of the actions' noise.

    Returns:
        Episodes of `round_steps` steps together; the last one may be cut.
    """
    rng = np.random.default_rng(seed)
    policy = Policy(parameters, course.spec) if parameters is not None else None

    def act(observation: np.ndarray) -> np.ndarray:
        if policy is None:
            return rng.uniform(-1, 1, course.spec.action_dim)
        return policy.act(observation, deterministic=False, rng=rng)

    environment = open_environment(course.suite, task)
    episodes, left = list[Episode](), course.config.round_steps
    while left > 0:
        num_steps = min(course.config.horizon, left)
        episodes.append(play_episode(environment, act, course.layout, num_steps))
        left -= len(episodes[-1].actions)
    return episodes


def demonstrate(course: Course, task: str, seed: int) -> list[Episode]:
    """The expert's episodes with action noise, which a task's agents find in their buffers."""
    config = course.config
    if config.num_demonstrations == 0:
        return []
    environment, expert = open_environment(course.suite, task), course.suite.expert(task)
    episodes = []
    for number in range(config.num_demonstrations):
        scale = config.noise_scales[number % len(config.noise_scales)]
        act = add_action_noise(expert, scale, np.random.default_rng((seed, number)))
        episodes.append(play_episode(environment, act, course.layout, config.horizon))
    return episodes


def try_actor(course: Course, task: str, parameters: np.ndarray) -> Trajectory:
    """The deterministic actor's episode, long enough for a prompt."""
    return record_episode(
        open_environment(course.suite, task),
        Policy(parameters, course.spec),
        course.layout,
        min_steps=course.window.num_steps,
        steps_after_success=course.window.num_outcome_states,
        max_steps=course.config.horizon,
        env_id=f"{course.suite.name}/{task}",
        source="zoo",
    )


def cut_trajectory(course: Course, task: str, episode: Episode, source: str) -> Trajectory:
    """An episode until just after its first success, or all of it, as a trajectory."""
    end = len(episode.actions)
    if episode.success.any():
        first = int(np.argmax(episode.success))
        needed = max(course.window.num_steps, first + 1 + course.window.num_outcome_states)
        end = min(end, needed)
    return Trajectory(
        observations=episode.observations[: end + 1],
        actions=episode.actions[:end],
        success=episode.success[:end],
        env_id=f"{course.suite.name}/{task}",
        source=source,
    )
