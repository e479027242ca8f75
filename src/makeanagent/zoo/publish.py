"""A zoo as a dataset for others: the folder that `zoo publish` writes."""

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from makeanagent.artifacts import (
    atomic_path,
    describe_provenance,
    hash_file,
    require_empty_folder,
    write_json,
    write_text,
)
from makeanagent.errors import InputError
from makeanagent.policies.spec import PolicySpec
from makeanagent.suites import layouts
from makeanagent.trajectories.files.parquet import require_pyarrow
from makeanagent.zoo.published import HEADER_NAME, INDEX_NAME, SCHEMA_VERSION
from makeanagent.zoo.published_card import write_card, write_croissant
from makeanagent.zoo.splits import split_names
from makeanagent.zoo.store import Zoo

_COLUMNS = ("run", "step", "success")
"""Of a shard's index, what is a row for each policy, and goes into the dataset's index."""
_UNFINISHED = ("partial", "training", "progress")
"""How files end that a build has left for shards that are to come."""


def publish_zoo(zoo: Zoo, out: str | Path, *, license_name: str | None = None) -> Path:
    """Write a finished zoo as a dataset: `docs/dataset.md` has its layout.

    Args:
        zoo: an opened zoo, every file of which is checked first.
        out: a folder that is empty or absent; it is filled as a whole or not at all.
        license_name: of the data, as the hub names it, such as `cc-by-4.0`.

    Returns:
        The folder.

    Raises:
        InputError: the zoo is not finished or not whole, `out` holds files or cannot be written,
            the license is no name, or pyarrow is missing.
    """
    out = require_empty_folder(Path(out))
    require_pyarrow(out, "publish")
    if license_name is not None and not re.fullmatch(r"[\w.-]+", license_name):
        raise InputError(f"license {license_name!r}: not as the hub names one, such as cc-by-4.0")
    with zoo.adding():
        _require_finished(zoo)
        shards = {name: zoo.read_index(name) for name in zoo.shard_names()}
        index = list_policies(shards)
        with atomic_path(out) as folder:
            folder.mkdir()
            for name in shards:
                shutil.copyfile(*(at / f"{name}.safetensors" for at in (zoo.folder, folder)))
            _write_parquet(folder / INDEX_NAME, index)
            header = _describe(zoo, shards, len(index["success"][0]))
            header["index_sha256"] = hash_file(folder / INDEX_NAME)
            write_json(folder / HEADER_NAME, header)
            write_text(folder / "README.md", write_card(header, index, license_name))
            files = {
                path.name: (hash_file(path), path.stat().st_size)
                for path in sorted(folder.iterdir())
                if path.suffix != ".md"
            }
            described = write_croissant(files, header, index, license_name)
            write_json(folder / "croissant.json", described)
    return out


def list_policies(shards: dict[str, dict[str, Any]]) -> dict[str, list]:
    """The dataset's index: columns of a row for each policy, shard by shard.

    Args:
        shards: the index of each by its name.
    """
    by_task = split_names(index["task"] for index in shards.values())
    columns: dict[str, list] = {}
    for name, index in shards.items():
        count = index["num_policies"]
        by_run = split_names(f"{name}-{run}" for run in index["run"])
        success = np.array(index["success"], bool)
        rows = {
            "task": [index["task"]] * count,
            "shard": [name] * count,
            "row": list(range(count)),
            "run": index["run"],
            "step": index["step"],
            "seed": [index["seed"]] * count,
            "success": success.tolist(),
            "success_rate": success.mean(axis=1).tolist(),
            "qualified": success.all(axis=1).tolist(),
            "split_by_run": [by_run[f"{name}-{run}"] for run in index["run"]],
            "split_by_task": [by_task[index["task"]]] * count,
        }
        for column, values in rows.items():
            columns.setdefault(column, []).extend(values)
    return columns


def index_layers(spec: PolicySpec) -> dict[str, dict[str, Any]]:
    """Where each layer's weight and bias lie in a policy's flat vector, by their torch names."""
    return {
        f"{layer.name}.{part}": {"start": place.start, "stop": place.stop, "shape": shape}
        for layer in spec.layers
        for part, place, shape in (
            ("weight", layer.weight, [layer.fan_out, layer.fan_in]),
            ("bias", layer.bias, [layer.fan_out]),
        )
    }


def _require_finished(zoo: Zoo) -> None:
    """Refuse a zoo that is being built, or damaged.

    Raises:
        InputError: it is.
    """
    left = [path for kind in _UNFINISHED for path in zoo.folder.glob(f".*.{kind}")]
    if left or not zoo.shard_names():
        raise InputError(
            f"{zoo.folder}: this zoo is not finished; run the same `zoo build` to its end first"
        )
    for fault in zoo.verify():
        raise InputError(fault)
    widths = {len(zoo.read_index(name)["success"][0]) for name in zoo.shard_names()}
    if len(widths) > 1:
        raise InputError(f"{zoo.folder}: shards differ in the layouts of their scores: {widths}")


def _describe(zoo: Zoo, shards: dict[str, dict[str, Any]], num_layouts: int) -> dict[str, Any]:
    """What the dataset's JSON says: the zoo's own header, and what is told of its shards."""
    # A suite's file is its owner's; its name still tells one from another.
    kept = {name: value for name, value in zoo.header.items() if name != "suite_file"}
    return kept | {
        "schema_version": SCHEMA_VERSION,
        "suite": Path(zoo.suite).name if zoo.suite.endswith(".py") else zoo.suite,
        "score_layouts": list(layouts.ZOO_SCORES[:num_layouts]),
        "index_dict": index_layers(zoo.spec),
        "shards": {
            name: {field: value for field, value in index.items() if field not in _COLUMNS}
            for name, index in shards.items()
        },
        "published": describe_provenance(),
    }


def _write_parquet(path: Path, columns: dict[str, list]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table(columns), path)
