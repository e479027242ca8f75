"""From an observation to an action by way of an aim, in both forms."""

from collections.abc import Callable
from functools import partial
from typing import Protocol

import numpy as np

from makeanagent.errors import InputError
from makeanagent.suites.robosuite.controllers import KP, MAX_ROTATION, MAX_TRANSLATION
from makeanagent.suites.robosuite.experts.door import aim_door
from makeanagent.suites.robosuite.experts.lift import aim_lift
from makeanagent.suites.robosuite.experts.motion import Aim, Scene
from makeanagent.suites.robosuite.experts.nuts import aim_round_nut, aim_square_nut
from makeanagent.suites.robosuite.ids import JOINT, TaskId
from makeanagent.suites.robosuite.spaces import FULL_STROKE
from makeanagent.suites.suite import Act

_AIMS: dict[str, Callable[..., Aim]] = {
    "lift": aim_lift,
    "door": aim_door,
    "nut-square": aim_square_nut,
    "nut-round": aim_round_nut,
}
REACH = np.repeat((MAX_TRANSLATION, MAX_ROTATION), 3)
"What 1 in each of the end-effector form's first 6 numbers moves the hand by."
ADVANCE = 2.0 / np.sqrt(KP)
"Seconds by which a goal leads what follows it at constant speed."


class Body(Protocol):
    """What an expert acts with: one form's way from observations and to actions."""

    def see(self, observation: np.ndarray) -> Scene:
        """The scene of an observation `[41]`."""
        ...

    def move(self, twist: np.ndarray) -> np.ndarray:
        """The action's numbers for a hand's velocity `[6]` in the scene that was seen last."""
        ...


class Hand:
    """The end-effector form."""

    def see(self, observation: np.ndarray) -> Scene:
        """The scene of an observation `[41]`."""
        x, y = observation[3:6], observation[6:9]
        return Scene(
            position=observation[:3],
            rotation=np.stack((x, y, np.cross(x, y)), axis=1),
            gap=FULL_STROKE * observation[9],
            objects=observation[16:30],
        )

    def move(self, twist: np.ndarray) -> np.ndarray:
        """The action's first 6 numbers for a velocity `[6]`."""
        return ADVANCE * twist / REACH


def compose_action(motion: np.ndarray, gripper: float) -> np.ndarray:
    """An action `[8]` of a motion, kept in its direction within [-1, 1], and the gripper."""
    action = np.zeros(8)
    action[: len(motion)] = motion / max(1.0, np.abs(motion).max())
    action[-1] = gripper
    return action


def find_expert(task: TaskId) -> Act:
    """The expert of a task.

    Raises:
        InputError: it has none.
    """
    if not task.has_expert:
        raise InputError(f"robosuite/{task}: has no expert; other arms' experts have this task")
    aim = _AIMS[task.task]
    if task.amount is not None:
        aim = partial(aim, amount=task.amount)
    body: Body = Hand()
    if task.form == JOINT:
        from makeanagent.suites.robosuite.experts.joints import Joints

        body = Joints(task)

    def act(observation: np.ndarray) -> np.ndarray:
        scene = body.see(np.asarray(observation, float))
        wanted = aim(scene)
        motion = body.move(wanted.find_twist(scene))
        return compose_action(motion, 1.0 if wanted.close else -1.0)

    return act
