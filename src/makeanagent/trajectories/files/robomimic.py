"""Demonstrations as robomimic keeps them: one HDF5 file with a group for each."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from makeanagent.artifacts import atomic_path, describe_error
from makeanagent.errors import InputError
from makeanagent.read_options import ReadOptions
from makeanagent.trajectories.files.columns import (
    REPEATED,
    add_last_row,
    choose_columns,
    join_columns,
)
from makeanagent.trajectories.files.format import Format, reading, require_same_widths
from makeanagent.trajectories.files.hdf5 import check_room, list_arrays
from makeanagent.trajectories.success import (
    DONE,
    NOT_RECORDED,
    REWARD,
    read_flags,
    read_rewards,
)
from makeanagent.trajectories.trajectory import Trajectory

if TYPE_CHECKING:
    import h5py

_SUFFIXES = (".hdf5", ".h5")
_KEY = "flat"
"""What robomimic calls the observation of an environment that has only one."""
_GYMNASIUM = 2
"""As robomimic counts kinds of environments."""
_TEXT_FIELDS = ("env_id", "source", "task")
_KIND = "a robomimic file"
_SUCCESS = {"recorded": ("success", ""), "reward": ("rewards", REWARD), "done": ("dones", DONE)}


class Robomimic(Format):
    """A robomimic file: `data/demo_<number>` with `actions` and `obs`, and filters under `mask`.

    Which keys of `obs` make up an observation, the user says, unless there is one alone. Success is
    `success`, which only this package writes, or is read from `rewards` or `dones` if asked for.
    """

    name: ClassVar[str] = "robomimic"
    words: ClassVar[str] = "a robomimic .hdf5 file"

    def __init__(self, path: Path, options: ReadOptions) -> None:
        """List the demonstrations, and look at the first one's arrays."""
        import h5py

        self.path, self._options = path, options
        with reading(str(path), _KIND), h5py.File(path, "r") as file:
            names = list(file["data"]) if isinstance(file.get("data"), h5py.Group) else []
            found = sorted(
                int(match[1]) for name in names if (match := re.fullmatch(r"demo_(\d{1,9})", name))
            )
            if not found:
                raise InputError(f"{path}: no robomimic file: it holds no 'data/demo_0'")
            self.numbers = found if options.group is None else self._read_mask(file, found)
            arrays = list_arrays(file[f"data/demo_{self.numbers[0]}"], path)
            widths = {
                name.removeprefix("obs/"): array.shape[1] if array.ndim == 2 else 1
                for name, array in arrays.items()
                if name.startswith("obs/") and array.ndim in (1, 2) and array.dtype.kind in "biuf"
            }
            self._keys = choose_columns(options.observation, widths, (), str(path))
            used = {"actions", "success", *(f"obs/{key}" for key in self._keys)}
            self.unread = [
                name for name in arrays if name not in used and not name.startswith("next_obs/")
            ]
            # Without a record of it there is none; what was asked for must be there.
            self._has_success = options.success != "recorded" or "success" in arrays
            self._has_last = all(f"next_obs/{key}" in arrays for key in self._keys)
            self.notes = self._take_notes()

    def _read_mask(self, file: "h5py.File", found: Sequence[int]) -> list[int]:
        """The demonstrations of the filter that was asked for."""
        import h5py

        mask = file.get("mask")
        arrays = list_arrays(mask, self.path) if isinstance(mask, h5py.Group) else {}
        group = self._options.group
        if group not in arrays:
            there = ", ".join(arrays) or "none"
            raise InputError(f"{self.path}: no filter '{group}' for --group; there are: {there}")
        names = {np.bytes_(name).decode() for name in np.atleast_1d(arrays[group][()])}
        chosen = [number for number in found if f"demo_{number}" in names]
        if len(chosen) != len(names) or not chosen:
            raise InputError(f"{self.path}: mask/{group} names demonstrations that are not there")
        return chosen

    def _take_notes(self) -> list[str]:
        notes = []
        if not self._has_last:
            notes.append(f"{self.path}: {REPEATED}")
        if not self._has_success:
            notes.append(f"{self.path}: {NOT_RECORDED}")
        return notes

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """Whether it is an HDF5 file by its name."""
        return path.suffix in _SUFFIXES and path.is_file()

    def read(self, number: int) -> Trajectory:
        """A demonstration."""
        import h5py

        where = f"{self.path}, demo_{number}"
        with reading(where, _KIND), h5py.File(self.path, "r") as file:
            group = file[f"data/demo_{number}"]
            arrays = list_arrays(group, self.path)
            actions = _join(arrays, ["actions"], where)
            observations = _join(arrays, [f"obs/{key}" for key in self._keys], where)
            last = None
            if self._has_last:
                last = _join(arrays, [f"next_obs/{key}" for key in self._keys], where)[-1]
            success, ending = self._read_success(arrays, len(actions), where)
            texts = {name: _read_text(group, name) for name in _TEXT_FIELDS}
            texts["source"] = f"{texts['source'] or f'robomimic:{self.path.stem}'}{ending}"
            return Trajectory(
                observations=add_last_row(observations, last, where),
                actions=actions,
                success=success,
                name=where,
                **texts,
            )

    def _read_success(
        self, arrays: Mapping[str, "h5py.Dataset"], num_steps: int, where: str
    ) -> tuple[np.ndarray, str]:
        """Success of a demonstration, and what its source adds about it."""
        if not self._has_success:
            return np.zeros(num_steps, bool), ""
        name, ending = _SUCCESS[self._options.success]
        read = read_rewards if self._options.success == "reward" else read_flags
        return read(_join(arrays, [name], where).ravel(), f"{where}: '{name}'"), ending

    @classmethod
    def write(cls, trajectories: Sequence[Trajectory], path: Path, fps: float | None) -> None:
        """Write a file; rewards are 1 where the task stands solved, and the last step is done."""
        import h5py

        if path.suffix not in _SUFFIXES:
            raise InputError(f"{path}: {_KIND} ends in .hdf5")
        if path.exists():
            raise InputError(f"{path}: exists; give another name")
        require_same_widths(trajectories, path, _KIND)
        environments = {item.env_id for item in trajectories}
        env_id = environments.pop() if len(environments) == 1 else None
        with atomic_path(path) as temporary:
            numbers = sum(
                2 * item.observations.nbytes + item.actions.nbytes + 9 * len(item)
                for item in trajectories
            )
            check_room(temporary, numbers + 2**16 * (len(trajectories) + 1))
            try:
                with h5py.File(temporary, "w") as file:
                    data = file.create_group("data")
                    data.attrs["total"] = sum(map(len, trajectories))
                    environment = {"env_name": env_id or "", "type": _GYMNASIUM, "env_kwargs": {}}
                    data.attrs["env_args"] = np.bytes_(json.dumps(environment).encode())
                    for number, item in enumerate(trajectories):
                        _write_demo(data.create_group(f"demo_{number}"), item)
            except RuntimeError as error:
                # HDF5 reports what goes wrong while it closes a file so.
                raise OSError(describe_error(error)) from error


