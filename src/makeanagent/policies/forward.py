"""The forward pass of a policy: the layers of a spec one after the other, in any array library."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from makeanagent.policies.spec import PolicySpec

if TYPE_CHECKING:
    from torch import Tensor

Array = TypeVar("Array", np.ndarray, "Tensor")


def run_layers(
    spec: PolicySpec,
    linear: Callable[[str, Array], Array],
    activations: Mapping[str, Callable[[Array], Array]],
    observations: Array,
    heads: Sequence[str] | None = None,
) -> list[Array]:
    """What heads give before clamp and squash, `[..., A]` each.

    Args:
        spec: the layers.
        linear: from a layer's name and input to `x W^T + b`.
        activations: by name, as a spec has them.
        observations: `[..., O]`.
        heads: which ones; by default all of the spec's.
    """
    x = observations
    for index, activation in enumerate(spec.activations):
        x = activations[activation](linear(f"linear{index + 1}", x))
    return [linear(head, x) for head in heads or spec.heads]
