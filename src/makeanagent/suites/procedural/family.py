"""The family of drawn tasks: its kinds and parts, and the table of what is drawn."""

from dataclasses import dataclass

import numpy as np

from makeanagent.errors import InputError
from makeanagent.suites.procedural.program_ranges import PROGRAMS
from makeanagent.suites.procedural.ranges import Entry
from makeanagent.suites.procedural.scene_ranges import MECHANISMS, OBJECTS, PLACES

KINDS = ("reached", "slides", "hinges", "pushed", "grasped", "two")
"""Kinds of tasks: the hand at a place; a mechanism that slides or turns; an object that is pushed
or carried; two objects, of which one is carried to, onto or into the other, or pushes it."""
REACHED, SLIDES, HINGES, PUSHED, GRASPED, TWO = range(len(KINDS))


@dataclass(frozen=True, kw_only=True)
class FamilyConfig:
    """How often each kind is drawn, and which parts of the family are left out."""

    reached: float = 0.06
    "Weight of tasks that ask for the hand at a place."
    slides: float = 0.26
    "Weight of drawers, windows, buttons, plates: what slides along a line."
    hinges: float = 0.16
    "Weight of doors, faucets, dials, levers: what turns about an axis."
    pushed: float = 0.14
    "Weight of loose objects that are pushed to a goal."
    grasped: float = 0.16
    "Weight of loose objects that are carried to a goal."
    two: float = 0.22
    "Weight of tasks with two objects."
    walls: bool = True
    "Whether obstacles stand in the way of some tasks."
    gripped: bool = True
    "Whether some mechanisms move only while the fingers hold them."
    caged: bool = True
    "Whether some loose objects are pushed from within the open fingers."
    oblique: bool = True
    "Whether some mechanisms move in other directions than along x, y or z."
    sideways: bool = True
    "Whether some contacts are approached from the side or in line, and not from above."
    habits: bool = True
    "Whether programs differ in gains, in thresholds and in what the idle gripper does."
    stacks: bool = True
    "Whether objects are put onto others."
    inserts: bool = True
    "Whether pegs are put into holes and rings over poles."
    extractions: bool = True
    "Whether pegs are drawn out of holes."
    sticks: bool = True
    "Whether a carried object pushes a mechanism."

    def __post_init__(self) -> None:
        """Check that something is left to draw.

        Raises:
            InputError: a weight is below 0, none is above, or no pair of objects is left.
        """
        weights = dict(zip(KINDS, self.weights, strict=True))
        for name, weight in weights.items():
            if not 0 <= weight < np.inf:
                raise InputError(f"family: {name} {weight}: must be a number of at least 0")
        if not any(weights.values()):
            raise InputError(f"family: all weights are 0; raise one of {', '.join(KINDS)}")
        if self.two and not any(self.pairs):
            raise InputError(
                "family: two: stacks, inserts, extractions and sticks are all off;"
                " turn one on, or set the weight of two to 0"
            )

    @property
    def weights(self) -> tuple[float, ...]:
        """Of each of `KINDS`."""
        return self.reached, self.slides, self.hinges, self.pushed, self.grasped, self.two

    @property
    def pairs(self) -> tuple[bool, ...]:
        """Which of `PAIRS` are drawn."""
        return self.stacks, self.inserts, self.inserts, self.extractions, self.sticks


FAMILY = {
    "Where things are": PLACES,
    "Mechanisms": MECHANISMS,
    "Objects": OBJECTS,
    "Programs": PROGRAMS,
}
"""The table of all that a task draws, by heading."""
ENTRIES: tuple[Entry, ...] = (*PLACES, *MECHANISMS, *OBJECTS, *PROGRAMS)
