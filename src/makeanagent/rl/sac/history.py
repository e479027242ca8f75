"""What a population has brought forth: checkpoints, episodes of its buffers, and its curve."""

from dataclasses import dataclass, field

import numpy as np

from makeanagent.trajectories.trajectory import Trajectory


@dataclass(frozen=True)
class Agent:
    """One seed of one task."""

    task: str
    run: int


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """An actor that solved its training layout."""

    agent: Agent
    step: int
    "Environment steps of the agent until then."
    parameters: np.ndarray
    "float32 `[P]`."
    rollout: Trajectory
    "The test episode."


@dataclass(frozen=True, kw_only=True)
class LivedEpisode:
    """A successful episode of an agent's replay buffer."""

    agent: Agent
    step: int
    "Environment steps of the agent before it."
    trajectory: Trajectory


@dataclass
class Record:
    """What a population has brought forth so far."""

    checkpoints: list[Checkpoint] = field(default_factory=list)
    lived: list[LivedEpisode] = field(default_factory=list)
    curve: list[np.ndarray] = field(default_factory=list)
    "For each round, each agent's mean return and whether it has solved an episode, `[2, N]`."

    @property
    def num_rounds(self) -> int:
        """Rounds that are over."""
        return len(self.curve)

    def count(self, task: str) -> int:
        """Checkpoints of a task's agents."""
        return sum(checkpoint.agent.task == task for checkpoint in self.checkpoints)
