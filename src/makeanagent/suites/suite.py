"""What a suite of environments offers; all that the rest of the package knows of a simulator."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

from makeanagent.errors import InputError
from makeanagent.trajectories.space import Space

Act = Callable[[np.ndarray], np.ndarray]
"""A memoryless controller: observation `[O]` to action `[A]`."""


class Step(NamedTuple):
    """What came of one action."""

    observation: np.ndarray
    "Float `[O]`."
    reward: float
    success: bool | None
    "Whether the task stands solved now; None where the task has no such signal."
    terminated: bool
    "Whether the episode has ended for good, and not by its horizon."
    over: bool
    "Whether the episode has ended, for good or by its horizon."


class Environment(Protocol):
    """One task's simulator."""

    horizon: int
    "Steps after which an episode is over."

    def reset(self, layout: int) -> np.ndarray:
        """Start an episode on a layout and return the observation, float `[O]`."""
        ...

    def step(self, action: np.ndarray) -> Step:
        """Act: `[A]` in [-1, 1]."""
        ...

    def render(self) -> np.ndarray:
        """A picture of the scene, uint8 `[H, W, 3]`.

        Raises:
            InputError: no OpenGL library is at hand.
        """
        ...

    def close(self) -> None:
        """Free the simulator."""
        ...


class BatchStep(NamedTuple):
    """What came of one action in each of W worlds."""

    observations: np.ndarray
    "Float `[W, O]`."
    rewards: np.ndarray
    "Float `[W]`."
    success: np.ndarray | None
    "Bool `[W]`; None where the task has no such signal."
    terminated: np.ndarray
    "Bool `[W]`."
    over: np.ndarray
    "Bool `[W]`. What a world gives after it is over is not read."


class BatchEnvironment(Protocol):
    """One task's simulator of many worlds that step together."""

    horizon: int
    "Steps after which an episode is over."

    def reset(self, layouts: np.ndarray) -> np.ndarray:
        """Start W episodes, world w on layout `layouts[w]`, and return observations `[W, O]`."""
        ...

    def step(self, actions: np.ndarray) -> BatchStep:
        """Act in each world: `[W, A]` in [-1, 1]."""
        ...

    def close(self) -> None:
        """Free the simulator."""
        ...


class Suite(ABC):
    """A family of tasks.

    Suites pickle to worker processes, and are hashable so that these keep a simulator for later.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """First part of the tasks' ids, such as `metaworld`."""

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """Names for several tasks together, such as `unseen`."""
        return {}

    @abstractmethod
    def tasks(self) -> tuple[str, ...]:
        """Names of all tasks."""

    @abstractmethod
    def check_task(self, task: str) -> str:
        """Return the task's full name.

        Raises:
            InputError: there is no such task.
        """

    @abstractmethod
    def space(self, task: str) -> Space:
        """What a task's observations and actions are."""

    @abstractmethod
    def make(self, task: str, *, render: bool = False) -> Environment:
        """Build the simulator of a task."""

    def make_batch(self, task: str) -> BatchEnvironment | None:
        """Build the simulator that steps many worlds of a task at once, if there is one."""
        return None

    def expert(self, task: str) -> Act:
        """The task's expert.

        Raises:
            InputError: the task has none.
        """
        raise InputError(f"{self.name}/{task}: has no expert")

    def teacher(self, task: str) -> Act:
        """Whose actions a zoo's policies learn; the expert, unless there is a better one.

        Raises:
            InputError: the task has none.
        """
        return self.expert(task)

    def traces(self, task: str, observations: np.ndarray) -> dict[str, np.ndarray]:
        """Paths to draw for a task's observations `[T, O]`: name to metres `[T, 3]`.

        What moves by itself comes first, the goal last; nothing, where a task has no paths.
        """
        return {}
