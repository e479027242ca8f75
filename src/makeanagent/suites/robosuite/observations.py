"""The 41 numbers of an observation, in both forms, and what of them is where.

Both forms end in what is seen of objects, the same 14 numbers (zeros where a task has fewer):

| numbers | lift | door | nut |
|---|---|---|---|
| 0 to 2 | cube | handle | nut |
| 3 to 5 | - | door | peg |
| 6 to 8 | cube minus hand | handle minus hand | the nut's handle minus hand |
| 9 to 12 | quaternion, x y z w | hinge, latch, - , - | quaternion, x y z w |

Positions are in metres of the world, angles in radians.

The end-effector form has 11 numbers more of a nut, zeros for other tasks:

- cosine and sine of twice the fingers' turn to the handle, of the nut's yaw, and of four times
  that: fingers are alike after half a turn and a square nut after a quarter, which a network would
  have to find in a quaternion;
- the nut's handle minus the hand, and the peg minus the nut along x and y, by the tanh of 2 cm:
  what is to fit has to be seen finer than what is to be found.
"""

from collections.abc import Callable
from typing import Any, Protocol

import mujoco
import numpy as np

from makeanagent.suites.robosuite.ids import JOINT, TaskId
from makeanagent.suites.robosuite.spaces import FULL_STROKE
from makeanagent.suites.robosuite.stepper import Stepper

_MOST_JOINTS = 7
_FINE = 0.02
"Metres."
# Between the pads of a gripper whose joints are at 0.
_GAP_AT_ZERO = {"sawyer": 0.0371}


class Observer:
    """What is observed of one world.

    Args:
        task: what the world was built for.
        stepper: the world.
    """

    def __init__(self, task: TaskId, stepper: Stepper) -> None:
        self._stepper = stepper
        self._by_joints = task.form == JOINT
        self._gap_at_zero = _GAP_AT_ZERO.get(task.arm, 0.0)
        robot = stepper.robosuite.robots[0].robot_model
        self._hand = stepper.model.body(robot.eef_name["right"]).id
        kinds: dict[str, Callable[[Any], _Objects]] = {
            "lift": _Cube,
            "door": _Door,
            "nut-square": _Nut,
            "nut-round": _Nut,
        }
        self._objects = kinds[task.task](stepper.robosuite)

    def observe(self) -> np.ndarray:
        """The observation now, float64 `[41]`."""
        observation = np.zeros(41)
        if self._by_joints:
            self._observe_joints(observation[:27])
            self._objects.observe(self._stepper.position, observation[27:41])
        else:
            self._observe_hand(observation[:16])
            self._objects.observe(self._stepper.position, observation[16:30])
            self._objects.observe_fit(self._stepper, observation[30:41])
        return observation

    def _observe_hand(self, out: np.ndarray) -> None:
        """Position 3, two axes 3 + 3, opening 1, velocity 3, angular velocity 3."""
        stepper = self._stepper
        out[:3] = stepper.position
        out[3:9] = stepper.rotation[:, :2].T.ravel()
        out[9] = self._find_opening()
        out[10:16] = stepper.find_jacobian() @ stepper.data.qvel

    def _observe_joints(self, out: np.ndarray) -> None:
        """Cosines 7, sines 7, velocities 7, the hand's quaternion 4, opening by finger 2."""
        stepper = self._stepper
        count = len(stepper.joints)
        joints = stepper.data.qpos[stepper.joints]
        out[:count] = np.cos(joints)
        out[_MOST_JOINTS : _MOST_JOINTS + count] = np.sin(joints)
        out[2 * _MOST_JOINTS : 2 * _MOST_JOINTS + count] = stepper.data.qvel[stepper.dofs]
        out[21:25] = _last_first(stepper.data.xquat[self._hand])
        out[25:27] = self._find_opening()

    def _find_opening(self) -> float:
        """The gap between the pads, 1 at eight centimetres."""
        first, second = self._stepper.data.qpos[self._stepper.fingers]
        return (self._gap_at_zero + first - second) / FULL_STROKE


