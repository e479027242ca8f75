"""How scenes are drawn: geometry, kind by kind."""

import numpy as np

from makeanagent.suites.procedural.arrays import measure, point
from makeanagent.suites.procedural.family import (
    GRASPED,
    HINGES,
    PUSHED,
    REACHED,
    SLIDES,
    TWO,
    FamilyConfig,
)
from makeanagent.suites.procedural.ranges import Sheet
from makeanagent.suites.procedural.scene_draft import (
    DIRECTIONS,
    LEVEL,
    UP,
    SceneDraft,
    fit_place,
    go_from,
)
from makeanagent.suites.procedural.scene_ranges import DRAW_OUT, RING, STACK, STICK
from makeanagent.suites.procedural.scenes import (
    FIRST_END,
    HINGE,
    HOLE,
    INSIDE,
    LOOSE,
    OBJECT_THERE,
    ON_SECOND,
    OUTSIDE,
    SECOND_END,
    SECOND_TRAVELLED,
    SLIDE,
    SLIDER,
    STANDING,
    TOP,
    TRAVELLED,
    Scene,
)

_BEFORE_CONTACT = 0.06
"""Metres before its contact from which a hand must be able to begin to push."""
_LINED_UP = 0.08
"""Metres before a mouth or a slider from which a tip must be able to go on."""
_LONGEST_STICK_TRAVEL = 0.15
_STICK_THICKNESS = 0.012
_WALL_THICKNESS = 0.015
"""Half of it, in metres."""
_LEAST_WAY = 0.2
"""Metres between what stands before and what stands behind a wall."""
_SPREAD_AT_WALLS = 0.02
_LEAST_HAND_HEIGHT = 0.055
"""Metres above the table to which hands come down."""
_WIDE = 2.0
"""A reading that no gripper shows: the object does not fit between the fingers."""


def draw_scenes(sheet: Sheet, kinds: np.ndarray, family: FamilyConfig) -> Scene:
    """Draw the scenes of N tasks.

    Args:
        sheet: what they have drawn.
        kinds: indices into `KINDS`, int `[N]`.
        family: which parts are left out.
    """
    scenes = SceneDraft(sheet, kinds, family)
    _draw_reached(scenes)
    _draw_mechanisms(scenes)
    _draw_loose(scenes)
    _draw_pairs(scenes)
    _draw_walls(scenes)
    stands = sheet.happens("bystander") & np.isin(kinds, (REACHED, SLIDES, HINGES))
    scenes.put(
        stands,
        other=STANDING,
        second=fit_place(sheet.read("second place"), scenes.spread)
        * np.array([1, 1, 0.5], np.float32),
        second_spread=scenes.spread,
    )
    unseen = sheet.happens("goal unseen") & np.isin(kinds, (SLIDES, HINGES))
    scenes.put(unseen, goal_seen=False)
    return Scene(**scenes.fields)


def _draw_reached(scenes: SceneDraft) -> None:
    sheet, rows = scenes.sheet, scenes.kinds == REACHED
    goal = fit_place(sheet.read("place"), scenes.spread)
    spread = scenes.spread + sheet.read("rise of layouts")[:, None] * UP
    beside = sheet.happens("idle object")[:, None] * (goal * [1, 1, 0] + [0.1, 0, 0.02])
    scenes.put(rows, goal=goal, goal_spread=spread, object=beside.astype(np.float32))


def _draw_mechanisms(scenes: SceneDraft) -> None:
    sheet, kinds, family = scenes.sheet, scenes.kinds, scenes.family
    hinge = kinds == HINGES
    rows = hinge | (kinds == SLIDES)
    # What goes up is met from below, which cannot be come to from above.
    tangent = DIRECTIONS[sheet.pick("direction", [*[True] * 5, family.sideways])]
    oblique = (sheet.happens("oblique") & family.oblique)[:, None]
    tangent = np.where(oblique, point(tangent + sheet.read("obliqueness")), tangent)
    radius = sheet.read("radius")
    travel = np.where(hinge, radius * sheet.read("angle"), sheet.read("travel"))
    contact = sheet.read("handle off its place") * sheet.happens("handle is off")
    scenes.put(
        rows,
        body=np.where(hinge, HINGE, SLIDE),
        tangent=tangent,
        arm=_draw_arms(sheet, tangent),
        radius=radius,
        travel=travel,
        contact=contact,
        size=sheet.read("contact size"),
        held_only=sheet.happens("gripped") & family.gripped,
        goal_tie=FIRST_END,
        goal_shift=sheet.read("goal shown off its place") * sheet.happens("goal is off")[:, None],
        aim=TRAVELLED,
    )
    spread = scenes.spread + sheet.read("rise of layouts")[:, None] * UP
    end = _find_end(scenes)
    place = fit_place(
        sheet.read("place"), spread, contact - _BEFORE_CONTACT * tangent, contact, contact + end
    )
    scenes.put(rows, object=place, object_spread=spread)


