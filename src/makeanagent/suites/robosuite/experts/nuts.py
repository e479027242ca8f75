"""The experts of `nut-square` and `nut-round`: the nut is to lie low around its peg.

The lower the hand may be, the nearer it is to where it is to go down: as funnels and not by
thresholds, at which policies that learn from them would come to rest.
"""

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

_GRIP_HEIGHT = np.array([0.0, 0.0, 0.007])
"Where the handle is held, above its middle: long fingers then clear the table."
_GRIP_DEPTH = 0.008
"So far above or below that place the fingers close."
_HOVER = 0.08
"Above the grip, as long as the hand is not yet over it."
_HELD_GAPS = (0.026, 0.0355)
"The handle is 3.2 cm wide."
_CARRY_HEIGHT, _PEG_HEIGHT, _LOW_HEIGHT = 1.0, 0.955, 0.83
"Of the nut: over the pegs; just above them; around its peg."
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
    aside = float(np.linalg.norm(offset[:2]))
    turned = angle_between(rotation, scene.rotation)
    off = _ramp(aside, 0.01, 0.035) + _ramp(turned, 0.12, 0.5)
    # Closed on nothing: fingers that stay closed come to stand on the handle.
    empty = scene.gap < low
    hover = np.array([0.0, 0.0, _HOVER if empty else _HOVER * min(off, 1.0)])
    close = bool(not empty and aside < 0.015 and abs(offset[2]) < _GRIP_DEPTH)
    return Aim(position=scene.position + offset + hover, rotation=rotation, close=close)


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
    far, skew = float(np.linalg.norm(away)), abs(wanted - yaw)
    off = min(1.0, _ramp(far, 0.008, 0.03) + _ramp(skew, 0.05, 0.25))
    height = _PEG_HEIGHT + (_CARRY_HEIGHT - _PEG_HEIGHT) * off
    around = nut[2] < _PEG_HEIGHT and far < 0.02
    over = 1.0 if around else (1.0 - _ramp(far, 0.006, 0.01)) * (1.0 - _ramp(skew, 0.05, 0.09))
    height += (_LOW_HEIGHT - height) * over
    # Up before aside, but for what is at its peg already.
    free = max(_ramp(nut[2], 0.93, 0.97), 1.0 - _ramp(far, 0.03, 0.04))
    step = np.append(free * limit(away, 0.12), height - nut[2])
    return Aim(
        position=scene.position + step,
        rotation=level @ scene.rotation,
        close=True,
        max_speed=_CAREFUL_SPEED + (0.3 - _CAREFUL_SPEED) * _ramp(far, 0.02, 0.05),
    )


def _ramp(value: float, low: float, high: float) -> float:
    """0 up to `low`, 1 from `high` on, straight between."""
    return float(np.clip((value - low) / (high - low), 0.0, 1.0))
