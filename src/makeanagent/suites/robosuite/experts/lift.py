"""The expert of `lift`: the cube is to be 4 cm above the table, or held at the height asked for."""

import numpy as np

from makeanagent.suites.robosuite.experts.motion import DOWN, Aim, Scene

_HOVER = np.array([0.0, 0.0, 0.08])
_LIFT = 0.1
_TABLE_HEIGHT = 0.8
_LIFTED = 0.04
"Height of the cube from which on its grip holds."
_WIDTH = 0.043
"Of the cube."
_SURE_GAP = 0.055
"""A cube held by its corners is as wide as some grippers open: the fingers are then given the time
to close, while the hand rises slowly."""


def aim_lift(scene: Scene, amount: int | None = None) -> Aim:
    """Above the cube, down, close, and up once the fingers' gap is the cube's.

    Up until the table is `amount` centimetres below the cube's middle, or without end. The hand
    keeps one yaw, and the cube turns into its grip: policies distilled from an expert that follows
    the cube's yaw, of which four are alike, succeed less often.
    """
    cube, offset = scene.objects[:3], scene.objects[6:9]
    distance, aside = float(np.linalg.norm(offset)), float(np.linalg.norm(offset[:2]))
    sure = scene.gap < _SURE_GAP
    held = scene.gap < _find_extent(scene) + 0.003 and distance < (0.03 if sure else 0.022)
    close = held or distance < 0.02
    if held:
        rise = _LIFT
        if amount is not None:
            rise = float(np.clip(_TABLE_HEIGHT + amount / 100 - cube[2], -_LIFT, _LIFT))
        target = scene.position + np.array([0.0, 0.0, rise])
    elif close or aside < 0.015 or (aside < 0.03 and scene.position[2] < cube[2] + 0.05):
        target = cube
    else:
        target = cube + _HOVER
    speed = 0.35
    if held and not sure:
        speed = 0.03 if cube[2] < _TABLE_HEIGHT + _LIFTED else 0.1
    return Aim(position=target, rotation=DOWN, close=close, max_speed=speed)


def _find_extent(scene: Scene) -> float:
    """The cube's extent from finger to finger, which holds it as it stands."""
    x, y, z, w = scene.objects[9:13]
    yaw = np.arctan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))
    yaw -= np.arctan2(scene.rotation[1, 0], scene.rotation[0, 0])
    return _WIDTH * float(abs(np.cos(yaw)) + abs(np.sin(yaw)))
