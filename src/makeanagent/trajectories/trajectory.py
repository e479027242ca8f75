"""A trajectory: what an agent saw, did and achieved in one episode. No rewards are needed."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from makeanagent.errors import InputError
from makeanagent.trajectories.success import read_flags


@dataclass(frozen=True, kw_only=True, eq=False)
class Trajectory:
    """One episode of T steps.

    `success[t]` says whether the task stood solved after `actions[t]`, that is in
    `observations[t + 1]`.
    """

    observations: np.ndarray
    "float32 `[T + 1, O]`: the last row is the observation after the last action."
    actions: np.ndarray
    "float32 `[T, A]`."
    success: np.ndarray
    "bool `[T]`."
    env_id: str | None = None
    "For example `metaworld/window-close-v3`."
    source: str | None = None
    "Who acted: `expert`, `zoo`, `replay`, or free text."
    task: str | None = None
    "What is to be done, in words, where the file says so."
    name: str | None = None
    "What error messages call it, such as the file that it was read from; it is not stored."

    def __post_init__(self) -> None:
        """Bring the arrays to their types and check them.

        Raises:
            InputError: shapes disagree, or a number is not finite.
        """
        where = self.label
        for name in ("observations", "actions", "success"):
            try:
                array = np.asarray(getattr(self, name))
            except (TypeError, ValueError):
                array = np.array(None)
            if array.dtype.kind not in "biuf":
                raise InputError(f"{where}: '{name}' does not hold numbers")
            with np.errstate(over="ignore"):  # It becomes infinity, which is refused below.
                object.__setattr__(self, name, array.astype(np.float32, copy=False))
        if self.observations.ndim != 2 or self.actions.ndim != 2 or self.success.ndim != 1:
            raise InputError(
                f"{where}: 'observations' {self.observations.shape}, 'actions'"
                f" {self.actions.shape} and 'success' {self.success.shape}"
                " must be [T + 1, O], [T, A] and [T]"
            )
        if not len(self.observations) == len(self.actions) + 1 == len(self.success) + 1:
            raise InputError(
                f"{where}: {len(self.observations)} observations, {len(self.actions)} actions and"
                f" {len(self.success)} success flags; expected T + 1, T and T"
            )
        if len(self.actions) == 0:
            raise InputError(f"{where}: holds no step")
        for name in ("observations", "actions", "success"):
            array = getattr(self, name)
            if array.size == 0:
                raise InputError(f"{where}: '{name}' holds no numbers")
            bad = ~np.isfinite(array.reshape(len(array), -1)).all(axis=1)
            if bad.any():
                raise InputError(
                    f"{where}: '{name}' holds NaN or infinity at step {int(bad.argmax())};"
                    " all numbers must be finite"
                )
        object.__setattr__(self, "success", read_flags(self.success, where))

    def __repr__(self) -> str:
        """In a line: whose it is, how long, and when it succeeds."""
        first = self.first_success
        outcome = f"success at step {first}" if first else "no success"
        widths = f"O={self.observations.shape[1]}, A={self.actions.shape[1]}"
        return f"Trajectory({self.label}: {len(self)} steps, {widths}, {outcome})"

    def __len__(self) -> int:
        """T, the number of actions."""
        return len(self.actions)

    @property
    def label(self) -> str:
        """What error messages call this trajectory."""
        return self.name or self.source or "trajectory"

    @property
    def first_success(self) -> int | None:
        """K: index of the first observation in which the task stood solved, or None."""
        return int(self.success.argmax()) + 1 if self.success.any() else None

    def require_widths(self, observation_dim: int, action_dim: int) -> None:
        """Refuse a demonstration of other widths than are read.

        Raises:
            InputError: it has others.
        """
        for name, expected in (("observations", observation_dim), ("actions", action_dim)):
            found = getattr(self, name).shape[1]
            if found != expected:
                raise InputError(
                    f"{self.label}: '{name}' are {found} wide; accepted are {expected}"
                )

    def save(self, path: str | Path) -> None:
        """Write the demonstration as `.npz`, atomically."""
        from makeanagent.trajectories.files.npz import save_npz

        save_npz(self, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> "Trajectory":
        """Read a demonstration from `.npz`.

        Raises:
            InputError: the file is missing, is no `.npz`, or holds no valid trajectory.
        """
        from makeanagent.trajectories.files.npz import load_npz

        return load_npz(Path(path))
