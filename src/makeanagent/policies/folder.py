"""A folder of policies on disk, readable with numpy and safetensors alone."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from makeanagent.artifacts import (
    atomic_path,
    check_hash,
    check_schema,
    describe_provenance,
    hash_file,
    read_json,
    read_tensors,
    require_empty_folder,
)
from makeanagent.errors import InputError
from makeanagent.policies.codec import check_parameters
from makeanagent.policies.spec import PolicySpec

SCHEMA_VERSION = 1
TENSORS_NAME = "policies.safetensors"
INDEX_NAME = "policies.json"


def save_policies(
    folder: str | Path, parameters: np.ndarray, spec: PolicySpec, metadata: dict[str, Any]
) -> None:
    """Write policies into a folder that is empty or absent.

    Args:
        folder: where to.
        parameters: `[N, P]`, in the codec's order.
        spec: the policies' layers.
        metadata: what else to keep, as JSON values or numpy arrays: the prompt of each policy,
            seeds, the generator's hash, scores.

    Raises:
        InputError: the folder holds files or cannot be written, or a parameter is not finite.
    """
    folder = require_empty_folder(Path(folder))
    tensors_path, index_path = folder / TENSORS_NAME, folder / INDEX_NAME
    parameters = np.ascontiguousarray(parameters, np.float32)
    _check(parameters, spec, tensors_path)
    # The index comes last: without it, a killed writer's tensors are no policies.
    with atomic_path(index_path) as new_index, atomic_path(tensors_path) as new_tensors:
        new_tensors.write_bytes(save({"parameters": parameters}))
        index = {
            "schema_version": SCHEMA_VERSION,
            "num_policies": len(parameters),
            "spec": spec.to_dict(),
            "sha256": {TENSORS_NAME: hash_file(new_tensors)},
            "metadata": metadata,
            "provenance": describe_provenance(),
        }
        new_index.write_text(json.dumps(index, indent=2, default=_to_plain) + "\n")


def load_policies(folder: str | Path) -> tuple[np.ndarray, PolicySpec, dict[str, Any]]:
    """Read what `save_policies` wrote: parameters float32 `[N, P]`, spec and metadata.

    Raises:
        InputError: a file is missing, damaged, altered or of another version.
    """
    tensors_path, index_path = Path(folder) / TENSORS_NAME, Path(folder) / INDEX_NAME
    index = read_json(index_path)
    if not isinstance(index, dict):
        raise InputError(f"{index_path}: not an index of policies")
    check_schema(index_path, index.get("schema_version"), SCHEMA_VERSION)
    for field in ("spec", "sha256", "metadata"):
        if not isinstance(index.get(field), dict):
            raise InputError(f"{index_path}: field '{field}' is missing or is no record")
    try:
        spec = PolicySpec.from_dict(index["spec"])
    except InputError as error:
        raise InputError(f"{index_path}: {error}") from None
    check_hash(tensors_path, index["sha256"].get(TENSORS_NAME), INDEX_NAME)
    parameters = read_tensors(tensors_path).get("parameters")
    if parameters is None or parameters.dtype != np.float32:
        raise InputError(f"{tensors_path}: holds no float32 tensor 'parameters'")
    _check(parameters, spec, tensors_path)
    if len(parameters) != index.get("num_policies"):
        raise InputError(
            f"{tensors_path}: holds {len(parameters)} policies, {INDEX_NAME} lists"
            f" {index.get('num_policies')!r}"
        )
    return parameters, spec, index["metadata"]


def _check(parameters: np.ndarray, spec: PolicySpec, path: Path) -> None:
    """Refuse what is no `[N, P]`, or not finite."""
    if parameters.ndim != 2 or len(parameters) == 0:
        raise InputError(f"{path}: parameters of shape {parameters.shape}, expected [N, P], N > 0")
    try:
        check_parameters(parameters, spec)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    finite = np.isfinite(parameters).all(axis=1)
    if not finite.all():
        raise InputError(f"{path}: policy {int(finite.argmin())} holds NaN or infinity")


def _to_plain(value: object) -> object:
    """A numpy array or number as JSON has it."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"policies' metadata: {type(value).__name__} is no JSON value")