def _draw_arms(sheet: Sheet, tangent: np.ndarray) -> np.ndarray:
    """From hinges' axes to their contacts: at right angles to the tangent, `[N, 3]`."""
    is_steep = np.abs(tangent[:, 2:]) > 0.9
    side = point(np.cross(tangent, np.where(is_steep, DIRECTIONS[1], UP)))
    upward = np.cross(tangent, side)
    bearing = sheet.read("arm bearing").astype(np.float64)
    level = np.cos(bearing)
    upright = sheet.happens("upright axis") & ~is_steep[:, 0]
    level = np.where(upright, np.sign(level), level)
    rising = np.where(upright, 0, np.sin(bearing))
    return (level[:, None] * side + rising[:, None] * upward).astype(np.float32)


def _find_end(scenes: SceneDraft) -> np.ndarray:
    """From where mechanisms begin to where they end, `[N, 3]`."""
    angle = (scenes["travel"] / scenes["radius"]).astype(np.float64)[:, None]
    turned = scenes["arm"] * (np.cos(angle) - 1) + scenes["tangent"] * np.sin(angle)
    slid = scenes["travel"][:, None] * scenes["tangent"]
    is_hinge = (scenes["body"] == HINGE)[:, None]
    return np.where(is_hinge, scenes["radius"][:, None] * turned, slid).astype(np.float32)


def _draw_loose(scenes: SceneDraft) -> None:
    """Objects on the table, and goals for those that have no second object."""
    sheet, kinds, family = scenes.sheet, scenes.kinds, scenes.family
    pushed = kinds == PUSHED
    rows = pushed | (kinds == GRASPED) | (kinds == TWO)
    height = sheet.read("resting height")
    caged = sheet.happens("caged") & family.caged
    contact = np.zeros((len(sheet), 3), np.float32)
    contact[:, 2] = np.maximum(sheet.read("grasp height"), _LEAST_HAND_HEIGHT - height)
    held_off = sheet.happens("grasp is off") & ~pushed
    contact[:, :2] = sheet.read("grasp off centre") * held_off[:, None]
    room = np.array([0.08, 0.08, 0], np.float32)  # To get behind an object from any side.
    place = fit_place(
        sheet.read("place"), scenes.spread, -room * np.ones_like(contact), room + 0 * contact
    )
    place[:, 2] = height
    in_air = (sheet.pick("goal is") == 0) & (kinds == GRASPED)
    goal = go_from(place, sheet, sheet.read("goal distance"))
    goal[:, 2] = np.where(in_air, sheet.read("goal height"), height)
    rise = (sheet.read("rise of layouts") * in_air)[:, None] * UP
    scenes.put(
        rows,
        body=LOOSE,
        object=place,
        object_spread=scenes.spread / 2,
        goal=goal,
        goal_spread=scenes.spread / 2 + rise,
        contact=contact,
        size=sheet.read("object size"),
        let_go=sheet.happens("let go") & ~in_air & ~pushed,
        aim=OBJECT_THERE,
    )
    scenes.put(pushed & ~caged, width=_WIDE)