class _Objects(Protocol):
    def observe(self, hand: np.ndarray, out: np.ndarray) -> None:
        """Write the 14 numbers, for a hand at `[3]`, into `out`."""
        ...

    def observe_fit(self, hand: Stepper, out: np.ndarray) -> None:
        """Write the 11 numbers into `out`."""
        ...


class _Cube:
    def __init__(self, environment: Any) -> None:  # noqa: ANN401
        self._data, self._body = environment.sim.data._data, environment.cube_body_id

    def observe(self, hand: np.ndarray, out: np.ndarray) -> None:
        cube = self._data.xpos[self._body]
        out[:3], out[6:9] = cube, cube - hand
        out[9:13] = _last_first(self._data.xquat[self._body])

    def observe_fit(self, hand: Stepper, out: np.ndarray) -> None:
        """A cube is to fit nowhere."""


class _Door:
    def __init__(self, environment: Any) -> None:  # noqa: ANN401
        self._data = environment.sim.data._data
        self._door, self._handle = (
            environment.object_body_ids["door"],
            environment.door_handle_site_id,
        )
        self._angles = [environment.hinge_qpos_addr, environment.handle_qpos_addr]

    def observe(self, hand: np.ndarray, out: np.ndarray) -> None:
        handle = self._data.site_xpos[self._handle]
        out[:3], out[3:6], out[6:9] = handle, self._data.xpos[self._door], handle - hand
        out[9:11] = self._data.qpos[self._angles]

    def observe_fit(self, hand: Stepper, out: np.ndarray) -> None:
        """Nor is a door."""


class _Nut:
    def __init__(self, environment: Any) -> None:  # noqa: ANN401
        model, self._data = environment.sim.model._model, environment.sim.data._data
        number = environment.nut_id
        name = environment.nuts[number].name
        self._nut = environment.obj_body_id[name]
        self._handle = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_SITE, f"{name}_handle_site")
        self._peg = (environment.peg1_body_id, environment.peg2_body_id)[number]

    def observe(self, hand: np.ndarray, out: np.ndarray) -> None:
        data = self._data
        out[:3], out[3:6] = data.xpos[self._nut], data.xpos[self._peg]
        out[6:9] = data.site_xpos[self._handle] - hand
        out[9:13] = _last_first(data.xquat[self._nut])

    def observe_fit(self, hand: Stepper, out: np.ndarray) -> None:
        data = self._data
        nut, peg = data.xpos[self._nut], data.xpos[self._peg]
        offset = data.site_xpos[self._handle] - hand.position
        rotation = data.xmat[self._nut].reshape(3, 3)
        out[:] = find_fit(rotation, hand.rotation, offset, peg - nut)


def find_fit(nut: np.ndarray, hand: np.ndarray, offset: np.ndarray, way: np.ndarray) -> np.ndarray:
    """The 11 numbers of a nut.

    Args:
        nut: its rotation, `[3, 3]`.
        hand: the hand's.
        offset: the nut's handle minus the hand, metres `[3]`.
        way: the peg minus the nut, metres `[3]`.
    """
    yaw, fingers = _find_yaw(nut), _find_yaw(hand)
    # The handle lies along the nut's x, and the fingers close across it.
    turns = np.array([2.0 * (yaw - fingers) + np.pi, yaw, 4.0 * yaw])
    angles = np.stack((np.cos(turns), np.sin(turns)), axis=1).ravel()
    return np.concatenate((angles, np.tanh(offset / _FINE), np.tanh(way[:2] / _FINE)))


def _find_yaw(rotation: np.ndarray) -> float:
    """Of the x axis of a rotation `[3, 3]`, radians."""
    return float(np.arctan2(rotation[1, 0], rotation[0, 0]))


def _last_first(quaternion: np.ndarray) -> np.ndarray:
    """A quaternion w, x, y, z as robosuite's observations have it: x, y, z, w."""
    return np.roll(quaternion, -1)
