"""How programs are drawn: which phases a scene asks for, and the habits of whoever wrote them."""

from typing import Any

import numpy as np

from makeanagent.suites.procedural.arrays import point
from makeanagent.suites.procedural.family import (
    GRASPED,
    HINGES,
    PUSHED,
    REACHED,
    SLIDES,
    TWO,
    FamilyConfig,
)
from makeanagent.suites.procedural.programs import (
    ACT,
    APPROACH,
    CARRY,
    CLEAR,
    CLOSE,
    COMMITTED,
    CONTACT,
    GOAL,
    HAND,
    LEAVE,
    LOWER,
    NUM_TESTS,
    OBJECT,
    RELEASE,
    RISE,
    SECOND,
    SLOTS,
    TESTS,
    WORLD,
    Program,
)
from makeanagent.suites.procedural.ranges import Sheet
from makeanagent.suites.procedural.scenes import (
    HOLE,
    LOOSE,
    OBJECT_THERE,
    SLIDER,
    TRAVELLED,
    Scene,
    follow_mechanism,
)

_UP = np.array([0, 0, 1], np.float32)
_LEVEL = np.array([1, 1, 0], np.float32)
_STEP_UP = 0.1 * _UP
"""Metres above the hand at which a rising hand aims: a full action for most gains."""
_FAR = 1e3
_MARGIN = 0.045
"""Metres around a wall that a hand, or an object, keeps free."""
_ABOVE_WALL = 0.05
"""Metres above a wall at which a hand, whose fingers hang down, is clear of it."""
_LIFT = 0.04
"""Metres above the height that counts as lifted at which a lifting hand aims."""
_CAGE = 0.036
"""Metres from the hand at which an object may be that its open fingers drag along."""
_CONTACT_HEIGHT = 0.07
"""Metres above its contact below which a hand that is far away is low."""


class _Programs:
    """N programs in the making: the fields of `Program`, with no slot in use to begin with."""

    def __init__(self, n: int) -> None:
        slots, tests = (n, len(SLOTS)), (n, NUM_TESTS)
        self.fields: dict[str, np.ndarray] = {
            "present": np.zeros(slots, bool),
            "anchor": np.full(slots, HAND),
            "offset": np.zeros((*slots, 3), np.float32),
            "behind": np.zeros(slots, np.float32),
            "keeps": np.zeros((*slots, 3), bool),
            "gain": np.ones(slots, np.float32),
            "effort": np.zeros(slots, np.float32),
            "open_above": np.full(n, 2, np.float32),
            "zone": np.tile(np.array([[_FAR] * 3, [-_FAR] * 3], np.float32), (n, 1, 1)),
            "subject": np.full(tests, HAND),
            "reference": np.full(tests, OBJECT),
            "shift": np.zeros((*tests, 3), np.float32),
            "shift_behind": np.zeros(tests, np.float32),
            "line": np.zeros((*tests, 3), np.float32),
            "radius": np.full(tests, _FAR, np.float32),
            "low": np.full(tests, -_FAR, np.float32),
            "high": np.full(tests, _FAR, np.float32),
            "wanted": np.ones(tests, bool),
        }
        # Until a test says otherwise, no tip is lined up.
        self.fields["wanted"][:, COMMITTED] = False

    def phase(self, rows: np.ndarray, slot: int, **values: np.ndarray | float | int) -> None:
        """Use a slot in the tasks of `rows`, with these values of its fields."""
        self.fields["present"][rows, slot] = True
        for name, value in values.items():
            field = self.fields[name][:, slot]
            field[rows] = np.broadcast_to(value, field.shape)[rows]

    def test(
        self, rows: np.ndarray, slot: int, number: int = 0, **values: np.ndarray | float | int
    ) -> None:
        """Set a test of a slot in the tasks of `rows`; the slot COMMITTED has its own."""
        index = COMMITTED if slot == COMMITTED else TESTS[slot][number]
        for name, value in values.items():
            field = self.fields[name][:, index]
            field[rows] = np.broadcast_to(value, field.shape)[rows]