def _draw_pairs(scenes: SceneDraft) -> None:
    sheet, allowed = scenes.sheet, scenes.family.pairs
    rows = scenes.kinds == TWO
    pair = np.where(rows, sheet.pick("pair", allowed if any(allowed) else None), -1)
    stacks, rings, sticks, out = (pair == each for each in (STACK, RING, STICK, DRAW_OUT))
    level = DIRECTIONS[sheet.pick("direction") % 4]
    drops = rings | (out & (sheet.pick("direction") >= 4))
    axis = np.where(drops[:, None], -UP, level)
    tip = _draw_tips(scenes, level, sticks, out & drops)
    mouth, top = sheet.read("mouth height"), sheet.read("top height")
    # A ring comes to rest above the table.
    depth = np.where(rings, np.minimum(sheet.read("depth"), mouth - 0.03), sheet.read("depth"))
    depth = np.where(sticks, np.minimum(sheet.read("travel"), _LONGEST_STICK_TRAVEL), depth)
    inward = depth[:, None] * axis
    held = scenes["contact"] - tip
    place = fit_place(
        sheet.read("second place"), scenes.spread / 2, held - _LINED_UP * axis, held + inward
    )
    place[:, 2] = mouth
    scenes.put(
        rows,
        other=np.where(sticks, SLIDER, HOLE),
        second=place,
        second_spread=scenes.spread / 2,
        axis=axis,
        depth=depth,
        tip=tip,
        starts_inside=out,
        goal_tie=np.where(sticks, SECOND_END, ON_SECOND),
        goal_shift=np.where(sticks[:, None], 0, np.where(out[:, None], -inward, inward)),
        aim=np.select([sticks, out], [SECOND_TRAVELLED, OUTSIDE], INSIDE),
        let_go=False,
    )
    scenes.put(sticks, clearance=scenes["clearance"] + _STICK_THICKNESS)
    place = go_from(scenes["object"], sheet, sheet.read("goal distance"))
    place[:, 2] = top / 2
    part = (top / 2)[:, None] * UP
    scenes.put(
        stacks,
        other=TOP,
        second=place,
        part=part,
        tip=0,
        goal_shift=part + scenes["object"] * UP,
        aim=OBJECT_THERE,
        let_go=sheet.happens("let go"),
        clearance=scenes["tolerance"] + 0.01,
    )


def _draw_tips(
    scenes: SceneDraft, level: np.ndarray, sticks: np.ndarray, upright: np.ndarray
) -> np.ndarray:
    """Where the tips of pegs, rings and sticks are, from the objects' places, `[N, 3]`."""
    side = np.cross(level, UP)
    pointing = np.choose(scenes.sheet.pick("tip points")[:, None], [level, side, -side])
    pointing = np.where(sticks[:, None], pointing, level)
    length = scenes.sheet.read("part beyond the grasp")[:, None]
    # A peg that stands in its hole is held at half its height.
    return np.where(
        upright[:, None], -length / 2 * UP, scenes["contact"] * LEVEL + length * pointing
    )


def _draw_walls(scenes: SceneDraft) -> None:
    """Obstacles between what a task begins and ends with."""
    sheet, kinds = scenes.sheet, scenes.kinds
    loose = np.isin(kinds, (PUSHED, GRASPED))
    goal = go_from(scenes["object"], sheet, sheet.read("distance past a wall"))
    goal[:, 2] = scenes["goal"][:, 2]
    begin = np.where(loose[:, None], scenes["object"], scenes["hand"])
    end = np.where(loose[:, None], goal, scenes["goal"])
    end = np.where((kinds == SLIDES)[:, None], scenes["object"] + scenes["contact"], end)
    way = (end - begin) * LEVEL
    stands = sheet.happens("wall") & scenes.family.walls & (measure(way) > _LEAST_WAY)
    # Only what the fingers steer is taken round a wall; mechanisms that turn take much room.
    stands &= np.isin(kinds, (REACHED, SLIDES, GRASPED)) | (
        (kinds == PUSHED) & (scenes["width"] < 1)
    )
    half = np.zeros((len(sheet), 3), np.float32)
    half[:, :2] = (sheet.read("wall width") / np.where(kinds == PUSHED, 2, 1))[:, None]
    half[np.arange(len(sheet)), np.abs(way).argmax(axis=1)] = _WALL_THICKNESS
    low, high = (begin + end) / 2 - half, (begin + end) / 2 + half
    low[:, 2], high[:, 2] = 0, sheet.read("wall height")
    spread = np.minimum(scenes.spread, _SPREAD_AT_WALLS)
    scenes.put(stands, wall=np.stack([low, high], axis=1))
    scenes.put(stands & loose, goal=goal, object_spread=spread, goal_spread=spread)
    scenes.put(stands & (kinds == REACHED), goal_spread=spread)
    scenes.put(stands & (kinds == SLIDES), object_spread=spread)
