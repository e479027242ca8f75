"""What counts as success: robosuite's own check, or that an asked amount is held for a while."""

from typing import Any, NamedTuple, Protocol

import numpy as np

from makeanagent.suites.robosuite.ids import TaskId

HOLD_STEPS = 10
"Steps, half a second, for which an amount is to be held."
HEIGHT_TOLERANCE = 0.015
"Metres, to either side. Neighbouring heights are further apart."
ANGLE_TOLERANCE = np.radians(1.5)
"Radians, to either side."


class Verdict(NamedTuple):
    """On one step."""

    reward: float
    "0 to 1."
    success: bool
    "Whether the task is done."


class Judge(Protocol):
    """Says after each step how it went."""

    def reset(self) -> None:
        """An episode begins."""
        ...

    def judge(self) -> Verdict:
        """The step that was made last."""
        ...


class OwnJudge:
    """Robosuite's shaped reward and its check of success.

    Args:
        environment: robosuite's.
    """

    def __init__(self, environment: Any) -> None:  # noqa: ANN401
        self._environment = environment

    def reset(self) -> None:
        """Nothing is remembered."""

    def judge(self) -> Verdict:
        """As robosuite has it."""
        environment = self._environment
        return Verdict(float(environment.reward()), bool(environment._check_success()))


class AmountJudge:
    """Success once an amount has been held; the reward is 1 in each step in which it is met.

    Args:
        environment: robosuite's.
        task: of which `amount` is asked.
    """

    def __init__(self, environment: Any, task: TaskId) -> None:  # noqa: ANN401
        assert task.amount is not None
        self._data, self._by_height = environment.sim.data._data, task.task == "lift"
        if self._by_height:
            self._cube, self._table = environment.cube_body_id, environment.model.mujoco_arena
            self._wanted, self._tolerance = task.amount / 100, HEIGHT_TOLERANCE
        else:
            self._hinge = environment.hinge_qpos_addr
            self._wanted, self._tolerance = np.radians(task.amount), ANGLE_TOLERANCE
        self._held = 0

    def reset(self) -> None:
        """Nothing has been held yet."""
        self._held = 0

    def judge(self) -> Verdict:
        """Whether the amount is met, and has been for long enough."""
        if self._by_height:
            amount = self._data.xpos[self._cube, 2] - self._table.table_offset[2]
        else:
            amount = self._data.qpos[self._hinge]
        met = bool(abs(amount - self._wanted) < self._tolerance)
        self._held = self._held + 1 if met else 0
        return Verdict(float(met), self._held >= HOLD_STEPS)


def find_judge(environment: Any, task: TaskId) -> Judge:  # noqa: ANN401
    """The judge of a task in robosuite's environment of it."""
    return OwnJudge(environment) if task.amount is None else AmountJudge(environment, task)