def draw_programs(sheet: Sheet, kinds: np.ndarray, scene: Scene, family: FamilyConfig) -> Program:
    """Draw the programs of N scenes.

    Args:
        sheet: what the tasks have drawn.
        kinds: indices into `KINDS`, int `[N]`.
        scene: of the tasks.
        family: which parts are left out.
    """
    programs = _Programs(len(sheet))
    everywhere = np.ones(len(sheet), bool)
    idle, holding = np.full(len(sheet), -1, np.float32), np.ones(len(sheet), np.float32)
    gain = gain_of_action = np.full(len(sheet), 10, np.float32)
    if family.habits:
        idle = sheet.pick_number("idle effort")
        needed = np.minimum(2.2 * scene.weight + 0.1, 1)
        holding = needed + sheet.read("holding effort") * (1 - needed)
        gain = sheet.pick_number("gain")
        other = sheet.happens("acts with another gain")
        gain_of_action = np.where(other, sheet.pick_number("gain of action"), gain)
    closes = (scene.body == LOOSE) & (scene.width < 1) & (kinds != PUSHED) | scene.held_only
    open_wide = closes | ((kinds == PUSHED) & (scene.width < 1))
    before = np.where(open_wide, -1, idle)
    for slot in range(len(SLOTS)):
        done = (slot >= CLOSE) & closes
        programs.phase(
            everywhere,
            slot,
            gain=gain_of_action if slot == ACT else gain,
            effort=np.where(done, holding, before),
        )
    programs.fields["present"][:, :ACT] = False
    _act_at_place(programs, kinds == REACHED)
    _write_contacts(programs, sheet, kinds, scene, family)
    _close(programs, sheet, scene, closes)
    _act_on_mechanisms(programs, sheet, kinds, scene, family)
    _push(programs, sheet, kinds, scene, family)
    _carry_to_goal(programs, sheet, kinds, scene)
    _carry_to_second(programs, sheet, scene)
    _draw_out(programs, scene)
    _mind_walls(programs, kinds, scene)
    return Program(**programs.fields)


def _act_at_place(programs: _Programs, rows: np.ndarray) -> None:
    programs.phase(rows, ACT, anchor=GOAL)


def _write_contacts(
    programs: _Programs, sheet: Sheet, kinds: np.ndarray, scene: Scene, family: FamilyConfig
) -> None:
    """Rise, approach and contact: from a side of the contact down, or across, to it."""
    rows = kinds != REACHED
    loose = scene.body == LOOSE
    motion = _find_motion(scene)
    before = scene.size + sheet.read("gap")
    point_of_contact = scene.contact - np.where(
        (loose | scene.held_only)[:, None], 0, before[:, None] * motion
    )
    behind = np.where(loose & (scene.width > 1), before, 0)
    side = _choose_sides(sheet, motion, loose, family)
    radius, within = _read_radii(sheet, family)
    radius = np.where((kinds == PUSHED) & (scene.width < 1), np.maximum(radius, _CAGE), radius)
    distance = sheet.read("approach distance")[:, None]
    keeps = sheet.happens("keeps its distance") & family.habits & family.sideways & ~loose
    keeps = keeps[:, None] & (np.abs(side) > 0.99)
    programs.phase(
        rows,
        APPROACH,
        anchor=OBJECT,
        offset=np.where(keeps, 0, point_of_contact + distance * side),
        behind=behind,
        keeps=keeps,
    )
    fixed: dict[str, Any] = {"shift": point_of_contact, "shift_behind": behind}
    low = np.where(keeps.any(axis=1), -_FAR, -0.03)
    programs.test(rows, APPROACH, line=side, radius=radius, low=low, wanted=False, **fixed)
    programs.phase(rows, CONTACT, anchor=OBJECT, offset=point_of_contact, behind=behind)
    programs.test(rows, CONTACT, line=side, low=-_FAR, high=within, wanted=False, **fixed)
    rises = rows & sheet.happens("rises first") & (side[:, 2] > 0.5)
    programs.phase(rises, RISE, offset=_STEP_UP, keeps=True)
    programs.test(rises, RISE, 0, line=_UP, radius=2 * radius, wanted=False, **fixed)
    programs.test(rises, RISE, 1, line=_UP, low=_CONTACT_HEIGHT, wanted=False, **fixed)


def _read_radii(sheet: Sheet, family: FamilyConfig) -> tuple[np.ndarray, np.ndarray]:
    """How near to the line of approach, and to the contact, a hand must be, `[N]` each."""
    if family.habits:
        return sheet.read("approach radius"), sheet.read("contact radius")
    return np.full(len(sheet), 0.03, np.float32), np.full(len(sheet), 0.015, np.float32)


def _find_motion(scene: Scene) -> np.ndarray:
    """Along mechanisms: from where they begin to where they end, unit length, `[N, 3]`."""
    return point(follow_mechanism(scene, 0 * scene.contact, scene.travel)[0])


