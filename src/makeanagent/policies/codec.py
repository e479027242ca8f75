"""The exact codec between named layer arrays and the flat parameter vector."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from makeanagent.errors import InputError
from makeanagent.policies.spec import PolicySpec

if TYPE_CHECKING:
    from torch import Tensor

Array = TypeVar("Array", np.ndarray, "Tensor")


def flatten_policy(state_dict: Mapping[str, np.ndarray], spec: PolicySpec) -> np.ndarray:
    """Flatten `{"linear1.weight": [out, in], "linear1.bias": [out], ...}` to float32 `[P]`.

    Layer by layer, W then b, in `torch.nn.Linear` layout. Torch tensors on the CPU will do too.

    Raises:
        InputError: an array is missing, has another shape or does not hold numbers.
    """
    vector = np.empty(spec.num_parameters, np.float32)
    for layer in spec.layers:
        parts = (
            ("weight", layer.weight, (layer.fan_out, layer.fan_in)),
            ("bias", layer.bias, (layer.fan_out,)),
        )
        for kind, place, shape in parts:
            name = f"{layer.name}.{kind}"
            if name not in state_dict:
                raise InputError(f"policy weights: {name} is missing")
            try:
                array = np.asarray(state_dict[name], np.float32)
            except (TypeError, ValueError):
                raise InputError(f"policy weights: {name} does not hold numbers") from None
            if array.shape != shape:
                raise InputError(
                    f"policy weights: {name} has shape {array.shape}, expected {shape}"
                )
            vector[place] = array.ravel()
    return vector


def unflatten_policy(vector: Array, spec: PolicySpec) -> dict[str, Array]:
    """Views into a flat vector `[P]` under their layer names; the inverse of `flatten_policy`.

    A torch tensor gives torch views.

    Raises:
        InputError: it is no vector, or its length is not the spec's.
    """
    if vector.ndim != 1:
        raise InputError(
            f"policy parameters: shape {tuple(vector.shape)}; one policy is one vector"
        )
    check_parameters(vector, spec)
    state_dict = {}
    for layer in spec.layers:
        weight = vector[layer.weight].reshape(layer.fan_out, layer.fan_in)
        state_dict[f"{layer.name}.weight"] = weight
        state_dict[f"{layer.name}.bias"] = vector[layer.bias]
    return state_dict


def check_parameters(parameters: "np.ndarray | Tensor", spec: PolicySpec) -> None:
    """Check that the last axis of `parameters` holds whole policies of `spec`.

    Raises:
        InputError: it has another length.
    """
    if parameters.ndim == 0 or parameters.shape[-1] != spec.num_parameters:
        raise InputError(
            f"policy parameters: shape {tuple(parameters.shape)}, expected"
            f" [..., {spec.num_parameters}] for this spec"
        )
