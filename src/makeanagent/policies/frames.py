"""Policies in another frame: observations mapped before they act, and actions after."""

import numpy as np

from makeanagent.errors import InputError
from makeanagent.policies.codec import Array, check_parameters
from makeanagent.policies.spec import Layer, PolicySpec


def reframe_policies(
    parameters: Array,
    spec: PolicySpec,
    linear: np.ndarray,
    shift: np.ndarray,
    actions: np.ndarray,
) -> Array:
    """Parameters of `M pi(L o + s)` for each policy pi, as exact as the sums of the first layer.

    The first layer takes up the map of observations, `W L` and `b + W s`; the heads take up that of
    actions, `M W` and `M b`, and of log-stds, with the signs of M left out. Squashing by tanh goes
    through, being odd and number by number.

    Args:
        parameters: `[..., P]`, numpy or torch; left as they are.
        spec: the policies' layers.
        linear: L, `[O, O]`.
        shift: s, `[O]`.
        actions: M, `[A, A]`: a permutation with signs.

    Raises:
        InputError: `parameters` do not hold policies of `spec`, or M is something else.
    """
    check_parameters(parameters, spec)
    unsigned = np.abs(actions)
    if not (
        np.isin(actions, (-1, 0, 1)).all()
        and (unsigned.sum(axis=0) == 1).all()
        and (unsigned.sum(axis=1) == 1).all()
    ):
        raise InputError("policies in another frame: actions may swap and flip, and no more")
    moved = parameters.copy() if isinstance(parameters, np.ndarray) else parameters.clone()
    # Without hidden layers, the heads themselves read observations.
    for layer in spec.layers[:1] if spec.hidden else spec.layers:
        weight = _read_weight(moved, layer)
        moved[..., layer.bias] += weight @ _like(shift, moved)
        moved[..., layer.weight] = (weight @ _like(linear, moved)).reshape(
            moved[..., layer.weight].shape
        )
    for layer in spec.layers[-len(spec.heads) :]:
        matrix = _like(actions if layer.name == "mean" else unsigned, moved)
        weight = matrix @ _read_weight(moved, layer)
        moved[..., layer.weight] = weight.reshape(moved[..., layer.weight].shape)
        moved[..., layer.bias] = moved[..., layer.bias] @ matrix.T
    return moved


def _read_weight(parameters: Array, layer: Layer) -> Array:
    """W of a layer, `[..., fan_out, fan_in]`."""
    weight = parameters[..., layer.weight]
    return weight.reshape(*weight.shape[:-1], layer.fan_out, layer.fan_in)


def _like(values: np.ndarray, array: Array) -> Array:
    """Values in the type, and on the device, of `array`."""
    if isinstance(array, np.ndarray):
        return values.astype(array.dtype)
    return array.new_tensor(values)
