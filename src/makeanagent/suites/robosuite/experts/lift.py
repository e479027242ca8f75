"""The expert of `lift`: the cube is to be 4 cm above the table."""

import numpy as np

from makeanagent.suites.robosuite.experts.motion import DOWN, Aim, Scene

_HOVER = np.array([0.0, 0.0, 0.08])
_LIFT = np.array([0.0, 0.0, 0.1])
_WIDTH = 0.043
"Of the cube."
_SURE_GAP = 0.055
"""A cube held by its corners is as wide as some grippers open: the fingers are then given the time
to close, while the hand rises slowly."""


def aim_lift(scene: Scene) -> Aim:
    """Above the cube, down, close, and up once the fingers' gap is the cube's.

    The hand keeps one yaw, and the cube turns into its grip: policies distilled from an expert that
    follows the cube's yaw, of which four are alike, succeed less often.
    """
    cube, offset = scene.objects[:3], scene.objects[6:9]
    distance, aside = float(np.linalg.norm(offset)), float(np.linalg.norm(offset[:2]))
    sure = scene.gap < _SURE_GAP
    held = scene.gap < _find_extent(scene) + 0.003 and distance < (0.03 if sure else 0.022)
    close = held or distance < 0.02
    if held:
        target = scene.position + _LIFT
    elif close or aside < 0.015 or (aside < 0.03 and scene.position[2] < cube[2] + 0.05):
        target = cube
    else:
        target = cube + _HOVER
    speed = 0.03 if held and not sure else 0.35
    return Aim(position=target, rotation=DOWN, close=close, max_speed=speed)


def _find_extent(scene: Scene) -> float:
    """The cube's extent from finger to finger, which holds it as it stands."""
    x, y, z, w = scene.objects[9:13]
    yaw = np.arctan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))
    yaw -= np.arctan2(scene.rotation[1, 0], scene.rotation[0, 0])
    return _WIDTH * float(abs(np.cos(yaw)) + abs(np.sin(yaw)))
