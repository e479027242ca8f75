"""Programs: memoryless experts as phases, of which the first that is needed acts.

Every program has the same slots for phases, in the same order; a task uses some of them. A phase
is needed as long as its tests say so, which ask for relative positions alone, or the gripper's
reading. It moves the hand towards a point that is fixed to something observed, by a proportional
controller that saturates.
"""

from dataclasses import dataclass

import numpy as np

from makeanagent.suites.procedural.arrays import Rows, dot, measure

SLOTS = (
    "release",
    "clear",
    "rise",
    "approach",
    "contact",
    "close",
    "leave",
    "carry",
    "lower",
    "act",
)
"""Phases, the most urgent first: open over the goal; up from a wall; up from the table; to a
waypoint; to the contact; shut the fingers; lift or step aside; carry; lower; the motion itself."""
RELEASE, CLEAR, RISE, APPROACH, CONTACT, CLOSE, LEAVE, CARRY, LOWER, ACT = range(len(SLOTS))
ANCHORS = ("hand", "object", "second", "goal", "world")
"""What points are fixed to."""
HAND, OBJECT, SECOND, GOAL, WORLD = range(len(ANCHORS))
_TESTED = (RELEASE, RISE, RISE, APPROACH, CONTACT, LEAVE, LEAVE, CARRY, LOWER)
"""The slot of each test; the last test, after these, is whether the tip is lined up."""
NUM_TESTS = len(_TESTED) + 1
COMMITTED = NUM_TESTS - 1
TESTS = {slot: tuple(np.flatnonzero(np.array(_TESTED) == slot)) for slot in range(len(SLOTS))}
"""Which tests, by index, a slot needs to come out true."""


@dataclass(frozen=True, kw_only=True)
class Program(Rows):
    """Programs of N tasks, with P slots and Q tests; lengths in metres.

    A test measures `subject - reference - shift`, along a line and across it, and asks whether it
    lies within `low` to `high` and `radius`.
    """

    present: np.ndarray
    "Which slots are used, bool `[N, P]`."
    anchor: np.ndarray
    "What the target is fixed to, int `[N, P]`."
    offset: np.ndarray
    "The target, from there, `[N, P, 3]`."
    behind: np.ndarray
    "How far behind the object, as seen from the goal, the target lies besides, `[N, P]`."
    keeps: np.ndarray
    "Coordinates that the hand keeps, but for the offset, bool `[N, P, 3]`."
    gain: np.ndarray
    "Action for each metre that the hand is away from the target, `[N, P]`."
    effort: np.ndarray
    "Of the gripper, 1 to close, `[N, P]`."
    open_above: np.ndarray
    "Reading of the gripper above which the fingers still have to close, `[N]`."
    zone: np.ndarray
    "Lower and upper corner of where the hand has to rise, `[N, 2, 3]`."

    subject: np.ndarray
    "Int `[N, Q]`."
    reference: np.ndarray
    "Int `[N, Q]`."
    shift: np.ndarray
    "`[N, Q, 3]`."
    shift_behind: np.ndarray
    "Metres behind the object, as seen from the goal, besides, `[N, Q]`."
    line: np.ndarray
    "Unit length, `[N, Q, 3]`; zeros measure distance from a point."
    radius: np.ndarray
    "`[N, Q]`."
    low: np.ndarray
    "`[N, Q]`."
    high: np.ndarray
    "`[N, Q]`."
    wanted: np.ndarray
    "Whether the phase is needed where the test finds it within, or else without, bool `[N, Q]`."


def act(program: Program, observations: np.ndarray) -> np.ndarray:
    """Actions `[N, 4]` in [-1, 1] of N programs on an observation each, `[N, 39]`."""
    observations = np.asarray(observations, np.float32)
    rows, anchors = np.arange(len(observations)), _find_anchors(observations)
    hand = anchors[:, HAND]
    slot = _choose_slots(program, anchors, observations[:, 3])
    target = anchors[rows, program.anchor[rows, slot]]
    target = target - program.behind[rows, slot, None] * _look(anchors)
    target = np.where(program.keeps[rows, slot], hand, target) + program.offset[rows, slot]
    actions = np.empty((len(rows), 4), np.float32)
    actions[:, :3] = program.gain[rows, slot, None] * (target - hand)
    actions[:, 3] = program.effort[rows, slot]
    return np.clip(actions, -1, 1)


def choose_slots(program: Program, observations: np.ndarray) -> np.ndarray:
    """Which slot acts, int `[N]`, on an observation each, `[N, 39]`."""
    return _choose_slots(program, _find_anchors(observations), observations[:, 3])


def _find_anchors(observations: np.ndarray) -> np.ndarray:
    """Places of `ANCHORS`, `[N, 5, 3]`; the world's is zero."""
    anchors = np.zeros((len(observations), len(ANCHORS), 3), np.float32)
    for anchor, start in ((HAND, 0), (OBJECT, 4), (SECOND, 11), (GOAL, 36)):
        anchors[:, anchor] = observations[:, start : start + 3]
    return anchors


def _look(anchors: np.ndarray) -> np.ndarray:
    """From the object to the goal, level and of unit length, `[N, 3]`."""
    way = anchors[:, GOAL] - anchors[:, OBJECT]
    way[:, 2] = 0
    return way / np.maximum(measure(way), 1e-6)[:, None]


def _choose_slots(program: Program, anchors: np.ndarray, gripper: np.ndarray) -> np.ndarray:
    rows = np.arange(len(anchors))[:, None]
    away = anchors[rows, program.subject] - anchors[rows, program.reference] - program.shift
    away += program.shift_behind[..., None] * _look(anchors)[:, None]
    along = dot(away, program.line)
    across = dot(away, away) - along * along
    within = (across < program.radius**2) & (along > program.low) & (along < program.high)
    says = within == program.wanted
    needed = program.present.copy()
    for slot, tests in TESTS.items():
        for test in tests:
            needed[:, slot] &= says[:, test]
    hand = anchors[:, HAND]
    low, high = program.zone[:, 0], program.zone[:, 1]
    needed[:, CLEAR] &= ((hand > low) & (hand < high)).all(axis=1)
    needed[:, CLOSE] &= gripper > program.open_above
    needed[:, LEAVE : LOWER + 1] &= ~says[:, COMMITTED, None]
    return needed.argmax(axis=1)
