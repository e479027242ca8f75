"""The expert of `door`: the latch is to be turned, and the door to stand open.

By 0.3 rad, or by the angle asked for.
"""

import numpy as np

from makeanagent.suites.robosuite.experts.motion import UP, Aim, Scene, angle_between, turn_about

# In the door's frame, x along the door and y into it (robosuite's door_lock.xml).
_HINGE = np.array([0.255, 0.0, 0.0])
_LATCH = np.array([-0.175, 0.0, -0.025])
_HANDLE = np.array([0.125, -0.1, 0.0])
"From the latch's axis, while the latch is at 0."
_INWARD, _DEPTH = 0.02, 0.012
"Where the handle is held: nearer to the latch's axis than its end, and deeper."
_FREE = 1.0
"Angle of the latch from which on the door is pulled; it opens a little later."
_TURNED = 1.5
"Angle at which the latch's turn ends."
_STRAIGHT = 0.008
"""Metres beside the grip at which the hand may go in: a gripper that opens by 5.6 cm alone would
otherwise run a finger into the handle."""
_PULL = 0.06
"Metres by which the hand's place is ahead of the handle while the door is pulled."
_SLOW_ANGLE = 0.1
"Radians before the angle asked for, from which on the pull fades."
_MOST_LEAD = 0.8
"Angle by which the hand's place on its circle is ahead of the handle."
_TILT, _TILT_LEAD = 0.85, 0.3
"""The hand turns with the handle by so much at most, and is so much ahead: the Panda's last joint
ends there, and an expert that runs into it teaches what fails on other arms."""


def aim_door(scene: Scene, amount: int | None = None) -> Aim:
    """Grip the handle from above and below, follow the latch's circle, and pull.

    Until the door is `amount` degrees open, or without end.
    """
    handle, door = scene.objects[:3], scene.objects[3:6]
    hinge, latch = scene.objects[9:11]
    at_latch = turn_about(np.array([0.0, 1.0, 0.0]), latch) @ _HANDLE
    across = (_LATCH + at_latch)[:2]
    sideways = (handle - door)[:2]
    yaw = np.arctan2(sideways[1], sideways[0]) - np.arctan2(across[1], across[0])
    frame = turn_about(UP, yaw)
    into = frame[:, 1]

    pivot = door + frame @ _LATCH
    toward = pivot - handle
    toward -= into * (into @ toward)
    grip = handle + _INWARD * toward / np.linalg.norm(toward) + _DEPTH * into
    # Fingers above and below: two ways, of which the hand takes the nearer.
    tilt = np.clip(latch, 0.0, _TILT)
    upright = min(
        (np.stack((sign * UP, np.cross(into, sign * UP), into), axis=1) for sign in (1, -1)),
        key=lambda way: angle_between(turn_about(into, tilt) @ way, scene.rotation),
    )
    rotation = turn_about(into, tilt) @ upright
    error = grip - scene.position
    depth = float(error @ into)
    aside = np.linalg.norm(error - depth * into)
    if aside < 0.03 and abs(depth) < 0.03:
        target = grip
        if scene.gap < 0.048 or latch > 0.15:
            lead = _MOST_LEAD * np.clip((_TURNED - latch) / 0.3, -1.0, 1.0)
            target = pivot + turn_about(into, lead) @ (grip - pivot)
            if latch > _FREE or hinge > 0.03:
                arm = grip - (door + frame @ _HINGE)
                pull = np.cross(UP, arm)
                left = 1.0
                if amount is not None:
                    left = np.clip((np.radians(amount) - hinge) / _SLOW_ANGLE, -1.0, 1.0)
                target = target + _PULL * left * pull / np.linalg.norm(pull)
            rotation = turn_about(into, min(max(latch, 0.0) + _TILT_LEAD, _TILT)) @ upright
        return Aim(position=target, rotation=rotation, close=True, max_turn=2.5)
    turned = angle_between(rotation, scene.rotation) < 0.2
    if (aside < _STRAIGHT and turned) or (aside < 1.5 * _STRAIGHT and depth < 0.06):
        return Aim(position=grip, rotation=rotation, close=False, max_turn=2.5)
    return Aim(position=grip - 0.12 * into, rotation=rotation, close=False, max_turn=2.5)
