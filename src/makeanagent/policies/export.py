"""Policies for other runtimes: a file each, whose actions are in the environment's own units."""

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from makeanagent.artifacts import atomic_path, require_empty_folder
from makeanagent.errors import InputError
from makeanagent.policies.folder import INDEX_NAME, load_policies
from makeanagent.policies.policy import Policy
from makeanagent.policies.spec import PolicySpec

Format = Literal["onnx", "torchscript", "torch-export", "sb3"]
SUFFIXES: dict[Format, str] = {
    "onnx": ".onnx",
    "torchscript": ".pt",
    "torch-export": ".pt2",
    "sb3": ".zip",
}
"""How a file of each format ends."""
INPUT, OUTPUT = "observation", "action"
"""Names in every graph: float32 `[batch, O]`, and `[batch, A]`."""
RECORD = "makeanagent.json"
"""Name of the JSON that each file holds: what the policy is, and where it comes from."""
OPSET = 17
"""Of ONNX: from 2022, which any runtime of today takes."""
_IR_VERSION = 8
_ACTIVATIONS = {"elu": "Elu", "relu": "Relu", "tanh": "Tanh"}

Bounds = Sequence[Sequence[float]] | None
"""The environment's own actions `[low, high]` for -1 and 1; None where they are these."""


def export_policy(
    policy: Policy,
    path: str | Path,
    *,
    action_bounds: Bounds,
    about: dict[str, Any] | None = None,
) -> None:
    """Write the deterministic policy as one file, in the format that its ending tells.

    Args:
        policy: which one.
        path: a new file that ends in `.onnx`, `.pt` (TorchScript), `.pt2` (torch.export) or `.zip`
            (a SAC model of Stable-Baselines3).
        action_bounds: the environment's own actions for -1 and 1, as `generator.config` and
            `policies.json` have them; None where they are these.
        about: what else the file is to say of the policy, as JSON values.

    Raises:
        InputError: the ending is none of these, the file is there or cannot be written, the bounds
            are none, or what the format needs is not installed.
    """
    path = Path(path)
    kind = next((kind for kind, suffix in SUFFIXES.items() if suffix == path.suffix), None)
    if kind is None:
        raise InputError(f"{path}: must end in {', '.join(SUFFIXES.values())}")
    if path.exists():
        raise InputError(f"{path}: exists; give another name")
    low, high = _read_bounds(action_bounds, policy.spec)
    if not np.isfinite(policy.parameters).all():
        raise InputError(f"{path}: the policy holds NaN or infinity")
    record = _describe(policy.spec, low, high) | (about or {})
    write = {
        "onnx": _write_onnx,
        "torchscript": _write_torchscript,
        "torch-export": _write_torch_export,
        "sb3": _write_sb3,
    }[kind]
    with atomic_path(path) as temporary:
        write(policy, low, high, record, temporary)


def export_policies(
    folder: str | Path,
    out: str | Path,
    kind: Format,
    only: Sequence[int] | None = None,
) -> list[Path]:
    """Export policies of a folder, `policy-000.onnx` and so on.

    Args:
        folder: of policies, as `save_policies` and `generate` write it.
        out: a folder that is empty or absent; it is filled as a whole or not at all.
        kind: the format.
        only: numbers of the policies to export, from 0; by default all.

    Returns:
        The files.

    Raises:
        InputError: the folder cannot be read, there is no such policy, `out` holds files or cannot
            be written, or what the format needs is not installed.
    """
    out = require_empty_folder(Path(out))
    parameters, spec, metadata = load_policies(folder)
    numbers = range(len(parameters)) if only is None else only
    for number in numbers:
        if not 0 <= number < len(parameters):
            raise InputError(
                f"{folder}: there is no policy {number}; they are 0 to {len(parameters) - 1}"
            )
    if len(set(numbers)) < len(numbers):
        raise InputError(f"{folder}: a policy is named twice: {list(numbers)}")
    bounds = metadata.get("action_bounds")
    try:
        _read_bounds(bounds, spec)
    except InputError as error:
        raise InputError(f"{Path(folder) / INDEX_NAME}: {error}") from None
    names = [f"policy-{number:03d}{SUFFIXES[kind]}" for number in numbers]
    with atomic_path(out) as temporary:
        temporary.mkdir()
        for number, name in zip(numbers, names, strict=True):
            export_policy(
                Policy(parameters[number], spec),
                temporary / name,
                action_bounds=bounds,
                about=_describe_origin(metadata, number, len(parameters)),
            )
    return [out / name for name in names]


def _read_bounds(bounds: Bounds, spec: PolicySpec) -> tuple[np.ndarray, np.ndarray]:
    """Low and high, float32 `[A]` each.

    Raises:
        InputError: they are of another shape, not finite, or not one below the other.
    """
    unit = [[-1.0] * spec.action_dim, [1.0] * spec.action_dim]
    try:
        low, high = np.array(unit if bounds is None else bounds, np.float32)
        fits = low.shape == high.shape == (spec.action_dim,)
    except (TypeError, ValueError):
        fits = False
    if not fits or not np.isfinite([low, high]).all() or not (low < high).all():
        raise InputError(
            f"action_bounds {bounds!r}: must be [low, high] with {spec.action_dim} finite numbers"
            " each, low below high"
        )
    return low, high


