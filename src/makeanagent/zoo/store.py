"""The zoo on disk: shards of policies with their trajectories, scores and origin.

A folder holds `zoo.json` (what the zoo is and how it was made) and, for each shard,
`<shard>.safetensors` (the arrays) and `<shard>.json` (one row a policy, and the arrays' SHA-256).
The JSON is written last: a shard without it does not count. `docs/formats.md` has the fields.
"""

import dataclasses
import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import UnionType
from typing import Any

import numpy as np

from makeanagent.artifacts import (
    as_json,
    check_hash,
    check_schema,
    describe_provenance,
    hash_file,
    read_json,
    read_tensors,
    require_empty_folder,
    write_json,
    write_tensors,
)
from makeanagent.errors import InputError
from makeanagent.policies.spec import PolicySpec
from makeanagent.suites import Suite, find_suite
from makeanagent.trajectories.packing import pack_trajectories, unpack_trajectories
from makeanagent.trajectories.space import Space
from makeanagent.zoo.recipes.recipe import Recipe
from makeanagent.zoo.recipes.registry import check_recipe, find_recipe
from makeanagent.zoo.shard import ZooShard, find_faults, find_index_faults

SCHEMA_VERSION = 1
_OPTIONAL = {"demonstrations": "expert", "replay": "replay"}
"""Trajectories that not every recipe gives, with the source that they name."""
_FileState = tuple[int, int, int]
"""Modification time, number and size of a file."""
_INDEX_FIELDS: dict[str, type | UnionType] = {
    "task": str,
    "block": int,
    "seed": int,
    "expert_success": float | None,
    "num_policies": int,
    "run": list,
    "step": list,
    "success": list,
    "sha256": str,
}


