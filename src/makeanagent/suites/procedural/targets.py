"""What a program is, as numbers to be regressed from its demonstration."""

from dataclasses import dataclass

import numpy as np

from makeanagent.suites.procedural.family import KINDS
from makeanagent.suites.procedural.programs import (
    ACT,
    ANCHORS,
    APPROACH,
    CARRY,
    CLOSE,
    COMMITTED,
    CONTACT,
    GOAL,
    LEAVE,
    LOWER,
    OBJECT,
    RELEASE,
    SECOND,
    SLOTS,
    TESTS,
    WORLD,
)
from makeanagent.suites.procedural.tasks import Tasks

_OFFSET, _RADIUS = 0.1, 0.03
"""Metres that count as 1: an offset's and a threshold's."""
_MIDDLE = np.array([0, 0.7, 0], np.float32)
"""Middle of the table, in metres: offsets in the world are from there."""
_TARGETS = {
    APPROACH: (OBJECT,),
    CONTACT: (OBJECT,),
    LEAVE: (SECOND, GOAL, WORLD),
    CARRY: (SECOND, GOAL, WORLD),
    LOWER: (SECOND,),
    ACT: (OBJECT, SECOND, GOAL),
}
"""Slots whose targets differ from task to task, and what they are fixed to."""
_RADII = (RELEASE, APPROACH, CARRY)
"""Slots whose first test has a radius of its own."""


@dataclass(frozen=True, kw_only=True)
class Targets:
    """Regression targets of N programs, each about as large as 1."""

    values: np.ndarray
    "Float32 `[N, K]`; 0 where a program has no such number."
    masks: np.ndarray
    "Whether it has, bool `[N, K]`."
    names: tuple[str, ...]
    "Of the K columns, such as `approach offset z`."


def program_targets(tasks: Tasks) -> Targets:
    """Kind, phases and the numbers of the phases of N tasks' programs, for an auxiliary loss."""
    program, n = tasks.program, len(tasks)
    columns: list[tuple[str, np.ndarray, np.ndarray]] = []

    def add(name: str, values: np.ndarray, mask: np.ndarray) -> None:
        columns.append((name, values, mask))

    everywhere = np.ones(n, bool)
    for number, name in enumerate(KINDS):
        add(name, tasks.kinds == number, everywhere)
    for slot, name in enumerate(SLOTS):
        present = program.present[:, slot]
        if slot != ACT:
            add(f"{name} is used", present, everywhere)
        # Gains differ by factors: 10 counts as 0.
        add(f"{name} gain", np.log(program.gain[:, slot] / 10), present)
        if slot not in (RELEASE, CONTACT):
            add(f"{name} effort", program.effort[:, slot], present)
        for anchor in _TARGETS.get(slot, ()):
            if len(_TARGETS[slot]) > 1:
                is_it = program.anchor[:, slot] == anchor
                add(f"{name} towards {ANCHORS[anchor]}", is_it, present)
        if slot not in _TARGETS:
            continue
        in_world = program.anchor[:, slot] == WORLD
        offset = program.offset[:, slot] - np.where(in_world[:, None], _MIDDLE, 0)
        for axis, letter in enumerate("xyz"):
            add(f"{name} offset {letter}", offset[:, axis] / _OFFSET, present)
            if slot in (APPROACH, LEAVE, CARRY):
                add(f"{name} keeps {letter}", program.keeps[:, slot, axis], present)
        if slot in (APPROACH, CONTACT, ACT):
            add(f"{name} behind", program.behind[:, slot] / _OFFSET, present)
    for slot in _RADII:
        radius = program.radius[:, TESTS[slot][0]]
        # Some ask for a place along a line alone.
        add(f"{SLOTS[slot]} radius", radius / _RADIUS, program.present[:, slot] & (radius < 1))
    near = program.high[:, TESTS[CONTACT][0]]
    add("contact radius", near / _RADIUS, program.present[:, CONTACT])
    height = program.low[:, TESTS[LEAVE][1]]
    is_height = program.present[:, LEAVE] & (np.abs(height) < 1)
    add("leave height", height / _OFFSET, is_height)
    add("closed above", program.open_above, program.present[:, CLOSE])
    lines_up = program.wanted[:, COMMITTED]
    add("lined up within", program.radius[:, COMMITTED] / _RADIUS, lines_up)
    names, values, masks = zip(*columns, strict=True)
    mask = np.stack(masks, axis=1)
    value = np.where(mask, np.stack(values, axis=1), 0).astype(np.float32)
    return Targets(values=value, masks=mask, names=names)
