"""Contact without forces: what moves what, and what is kept out of what.

Everything here is geometry of one step: a hand that would move into something moves it as far as
it gives way, and is kept out of the rest. All functions take a row for each of W worlds.
"""

import numpy as np

from makeanagent.suites.procedural.arrays import dot, measure

_SLIPS_BEYOND = 0.9
"""Sine of the angle between push and travel beyond which a hand slips off a handle: 65 degrees."""
_BLOCK = 0.06
"""Metres around a hole's axis that are solid, besides the clearance."""
_HAND_WIDTH = 0.02
"""Metres from a hand's middle to its sides."""
_VERTICAL_REACH = 0.05
"""Metres above or below its contact at which a hand still touches an object."""
_FRICTION = 0.5
"""Share of a hand's sideways motion that an object which it pushes takes part in."""


def push_along(
    pusher: np.ndarray,
    contact: np.ndarray,
    tangent: np.ndarray,
    size: np.ndarray,
    travelled: np.ndarray,
    travel: np.ndarray,
    yielding: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """How far a ball pushes another one along its path, and where that leaves the first.

    Args:
        pusher: place of the first ball, `[W, 3]`.
        contact: place of the second one, `[W, 3]`.
        tangent: which way it can go, forth and back, `[W, 3]`.
        size: distance at which they touch, `[W]`; 0 where there is no contact.
        travelled: how far it has gone, `[W]`.
        travel: how far it can go, `[W]`.
        yielding: share of a push that moves it, `[W]`.

    Returns:
        How far it has gone then, `[W]`, and where the pusher is, `[W, 3]`.
    """
    away = pusher - contact
    along = dot(away, tangent)
    across = np.sqrt(np.maximum(dot(away, away) - along * along, 0))
    # As far as it has to go, away from the pusher, for the two to touch and no more.
    reach = np.sqrt(np.maximum(size * size - across * across, 0))
    needed = along + np.where(along > 0, -reach, reach)
    moves = (np.abs(along) < reach) & (across < _SLIPS_BEYOND * size)
    after = np.clip(travelled + np.where(moves, yielding * needed, 0), 0, travel)
    return after, keep_out_of_ball(pusher, contact + (after - travelled)[:, None] * tangent, size)


def keep_out_of_ball(places: np.ndarray, middle: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Places `[W, 3]` moved out of balls, by the shortest way."""
    away = places - middle
    distance = measure(away)
    outward = away / np.maximum(distance, 1e-6)[:, None]
    return places + np.maximum(size - distance, 0)[:, None] * outward


def keep_out_of_box(places: np.ndarray, box: np.ndarray, margin: float) -> np.ndarray:
    """Places `[W, 3]` moved out of boxes `[W, 2, 3]`, to the nearest side but for the bottom."""
    low, high = box[:, 0] - margin, box[:, 1] + margin
    inside = ((places > low) & (places < high)).all(axis=1)
    if not inside.any():
        return places
    ways = np.concatenate([places[:, :2] - low[:, :2], high - places], axis=1)
    nearest = ways.argmin(axis=1)
    moved = places.copy()
    for number, (axis, side) in enumerate(((0, low), (1, low), (0, high), (1, high), (2, high))):
        rows = inside & (nearest == number)
        moved[rows, axis] = side[rows, axis]
    return moved


def keep_hand_out(hand: np.ndarray, wall: np.ndarray) -> np.ndarray:
    """Hands `[W, 3]` moved out of walls."""
    return keep_out_of_box(hand, wall, _HAND_WIDTH)


def push_object(
    hand: np.ndarray, motion: np.ndarray, contact: np.ndarray, size: np.ndarray
) -> np.ndarray:
    """How far hands shove objects over the table, `[W, 3]`.

    Args:
        hand: `[W, 3]`.
        motion: its displacement in this step, `[W, 3]`.
        contact: place at which the object is touched, `[W, 3]`.
        size: level distance at which they touch, `[W]`; 0 where there is no contact.
    """
    away = contact - hand
    touches = np.abs(away[:, 2]) < _VERTICAL_REACH
    away = away * np.array([1, 1, 0], away.dtype)
    distance = measure(away)
    outward = away / np.maximum(distance, 1e-6)[:, None]
    depth = np.where(touches, np.maximum(size - distance, 0), 0)
    sideways = motion * np.array([1, 1, 0], away.dtype)
    sideways = sideways - dot(sideways, outward)[:, None] * outward
    return depth[:, None] * outward + _FRICTION * (depth > 0)[:, None] * sideways


def keep_in_hole(
    tip: np.ndarray,
    before: np.ndarray,
    mouth: np.ndarray,
    axis: np.ndarray,
    clearance: np.ndarray,
    depth: np.ndarray,
) -> np.ndarray:
    """Tips `[W, 3]` kept out of the solid around a hole, and within the hole once they are in.

    Args:
        tip: where they would be, `[W, 3]`.
        before: where they were, `[W, 3]`.
        mouth: middle of the mouth, `[W, 3]`.
        axis: into the hole, `[W, 3]`.
        clearance: how far from the axis a tip goes in, `[W]`.
        depth: of the hole, `[W]`.
    """
    across, along = _split(tip - mouth, axis)
    was_across, was_along = _split(before - mouth, axis)
    distance, was_distance = measure(across), measure(was_across)
    solid = (along > 0) & (distance < clearance + _BLOCK)
    was_in = (was_along > 0) & (was_distance <= clearance + 1e-4)
    fits = solid & (was_in | (distance <= clearance))
    # Within: no further across than the hole is wide, no further along than it is deep.
    shrunk = across * np.minimum(1, clearance / np.maximum(distance, 1e-6))[:, None]
    within = mouth + shrunk + np.minimum(along, depth)[:, None] * axis
    # Against the face around the mouth; and against the side of what stands about a pole.
    face = tip - along[:, None] * axis
    outward = across / np.maximum(distance, 1e-6)[:, None]
    flank = tip + (clearance + _BLOCK - distance)[:, None] * outward
    came_by_side = (was_along > 1e-4) & ~was_in
    blocked = np.where(came_by_side[:, None], flank, face)
    return np.where(fits[:, None], within, np.where(solid[:, None], blocked, tip))


def _split(vectors: np.ndarray, axis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Parts of vectors across an axis, `[W, 3]`, and along it, `[W]`."""
    along = dot(vectors, axis)
    return vectors - along[:, None] * axis, along
