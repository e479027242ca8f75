"""Symmetries of the floor: what is right to do, seen in a mirror or from another side of the table.

Gravity leaves eight of them: quarter turns about a vertical axis, with and without a mirror. Each
swaps and flips x and y of positions about a centre, and of actions that push along them. All other
numbers stay as they are, such as a gripper's opening, and rotations too: simulators write these in
ways that differ by object, so none is turned here. Nothing is rounded but the shift by the centre.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from makeanagent.errors import InputError
from makeanagent.trajectories.space import SYMMETRIES, Space
from makeanagent.trajectories.trajectory import Trajectory

if TYPE_CHECKING:
    from torch import Tensor

Array = TypeVar("Array", np.ndarray, "Tensor")
Matrix = tuple[tuple[int, int, int], ...]

IDENTITY = "identity"
"""Name of the symmetry that leaves everything where it is."""


def _build_matrix(name: str) -> Matrix:
    """The images of x, y and z in columns: first the mirror, x to -x, then turns from x to y."""
    mirror = np.diag([-1 if name.startswith("mirrored") else 1, 1, 1])
    turn = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]])
    _, _, angle = name.partition("turned")
    matrix = np.linalg.matrix_power(turn, int(angle or 0) // 90) @ mirror
    return tuple((int(a), int(b), int(c)) for a, b, c in matrix)


_MATRICES: dict[str, Matrix] = {name: _build_matrix(name) for name in (IDENTITY, *SYMMETRIES)}
_NAMES = {matrix: name for name, matrix in _MATRICES.items()}


@dataclass(frozen=True, kw_only=True)
class Symmetry:
    """A map of the world onto itself: `p -> A p + (c - A c)` for a position p.

    What it is given is never written to; numpy arrays and torch tensors will do.
    """

    name: str = IDENTITY
    "One of `SYMMETRIES`, or `identity`."
    centre: tuple[float, ...] = (0.0, 0.0, 0.0)
    "c: the point that stays, in the unit of positions; its height has no say."

    def __post_init__(self) -> None:
        """Check the fields.

        Raises:
            InputError: there is no such symmetry, or the centre is no point.
        """
        if self.name not in _MATRICES:
            raise InputError(f"symmetry {self.name!r}: accepted are {', '.join(_MATRICES)}")
        centre = tuple(map(float, self.centre))
        if len(centre) != 3 or not np.isfinite(centre).all():
            raise InputError(f"symmetry: centre {self.centre}: must be three finite numbers")
        object.__setattr__(self, "centre", centre)

    @property
    def matrix(self) -> Matrix:
        """A: a signed permutation of x, y and z, row by row."""
        return _MATRICES[self.name]

    @property
    def inverse(self) -> "Symmetry":
        """The symmetry that undoes this one."""
        return replace(self, name=_NAMES[_as_matrix(np.transpose(self.matrix))])

    def after(self, first: "Symmetry") -> "Symmetry":
        """The symmetry that does `first` and then this one.

        Raises:
            InputError: the two have different centres.
        """
        if first.centre != self.centre:
            raise InputError(f"symmetries about {first.centre} and {self.centre}: centres differ")
        product = np.array(self.matrix) @ np.array(first.matrix)
        return replace(self, name=_NAMES[_as_matrix(product)])

    @cached_property
    def _axes(self) -> list[int]:
        """Which axis each of x, y and z is read from."""
        return [int(axis) for axis in np.abs(self.matrix).argmax(axis=1)]

    @cached_property
    def _signs(self) -> np.ndarray:
        return np.array(self.matrix, np.float64).sum(axis=1)

    @cached_property
    def shift(self) -> np.ndarray:
        """`c - A c`, float64 `[3]`, in the unit of positions."""
        return np.array(self.centre) - self._signs * np.array(self.centre)[self._axes]

    def move_observations(self, observations: Array, space: Space) -> Array:
        """Observations `[..., O]` of the world as this symmetry moves it.

        A position of zeros is of an object that is not there, and stays.
        """
        moved = _copy(observations)
        if space.positions:
            columns = np.add.outer(space.positions, range(3))
            places = observations[..., columns]
            there = (places != 0).any(-1)[..., None]
            turned = places[..., self._axes] * _like(self._signs, places)
            moved[..., columns] = turned + there * _like(self.shift, places)
        return moved

    def move_actions(self, actions: Array, space: Space) -> Array:
        """Actions `[..., A]` that do in the moved world what they did before.

        Raises:
            InputError: the space does not say where displacements begin.
        """
        start = _find_displacement(space)
        moved = _copy(actions)
        pushes = actions[..., start : start + 3]
        moved[..., start : start + 3] = pushes[..., self._axes] * _like(self._signs, pushes)
        return moved

    def move_trajectory(self, trajectory: Trajectory, space: Space) -> Trajectory:
        """The trajectory in the moved world; its `env_id` stays that of the world it came from.

        Raises:
            InputError: the space does not say where displacements begin.
        """
        return replace(
            trajectory,
            observations=self.move_observations(trajectory.observations, space),
            actions=self.move_actions(trajectory.actions, space),
        )

    def map_observations(
        self, space: Space, present: Sequence[bool]
    ) -> tuple[np.ndarray, np.ndarray]:
        """T `[O, O]` and s `[O]`, float64, for which `T o + s` is an observation `o` moved.

        Args:
            space: what observations are.
            present: whether each of the space's positions is there, as `find_present` says. One
                affine map cannot tell: it is that of `move_observations` for such observations
                alone, and shifts the zeros of others, or fails to shift what came to be there.

        Raises:
            InputError: `present` is not of the space's positions.
        """
        if len(present) != len(space.positions):
            raise InputError(
                f"symmetry: presence of {len(present)} positions, but the space has"
                f" {len(space.positions)}"
            )
        linear, shift = np.eye(space.observation_dim), np.zeros(space.observation_dim)
        for start, there in zip(space.positions, present, strict=True):
            place = slice(start, start + 3)
            linear[place, place] = self.matrix
            shift[place] = self.shift if there else 0.0
        return linear, shift

    def map_actions(self, space: Space) -> np.ndarray:
        """M `[A, A]`, float64, for which `M a` is an action `a` moved.

        Raises:
            InputError: the space does not say where displacements begin.
        """
        start = _find_displacement(space)
        linear = np.eye(space.action_dim)
        linear[start : start + 3, start : start + 3] = self.matrix
        return linear

    def map_policies(
        self, space: Space, present: Sequence[bool]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """L `[O, O]`, s `[O]` and M `[A, A]`, for `policies.frames.reframe_policies`.

        With them a policy pi becomes `M pi(L o + s)`, which does in the moved world what pi did
        before. Exact while the positions that `present` says are there stay there, and the others
        stay away: see `map_observations`.

        Raises:
            InputError: the space does not say where displacements begin, or `present` is not of
                its positions.
        """
        return *self.inverse.map_observations(space, present), self.map_actions(space)


def find_symmetries(space: Space) -> tuple[Symmetry, ...]:
    """The symmetries that a space states, about its centre; the identity comes first."""
    centre = space.centre or (0.0, 0.0, 0.0)
    return tuple(Symmetry(name=name, centre=centre) for name in (IDENTITY, *space.symmetries))


def find_present(observations: Array, space: Space) -> tuple[bool, ...]:
    """Whether each of the space's positions is there anywhere in observations `[..., O]`."""
    return tuple(
        bool((observations[..., start : start + 3] != 0).any()) for start in space.positions
    )


def _find_displacement(space: Space) -> int:
    if space.displacement is None:
        raise InputError("space: displacement is not given: actions cannot be mirrored or turned")
    return space.displacement


def _as_matrix(array: np.ndarray) -> Matrix:
    return tuple((int(a), int(b), int(c)) for a, b, c in array)


def _copy(array: Array) -> Array:
    return array.copy() if isinstance(array, np.ndarray) else array.clone()


def _like(values: np.ndarray, array: Array) -> Array:
    """Values in the type, and on the device, of `array`."""
    if isinstance(array, np.ndarray):
        return values.astype(array.dtype)
    return array.new_tensor(values)
