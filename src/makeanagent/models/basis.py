"""The policy basis: a parameter autoencoder whose decoder is a learned low-rank basis.

A policy is a shared network and a departure from it: each hidden layer's weight departs by a
weighted sum of R rank-one matrices, W = W_0 + U diag(z) V, and biases and the head's weight depart
freely. The matrices are learned with the generator, by what its policies do; a latent is the
weights of the sum. Finding the latent of a given policy is linear least squares, and a latent folds
exactly into a plain actor.

Differs from the paper (section 3, equation 5): there the decoder is a linear map of groups of
layers to all of their weights, learned from a zoo before the rest.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from makeanagent.errors import InputError
from makeanagent.models.scaling import ObservationScale
from makeanagent.policies.initialization import initialize_actor
from makeanagent.policies.spec import PolicySpec
from makeanagent.trajectories.space import Space

_ACTIVATIONS = {"elu": nn.functional.elu, "relu": torch.relu, "tanh": torch.tanh}
_HEAD_SCALE = 0.2
"""What 1 in a latent means for a weight of the head, whose departures are small."""
_RIDGE = 1e-5
"""Of the least squares, as a share of the mean diagonal: matrices may be nearly alike."""


@dataclass(frozen=True, kw_only=True)
class BasisConfig:
    """Shape of the basis."""

    kind: Literal["basis"] = "basis"
    "Tells it from the paper's autoencoder."
    ranks: tuple[int, ...] = (128, 192)
    "R: rank-one matrices of each hidden layer."
    init_seed: int = 7
    "Seed of the shared network, that of the zoo's initial actor."


class PolicyBasis(nn.Module):
    """Between latents `[N, 1, Z]` and flat parameters `[N, P]`.

    A latent holds, layer by layer, the R weights of the sum and the bias; then of the mean head
    weight and bias. Observations are scaled before the first layer, which the scale is folded into.
    A log-std head stays as the shared network has it: generated policies act by their mean.

    Args:
        spec: of the policies.
        space: of their observations.
        config: its shape.

    Raises:
        InputError: there is not one rank for each hidden layer.
    """

    def __init__(self, spec: PolicySpec, space: Space, config: BasisConfig) -> None:
        super().__init__()
        if len(config.ranks) != len(spec.hidden):
            raise InputError(
                f"basis: ranks {config.ranks}: one is needed for each of the"
                f" {len(spec.hidden)} hidden layers"
            )
        self.spec, self.config = spec, config
        self.scale = ObservationScale(space)
        widths = (spec.observation_dim, *spec.hidden)
        self.reads, self.writes = nn.ParameterList(), nn.ParameterList()
        for rank, (fan_in, fan_out) in zip(config.ranks, pairwise(widths), strict=True):
            self.reads.append(fan_in**-0.5 * torch.randn(rank, fan_in))
            self.writes.append(rank**-0.5 * torch.randn(fan_out, rank))
        self.register_buffer("centre", initialize_actor(spec, config.init_seed))
        self.centre: Tensor
        self.sizes: list[int] = []
        for rank, width in zip(config.ranks, spec.hidden, strict=True):
            self.sizes += [rank, width]
        self.sizes += [spec.action_dim * spec.hidden[-1], spec.action_dim]
        self.latent_shape = (1, sum(self.sizes))

    def _shared(self) -> list[tuple[Tensor, Tensor]]:
        """Weight and bias of each layer of the shared network, on scaled observations."""
        found = []
        for index, layer in enumerate(self.spec.layers):
            weight = self.centre[layer.weight].view(layer.fan_out, layer.fan_in)
            bias = self.centre[layer.bias]
            if index == 0:
                bias, weight = bias + weight @ self.scale.mean, weight * self.scale.std
            found.append((weight, bias))
        return found

    def act(self, latents: Tensor, states: Tensor) -> Tensor:
        """Means before the squash, `[N, B, A]`, as products that all policies share.

        Args:
            latents: `[N, 1, Z]`.
            states: `[N, B, O]`.
        """
        flat = latents.flatten(1)
        parts = [part[:, None] for part in flat.split(self.sizes, dim=1)]
        linear = nn.functional.linear
        hidden = self.scale(states)
        shared = self._shared()
        for index, activation in enumerate(self.spec.activations):
            weight, bias = shared[index]
            mixed = parts[2 * index] * linear(hidden, self.reads[index])
            hidden = (
                linear(hidden, weight, bias)
                + linear(mixed, self.writes[index])
                + parts[2 * index + 1]
            )
            hidden = _ACTIVATIONS[activation](hidden)
        weight, bias = shared[len(self.spec.hidden)]
        departure = _HEAD_SCALE * parts[-2].unflatten(2, weight.shape)[:, 0]
        head = (weight + departure).transpose(1, 2)
        return torch.baddbmm(bias + parts[-1], hidden, head)

    def decode(self, latents: Tensor) -> Tensor:
        """Parameters `[N, P]` of plain actors for latents `[N, 1, Z]`: those of `act`, exactly."""
        parts = latents.flatten(1).split(self.sizes, dim=1)
        shared = self._shared()
        pieces: list[Tensor] = []
        for index, layer in enumerate(self.spec.layers):
            weight, bias = shared[index]
            if index < len(self.spec.hidden):
                rows, columns = self.writes[index], self.reads[index]
                departure = (parts[2 * index][:, None] * rows) @ columns
                shift = parts[2 * index + 1]
            elif layer.name == "mean":
                departure, shift = _HEAD_SCALE * parts[-2].unflatten(1, weight.shape), parts[-1]
            else:
                departure, shift = torch.zeros_like(weight), torch.zeros_like(bias)
            weights = (weight + departure).expand(len(latents), -1, -1)
            biases = (bias + shift).expand(len(latents), -1)
            if index == 0:
                weights = weights / self.scale.std
                biases = biases - weights @ self.scale.mean
            pieces += [weights.flatten(1), biases]
        return torch.cat(pieces, dim=1)

    def encode(self, parameters: Tensor) -> Tensor:
        """Latents `[N, 1, Z]` of policies `[N, P]`: the nearest of the basis, by least squares.

        Nearest in the weights on scaled observations. The Gram matrix of rank-one matrices is the
        product, element by element, of those of their factors.
        """
        pieces: list[Tensor] = []
        for index, (layer, (shared, shared_bias)) in enumerate(
            zip(self.spec.layers, self._shared(), strict=True)
        ):
            weight = parameters[:, layer.weight].unflatten(1, (layer.fan_out, layer.fan_in))
            bias = parameters[:, layer.bias]
            if index == 0:
                bias, weight = bias + weight @ self.scale.mean, weight * self.scale.std
            departure, shift = weight - shared, bias - shared_bias
            if index < len(self.spec.hidden):
                rows, columns = self.writes[index], self.reads[index]
                gram = (rows.T @ rows) * (columns @ columns.T)
                ridge = _RIDGE * gram.diagonal().mean() * torch.eye(len(gram)).to(gram)
                projected = torch.einsum("or,noi,ri->nr", rows, departure, columns)
                pieces += [torch.linalg.solve(gram + ridge, projected.T).T, shift]
            elif layer.name == "mean":
                pieces += [departure.flatten(1) / _HEAD_SCALE, shift]
        return torch.cat(pieces, dim=1)[:, None]