def _choose_sides(
    sheet: Sheet, motion: np.ndarray, loose: np.ndarray, family: FamilyConfig
) -> np.ndarray:
    """From contacts to where they are approached from, unit length, `[N, 3]`."""
    if not family.sideways:
        return np.tile(_UP, (len(sheet), 1))
    across = point(np.cross(motion, _UP))
    across = np.where(np.abs(motion[:, 2:]) > 0.9, np.array([0, -1, 0], np.float32), across)
    choice = np.where(loose, 0, sheet.pick("approach"))
    side = np.choose(choice[:, None], [np.tile(_UP, (len(sheet), 1)), -motion, across])
    # What is lifted is met from below, where there is no way down to.
    lifts = (motion[:, 2:] > 0.5) & (side[:, 2:] > 0.5)
    return np.where(lifts, across, side).astype(np.float32)


def _close(programs: _Programs, sheet: Sheet, scene: Scene, rows: np.ndarray) -> None:
    programs.phase(rows, CLOSE, offset=0, keeps=True)
    threshold = scene.width + sheet.read("closed when") * (1 - scene.width)
    programs.fields["open_above"][rows] = threshold[rows]


def _act_on_mechanisms(
    programs: _Programs, sheet: Sheet, kinds: np.ndarray, scene: Scene, family: FamilyConfig
) -> None:
    rows = scene.aim == TRAVELLED
    motion, beyond = _find_motion(scene), sheet.read("push beyond")[:, None]
    programs.phase(rows, ACT, anchor=OBJECT, offset=scene.contact + beyond * motion)
    to_goal = (kinds == HINGES) & (sheet.pick("motion of hinges") == 1) & scene.goal_seen
    to_goal &= bool(family.habits)
    offset = scene.contact - scene.goal_shift
    programs.phase(rows & to_goal, ACT, anchor=GOAL, offset=offset + beyond / 4 * motion)


def _push(
    programs: _Programs, sheet: Sheet, kinds: np.ndarray, scene: Scene, family: FamilyConfig
) -> None:
    rows = kinds == PUSHED
    programs.phase(rows, ACT, anchor=GOAL, offset=scene.contact)
    # From behind, the target is just ahead of where the object is to be.
    behind = rows & (scene.width > 1)
    ahead = np.maximum(sheet.read("push beyond"), 0.05)
    programs.phase(behind, ACT, anchor=OBJECT, offset=scene.contact, behind=-ahead)


def _carry_to_goal(programs: _Programs, sheet: Sheet, kinds: np.ndarray, scene: Scene) -> None:
    """Lift, carry, lower, let go: to a goal in the air, on the table or on top of something."""
    rows = ((kinds == GRASPED) | (kinds == TWO)) & (scene.aim == OBJECT_THERE)
    radius = np.minimum(sheet.read("above the goal within"), scene.tolerance - 0.012)
    walled = scene.wall[:, 1, 2] > 0
    height = sheet.read("carry height")
    above_goal = scene.wall[:, 1, 2] + 0.02 - (scene.goal[:, 2] - scene.object[:, 2])
    height = np.where(walled, np.maximum(height, above_goal), height)
    straight = sheet.happens("carries straight") & (scene.goal[:, 2] > 0.04) & ~walled
    straight &= kinds == GRASPED
    above = scene.contact + height[:, None] * _UP
    over: dict[str, Any] = {"subject": OBJECT, "reference": GOAL, "line": _UP}
    lifts = rows & ~straight
    programs.phase(
        lifts, LEAVE, anchor=GOAL, offset=(above + _LIFT) * _UP, keeps=_LEVEL.astype(bool)
    )
    programs.test(lifts, LEAVE, 0, radius=2 * radius, wanted=False, **over)
    programs.test(lifts, LEAVE, 1, low=height, wanted=False, **over)
    programs.phase(lifts, CARRY, anchor=GOAL, offset=above + _LIFT / 2 * _UP)
    programs.test(lifts, CARRY, radius=radius, wanted=False, **over)
    programs.phase(rows, ACT, anchor=GOAL, offset=scene.contact)
    lets_go = rows & scene.let_go
    programs.phase(lets_go, RELEASE, offset=_STEP_UP / 2, keeps=True)
    programs.test(
        lets_go, RELEASE, radius=radius + 0.01, low=-0.05, high=sheet.read("release height"), **over
    )


