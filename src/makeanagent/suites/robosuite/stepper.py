"""Robosuite's worlds at a multiple of its own speed: the same physics, controllers, and checks.

Robosuite resets and judges its worlds itself. What happens between, 25 steps of MuJoCo for an
action, is done here with the controllers' own mathematics (`controllers`) on MuJoCo's arrays.
"""

import mujoco
import numpy as np

from makeanagent.suites.robosuite.builder import CONTROL_FREQUENCY, build_environment, seeded
from makeanagent.suites.robosuite.controllers import (
    KP,
    MAX_JOINT_ANGLE,
    MAX_ROTATION,
    MAX_TRANSLATION,
    joint_torques,
    pose_torques,
)
from makeanagent.suites.robosuite.ids import JOINT, TaskId
from makeanagent.suites.robosuite.randomization import Variation


class Stepper:
    """One world.

    Args:
        task: what is built.
    """

    def __init__(self, task: TaskId) -> None:
        self.robosuite = build_environment(task)
        "Robosuite's own environment."
        self.model = self.robosuite.sim.model._model
        self.data = self.robosuite.sim.data._data
        robot = self.robosuite.robots[0]
        self.joints = np.array(robot._ref_joint_pos_indexes)
        "Of the arm in `qpos`, `[J]`."
        self.dofs = np.array(robot._ref_joint_vel_indexes)
        "Of the arm in `qvel`, `[J]`."
        self.fingers = np.array(robot._ref_gripper_joint_pos_indexes["right"])
        "Of the gripper in `qpos`, `[2]`."
        self.site = robot.eef_site_id["right"]
        "Of the hand, between the fingers."
        self._by_joints = task.form == JOINT
        self._gripper = robot.gripper["right"]
        motors = np.array(robot._ref_actuators_indexes_dict["right"])
        self._limits = self.model.actuator_ctrlrange[motors].T.copy()
        self._finger_motors = np.array(robot._ref_joint_gripper_actuator_indexes["right"])
        finger_range = self.model.actuator_ctrlrange[self._finger_motors]
        self._finger_middle = finger_range.mean(axis=1)
        self._finger_span = np.ptp(finger_range, axis=1) / 2
        # Which way each finger's motor opens: robosuite's actions close from 1 on.
        self._opening = -np.sign(self._gripper.format_action(np.ones(1)))
        self._steps = round(1 / (CONTROL_FREQUENCY * self.model.opt.timestep))
        self._all_mass = np.zeros((self.model.nv, self.model.nv))
        self._jacobian = np.zeros((6, self.model.nv))
        # Views of the arm's part of MuJoCo's memory: looking it up costs as much as the physics.
        own = slice(self.dofs[0], self.dofs[-1] + 1)
        self._q = self.data.qpos[self.joints[0] : self.joints[-1] + 1]
        self._velocities, self._bias = self.data.qvel[own], self.data.qfrc_bias[own]
        self._torques = self.data.ctrl[motors[0] : motors[-1] + 1]
        self._mass, self._arm_jacobian = self._all_mass[own, own], self._jacobian[:, own]
        self._position = self.data.site_xpos[self.site]
        self._axes = self.data.site_xmat[self.site].reshape(3, 3)

    @property
    def position(self) -> np.ndarray:
        """The hand's, in metres of the world, `[3]`."""
        return self._position.copy()

    @property
    def rotation(self) -> np.ndarray:
        """The hand's, `[3, 3]`: x from finger to finger, z out of the hand."""
        return self._axes.copy()

    def find_jacobian(self) -> np.ndarray:
        """The hand's translation and rotation by the world's degrees of freedom, `[6, V]`."""
        self._update_jacobian()
        return self._jacobian.copy()

    def reset(self, layout: int, variation: Variation) -> None:
        """Start an episode: robosuite's own reset with its generator seeded by the layout."""
        with seeded(layout):
            self.robosuite.reset()
        if variation.joints is not None:
            self.data.qpos[self.joints] += variation.joints
            mujoco.mj_forward(self.model, self.data)
        self._rest = self.data.qpos[self.joints].copy()
        self._kp = KP * variation.gain
        self._stroke = (variation.open_share, variation.closed_share)
        self._gripper.current_action = np.zeros(self._gripper.dof)

    def step(self, action: np.ndarray) -> None:
        """Act for a twentieth of a second.

        Args:
            action: the controller's 6 or J numbers and then anything, the gripper's last; clipped
                to [-1, 1].
        """
        action = np.clip(action, -1.0, 1.0)
        self.data.ctrl[self._finger_motors] = self._find_finger_targets(action[-1:])
        if self._by_joints:
            self._follow_joints(MAX_JOINT_ANGLE * action[: len(self.joints)])
        else:
            self._follow_pose(MAX_TRANSLATION * action[:3], MAX_ROTATION * action[3:6])

    def step_physics(self) -> None:
        """Advance MuJoCo alone by one step of the environment: the ceiling for benchmarks."""
        mujoco.mj_step(self.model, self.data, self._steps)

    def _find_finger_targets(self, action: np.ndarray) -> np.ndarray:
        """Where the fingers' motors are to go, `[2]`: the gripper moves by a tenth of its way."""
        way = self._gripper.format_action(action)
        opened, closed = self._stroke
        way = self._opening * (opened + closed - 1.0) + (opened - closed) * way
        return self._finger_middle + self._finger_span * way

    def _follow_joints(self, displacement: np.ndarray) -> None:
        """Move the joints by `[J]` radians."""
        model, data = self.model, self.data
        for step in range(self._steps):
            mujoco.mj_step1(model, data)
            if step == 0:
                goal = self._q + displacement
            mujoco.mj_fullM(model, self._all_mass, data.qM)
            self._torques[:] = joint_torques(
                self._mass, goal - self._q, self._velocities, self._bias, self._limits, self._kp
            )
            mujoco.mj_step2(model, data)

    def _follow_pose(self, translation: np.ndarray, rotation: np.ndarray) -> None:
        """Move the hand by `[3]` metres and turn it by a rotation vector `[3]` of radians."""
        model, data = self.model, self.data
        for step in range(self._steps):
            mujoco.mj_step1(model, data)
            if step == 0:
                goal = self._position + translation
                goal_rotation = rotate(rotation) @ self._axes
            mujoco.mj_fullM(model, self._all_mass, data.qM)
            self._update_jacobian()
            self._torques[:] = pose_torques(
                self._mass,
                self._arm_jacobian,
                goal - self._position,
                self._axes,
                goal_rotation,
                self._q,
                self._velocities,
                self._rest,
                self._bias,
                self._limits,
                self._kp,
            )
            mujoco.mj_step2(model, data)

    def _update_jacobian(self) -> None:
        jacobian = self._jacobian
        mujoco.mj_jacSite(self.model, self.data, jacobian[:3], jacobian[3:], self.site)


def rotate(vector: np.ndarray) -> np.ndarray:
    """The rotation `[3, 3]` about a vector `[3]` by its length in radians."""
    angle = float(np.linalg.norm(vector))
    quaternion, matrix = np.zeros(4), np.zeros(9)
    mujoco.mju_axisAngle2Quat(quaternion, vector / max(angle, 1e-12), angle)
    mujoco.mju_quat2Mat(matrix, quaternion)
    return matrix.reshape(3, 3)