def _describe(spec: PolicySpec, low: np.ndarray, high: np.ndarray) -> dict[str, Any]:
    """What every file says of its policy."""
    return {
        "spec": spec.to_dict(),
        "input": {"name": INPUT, "type": "float32", "shape": ["batch", spec.observation_dim]},
        "output": {
            "name": OUTPUT,
            "type": "float32",
            "shape": ["batch", spec.action_dim],
            "low": low.tolist(),
            "high": high.tolist(),
        },
        "normalisation": "none: observations as the environment gives them",
    }


def _describe_origin(metadata: dict[str, Any], number: int, count: int) -> dict[str, Any]:
    """What `policies.json` says of one of its policies."""
    record: dict[str, Any] = {"policy": number}
    try:
        record["task"] = metadata["env_ids"][metadata["prompt_of_policy"][number]]
    except (KeyError, IndexError, TypeError):
        record["task"] = None  # Whoever wrote the folder did not say.
    for name in ("prompt", "seed", "generator", "generator_sha256"):
        if name in metadata:
            record[name] = metadata[name]
    for name in ("success", "score"):  # Those that have one number a policy.
        values = metadata.get(name)
        if isinstance(values, list) and len(values) == count:
            record[name] = values[number]
    return record


def _write_onnx(
    policy: Policy, low: np.ndarray, high: np.ndarray, record: dict[str, Any], path: Path
) -> None:
    """The graph written node by node: its opset and names are ours, and no tracer's."""
    try:
        import onnx
        from onnx import TensorProto, helper, numpy_helper
    except ImportError:
        raise InputError("ONNX: needs its library: pip install 'makeanagent[onnx]'") from None
    spec, weights = policy.spec, policy.state_dict()
    constants = {"scale": (high - low) / 2, "shift": (high + low) / 2}
    nodes, value = [], INPUT
    for layer, activation in zip(spec.layers, [*spec.activations, None], strict=False):
        parts = [f"{layer.name}.weight", f"{layer.name}.bias"]
        constants |= {name: weights[name] for name in parts}
        nodes.append(helper.make_node("Gemm", [value, *parts], [layer.name], transB=1))
        value = layer.name
        if activation is not None:
            value = f"{layer.name}.{activation}"
            nodes.append(helper.make_node(_ACTIVATIONS[activation], [layer.name], [value]))
    if spec.squash == "tanh":
        nodes.append(helper.make_node("Tanh", [value], ["unit"]))
    else:
        constants |= {"least": np.float32(-1), "most": np.float32(1)}
        nodes.append(helper.make_node("Clip", [value, "least", "most"], ["unit"]))
    nodes.append(helper.make_node("Mul", ["unit", "scale"], ["scaled"]))
    nodes.append(helper.make_node("Add", ["scaled", "shift"], [OUTPUT]))
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", width])
        for name, width in ((INPUT, spec.observation_dim), (OUTPUT, spec.action_dim))
    ]
    graph = helper.make_graph(
        nodes,
        "policy",
        ends[:1],
        ends[1:],
        [
            numpy_helper.from_array(np.asarray(array, np.float32), name)
            for name, array in constants.items()
        ],
    )
    model = helper.make_model(
        graph,
        producer_name="makeanagent",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
    )
    helper.set_model_props(model, {RECORD: json.dumps(record)})
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())


def _write_torchscript(
    policy: Policy, low: np.ndarray, high: np.ndarray, record: dict[str, Any], path: Path
) -> None:
    import torch

    from makeanagent.policies.modules import ActionNetwork

    with warnings.catch_warnings():
        # Torch would rather have its newer export, which is there as well.
        warnings.simplefilter("ignore", DeprecationWarning)
        script = torch.jit.script(ActionNetwork(policy, low, high))
        torch.jit.save(script, path, _extra_files={RECORD: json.dumps(record)})


def _write_torch_export(
    policy: Policy, low: np.ndarray, high: np.ndarray, record: dict[str, Any], path: Path
) -> None:
    import torch

    from makeanagent.policies.modules import ActionNetwork

    # Of two rows: a batch of one would be taken for a constant.
    example = torch.zeros(2, policy.spec.observation_dim)
    program = torch.export.export(
        ActionNetwork(policy, low, high),
        (example,),
        dynamic_shapes={INPUT: {0: torch.export.Dim("batch")}},
    )
    with path.open("wb") as stream:  # Of a path it asks for the ending, which comes later.
        torch.export.save(program, stream, extra_files={RECORD: json.dumps(record)})


def _write_sb3(
    policy: Policy, low: np.ndarray, high: np.ndarray, record: dict[str, Any], path: Path
) -> None:
    try:
        import stable_baselines3  # noqa: F401
    except ImportError:
        raise InputError("sb3: needs Stable-Baselines3: pip install 'makeanagent[sb3]'") from None
    from makeanagent.policies.sb3 import make_sac

    model = make_sac(policy, low, high)
    # Attributes of JSON values stand in the zip's `data` as they are.
    vars(model)["makeanagent"] = record
    with path.open("wb") as stream:
        model.save(stream)