def _carry_to_second(programs: _Programs, sheet: Sheet, scene: Scene) -> None:
    """Line the tip up before a hole, over a pole or behind a slider, and go on along the axis."""
    slides = scene.other == SLIDER
    rows = slides | ((scene.other == HOLE) & ~scene.starts_inside)
    axis = scene.axis
    room = sheet.read("stand-off") + np.where(slides, scene.clearance, 0)
    lined_up = scene.part - room[:, None] * axis - scene.tip
    hand = lined_up + scene.contact
    height = sheet.read("carry height")
    radius = np.where(slides, 0.75, 0.6) * scene.clearance
    over: dict[str, Any] = {"subject": OBJECT, "reference": SECOND, "shift": lined_up, "line": _UP}
    level = np.abs(axis[:, 2]) < 0.5
    up = np.where(level, height, 0)[:, None] * _UP
    programs.phase(
        rows, LEAVE, anchor=SECOND, offset=(hand + up + _LIFT) * _UP, keeps=_LEVEL.astype(bool)
    )
    programs.test(rows, LEAVE, 0, radius=0.03, wanted=False, **over)
    programs.test(rows, LEAVE, 1, low=up[:, 2] - 0.01, wanted=False, **over)
    programs.phase(rows, CARRY, anchor=SECOND, offset=hand + up)
    programs.test(rows, CARRY, radius=0.8 * radius, wanted=False, **over)
    programs.phase(rows, LOWER, anchor=SECOND, offset=hand)
    programs.fields["present"][rows & ~level, LOWER] = False
    programs.test(rows, LOWER, low=-_FAR, high=0.01, wanted=False, **over)
    programs.test(
        rows,
        COMMITTED,
        subject=OBJECT,
        reference=SECOND,
        shift=scene.part - scene.tip,
        line=axis,
        radius=radius,
        low=-room - 0.02,
        wanted=True,
    )
    beyond = np.where(slides, sheet.read("push beyond"), scene.depth + 0.03)
    programs.phase(
        rows,
        ACT,
        anchor=SECOND,
        offset=scene.part + beyond[:, None] * axis - scene.tip + scene.contact,
    )


def _draw_out(programs: _Programs, scene: Scene) -> None:
    rows = scene.starts_inside
    offset = scene.part - (scene.depth + 0.05)[:, None] * scene.axis - scene.tip + scene.contact
    programs.phase(rows, ACT, anchor=SECOND, offset=offset)


def _mind_walls(programs: _Programs, kinds: np.ndarray, scene: Scene) -> None:
    """Over a wall with the hand; round it with an object that stays on the table."""
    low, high = scene.wall[:, 0], scene.wall[:, 1]
    walled = high[:, 2] > 0
    zone = np.stack([low - _MARGIN, high + _MARGIN], axis=1)
    zone[:, 1, 2] = high[:, 2] + _ABOVE_WALL
    over = walled & np.isin(kinds, (REACHED, SLIDES))
    programs.phase(over, CLEAR, offset=_STEP_UP, keeps=True)
    programs.fields["zone"][over] = zone[over]
    rows = walled & (kinds == PUSHED)
    half, middle = (high - low) / 2, (low + high) / 2
    thin = np.eye(3, dtype=np.float32)[half[:, :2].argmin(axis=1)]
    way = np.sign(((scene.goal - scene.object) * thin).sum(axis=1))[:, None] * thin
    across = np.where(thin[:, :1] > 0, np.eye(3)[1], np.eye(3)[0]).astype(np.float32)
    # To the side that is nearer to the middle of the table.
    inward = np.sign(((np.array([0, 0.68, 0]) - middle) * across).sum(axis=1))[:, None] * across
    reach = (half * across).sum(axis=1) + _MARGIN
    past = (half * thin).sum(axis=1) + _MARGIN
    before: dict[str, Any] = {"subject": OBJECT, "reference": WORLD, "shift": middle}
    step = middle * across + (reach + 0.05)[:, None] * inward
    programs.phase(rows, LEAVE, anchor=WORLD, offset=step, keeps=across == 0)
    programs.test(rows, LEAVE, 0, line=across, low=-reach, high=reach, **before)
    programs.test(rows, LEAVE, 1, line=way, high=past, **before)
    go = middle * thin + (past + 0.05)[:, None] * way
    programs.phase(rows, CARRY, anchor=WORLD, offset=go, keeps=thin == 0)
    programs.test(rows, CARRY, line=way, high=past, **before)
