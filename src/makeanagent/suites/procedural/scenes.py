"""Scenes of drawn tasks: what stands where, how it moves, and what counts as done."""

from dataclasses import dataclass

import numpy as np

from makeanagent.suites.procedural.arrays import Rows

STILL, SLIDE, HINGE, LOOSE = range(4)
"""What the first object is: it stays (or is not there), slides, turns, or lies loose."""
ABSENT, STANDING, TOP, HOLE, SLIDER = range(5)
"""What the second object is: not there, without a part, a top to rest on, a hole or pole, or a
mechanism that the first object moves."""
OWN, FIRST_END, ON_SECOND, SECOND_END = range(4)
"""What the goal is tied to: to nothing, the end of the first object's travel, the second object,
or the end of the second object's travel."""
HAND_THERE, TRAVELLED, OBJECT_THERE, SECOND_TRAVELLED, INSIDE, OUTSIDE = range(6)
"""What counts as success."""


@dataclass(frozen=True, kw_only=True)
class Scene(Rows):
    """Scenes of N tasks; lengths in metres, x to the right, y away from the robot, z up."""

    hand: np.ndarray
    "Where the hand starts, `[N, 3]`."
    object: np.ndarray
    "Middle of the first object's places, `[N, 3]`."
    object_spread: np.ndarray
    "How far layouts move it to each side, `[N, 3]`."
    second: np.ndarray
    "Middle of the second object's places, `[N, 3]`."
    second_spread: np.ndarray
    "How far layouts move it to each side, `[N, 3]`."
    goal: np.ndarray
    "Middle of the goal's places, where it is tied to nothing, `[N, 3]`."
    goal_spread: np.ndarray
    "How far layouts move it to each side, `[N, 3]`."
    goal_tie: np.ndarray
    "What the goal is tied to, int `[N]`."
    goal_shift: np.ndarray
    "Where the goal is, from what it is tied to, `[N, 3]`."
    goal_seen: np.ndarray
    "Whether observations show the goal, bool `[N]`."

    body: np.ndarray
    "What the first object is, int `[N]`."
    contact: np.ndarray
    "Where it is touched or held, from its reported place, `[N, 3]`."
    size: np.ndarray
    "Distance at which hand and contact touch, `[N]`."
    tangent: np.ndarray
    "Direction in which a mechanism begins to move, unit length, `[N, 3]`."
    arm: np.ndarray
    "From a hinge's axis to its contact, unit length, `[N, 3]`."
    radius: np.ndarray
    "Distance of a hinge's contact from its axis, `[N]`."
    travel: np.ndarray
    "How far a mechanism goes, `[N]`."
    yielding: np.ndarray
    "Share of a push that moves a mechanism, `[N]`."
    spring: np.ndarray
    "Share of its travel that a mechanism gives back in a step without touch, `[N]`."
    held_only: np.ndarray
    "Whether a mechanism moves only while the fingers hold it, bool `[N]`."
    width: np.ndarray
    "Reading of a gripper that is closed around it, `[N]`; above 1 where it is too wide."
    weight: np.ndarray
    "Effort that just holds it, `[N]`."
    tip: np.ndarray
    "The part that meets the second object, from the first one's reported place, `[N, 3]`."

    other: np.ndarray
    "What the second object is, int `[N]`."
    part: np.ndarray
    "Mouth of a hole, top, or contact of a slider, from the reported place, `[N, 3]`."
    axis: np.ndarray
    "Into a hole, or along a slider's travel, unit length, `[N, 3]`."
    clearance: np.ndarray
    """How far from a hole's axis a tip still goes in; half a top's width; distance at which a tip
    and a slider touch, `[N]`."""
    depth: np.ndarray
    "Depth of a hole, or travel of a slider, `[N]`."
    starts_inside: np.ndarray
    "Whether the first object begins in the hole, bool `[N]`."

    wall: np.ndarray
    "Lower and upper corner of an obstacle, `[N, 2, 3]`; far apart and crossed where there is none."
    aim: np.ndarray
    "What counts as success, int `[N]`."
    tolerance: np.ndarray
    "How far from its place the hand or the object may be, `[N]`."
    share: np.ndarray
    "Share of the travel or of the depth that is asked for, `[N]`."
    let_go: np.ndarray
    "Whether success asks that the hand does not hold the object, bool `[N]`."

    first_turn: np.ndarray
    "Orientation that observations show of the first object, quaternion `[N, 4]`."
    second_turn: np.ndarray
    "The same of the second, `[N, 4]`."


@dataclass(frozen=True, kw_only=True)
class Layout(Rows):
    """Places in N episodes, `[N, 3]` each, in metres."""

    hand: np.ndarray
    object: np.ndarray
    second: np.ndarray
    goal: np.ndarray


NUM_LAYOUT_NUMBERS = 12
"""Even numbers that a layout draws."""
_HAND_SPREAD = 0.015
"""Metres: parking is repeated to within a centimetre or two."""


def follow_mechanism(
    scene: Scene, start: np.ndarray, travelled: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where first objects are that have travelled, and which way they go on: `[N, 3]` each.

    Args:
        scene: of N tasks.
        start: where they began, `[N, 3]`.
        travelled: metres along the path, `[N]`.
    """
    # In double precision the last bit of a sine, which differs among machines, is rounded away.
    angle = travelled.astype(np.float64) / scene.radius
    cos, sin = (f(angle)[:, None].astype(np.float32) for f in (np.cos, np.sin))
    turned = scene.radius[:, None] * (scene.arm * (cos - 1) + scene.tangent * sin)
    is_hinge = (scene.body == HINGE)[:, None]
    place = start + np.where(is_hinge, turned, travelled[:, None] * scene.tangent)
    return place, np.where(is_hinge, scene.tangent * cos - scene.arm * sin, scene.tangent)


def lay_out(scene: Scene, numbers: np.ndarray) -> Layout:
    """The places of a layout for each of N tasks.

    Args:
        scene: of N tasks.
        numbers: even numbers in [0, 1), `[N, NUM_LAYOUT_NUMBERS]`.
    """
    hand, first, second, goal = np.split((2 * numbers - 1).astype(np.float32), 4, axis=1)
    second = scene.second + scene.second_spread * second
    first = scene.object + scene.object_spread * first
    inside = second + scene.part + scene.axis * scene.depth[:, None] - scene.tip
    first = np.where(scene.starts_inside[:, None], inside, first)
    first_end = follow_mechanism(scene, first, scene.travel)[0]
    second_end = second + scene.axis * scene.depth[:, None]
    tied = np.stack([scene.goal + scene.goal_spread * goal, first_end, second, second_end])
    goal = tied[scene.goal_tie, np.arange(len(scene))] + scene.goal_shift
    return Layout(
        hand=scene.hand + _HAND_SPREAD * hand,
        object=first,
        second=second,
        goal=goal.astype(np.float32),
    )
