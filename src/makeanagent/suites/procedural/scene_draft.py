"""Scenes in the making, and places that fit into the workspace."""

import numpy as np

from makeanagent.suites.procedural.family import FamilyConfig
from makeanagent.suites.procedural.ranges import Sheet
from makeanagent.suites.procedural.scenes import ABSENT, HAND_THERE, OWN, STILL

REACH = np.array([[-0.3, 0.48, 0.07], [0.3, 0.88, 0.32]], np.float32)
"""Corners of the box in which hands work: well within the workspace, so that they can go round."""
DIRECTIONS = np.array(
    [[-1, 0, 0], [1, 0, 0], [0, -1, 0], [0, 1, 0], [0, 0, -1], [0, 0, 1]], np.float32
)
UP = np.array([0, 0, 1], np.float32)
LEVEL = np.array([1, 1, 0], np.float32)
_PARKING = np.array([[-0.1, 0.42, 0.15], [0.1, 0.65, 0.28]], np.float32)
_TURNS = np.array([[1, 0, 0, 0], [0, 0, 0, 1], [0.707, 0, 0, 0.707], [0, 0, 0, 0]], np.float32)
_NO_WALL = np.array([[1e3] * 3, [-1e3] * 3], np.float32)


class SceneDraft:
    """N scenes in the making: the fields of `Scene`, to begin with those of an empty table."""

    def __init__(self, sheet: Sheet, kinds: np.ndarray, family: FamilyConfig) -> None:
        n = len(sheet)
        self.sheet, self.kinds, self.family = sheet, kinds, family
        spread = np.zeros((n, 3), np.float32)
        spread[:, :2] = sheet.read("spread")
        self.spread = spread
        zeros, vectors = np.zeros(n, np.float32), np.zeros((n, 3), np.float32)
        turn = _TURNS[sheet.pick("orientation")]
        self.fields: dict[str, np.ndarray] = {
            "hand": _PARKING[0] + sheet.read("hand start") * (_PARKING[1] - _PARKING[0]),
            **{name: vectors.copy() for name in ("object", "second", "goal", "goal_shift")},
            **{f"{name}_spread": vectors.copy() for name in ("object", "second", "goal")},
            "goal_tie": np.full(n, OWN),
            "goal_seen": np.ones(n, bool),
            "body": np.full(n, STILL),
            "contact": vectors.copy(),
            "size": zeros.copy(),
            "tangent": np.tile(UP, (n, 1)),
            "arm": np.tile(DIRECTIONS[1], (n, 1)),
            "radius": np.ones(n, np.float32),
            "travel": zeros.copy(),
            "yielding": sheet.pick_number("yielding"),
            "spring": sheet.pick_number("spring"),
            "held_only": np.zeros(n, bool),
            "width": sheet.read("grasp width"),
            "weight": sheet.read("weight"),
            "tip": vectors.copy(),
            "other": np.full(n, ABSENT),
            "part": vectors.copy(),
            "axis": np.tile(UP, (n, 1)),
            "clearance": sheet.read("clearance"),
            "depth": zeros.copy(),
            "starts_inside": np.zeros(n, bool),
            "wall": np.tile(_NO_WALL, (n, 1, 1)),
            "aim": np.full(n, HAND_THERE),
            "tolerance": sheet.read("tolerance"),
            "share": sheet.read("share of travel"),
            "let_go": np.zeros(n, bool),
            "first_turn": turn,
            "second_turn": turn[:, [3, 0, 1, 2]],
        }

    def __getitem__(self, name: str) -> np.ndarray:
        return self.fields[name]

    def put(self, rows: np.ndarray, **values: np.ndarray | float) -> None:
        """Write values `[N, ...]`, or one for all, where `rows` says so."""
        for name, value in values.items():
            field = self.fields[name]
            field[rows] = np.broadcast_to(value, field.shape)[rows]


def fit_place(numbers: np.ndarray, spread: np.ndarray, *points: np.ndarray) -> np.ndarray:
    """Places `[N, 3]` from which all that a task needs lies within reach.

    Args:
        numbers: `[N, 3]` in [0, 1).
        spread: how far layouts move the places, `[N, 3]`.
        points: from the place, `[N, 3]` each: where hands must be able to be.
    """
    below = np.minimum.reduce([*points, np.zeros_like(spread)]) - spread
    above = np.maximum.reduce([*points, np.zeros_like(spread)]) + spread
    low, high = REACH[0] - below, REACH[1] - above
    middle = (low + high) / 2
    low, high = np.minimum(low, middle), np.maximum(high, middle)
    return (low + numbers * (high - low)).astype(np.float32)


def go_from(start: np.ndarray, sheet: Sheet, distance: np.ndarray) -> np.ndarray:
    """Places `[N, 3]` at a distance `[N]` from others, in the bearing that was drawn.

    Where that leaves the reach, the bearing is mirrored.
    """
    bearing = sheet.read("goal bearing").astype(np.float64)
    step = distance[:, None] * np.stack([np.cos(bearing), np.sin(bearing), 0 * bearing], 1)
    step = step.astype(np.float32)
    leaves = (start + step < REACH[0]) | (start + step > REACH[1])
    place = start + np.where(leaves, -step, step)
    place[:, :2] = np.clip(place[:, :2], REACH[0, :2], REACH[1, :2])
    return place
