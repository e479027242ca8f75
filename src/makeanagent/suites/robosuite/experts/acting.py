"""From an aim to an action, in both forms."""

from collections.abc import Callable

import numpy as np

from makeanagent.errors import InputError
from makeanagent.suites.robosuite.controllers import KP, MAX_ROTATION, MAX_TRANSLATION
from makeanagent.suites.robosuite.experts.door import aim_door
from makeanagent.suites.robosuite.experts.lift import aim_lift
from makeanagent.suites.robosuite.experts.motion import Aim, Scene
from makeanagent.suites.robosuite.ids import JOINT, TaskId
from makeanagent.suites.suite import Act

_AIMS: dict[str, Callable[[Scene], Aim]] = {"lift": aim_lift, "door": aim_door}
_STROKE = 0.08
_ADVANCE = 2.0 / np.sqrt(KP)
"Seconds by which a goal leads a hand that follows it at constant speed."


def find_expert(task: TaskId) -> Act:
    """The expert of a task.

    Raises:
        InputError: it has none.
    """
    if task.task not in _AIMS or task.form == JOINT:
        raise InputError(f"robosuite/{task}: has no expert")
    aim = _AIMS[task.task]

    def act(observation: np.ndarray) -> np.ndarray:
        scene = _see_hand(np.asarray(observation, float))
        wanted = aim(scene)
        velocity, turn = np.split(wanted.find_twist(scene), 2)
        motion = _ADVANCE * np.concatenate((velocity / MAX_TRANSLATION, turn / MAX_ROTATION))
        return _join(motion, wanted)

    return act


def _see_hand(observation: np.ndarray) -> Scene:
    """The scene of an observation of end-effector form."""
    x, y = observation[3:6], observation[6:9]
    return Scene(
        position=observation[:3],
        rotation=np.stack((x, y, np.cross(x, y)), axis=1),
        gap=_STROKE * observation[9],
        objects=observation[16:30],
    )


def _join(motion: np.ndarray, wanted: Aim) -> np.ndarray:
    """The action `[8]`: a motion in its direction within [-1, 1], and the gripper last."""
    action = np.zeros(8)
    action[: len(motion)] = motion / max(1.0, np.abs(motion).max())
    action[-1] = 1.0 if wanted.close else -1.0
    return action
