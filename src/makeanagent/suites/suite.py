"""What a suite of environments offers; all that the rest of the package knows of a simulator."""

from collections.abc import Callable
from typing import Protocol

import numpy as np

Act = Callable[[np.ndarray], np.ndarray]
"""A memoryless controller: observation `[O]` to action `[A]`."""


class Environment(Protocol):
    """One task's simulator."""

    horizon: int
    "Steps after which an episode is over."
    reward: float
    "Of the last step."
    terminated: bool
    "Whether the last step ended the episode for good, and not by its horizon."

    def reset(self, layout: int) -> np.ndarray:
        """Start an episode on a layout and return the observation, float `[O]`."""
        ...

    def step(self, action: np.ndarray) -> tuple[np.ndarray, bool, bool]:
        """Act, and return the observation `[O]`, success now, and whether the episode is over."""
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


class Suite(Protocol):
    """A family of tasks with one observation and action space.

    Suites pickle to worker processes, and are hashable so that these keep a simulator for later.
    A suite may have two things more: `groups`, names for several tasks together, and
    `teacher(task)`, an `Act` whose actions a zoo's policies learn in place of the expert's.
    """

    def __hash__(self) -> int:
        """Equal suites hash alike."""
        ...

    @property
    def name(self) -> str:
        """First part of the tasks' ids, such as `metaworld`."""
        ...

    @property
    def positions(self) -> tuple[int, ...]:
        """Where in an observation positions begin: x, y and z each, all in one frame.

        Moving all of them alike along x and y must leave the right action as it is. None, where it
        would not. A position of zeros is of an object that is not there.
        """
        ...

    def tasks(self) -> tuple[str, ...]:
        """Names of all tasks."""
        ...

    def check_task(self, task: str) -> str:
        """Return the task's full name.

        Raises:
            InputError: there is no such task.
        """
        ...

    def spaces(self, task: str) -> tuple[int, int]:
        """Observation and action width of a task."""
        ...

    def make(self, task: str, *, render: bool = False) -> Environment:
        """Build the simulator of a task."""
        ...

    def expert(self, task: str) -> Act:
        """The task's expert.

        Raises:
            InputError: the task has none.
        """
        ...

    def traces(self, task: str, observations: np.ndarray) -> dict[str, np.ndarray]:
        """Paths to draw for a task's observations `[T, O]`: name to metres `[T, 3]`.

        What moves by itself comes first, the goal last; nothing, where a task has no paths.
        """
        ...
