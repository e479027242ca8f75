"""The experts of `nut-square` and `nut-round`: the nut is to lie low around its peg."""

import numpy as np
from scipy.spatial.transform import Rotation  # type: ignore[import-untyped]

from makeanagent.suites.robosuite.experts.motion import (
    DOWN,
    UP,
    Aim,
    Scene,
    angle_between,
    limit,
    turn_about,
)

_HOVER = np.array([0.0, 0.0, 0.08])
_GRIP_HEIGHT = np.array([0.0, 0.0, 0.007])
"Where the handle is held, above its middle: long fingers then clear the table."
_HELD_GAPS = (0.026, 0.0355)
"The handle is 3.2 cm wide."
_CARRY_HEIGHT, _CLEAR_HEIGHT, _LOW_HEIGHT = 1.0, 0.97, 0.83
"Of the nut: over the pegs, which end at 0.95; high enough to set off; around its peg."
_CAREFUL_SPEED = 0.12
_LEAST_YAW = np.pi / 2
"""So far at least is the handle to point away from straight ahead: behind the peg it would be
beyond the Panda's reach."""


def aim_square_nut(scene: Scene) -> Aim:
    """Take the nut by its handle, over the peg, turned to the nearest quarter, and down."""
    return _aim_nut(scene, quarters=True)


def aim_round_nut(scene: Scene) -> Aim:
    """Take the nut by its handle, over the peg, and down."""
    return _aim_nut(scene, quarters=False)


def _aim_nut(scene: Scene, *, quarters: bool) -> Aim:
    offset = scene.objects[6:9] + _GRIP_HEIGHT
    nut_rotation = Rotation.from_quat(scene.objects[9:13]).as_matrix()
    yaw = float(np.arctan2(nut_rotation[1, 0], nut_rotation[0, 0]))
    low, high = _HELD_GAPS
    if low < scene.gap < high and np.linalg.norm(offset) < 0.03:
        return _carry(scene, nut_rotation, yaw, quarters)

    rotation = _find_grip(scene, yaw)
    aside = np.linalg.norm(offset[:2])
    turned = angle_between(rotation, scene.rotation)
    close = bool(np.linalg.norm(offset) < 0.015)
    over = aside < 0.01 and turned < 0.15
    target = scene.position + offset
    if not (close or over or (aside < 0.02 and -offset[2] < 0.05)):
        target = target + _HOVER
    return Aim(position=target, rotation=rotation, close=close)


def _find_grip(scene: Scene, yaw: float) -> np.ndarray:
    """Fingers on both sides of the handle: of two such rotations the nearer one, `[3, 3]`."""
    upright = turn_about(UP, yaw) @ DOWN
    return min(
        (upright, turn_about(UP, np.pi) @ upright),
        key=lambda way: angle_between(way, scene.rotation),
    )


def _find_quarter(yaw: float) -> float:
    """The nearest quarter turn at which the handle does not point away from the arm."""
    quarter = np.pi / 2
    return float(np.copysign(max(np.round(abs(yaw) / quarter) * quarter, _LEAST_YAW), yaw))


def _carry(scene: Scene, nut_rotation: np.ndarray, yaw: float, quarters: bool) -> Aim:
    nut, peg = scene.objects[:3], scene.objects[3:6]
    wanted = _find_quarter(yaw) if quarters else np.copysign(max(abs(yaw), _LEAST_YAW), yaw)
    # The nut is held wherever it was gripped, and may hang: it is the nut that is to be level.
    level = turn_about(UP, wanted) @ nut_rotation.T
    away = peg[:2] - nut[:2]
    far = float(np.linalg.norm(away))
    height = _CARRY_HEIGHT
    straight = abs(wanted - yaw) < 0.08
    if (far < 0.01 and straight) or (far < 0.02 and nut[2] < 0.955):
        height = _LOW_HEIGHT
    if nut[2] < _CLEAR_HEIGHT and far > 0.03:
        away = np.zeros(2)
    step = np.append(limit(away, 0.12), height - nut[2])
    return Aim(
        position=scene.position + step,
        rotation=level @ scene.rotation,
        close=True,
        max_speed=0.3 if far > 0.03 else _CAREFUL_SPEED,
    )
