"""The zoo on disk: shards of policies with their trajectories, scores and origin.

A folder holds `zoo.json` (what the zoo is and how it was made) and, for each shard,
`<shard>.safetensors` (the arrays) and `<shard>.json` (one row a policy, and the arrays' SHA-256).
The JSON is written last: a shard without it does not count.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from makeanagent.artifacts import (
    check_schema,
    describe_provenance,
    hash_file,
    read_json,
    read_tensors,
    write_json,
    write_tensors,
)
from makeanagent.errors import InputError
from makeanagent.policies.spec import PolicySpec
from makeanagent.trajectories.packing import pack_trajectories, unpack_trajectories
from makeanagent.trajectories.trajectory import Trajectory

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class ZooShard:
    """Policies of one task that were made together."""

    task: str
    block: int
    "Number of the population among the task's."
    parameters: np.ndarray
    "float32 `[N, P]`."
    run: np.ndarray
    "int `[N]`: the run that a checkpoint belongs to."
    step: np.ndarray
    "int `[N]`: gradient steps since the first checkpoint's phase began."
    success: np.ndarray
    "bool `[N, L]`: scores on L layouts outside training."
    rollouts: list[Trajectory]
    "N trajectories, one by each policy."
    demonstrations: list[Trajectory]
    "The expert episodes that the policies were distilled from."
    seed: int
    expert_success: float
    "Success rate of the undisturbed expert."

    @property
    def name(self) -> str:
        """The shard's file name without its ending."""
        return shard_name(self.task, self.block)

    @property
    def qualified(self) -> np.ndarray:
        """bool `[N]`: success on every scored layout (paper, appendix B.2)."""
        return self.success.all(axis=1)


def shard_name(task: str, block: int) -> str:
    """File name, without ending, of a task's population."""
    return f"{task}-{block:03d}"


