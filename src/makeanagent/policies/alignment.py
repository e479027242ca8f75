"""Alignment: the same network written with its hidden units in another's order and scale.

Hidden units may be permuted, and a ReLU unit's incoming numbers multiplied by a positive factor
that its outgoing weights are divided by: the vector changes and the policy does not. Distances
between vectors mean something only once both are taken out.
"""

import numpy as np
from scipy.optimize import linear_sum_assignment  # type: ignore[import-untyped]

from makeanagent.errors import InputError
from makeanagent.policies.codec import check_parameters
from makeanagent.policies.spec import PolicySpec

_LEAST_GAIN = 1e-6
"""Share of a match's value by which a new one must be better: rounding must not go in circles."""


def canonical_scale(parameters: np.ndarray, spec: PolicySpec) -> np.ndarray:
    """Give each ReLU unit incoming numbers, weights and bias, of norm 1; the policies act alike.

    ELU and tanh units have no such freedom. A ReLU unit without incoming numbers stays as it is.

    Args:
        parameters: float `[N, P]`.
        spec: the policies' layers.

    Returns:
        A copy, `[N, P]`.

    Raises:
        InputError: the shape is not the spec's.
    """
    matrices = _split(parameters, spec)
    for index, activation in enumerate(spec.activations):
        if activation == "relu":
            norms = np.linalg.norm(matrices[index], axis=2)
            norms[norms == 0] = 1
            matrices[index] /= norms[:, :, None]
            matrices[index + 1][:, :, :-1] *= norms[:, None]
    return _join(matrices, spec)


def align(parameters: np.ndarray, reference: np.ndarray, spec: PolicySpec) -> np.ndarray:
    """Bring policies into canonical scale and into the order of a reference's hidden units.

    Weight matching of Git Re-Basin (Ainsworth et al., 2022, algorithm 1): the order of one layer
    after the other is chosen by linear assignment, given the others', until none changes. This ends
    in a local optimum, so it is done twice and the better end is taken. Once it begins at the order
    as it is: no policy ends farther from the reference than `canonical_scale` alone leaves it. Once
    it begins at a match of incoming numbers alone: a copy is found whatever its order.

    Differs from the paper: these two beginnings, and layers in turn in place of a random sequence,
    so that the same policies always give the same distances.

    Args:
        parameters: float `[N, P]`.
        reference: `[P]`, or `[N, P]` for one each. It need not be in canonical scale; compare with
            `canonical_scale(reference, spec)`.
        spec: the policies' layers.

    Returns:
        Policies that act as before, `[N, P]`.

    Raises:
        InputError: a shape is not the spec's.
        ValueError: there are neither one reference nor N.
    """
    own = _split(canonical_scale(parameters, spec), spec)
    reference = canonical_scale(np.atleast_2d(reference), spec)
    others = _split(np.broadcast_to(reference, parameters.shape), spec)
    for row in range(len(parameters)):
        policy, target = [matrix[row] for matrix in own], [matrix[row] for matrix in others]
        _put(own, row, _reorder(policy, _find_orders(policy, target)))
    return _join(own, spec)


def align_runs(parameters: np.ndarray, run: np.ndarray, spec: PolicySpec) -> np.ndarray:
    """Bring whole training runs into one order of hidden units, and all policies into one scale.

    Checkpoints of a run share their order as it is, so one order is found for each run, by its last
    checkpoint: first towards the first run, then towards the mean of all that were so aligned.

    Args:
        parameters: float `[N, P]`, a run's checkpoints in the order of training.
        run: int `[N]`, the run of each.
        spec: the policies' layers.

    Returns:
        Policies that act as before, `[N, P]`.

    Raises:
        InputError: the shape is not the spec's.
    """
    own = _split(canonical_scale(parameters, spec), spec)
    last = [int(np.flatnonzero(run == number)[-1]) for number in np.unique(run)]
    target = [matrix[last[0]] for matrix in own]
    for _ in range(2):
        for row in last:
            orders = _find_orders([matrix[row] for matrix in own], target)
            for mate in np.flatnonzero(run == run[row]).tolist():
                _put(own, mate, _reorder([matrix[mate] for matrix in own], orders))
        target = [matrix[last].mean(axis=0) for matrix in own]
    return _join(own, spec)


