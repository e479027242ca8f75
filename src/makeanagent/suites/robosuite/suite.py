"""Robosuite's tasks as a suite: four tasks, five arms, two forms, plain and randomised."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from makeanagent.suites.robosuite.builder import require_robosuite
from makeanagent.suites.robosuite.ids import list_ids, read_id
from makeanagent.suites.robosuite.randomization import RandomizationConfig
from makeanagent.suites.robosuite.spaces import find_space
from makeanagent.suites.suite import Act, Suite
from makeanagent.trajectories.space import Space

if TYPE_CHECKING:
    from makeanagent.suites.robosuite.environment import RobosuiteEnvironment


@dataclass(frozen=True)
class RobosuiteSuite(Suite):
    """The paper's second domain."""

    name: ClassVar[str] = "robosuite"
    randomization: RandomizationConfig = RandomizationConfig()
    "What the tasks that end in `-randomized` are drawn from."

    def tasks(self) -> tuple[str, ...]:
        """All ids, such as `lift-panda`, `lift-sawyer-joint` and `door-panda-randomized`."""
        return list_ids()

    def check_task(self, task: str) -> str:
        """Return the task's full name.

        Raises:
            InputError: there is no such task.
        """
        return str(read_id(task))

    def space(self, task: str) -> Space:
        """41 observations and 8 actions, as the task's form has them."""
        return find_space(read_id(task))

    def make(self, task: str, *, render: bool = False) -> "RobosuiteEnvironment":
        """Build the simulator of a task.

        Raises:
            InputError: robosuite is not installed.
        """
        found = read_id(task)
        require_robosuite()
        from makeanagent.suites.robosuite.environment import RobosuiteEnvironment

        return RobosuiteEnvironment(found, self.randomization)

    def expert(self, task: str) -> Act:
        """The scripted expert of a task.

        Raises:
            InputError: it has none, or robosuite is not installed.
        """
        found = read_id(task)
        require_robosuite()
        from makeanagent.suites.robosuite.experts.acting import find_expert

        return find_expert(found)
