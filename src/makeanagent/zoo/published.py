"""A published zoo, read without a simulator: its index, its policies and their trajectories."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from makeanagent.artifacts import check_hash, check_schema, read_json, read_tensors
from makeanagent.errors import InputError
from makeanagent.policies.spec import PolicySpec
from makeanagent.remote import fetch_folder, is_repo_id, upload_folder
from makeanagent.trajectories.files.format import reading
from makeanagent.trajectories.files.parquet import open_parquet, require_pyarrow
from makeanagent.trajectories.packing import unpack_trajectories
from makeanagent.trajectories.space import Space
from makeanagent.trajectories.trajectory import Trajectory

SCHEMA_VERSION = 1
HEADER_NAME = "dataset.json"
INDEX_NAME = "index.parquet"
SPLIT_COLUMNS = ("split_by_run", "split_by_task")
_KINDS: dict[str, type] = {
    "task": str,
    "shard": str,
    "row": np.integer,
    "run": np.integer,
    "step": np.integer,
    "seed": np.integer,
    "success_rate": np.floating,
    "qualified": np.bool_,
    **dict.fromkeys(SPLIT_COLUMNS, str),
}
"""Columns of the index besides `success`."""


class PublishedZoo:
    """A dataset that `zoo publish` wrote; `load_published` opens it.

    Attributes:
        folder: where its files are.
        header: what `dataset.json` says.
        spec: the policies' layers.
        space: what observations and actions are.
        index: a row for each policy, by column: `task`, `shard`, `row`, `run`, `step`, `seed`,
            `success` (bool `[N, L]`), `success_rate`, `qualified`, `split_by_run`, `split_by_task`.
    """

    def __init__(self, folder: Path, header: dict[str, Any], index: dict[str, np.ndarray]) -> None:
        self.folder, self.header, self.index = folder, header, index
        try:
            self.spec = PolicySpec.from_dict(header["spec"])
            self.space = Space.from_dict(header["space"])
        except InputError as error:
            raise InputError(f"{folder / HEADER_NAME}: {error}") from None
        self._read: tuple[str, dict[str, np.ndarray]] | None = None

    def __len__(self) -> int:
        """N, the number of policies."""
        return len(self.index["row"])

    def __repr__(self) -> str:
        tasks = len(set(self.index["task"]))
        return f"PublishedZoo({str(self.folder)!r}: {len(self)} policies, {tasks} tasks)"

    def select(self, **values: object) -> np.ndarray:
        """Rows of the index, int `[n]`, in which each column has the value that is given.

        Raises:
            InputError: there is no such column.
        """
        chosen = np.ones(len(self), bool)
        for name, value in values.items():
            if name not in self.index or name == "success":
                raise InputError(f"{name}: no column of the index; there are {', '.join(_KINDS)}")
            chosen &= self.index[name] == value
        return np.flatnonzero(chosen)

    def read_parameters(self, rows: Sequence[int] | np.ndarray | None = None) -> np.ndarray:
        """Policies' flat vectors, float32 `[n, P]`.

        Args:
            rows: of the index; all by default.

        Raises:
            InputError: a file is missing, altered or damaged.
        """
        chosen = self._check_rows(rows)
        vectors = np.empty((len(chosen), self.spec.num_parameters), np.float32)
        for shard, places in self._group(chosen).items():
            rows_of_shard = self.index["row"][chosen[places]]
            vectors[places] = self._read_shard(shard)["parameters"][rows_of_shard]
        return vectors

    def read_rollouts(self, rows: Sequence[int] | np.ndarray | None = None) -> list[Trajectory]:
        """The trajectory that each policy played.

        Args:
            rows: of the index; all by default.

        Raises:
            InputError: a file is missing, altered or damaged.
        """
        chosen = self._check_rows(rows)
        found: dict[int, Trajectory] = {}
        for shard, places in self._group(chosen).items():
            played = self._unpack(shard, "rollouts", "zoo")
            found |= {place: played[self.index["row"][chosen[place]]] for place in places}
        return [found[place] for place in range(len(chosen))]

    def read_episodes(
        self, task: str, kind: Literal["demonstrations", "replay"] = "demonstrations"
    ) -> list[Trajectory]:
        """Episodes that no policy of the dataset played.

        Args:
            task: its full name.
            kind: the expert's, or SAC agents' in training.

        Raises:
            InputError: the dataset has no such task, or a file is missing, altered or damaged.
        """
        shards = [name for name, about in self.header["shards"].items() if about["task"] == task]
        if not shards:
            known = ", ".join(sorted(set(self.index["task"])))
            raise InputError(f"{self.folder}: no policies of {task}; its tasks: {known}")
        source = {"demonstrations": "expert", "replay": "replay"}[kind]
        return [
            episode
            for shard in shards
            if f"{kind}.lengths" in self._read_shard(shard)
            for episode in self._unpack(shard, kind, source)
        ]

    def push_to_hub(self, repo_id: str, *, private: bool = False) -> str:
        """Upload to the Hugging Face hub and return the address.

        Args:
            repo_id: `owner/name`; made if it does not exist.
            private: whether a new repository is private.
        """
        return upload_folder(self.folder, repo_id, "dataset", private=private)

    def _check_rows(self, rows: Sequence[int] | np.ndarray | None) -> np.ndarray:
        chosen = np.arange(len(self)) if rows is None else np.asarray(rows)
        whole = chosen.dtype.kind in "iu" or chosen.size == 0
        if not whole or not np.isin(chosen, np.arange(len(self))).all():
            raise InputError(f"rows: must be whole numbers from 0 to {len(self) - 1}")
        return chosen.astype(int)

    def _group(self, chosen: np.ndarray) -> dict[str, np.ndarray]:
        """Places in `chosen` by the shard that they are of."""
        shards = self.index["shard"][chosen]
        return {str(shard): np.flatnonzero(shards == shard) for shard in np.unique(shards)}

    def _read_shard(self, name: str) -> dict[str, np.ndarray]:
        if self._read is None or self._read[0] != name:
            path, about = self._path(name), self.header["shards"][name]
            check_hash(path, about["sha256"], HEADER_NAME)
            tensors = read_tensors(path)
            expected = (about["num_policies"], self.spec.num_parameters)
            found = tensors.get("parameters", np.zeros(0))
            if found.shape != expected or not np.isfinite(found).all():
                raise InputError(f"{path}: 'parameters' must be {expected} finite numbers")
            self._read = name, tensors
        return self._read[1]

    def _unpack(self, shard: str, kind: str, source: str) -> list[Trajectory]:
        path, about = self._path(shard), self.header["shards"][shard]
        env_id = f"{self.header['suite']}/{about['task']}"
        with reading(str(path), "a shard"):
            found = unpack_trajectories(self._read_shard(shard), kind, env_id, source)
        if kind == "rollouts" and len(found) != about["num_policies"]:
            raise InputError(f"{path}: {len(found)} rollouts of {about['num_policies']} policies")
        return found

    def _path(self, shard: str) -> Path:
        return self.folder / f"{shard}.safetensors"


def load_published(source: str | Path) -> PublishedZoo:
    """Open a published zoo; no simulator is needed.

    Args:
        source: its folder, or the id of a dataset on the Hugging Face hub, `owner/name`.

    Raises:
        InputError: there is none, it is damaged or of another schema version, or pyarrow is not
            installed.
    """
    folder = Path(source)
    if not folder.is_dir() and is_repo_id(str(source)):
        folder = fetch_folder(str(source), "dataset", f"{source}: no such folder")
    path = folder / HEADER_NAME
    if not path.is_file():
        raise InputError(f"{folder}: no published zoo here ({HEADER_NAME} is missing)")
    require_pyarrow(folder, "publish")
    header = read_json(path)
    check_schema(
        path, header.get("schema_version") if isinstance(header, dict) else None, SCHEMA_VERSION
    )
    with reading(str(path), "a published zoo's header"):
        _check_shards(header["shards"])
        index = _read_index(folder / INDEX_NAME, header)
        return PublishedZoo(folder, header, index)


def _check_shards(shards: dict[str, dict[str, Any]]) -> None:
    for name, about in shards.items():
        if Path(name).name != name:
            raise ValueError(f"{name!r} is no plain name of a file")
        for field, kind in (("task", str), ("num_policies", int), ("sha256", str)):
            if not isinstance(about.get(field), kind):
                raise ValueError(f"shard {name}: field '{field}' is missing or no {kind.__name__}")


def _read_index(path: Path, header: dict[str, Any]) -> dict[str, np.ndarray]:
    check_hash(path, header["index_sha256"], HEADER_NAME)
    with reading(str(path), "a published zoo's index"):
        table = open_parquet(path).read()
        columns = {name: np.array(table.column(name).to_pylist()) for name in (*_KINDS, "success")}
    found = list(zip(columns["shard"].tolist(), columns["row"].tolist(), strict=True))
    counts = {name: about["num_policies"] for name, about in header["shards"].items()}
    # Compared first: a header may claim any number.
    same = sum(counts.values()) == len(found) and min(counts.values(), default=0) > 0
    if not same or found != [(name, row) for name in counts for row in range(counts[name])]:
        raise InputError(f"{path}: its rows are not those of the shards in {HEADER_NAME}")
    for name, kind in _KINDS.items():
        if not np.issubdtype(columns[name].dtype, kind):
            raise InputError(f"{path}: column '{name}' holds {columns[name].dtype}")
    success = columns["success"]
    if success.dtype != bool or success.ndim != 2:
        raise InputError(f"{path}: column 'success' must hold as many true and false in each row")
    return columns