def _find_orders(policy: list[np.ndarray], target: list[np.ndarray]) -> list[np.ndarray]:
    """The better end of weight matching from two beginnings."""
    as_it_is = [np.arange(len(matrix)) for matrix in policy[:-1]]
    tries = [
        _match_units(policy, target, start) for start in (as_it_is, _match_forwards(policy, target))
    ]
    return max(tries, key=lambda orders: _similarity(target, _reorder(policy, orders)))


def _put(matrices: list[np.ndarray], row: int, network: list[np.ndarray]) -> None:
    for matrix, found in zip(matrices, network, strict=True):
        matrix[row] = found


def _match_forwards(own: list[np.ndarray], reference: list[np.ndarray]) -> list[np.ndarray]:
    """Orders by the units' incoming numbers alone, from the first layer to the last."""
    orders: list[np.ndarray] = []
    for matrix, target in zip(own[:-1], reference[:-1], strict=True):
        incoming = matrix[:, [*orders[-1], -1]] if orders else matrix
        orders.append(linear_sum_assignment(target @ incoming.T, maximize=True)[1])
    return orders


def _match_units(
    own: list[np.ndarray], reference: list[np.ndarray], orders: list[np.ndarray]
) -> list[np.ndarray]:
    """For each hidden layer, which own unit belongs in each place; beginning at `orders`."""
    orders = list(orders)
    improved = True
    while improved:
        improved = False
        for index, order in enumerate(orders):
            incoming, outgoing = own[index], own[index + 1][:, :-1]
            if index > 0:
                incoming = incoming[:, [*orders[index - 1], -1]]
            if index + 1 < len(orders):
                outgoing = outgoing[orders[index + 1]]
            # [r, u]: what own unit u adds to the two networks' inner product in place r.
            gain = reference[index] @ incoming.T + reference[index + 1][:, :-1].T @ outgoing
            rows, best = linear_sum_assignment(gain, maximize=True)
            before, after = gain[rows, order].sum(), gain[rows, best].sum()
            if after - before > _LEAST_GAIN * abs(after):
                orders[index] = best
                improved = True
    return orders


def _reorder(matrices: list[np.ndarray], orders: list[np.ndarray]) -> list[np.ndarray]:
    """One network with its hidden units in other orders."""
    moved = list(matrices)
    for index, order in enumerate(orders):
        moved[index] = moved[index][order]
        moved[index + 1] = moved[index + 1][:, [*order, -1]]
    return moved


def _similarity(first: list[np.ndarray], second: list[np.ndarray]) -> float:
    """Inner product of two networks: the larger, the smaller their distance."""
    return sum(float(np.vdot(a, b)) for a, b in zip(first, second, strict=True))


def _split(parameters: np.ndarray, spec: PolicySpec) -> list[np.ndarray]:
    """Copies of W and b side by side, `[N, out, in + 1]` a hidden layer, and all heads as one."""
    check_parameters(parameters, spec)
    if parameters.ndim != 2:
        raise InputError(
            f"policy parameters: shape {parameters.shape}, expected [N, {spec.num_parameters}]"
        )
    matrices = [
        np.concatenate(
            [
                parameters[:, layer.weight].reshape(-1, layer.fan_out, layer.fan_in),
                parameters[:, layer.bias, None],
            ],
            axis=2,
        )
        for layer in spec.layers
    ]
    num_hidden = len(spec.hidden)
    return [*matrices[:num_hidden], np.concatenate(matrices[num_hidden:], axis=1)]


def _join(matrices: list[np.ndarray], spec: PolicySpec) -> np.ndarray:
    """The inverse of `_split`."""
    heads = np.split(matrices[-1], len(spec.heads), axis=1)
    pieces = []
    for matrix in (*matrices[:-1], *heads):
        pieces += [matrix[:, :, :-1].reshape(len(matrix), -1), matrix[:, :, -1]]
    return np.concatenate(pieces, axis=1)
