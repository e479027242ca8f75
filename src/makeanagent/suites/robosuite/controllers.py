"""Robosuite's two control laws without its objects: joint torques from a goal, compiled.

Four fifths of robosuite's `step` are spent around these few lines. They are its OSC_POSE and
JOINT_POSITION controllers (robosuite 1.5.1) as they stand with fixed gains, critical damping,
goals relative to the achieved state, and a base that stands still.
"""

import numpy as np
from numba import njit

KP = 150.0
"Proportional gain of both laws."
MAX_TRANSLATION, MAX_ROTATION = 0.05, 0.5
"Goals of OSC_POSE at an action of 1: metres, and radians about an axis of the base."
MAX_JOINT_ANGLE = 0.2
"Goals of JOINT_POSITION at an action of 1, radians."
NULLSPACE_KP = 10.0
"Gain toward the joints' start in what the hand does not feel."


@njit(cache=True)
def pose_torques(
    mass: np.ndarray,
    jacobian: np.ndarray,
    position_error: np.ndarray,
    rotation: np.ndarray,
    goal_rotation: np.ndarray,
    joints: np.ndarray,
    velocities: np.ndarray,
    rest: np.ndarray,
    bias: np.ndarray,
    limits: np.ndarray,
    kp: float,
) -> np.ndarray:
    """Torques of OSC_POSE, `[J]`: position and orientation decoupled, the rest toward `rest`.

    Args:
        mass: mass matrix, `[J, J]`.
        jacobian: of the hand: translation, then rotation, `[6, J]`.
        position_error: goal minus position, `[3]`.
        rotation: of the hand, `[3, 3]`.
        goal_rotation: `[3, 3]`.
        joints: `[J]`.
        velocities: of the joints, `[J]`.
        rest: the joints that the null space is drawn to, `[J]`.
        bias: gravity and Coriolis torques, `[J]`.
        limits: least and largest torques, `[2, J]`.
        kp: proportional gain.
    """
    mass, jacobian = np.ascontiguousarray(mass), np.ascontiguousarray(jacobian)
    twist = jacobian @ velocities
    rotation_error = 0.5 * (
        np.cross(rotation[:, 0], goal_rotation[:, 0])
        + np.cross(rotation[:, 1], goal_rotation[:, 1])
        + np.cross(rotation[:, 2], goal_rotation[:, 2])
    )
    kd = 2.0 * np.sqrt(kp)
    force = kp * position_error - kd * twist[:3]
    moment = kp * rotation_error - kd * twist[3:]
    by_joint = np.linalg.inv(mass) @ np.ascontiguousarray(jacobian.T)
    mobility = jacobian @ by_joint
    wrench = np.concatenate(
        (
            np.linalg.solve(np.ascontiguousarray(mobility[:3, :3]), force),
            np.linalg.solve(np.ascontiguousarray(mobility[3:, 3:]), moment),
        )
    )
    null_kd = 2.0 * np.sqrt(NULLSPACE_KP)
    toward_rest = mass @ (NULLSPACE_KP * (rest - joints) - null_kd * velocities)
    unfelt = toward_rest - jacobian.T @ np.linalg.solve(mobility, by_joint.T @ toward_rest)
    torques = jacobian.T @ wrench + bias + unfelt
    return np.minimum(np.maximum(torques, limits[0]), limits[1])


@njit(cache=True)
def joint_torques(
    mass: np.ndarray,
    error: np.ndarray,
    velocities: np.ndarray,
    bias: np.ndarray,
    limits: np.ndarray,
    kp: float,
) -> np.ndarray:
    """Torques of JOINT_POSITION, `[J]`.

    Args:
        mass: mass matrix, `[J, J]`.
        error: goal minus joints, `[J]`.
        velocities: of the joints, `[J]`.
        bias: gravity and Coriolis torques, `[J]`.
        limits: least and largest torques, `[2, J]`.
        kp: proportional gain.
    """
    wanted = kp * error - 2.0 * np.sqrt(kp) * velocities
    torques = np.ascontiguousarray(mass) @ wanted + bias
    return np.minimum(np.maximum(torques, limits[0]), limits[1])