def _join(arrays: Mapping[str, "h5py.Dataset"], names: Sequence[str], where: str) -> np.ndarray:
    for name in names:
        if name not in arrays:
            raise InputError(f"{where}: '{name}' is missing")
    return join_columns({name: arrays[name][()] for name in names}, where)


def _write_demo(group: "h5py.Group", trajectory: Trajectory) -> None:
    length = len(trajectory)
    group.attrs["num_samples"] = length
    for name in _TEXT_FIELDS:
        text = getattr(trajectory, name)
        if text:
            # Of a fixed length: HDF5 may crash on other texts of a damaged file.
            group.attrs[name] = np.bytes_(text.encode())
    arrays = {
        f"obs/{_KEY}": trajectory.observations[:-1],
        f"next_obs/{_KEY}": trajectory.observations[1:],
        "actions": trajectory.actions,
        "success": trajectory.success,
        "rewards": trajectory.success.astype(np.float32),
        "dones": np.arange(1, length + 1) == length,
    }
    for name, array in arrays.items():
        group.create_dataset(name, data=array)


def _read_text(group: "h5py.Group", name: str) -> str | None:
    """A text of ours among a group's attributes, or None."""
    import h5py

    if name not in group.attrs:
        return None
    kind = h5py.check_string_dtype(group.attrs.get_id(name).dtype)
    if kind is None or kind.length is None:
        return None
    text = np.bytes_(group.attrs[name]).decode("utf-8", "replace")
    return text or None
