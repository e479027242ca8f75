"""Goals hidden: in a demonstration, and from the policies that play.

Where a task's goal is not among the observations, only the demonstration can say it, by where it
ends. Meta-World's meta-learning benchmarks hide it so, as zeros.
"""

from dataclasses import dataclass, replace

import numpy as np

from makeanagent.errors import InputError
from makeanagent.suites import BatchEnvironment, BatchStep, Environment, Step, Suite
from makeanagent.trajectories import Trajectory
from makeanagent.trajectories.space import Space


def hide_goals(observations: np.ndarray, space: Space) -> np.ndarray:
    """A copy of observations `[..., O]` whose goals (`Space.goals`) are zeros."""
    hidden = np.array(observations)
    for start in space.goals:
        hidden[..., start : start + 3] = 0
    return hidden


def hide_in_demonstration(trajectory: Trajectory, space: Space) -> Trajectory:
    """The same episode, whose observations tell no goal."""
    return replace(trajectory, observations=hide_goals(trajectory.observations, space))


@dataclass(frozen=True)
class HiddenGoals(Suite):
    """A suite's tasks without their goals among the observations; they have no experts.

    An expert reads the goal: demonstrations are recorded in the suite itself, and hidden then.
    """

    suite: Suite
    "The suite that is wrapped."

    @property
    def name(self) -> str:
        """That of the wrapped suite: what is played is its own tasks."""
        return self.suite.name

    def tasks(self) -> tuple[str, ...]:
        """The wrapped suite's."""
        return self.suite.tasks()

    def check_task(self, task: str) -> str:
        """Return the task's full name.

        Raises:
            InputError: there is no such task, or it has no goal that could be hidden.
        """
        name = self.suite.check_task(task)
        if not self.suite.space(name).goals:
            raise InputError(f"{self.name}/{name}: states no goals among its positions to hide")
        return name

    def space(self, task: str) -> Space:
        """The wrapped suite's: widths stay."""
        return self.suite.space(task)

    def make(self, task: str, *, render: bool = False) -> Environment:
        """Build the simulator of a task.

        Raises:
            InputError: it has no goal that could be hidden.
        """
        name = self.check_task(task)
        return _HiddenEnvironment(self.suite.make(name, render=render), self.suite.space(name))

    def make_batch(self, task: str) -> BatchEnvironment | None:
        """Build the simulator that steps many worlds at once, if the suite has one."""
        name = self.check_task(task)
        worlds = self.suite.make_batch(name)
        return None if worlds is None else _HiddenWorlds(worlds, self.suite.space(name))


class _HiddenEnvironment:
    """One simulator whose observations tell no goal."""

    def __init__(self, environment: Environment, space: Space) -> None:
        self._environment, self._space = environment, space
        self.horizon = environment.horizon

    def reset(self, layout: int) -> np.ndarray:
        return hide_goals(self._environment.reset(layout), self._space)

    def step(self, action: np.ndarray) -> Step:
        step = self._environment.step(action)
        return step._replace(observation=hide_goals(step.observation, self._space))

    def render(self) -> np.ndarray:
        return self._environment.render()

    def close(self) -> None:
        self._environment.close()


class _HiddenWorlds:
    """Many worlds that step together, whose observations tell no goal."""

    def __init__(self, worlds: BatchEnvironment, space: Space) -> None:
        self._worlds, self._space = worlds, space
        self.horizon = worlds.horizon

    def reset(self, layouts: np.ndarray) -> np.ndarray:
        return hide_goals(self._worlds.reset(layouts), self._space)

    def step(self, actions: np.ndarray) -> BatchStep:
        step = self._worlds.step(actions)
        return step._replace(observations=hide_goals(step.observations, self._space))

    def close(self) -> None:
        self._worlds.close()
