"""Any suite's tasks once more, mirrored and turned: a new set of tasks without a new simulator.

`metaworld-symmetric/window-close-v3.mirrored` is Meta-World's window-close, seen in a mirror: the
simulator is the original's, its observations and the actions that it is given are mapped on their
way, and so are those of its expert. Every episode thus goes as in the original, layout by layout,
but policies are shown another task. Without an ending, an id is of the original itself, so that one
zoo can hold both.
"""

from dataclasses import dataclass

import numpy as np

from makeanagent.errors import InputError
from makeanagent.suites.suite import (
    Act,
    BatchEnvironment,
    BatchStep,
    Environment,
    Step,
    Suite,
)
from makeanagent.trajectories.space import SYMMETRIES, Space
from makeanagent.trajectories.symmetry import IDENTITY, Symmetry, find_symmetries


@dataclass(frozen=True)
class SymmetricSuite(Suite):
    """The tasks of a suite, and each of them moved by every symmetry that its space states."""

    suite: Suite
    "The suite that is wrapped."
    name: str = ""
    "First part of the tasks' ids, by default that of the wrapped suite and `-symmetric`."

    def __post_init__(self) -> None:
        """Fill in the name."""
        object.__setattr__(self, "name", self.name or f"{self.suite.name}-symmetric")

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """The wrapped suite's groups, and each of them moved, as `seen.mirrored`."""
        groups = dict(self.suite.groups)
        for group, tasks in self.suite.groups.items():
            for name in SYMMETRIES:
                if moved := self._move(tasks, name):
                    groups[f"{group}.{name}"] = moved
        return groups

    def tasks(self) -> tuple[str, ...]:
        """The wrapped suite's tasks, and then all of them mirrored, turned, and so on."""
        tasks = self.suite.tasks()
        return tasks + tuple(moved for name in SYMMETRIES for moved in self._move(tasks, name))

    def _move(self, tasks: tuple[str, ...], name: str) -> tuple[str, ...]:
        return tuple(
            f"{task}.{name}" for task in tasks if name in self.suite.space(task).symmetries
        )

    def check_task(self, task: str) -> str:
        """Return the task's full name: the original's, a dot, and the symmetry's.

        Raises:
            InputError: there is no such task, or it has no such symmetry.
        """
        original, symmetry = self.find(task)
        return original if symmetry.name == IDENTITY else f"{original}.{symmetry.name}"

    def find(self, task: str) -> tuple[str, Symmetry]:
        """The original task's full name, and the symmetry that moves it.

        Raises:
            InputError: there is no such task, or it has no such symmetry.
        """
        original, _, name = task.rpartition(".")
        if name not in SYMMETRIES:
            original, name = task, IDENTITY
        original = self.suite.check_task(original)
        symmetries = {found.name: found for found in find_symmetries(self.suite.space(original))}
        if name not in symmetries:
            raise InputError(
                f"{self.name}/{task}: {self.suite.name}/{original} states no symmetry '{name}';"
                f" it has {', '.join(symmetries)}"
            )
        return original, symmetries[name]

    def space(self, task: str) -> Space:
        """The original's."""
        return self.suite.space(self.find(task)[0])

    def make(self, task: str, *, render: bool = False) -> Environment:
        """Build the simulator of a task."""
        original, symmetry = self.find(task)
        environment = self.suite.make(original, render=render)
        if symmetry.name == IDENTITY:
            return environment
        return SymmetricEnvironment(environment, symmetry, self.suite.space(original))

    def make_batch(self, task: str) -> BatchEnvironment | None:
        """Build the simulator that steps many worlds at once, if the original has one."""
        original, symmetry = self.find(task)
        worlds = self.suite.make_batch(original)
        if worlds is None or symmetry.name == IDENTITY:
            return worlds
        return SymmetricWorlds(worlds, symmetry, self.suite.space(original))

    def expert(self, task: str) -> Act:
        """The original's expert, who is shown the original world and whose actions are moved.

        Raises:
            InputError: the original has none.
        """
        return self._conjugate(self.suite.expert(self.find(task)[0]), task)

    def teacher(self, task: str) -> Act:
        """The original's teacher, likewise.

        Raises:
            InputError: the original has none.
        """
        return self._conjugate(self.suite.teacher(self.find(task)[0]), task)

    def _conjugate(self, act: Act, task: str) -> Act:
        original, symmetry = self.find(task)
        if symmetry.name == IDENTITY:
            return act
        space, back = self.suite.space(original), symmetry.inverse

        def moved(observation: np.ndarray) -> np.ndarray:
            return symmetry.move_actions(act(back.move_observations(observation, space)), space)

        return moved

    def traces(self, task: str, observations: np.ndarray) -> dict[str, np.ndarray]:
        """The original's paths through the moved positions: of the world as policies see it."""
        return self.suite.traces(self.find(task)[0], observations)


class SymmetricEnvironment:
    """One simulator, seen through a symmetry.

    Args:
        environment: of the original task.
        symmetry: how the world is moved.
        space: what the original's observations and actions are.
    """

    def __init__(self, environment: Environment, symmetry: Symmetry, space: Space) -> None:
        self._environment, self._symmetry, self._space = environment, symmetry, space
        self._back = symmetry.inverse
        self.horizon = environment.horizon

    def reset(self, layout: int) -> np.ndarray:
        """Start an episode on the original's layout and return the moved observation, `[O]`."""
        return self._symmetry.move_observations(self._environment.reset(layout), self._space)

    def step(self, action: np.ndarray) -> Step:
        """Act in the moved world: `[A]` in [-1, 1]."""
        step = self._environment.step(self._back.move_actions(np.asarray(action), self._space))
        moved = self._symmetry.move_observations(step.observation, self._space)
        return step._replace(observation=moved)

    def render(self) -> np.ndarray:
        """A picture of the original world, neither mirrored nor turned, uint8 `[H, W, 3]`.

        Raises:
            InputError: no OpenGL library is at hand.
        """
        return self._environment.render()

    def close(self) -> None:
        """Free the simulator."""
        self._environment.close()


class SymmetricWorlds:
    """Many worlds that step together, seen through a symmetry.

    Args:
        worlds: of the original task.
        symmetry: how each world is moved.
        space: what the original's observations and actions are.
    """

    def __init__(self, worlds: BatchEnvironment, symmetry: Symmetry, space: Space) -> None:
        self._worlds, self._symmetry, self._space = worlds, symmetry, space
        self._back = symmetry.inverse
        self.horizon = worlds.horizon

    def reset(self, layouts: np.ndarray) -> np.ndarray:
        """Start W episodes on the original's layouts; moved observations, `[W, O]`."""
        return self._symmetry.move_observations(self._worlds.reset(layouts), self._space)

    def step(self, actions: np.ndarray) -> BatchStep:
        """Act in each moved world: `[W, A]` in [-1, 1]."""
        step = self._worlds.step(self._back.move_actions(np.asarray(actions), self._space))
        moved = self._symmetry.move_observations(step.observations, self._space)
        return step._replace(observations=moved)

    def close(self) -> None:
        """Free the simulator."""
        self._worlds.close()
