"""The joint form for experts: the arm's own kinematics, forward to see and backward to act."""

from functools import cached_property, lru_cache

import mujoco
import numpy as np

from makeanagent.suites.robosuite.controllers import MAX_JOINT_ANGLE
from makeanagent.suites.robosuite.experts.acting import ADVANCE
from makeanagent.suites.robosuite.experts.motion import Scene
from makeanagent.suites.robosuite.ids import TaskId
from makeanagent.suites.robosuite.spaces import FULL_STROKE
from makeanagent.suites.robosuite.stepper import Stepper

_DAMPING = 0.02
"Of the least squares by which a velocity of the hand becomes one of the joints."
_REST_GAIN = 0.5
"Speed toward the joints' start in what the hand does not feel, 1 / s."


class Joints:
    """An arm's kinematics.

    Args:
        task: the task in whose world the arm stands.
    """

    def __init__(self, task: TaskId) -> None:
        self._task = task

    @cached_property
    def _arm(self) -> Stepper:
        # Built with the first action: whoever asks for an expert may not have it act.
        return _find_arm(self._task)

    def see(self, observation: np.ndarray) -> Scene:
        """The scene of an observation `[41]`."""
        arm = self._arm
        count = len(arm.joints)
        joints = np.arctan2(observation[7 : 7 + count], observation[:count])
        # Some joints turn past half a turn.
        low = arm.model.jnt_range[arm.model.dof_jntid[arm.dofs], 0]
        arm.data.qpos[arm.joints] = joints + 2 * np.pi * (joints < low)
        mujoco.mj_kinematics(arm.model, arm.data)
        mujoco.mj_comPos(arm.model, arm.data)
        return Scene(
            position=arm.position,
            rotation=arm.rotation,
            gap=FULL_STROKE * float(observation[25:27].mean()),
            objects=observation[27:41],
        )

    def find_twist(self, velocities: np.ndarray) -> np.ndarray:
        """The hand's velocity `[6]` for those of the joints, in the scene that was seen last."""
        arm = self._arm
        return arm.find_jacobian()[:, arm.dofs] @ velocities[: len(arm.dofs)]

    def move(self, twist: np.ndarray) -> np.ndarray:
        """The action's first J numbers for a hand's velocity `[6]`: damped least squares."""
        arm = self._arm
        jacobian = arm.find_jacobian()[:, arm.dofs]
        squared = jacobian @ jacobian.T + _DAMPING**2 * np.eye(6)
        inverse = jacobian.T @ np.linalg.inv(squared)
        rest = arm.robosuite.robots[0].init_qpos
        homeward = _REST_GAIN * (rest - arm.data.qpos[arm.joints])
        velocities = inverse @ twist + homeward - inverse @ (jacobian @ homeward)
        return ADVANCE * velocities / MAX_JOINT_ANGLE


@lru_cache(maxsize=4)
def _find_arm(task: TaskId) -> Stepper:
    return Stepper(task)