class Zoo:
    """A zoo folder, opened for reading or for adding shards."""

    def __init__(self, folder: Path, header: dict[str, Any]) -> None:
        self.folder = folder
        self.header = header
        self.suite: str = header["suite"]
        self.spec = PolicySpec.from_dict(header["spec"])
        self.space = Space.from_dict(header["space"])
        # Each shard's index, with what tells that its file is still the same.
        self._indices: dict[str, tuple[_FileState | None, dict[str, Any]]] = {}

    @classmethod
    def open(cls, folder: str | Path) -> "Zoo":
        """Open a zoo.

        Raises:
            InputError: there is none in `folder`, or it has another schema version, or a recipe
                that nobody knows.
        """
        path = Path(folder) / "zoo.json"
        if not path.is_file():
            raise InputError(f"{folder}: no zoo here ({path.name} is missing)")
        header = read_json(path)
        if not isinstance(header, dict):
            raise InputError(f"{path}: not a zoo's header")
        check_schema(path, header.get("schema_version"), SCHEMA_VERSION)
        for field in ("suite", "space", "spec", "recipe"):
            if field not in header:
                raise InputError(f"{path}: field '{field}' is missing")
        try:
            check_recipe(header["recipe"])
            return cls(Path(folder), header)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None

    @classmethod
    def create(
        cls,
        folder: Path,
        suite: str,
        spec: PolicySpec,
        recipe: str,
        config: object,
        seed: int,
        num_steps: int = 60,
        space: Space | None = None,
        given: Mapping[str, Any] | None = None,
    ) -> "Zoo":
        """Begin a zoo, or go on with one that was begun with the same settings.

        Settings may change as long as no work is in the zoo.

        Args:
            folder: the zoo's folder; empty or new to begin one.
            suite: name of the suite, or its file.
            spec: the policies' layers.
            recipe: name of the recipe (`recipes/registry.py`).
            config: the recipe's settings, a dataclass.
            seed: of everything.
            num_steps: steps that each stored trajectory has at least.
            space: what observations and actions are; by default nothing but the spec's widths.
            given: which of the settings were chosen, preset among them, for the record: the others
                are defaults of their day.

        Raises:
            InputError: `folder` holds a zoo of other settings, or other files, or there is no such
                recipe.
        """
        check_recipe(recipe)
        space = space or Space(observation_dim=spec.observation_dim, action_dim=spec.action_dim)
        header = {
            "schema_version": SCHEMA_VERSION,
            "suite": suite,
            **_locate_suite(suite, folder),
            "spec": spec.to_dict(),
            "recipe": recipe,
            "config": as_json(dataclasses.asdict(config)),  # type: ignore[call-overload]
            "seed": seed,
            "num_steps": num_steps,
            "space": space.to_dict(),
        }
        record = {} if given is None else {"given": as_json(dict(given))}
        if not (folder / "zoo.json").is_file():
            require_empty_folder(folder)
            header |= record | {"provenance": describe_provenance()}
            write_json(folder / "zoo.json", header)
            return cls(folder, header)
        zoo = cls.open(folder)
        if change := zoo._find_change(header):
            unfinished = (*folder.glob(".*.partial"), *folder.glob(".*.training"))
            if zoo.shard_names() or unfinished:
                raise InputError(
                    f"{folder}: this zoo was begun with {change}; use the same settings, or"
                    " another folder"
                )
            with zoo.adding():
                header |= record | {"provenance": describe_provenance()}
                write_json(folder / "zoo.json", header)
            return cls(folder, header)
        return zoo

    def _find_change(self, header: dict[str, Any]) -> str | None:
        """The first setting of `header` that is not the zoo's own, with both values."""
        for field, value in header.items():
            found = self.header.get(field)
            if field == "config":
                found = found or {}
                for name in value | found:
                    if (ours := found.get(name)) != (theirs := value.get(name)):
                        return f"config {name} {ours}, not {theirs}"
            elif field == "space":
                # A zoo may have been begun before spaces said as much as they do now.
                ours, theirs = found or {}, {name: value.get(name) for name in found or {}}
                if ours != theirs:
                    return f"space {ours}, not {theirs}"
            elif field == "suite" and found != value:
                # A file may be named from another folder; one that was moved keeps its name.
                if header.get("suite_file") != self.header.get("suite_file", ""):
                    return f"suite {found}, not {value}"
            elif field != "suite_file" and found != value:
                return f"{field} {found}, not {value}"
        return None

    def find_suite(self) -> Suite:
        """The suite whose tasks these are.

        One in a Python file is looked for from the zoo's folder, so that both may be moved together
        and be used from anywhere, and then where its name says.

        Raises:
            InputError: it is not there any more.
        """
        file = self.header.get("suite_file")
        path = self.folder / file if isinstance(file, str) else None
        return find_suite(self.suite, path if path is not None and path.is_file() else None)

    def shard_names(self) -> list[str]:
        """Names of the finished shards."""
        return sorted(path.stem for path in self.folder.glob("*.json") if path.name != "zoo.json")

    def tasks(self) -> list[str]:
        """Tasks that have a finished shard."""
        return sorted({self.read_index(name)["task"] for name in self.shard_names()})

    @property
    def recipe(self) -> Recipe:
        """How its policies are made."""
        return find_recipe(self.header["recipe"])

    @property
    def trains_on_qualified(self) -> bool:
        """Whether only qualified policies serve to train a generator."""
        return self.recipe.trains_on_qualified

    def trainable_tasks(self) -> list[str]:
        """Tasks that a generator can be trained on: those with a policy that serves."""
        if not self.trains_on_qualified:
            return self.tasks()
        indices = map(self.read_index, self.shard_names())
        return sorted({index["task"] for index in indices if any(map(all, index["success"]))})

    def read_index(self, name: str) -> dict[str, Any]:
        """What the shard's JSON says: task, seed, and columns run, step and success.

        A file is read once, and again when it was written anew; callers leave the result as it is.

        Raises:
            InputError: the file is missing, damaged, or of another schema version.
        """
        path = self.folder / f"{name}.json"
        state = _describe_state(path)
        known = self._indices.get(name)
        if known is None or known[0] != state:
            known = state, self._parse_index(path)
            self._indices[name] = known
        return known[1]

    @staticmethod
    def _parse_index(path: Path) -> dict[str, Any]:
        index = read_json(path)
        if not isinstance(index, dict):
            raise InputError(f"{path}: not a shard's index")
        check_schema(path, index.get("schema_version"), SCHEMA_VERSION)
        for field, kind in _INDEX_FIELDS.items():
            if not isinstance(index.get(field), kind):
                raise InputError(
                    f"{path}: field '{field}' is missing or no {getattr(kind, '__name__', kind)}"
                )
        for field in ("run", "step", "success"):
            if len(index[field]) != index["num_policies"]:
                raise InputError(
                    f"{path}: {len(index[field])} rows of '{field}' for {index['num_policies']}"
                    " policies"
                )
        for fault in find_index_faults(index, path.stem):
            raise InputError(f"{path}: {fault}")
        return index

    def read_indices(self, task: str) -> dict[str, dict[str, Any]]:
        """What `read_index` gives of all shards of a task, by the shard's name.

        Raises:
            InputError: the zoo has none, or a file is damaged.
        """
        indices = {name: self.read_index(name) for name in self.shard_names()}
        found = {name: index for name, index in indices.items() if index["task"] == task}
        if not found:
            tasks = ", ".join(sorted({index["task"] for index in indices.values()})) or "none yet"
            raise InputError(f"{self.folder}: no policies of {task}; its tasks: {tasks}")
        return found

    @contextmanager
    def adding(self) -> Iterator[None]:
        """Hold the zoo while shards are added, and clear away what killed jobs left behind.

        Raises:
            InputError: another process is adding to the zoo.
        """
        with (self.folder / "zoo.json").open() as header:
            try:
                fcntl.flock(header, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise InputError(f"{self.folder}: another process is building this zoo") from None
            for path in self.folder.glob(".*.tmp"):
                path.unlink(missing_ok=True)
            yield

    def add_shard(self, shard: ZooShard) -> None:
        """Write a shard; it counts once its JSON is there."""
        arrays = {"parameters": shard.parameters.astype(np.float32)}
        arrays |= pack_trajectories(shard.rollouts, "rollouts")
        for name in _OPTIONAL:
            if getattr(shard, name):
                arrays |= pack_trajectories(getattr(shard, name), name)
        path = self.folder / f"{shard.name}.safetensors"
        write_tensors(path, arrays)
        index = {
            "schema_version": SCHEMA_VERSION,
            "task": shard.task,
            "block": shard.block,
            "seed": shard.seed,
            "expert_success": shard.expert_success,
            "training_seconds": shard.training_seconds,
            "num_policies": len(shard.parameters),
            "run": shard.run.tolist(),
            "step": shard.step.tolist(),
            "success": shard.success.astype(int).tolist(),
            "replay_run": shard.replay_run.tolist(),
            "replay_step": shard.replay_step.tolist(),
            "sha256": hash_file(path),
            "provenance": describe_provenance(),
        }
        write_json(self.folder / f"{shard.name}.json", index)

    def load_shard(self, name: str) -> ZooShard:
        """Read a shard.

        Raises:
            InputError: a file is missing or damaged.
        """
        index = self.read_index(name)
        path = self.folder / f"{name}.safetensors"
        check_hash(path, index["sha256"], f"{name}.json")
        arrays = read_tensors(path)
        env_id = f"{self.suite}/{index['task']}"
        try:
            trajectories = {
                name: unpack_trajectories(arrays, name, env_id, source)
                if f"{name}.lengths" in arrays
                else []
                for name, source in _OPTIONAL.items()
            }
            shard = ZooShard(
                task=index["task"],
                block=index["block"],
                parameters=arrays["parameters"],
                run=np.array(index["run"]),
                step=np.array(index["step"]),
                success=np.array(index["success"], bool),
                rollouts=unpack_trajectories(arrays, "rollouts", env_id, "zoo"),
                demonstrations=trajectories["demonstrations"],
                replay=trajectories["replay"],
                replay_run=np.array(index.get("replay_run", []), np.int64),
                replay_step=np.array(index.get("replay_step", []), np.int64),
                seed=index["seed"],
                expert_success=index["expert_success"],
                training_seconds=index.get("training_seconds"),
            )
        except KeyError as error:
            raise InputError(f"{path}: tensor {error} is missing") from None
        except ValueError as error:  # Also what a trajectory says of itself.
            raise InputError(f"{path}: {error}") from None
        for fault in find_faults(shard, index["num_policies"], self.spec):
            raise InputError(f"{path}: {fault}")
        return shard

    def load_task(self, task: str) -> list[ZooShard]:
        """All shards of a task.

        Raises:
            InputError: the zoo has none, or a file is damaged.
        """
        return [self.load_shard(name) for name in self.read_indices(task)]

    def verify(self) -> list[str]:
        """Check every shard and return what is wrong, one line a fault."""
        names = self.shard_names()
        faults = [] if names else [f"{self.folder}: holds no shard"]
        for name in names:
            try:
                self.load_shard(name)
            except InputError as error:
                faults.append(str(error))
        for path in sorted(self.folder.glob("*.safetensors")):
            if not path.with_suffix(".json").is_file():
                faults.append(f"{path}: no index beside it ({path.stem}.json)")
        return faults


def _locate_suite(suite: str, folder: Path) -> dict[str, str]:
    """For the header, the way from the zoo's folder to a suite's file."""
    if not suite.endswith(".py"):
        return {}
    way = os.path.relpath(Path(suite).resolve(), folder.resolve())
    return {"suite_file": Path(way).as_posix()}


def _describe_state(path: Path) -> _FileState | None:
    """What changes when a file is written anew; none where it is missing."""
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_ino, state.st_size
