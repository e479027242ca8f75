"""Drawn tasks as a suite: thin faces on the world of many."""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from makeanagent.errors import InputError
from makeanagent.suites.procedural.family import KINDS, FamilyConfig
from makeanagent.suites.procedural.hand import HandDynamics
from makeanagent.suites.procedural.picture import draw_world
from makeanagent.suites.procedural.programs import act
from makeanagent.suites.procedural.tasks import Tasks, find_kinds, find_layouts, find_tasks
from makeanagent.suites.procedural.world import ACTION_DIM, OBSERVATION_DIM, World
from makeanagent.suites.suite import Act, BatchStep, Step, Suite
from makeanagent.trajectories.space import SYMMETRIES, Space

HORIZON = 200
"""Steps of an episode: a third more than demonstrations have."""
_LISTED = 1000
_SPACE = Space(
    observation_dim=OBSERVATION_DIM,
    action_dim=ACTION_DIM,
    # Hand and two objects, the same a step before, and the goal; walls are not observed.
    positions=(0, 4, 11, 18, 22, 29, 36),
    names=(
        "hand",
        "object",
        "second object",
        "hand a step before",
        "object a step before",
        "second object a step before",
        "goal",
    ),
    past=(18, 22, 29),
    goals=(36,),
    displacement=0,
    # As Meta-World's, and like there but for the workspace's edges.
    symmetries=SYMMETRIES,
    centre=(0.0, 0.65, 0.0),
)


@dataclass(frozen=True)
class ProceduralSuite(Suite):
    """Tasks that are drawn from their numbers."""

    name: ClassVar[str] = "procedural"
    family: FamilyConfig = FamilyConfig()
    "What is drawn."
    hand: HandDynamics = HandDynamics()
    "How the hand answers actions."

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """The first thousand tasks by kind."""
        kinds = _list_kinds(self.family)
        return {
            name: tuple(str(number) for number in np.flatnonzero(kinds == kind))
            for kind, name in enumerate(KINDS)
        }

    def tasks(self) -> tuple[str, ...]:
        """The first thousand numbers; any other is a task besides."""
        return tuple(map(str, range(_LISTED)))

    def check_task(self, task: str) -> str:
        """Return the number as it is written by itself, without leading zeros.

        Raises:
            InputError: it is no whole number, or too large a one.
        """
        if not (task.isascii() and task.isdigit() and int(task) < 2**63):
            raise InputError(
                f"procedural/{task}: no such task; a task is a whole number of at least 0"
                " and below 2**63, as procedural/17"
            )
        return str(int(task))

    def space(self, task: str) -> Space:
        """39 observations and 4 actions, in metres, for every task."""
        self.check_task(task)
        return _SPACE

    def find(self, task: str) -> Tasks:
        """The task itself, as one row: its kind, scene and program."""
        return _find_task(int(self.check_task(task)), self.family, self.hand)

    def make(self, task: str, *, render: bool = False) -> "ProceduralEnvironment":
        """Build the simulator of a task."""
        return ProceduralEnvironment(self.find(task), self.hand)

    def make_batch(self, task: str) -> "ProceduralWorlds":
        """Build the simulator that steps many worlds of a task at once."""
        return ProceduralWorlds(self.find(task), self.hand)

    def expert(self, task: str) -> Act:
        """The program that was drawn with the task."""
        program = self.find(task).program
        return lambda observation: act(program, np.asarray(observation)[None])[0]

    def traces(self, task: str, observations: np.ndarray) -> dict[str, np.ndarray]:
        """Positions of hand, objects and goal in metres, `[T, 3]` each."""
        paths = {"hand": 0, "object": 4, "second object": 11, "goal": 36}
        return {
            name: observations[:, start : start + 3]
            for name, start in paths.items()
            # What is not there, or not shown, has zeros.
            if name == "hand" or observations[:, start : start + 3].any()
        }


@lru_cache(maxsize=64)
def _find_task(number: int, family: FamilyConfig, hand: HandDynamics) -> Tasks:
    return find_tasks(np.array([number]), family, hand=hand)[0]


@lru_cache(maxsize=4)
def _list_kinds(family: FamilyConfig) -> np.ndarray:
    return find_kinds(np.arange(_LISTED), family)


class ProceduralWorlds:
    """Many worlds that step together, of one task or of as many.

    Args:
        tasks: one row, played in all worlds, or a row for each world.
        hand: how the hands answer actions.
    """

    horizon = HORIZON

    def __init__(self, tasks: Tasks, hand: HandDynamics) -> None:
        self._tasks, self._hand = tasks, hand

    def reset(self, layouts: np.ndarray) -> np.ndarray:
        """Start W episodes, world w on layout `layouts[w]`; observations, float32 `[W, 39]`."""
        tasks = self._tasks
        if len(tasks) == 1:
            tasks = tasks.take(np.zeros(len(layouts), int))
        self.world = World(tasks.scene, self._hand)
        self._num_steps = 0
        return self.world.reset(find_layouts(tasks, np.asarray(layouts)))

    def step(self, actions: np.ndarray) -> BatchStep:
        """Act in each world, `[W, 4]`; the reward is 1 where the task stands solved."""
        observations, success = self.world.step(actions)
        self._num_steps += 1
        never = np.zeros(len(success), bool)
        over = never | (self._num_steps >= self.horizon)
        return BatchStep(observations, success.astype(np.float64), success, never, over)

    def close(self) -> None:
        """Nothing is to be freed."""


class ProceduralEnvironment:
    """One world.

    Args:
        task: one row.
        hand: how the hand answers actions.
    """

    horizon = HORIZON

    def __init__(self, task: Tasks, hand: HandDynamics) -> None:
        self._worlds = ProceduralWorlds(task, hand)

    def reset(self, layout: int) -> np.ndarray:
        """Start an episode on a layout; the observation, float32 `[39]`."""
        return self._worlds.reset(np.array([layout]))[0]

    def step(self, action: np.ndarray) -> Step:
        """Act, `[4]`; only the horizon ends an episode."""
        step = self._worlds.step(np.asarray(action)[None])
        return Step(
            step.observations[0],
            float(step.rewards[0]),
            bool(step.success is not None and step.success[0]),
            terminated=False,
            over=bool(step.over[0]),
        )

    def render(self) -> np.ndarray:
        """A picture of the scene from above and from the front, uint8 `[600, 480, 3]`."""
        return draw_world(self._worlds.world)

    def close(self) -> None:
        """Nothing is to be freed."""
