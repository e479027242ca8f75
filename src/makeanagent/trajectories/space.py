"""What the numbers of a task's observations and actions are."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from makeanagent.artifacts import as_json
from makeanagent.errors import InputError

SYMMETRIES = (
    "mirrored",
    "turned90",
    "turned180",
    "turned270",
    "mirrored-turned90",
    "mirrored-turned180",
    "mirrored-turned270",
)
"""Names of the floor's symmetries: x to -x, then turns from x to y by so many degrees, seen from
above; both about a centre (`Symmetry`)."""


@dataclass(frozen=True, kw_only=True)
class Space:
    """Observations and actions of a task, and which of their numbers are places in the world."""

    observation_dim: int
    "O: numbers of an observation."
    action_dim: int
    "A: numbers of an action. Policies act in [-1, 1] in each."
    action_low: tuple[float, ...] = ()
    "Actions of the environment itself for which -1 stands, A of them; none where it is -1 too."
    action_high: tuple[float, ...] = ()
    "Actions of the environment itself for which 1 stands."
    form: str = ""
    """Which of several spaces of these widths it is, where a suite has several, such as `joints of
    the panda`. What is of another form is of another meaning, number by number."""
    positions: tuple[int, ...] = ()
    """Where in an observation positions begin: x, y and z each, all in one frame. Moving all of
    them alike along x and y leaves the right action as it is; none, where it would not. A position
    of zeros is of an object that is not there."""
    names: tuple[str, ...] = field(default=(), compare=False)
    """What each of `positions` is of, such as `hand`, for people to read; none, where it has no
    name. Names make no other space."""
    unit: float = 1.0
    "One metre in the numbers of a position: lengths that are given in metres are multiplied by it."
    past: tuple[int, ...] = ()
    "Those of `positions` that repeat another one from a step before."
    goals: tuple[int, ...] = ()
    """Those of `positions` that say where things are to go. A suite may hide them, as zeros: then
    only the demonstration says it."""
    displacement: int | None = None
    """Where in an action a displacement along x, y and z begins, in the frame of the positions;
    none, where it has no such thing."""
    symmetries: tuple[str, ...] = ()
    """Those of `SYMMETRIES` under which the world's dynamics stay as they are: moving positions and
    displacement together leaves the right action right. Needs both of them, and a centre."""
    centre: tuple[float, ...] = ()
    "The point that symmetries leave in place, x, y and z in the numbers of a position."

    def __post_init__(self) -> None:
        """Check that the fields fit together.

        Raises:
            InputError: they do not.
        """
        for name in ("action_low", "action_high", "centre"):
            values = getattr(self, name)
            try:
                object.__setattr__(self, name, tuple(map(float, values)))
            except (TypeError, ValueError):
                raise InputError(f"space: {name} {values!r}: must be numbers") from None
        for name in ("positions", "names", "past", "goals", "symmetries"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        low, high = self.action_low, self.action_high
        if low or high:
            fits = len(low) == len(high) == self.action_dim
            if not fits or not all(
                -np.inf < a < b < np.inf for a, b in zip(low, high, strict=True)
            ):
                raise InputError(
                    f"space: action bounds {low} and {high}: expected {self.action_dim} finite"
                    " numbers each, the first ones below the second"
                )
        for start in self.positions:
            if not 0 <= start <= self.observation_dim - 3:
                raise InputError(
                    f"space: positions: {start} must be 0 to {self.observation_dim - 3}, as"
                    f" observations hold {self.observation_dim} numbers and a position three"
                )
        if self.names and not len({*self.names}) == len(self.names) == len(self.positions):
            raise InputError(
                f"space: names {self.names}: must be {len(self.positions)} different ones, one for"
                " each position"
            )
        if not 0 < self.unit < np.inf:
            raise InputError(f"space: unit {self.unit}: must be a number above 0")
        for name in ("past", "goals"):
            if unknown := sorted(set(getattr(self, name)) - set(self.positions)):
                raise InputError(
                    f"space: {name}: {unknown[0]} is none of positions {self.positions}"
                )
        if self.displacement is not None and not 0 <= self.displacement <= self.action_dim - 3:
            raise InputError(
                f"space: displacement {self.displacement} must be 0 to {self.action_dim - 3}, as"
                f" actions hold {self.action_dim} numbers and a displacement three"
            )
        self._check_symmetries()

    def _check_symmetries(self) -> None:
        """Refuse symmetries that are unknown, or that the other fields do not allow."""
        if self.centre and not (len(self.centre) == 3 and np.isfinite(self.centre).all()):
            raise InputError(f"space: centre {self.centre}: must be three finite numbers")
        if not self.symmetries:
            return
        for name in self.symmetries:
            if name not in SYMMETRIES:
                raise InputError(f"space: symmetries: {name!r} is none of {', '.join(SYMMETRIES)}")
        if not self.positions or self.displacement is None or not self.centre:
            raise InputError("space: symmetries need positions, a displacement and a centre")
        along_floor = slice(self.displacement, self.displacement + 2)
        bounds = {-low for low in self.action_low[along_floor]} | {*self.action_high[along_floor]}
        if len(bounds) > 1:
            raise InputError(
                f"space: symmetries, but action bounds {self.action_low} and {self.action_high}:"
                " displacements along x and y must reach as far to either side"
            )

    def name_position(self, start: int) -> str:
        """What the position that begins at `start` is of."""
        if self.names:
            return self.names[self.positions.index(start)]
        return f"position at {start}:{start + 3}"

    @property
    def scale(self) -> np.ndarray:
        """What a metre is in each number of an observation, float64 `[O]`: 1 where none is."""
        scale = np.ones(self.observation_dim)
        for start in self.positions:
            scale[start : start + 3] = self.unit
        return scale

    def to_dict(self) -> dict[str, Any]:
        """The space as plain JSON values."""
        content: dict[str, Any] = as_json(dataclasses.asdict(self))
        return content

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "Space":
        """Read what `to_dict` wrote.

        Raises:
            InputError: a field is unknown or missing, or has a value that is not accepted.
        """
        try:
            return cls(**content)
        except TypeError as error:
            raise InputError(f"space: {error}") from None