class Zoo:
    """A zoo folder, opened for reading or for adding shards."""

    def __init__(self, folder: Path, header: dict[str, Any]) -> None:
        self.folder = folder
        self.header = header
        self.suite: str = header["suite"]
        self.spec = PolicySpec.from_dict(header["spec"])

    @classmethod
    def open(cls, folder: str | Path) -> "Zoo":
        """Open a zoo.

        Raises:
            InputError: there is none in `folder`, or it has another schema version.
        """
        path = Path(folder) / "zoo.json"
        if not path.is_file():
            raise InputError(f"{folder}: no zoo here ({path.name} is missing)")
        header = read_json(path)
        if not isinstance(header, dict):
            raise InputError(f"{path}: not a zoo's header")
        check_schema(path, header.get("schema_version"), SCHEMA_VERSION)
        for field in ("suite", "spec", "recipe"):
            if field not in header:
                raise InputError(f"{path}: field '{field}' is missing")
        return cls(Path(folder), header)

    @classmethod
    def create(
        cls, folder: Path, suite: str, spec: PolicySpec, recipe: str, config: object, seed: int
    ) -> "Zoo":
        """Begin a zoo, or go on with one that was begun with the same settings.

        Raises:
            InputError: `folder` holds a zoo of other settings, or other files.
        """
        header = {
            "schema_version": SCHEMA_VERSION,
            "suite": suite,
            "spec": spec.to_dict(),
            "recipe": recipe,
            "config": _to_json(dataclasses.asdict(config)),  # type: ignore[call-overload]
            "seed": seed,
        }
        if (folder / "zoo.json").is_file():
            zoo = cls.open(folder)
            for field, value in header.items():
                if zoo.header.get(field) != value:
                    raise InputError(
                        f"{folder}: this zoo was begun with {field} {zoo.header.get(field)}, not"
                        f" {value}; use the same settings, or another folder"
                    )
            return zoo
        if folder.is_dir() and any(folder.iterdir()):
            raise InputError(f"{folder}: not empty and no zoo; give an empty or a zoo's folder")
        write_json(folder / "zoo.json", header | {"provenance": describe_provenance()})
        return cls(folder, header)

    def shard_names(self) -> list[str]:
        """Names of the finished shards."""
        return sorted(
            path.stem for path in self.folder.glob("*.json") if path.name != "zoo.json"
        )

    def tasks(self) -> list[str]:
        """Tasks that have a finished shard."""
        return sorted({self.read_index(name)["task"] for name in self.shard_names()})

    def read_index(self, name: str) -> dict[str, Any]:
        """What the shard's JSON says: task, seed, and columns run, step and success.

        Raises:
            InputError: the file is missing, damaged, or of another schema version.
        """
        path = self.folder / f"{name}.json"
        index = read_json(path)
        if not isinstance(index, dict):
            raise InputError(f"{path}: not a shard's index")
        check_schema(path, index.get("schema_version"), SCHEMA_VERSION)
        return index

    def add_shard(self, shard: ZooShard) -> None:
        """Write a shard; it counts once its JSON is there."""
        arrays = (
            {"parameters": shard.parameters.astype(np.float32)}
            | pack_trajectories(shard.rollouts, "rollouts")
            | pack_trajectories(shard.demonstrations, "demonstrations")
        )
        path = self.folder / f"{shard.name}.safetensors"
        write_tensors(path, arrays)
        index = {
            "schema_version": SCHEMA_VERSION,
            "task": shard.task,
            "block": shard.block,
            "seed": shard.seed,
            "expert_success": shard.expert_success,
            "num_policies": len(shard.parameters),
            "run": shard.run.tolist(),
            "step": shard.step.tolist(),
            "success": shard.success.astype(int).tolist(),
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
        if path.is_file() and hash_file(path) != index["sha256"]:
            raise InputError(f"{path}: altered: its SHA-256 is not the one in {name}.json")
        arrays = read_tensors(path)
        task = index["task"]
        env_id = f"{self.suite}/{task}"
        return ZooShard(
            task=task,
            block=index["block"],
            parameters=arrays["parameters"],
            run=np.array(index["run"]),
            step=np.array(index["step"]),
            success=np.array(index["success"], bool),
            rollouts=unpack_trajectories(arrays, "rollouts", env_id, "zoo"),
            demonstrations=unpack_trajectories(arrays, "demonstrations", env_id, "expert"),
            seed=index["seed"],
            expert_success=index["expert_success"],
        )

    def load_task(self, task: str) -> list[ZooShard]:
        """All shards of a task.

        Raises:
            InputError: the zoo has none, or a file is damaged.
        """
        names = [name for name in self.shard_names() if self.read_index(name)["task"] == task]
        if not names:
            raise InputError(f"{self.folder}: no policies of {task}; there are {self.tasks()}")
        return [self.load_shard(name) for name in names]

    def verify(self) -> list[str]:
        """Check every shard and return what is wrong, one line a fault."""
        faults = []
        for name in self.shard_names():
            try:
                faults += _find_faults(self.load_shard(name), self.spec, self.folder)
            except (InputError, KeyError, ValueError) as error:
                faults.append(f"{error}" if isinstance(error, InputError) else f"{name}: {error!r}")
        for path in sorted(self.folder.glob("*.safetensors")):
            if not path.with_suffix(".json").is_file():
                faults.append(f"{path}: no index beside it ({path.stem}.json)")
        return faults


def _find_faults(shard: ZooShard, spec: PolicySpec, folder: Path) -> list[str]:
    count = len(shard.parameters)
    checks = {
        f"parameters {shard.parameters.shape}, expected [N, {spec.num_parameters}]": (
            shard.parameters.shape == (count, spec.num_parameters)
        ),
        "parameters hold NaN or infinity": bool(np.isfinite(shard.parameters).all()),
        f"rows disagree: {count} policies, {len(shard.run)} runs, {len(shard.step)} steps,"
        f" {len(shard.success)} scores, {len(shard.rollouts)} rollouts": (
            count
            == len(shard.run)
            == len(shard.step)
            == len(shard.success)
            == len(shard.rollouts)
        ),
    }
    return [f"{folder / shard.name}: {text}" for text, holds in checks.items() if not holds]


def _to_json(value: Any) -> Any:  # noqa: ANN401
    """The value as JSON would give it back: tuples become lists."""
    if isinstance(value, dict):
        return {key: _to_json(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_to_json(item) for item in value]
    return value
