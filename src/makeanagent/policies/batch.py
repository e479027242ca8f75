"""Many policies that act at once by batched matrix products."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar, overload

import numpy as np
import torch
from torch import Tensor, nn

from makeanagent.errors import InputError
from makeanagent.policies.codec import check_parameters
from makeanagent.policies.forward import run_layers
from makeanagent.policies.policy import LOG_STD_RANGE, Policy
from makeanagent.policies.spec import PolicySpec

# In place, as each acts on a product that nobody else sees: a step is bound by memory.
_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "elu": partial(nn.functional.elu, inplace=True),
    "relu": torch.relu_,
    "tanh": torch.tanh_,
}

Rows = TypeVar("Rows", Tensor, np.ndarray)


class PolicyBatch:
    """N policies of one spec, differentiable with respect to their parameters.

    Args:
        parameters: `[N, P]`, or `[P]` for one policy.
        spec: the policies' layers.
    """

    def __init__(self, parameters: Tensor, spec: PolicySpec) -> None:
        check_parameters(parameters, spec)
        if parameters.ndim > 2:
            raise InputError(
                f"policy parameters: shape {tuple(parameters.shape)}, expected"
                f" [N, {spec.num_parameters}]"
            )
        self.parameters = parameters if parameters.ndim == 2 else parameters[None]
        self.spec = spec
        self._copies: dict[str, tuple[Tensor, Tensor]] | None = None
        self._copied_version = -1

    def __repr__(self) -> str:
        """In a line: how many, and their layers."""
        return f"PolicyBatch({len(self)} policies, {self.spec.describe()})"

    def __len__(self) -> int:
        """N, the number of policies."""
        return self.parameters.shape[0]

    @overload
    def __getitem__(self, index: int) -> Policy: ...
    @overload
    def __getitem__(self, index: slice) -> "PolicyBatch": ...
    def __getitem__(self, index: int | slice) -> "Policy | PolicyBatch":
        """One policy in numpy, or a smaller batch."""
        if isinstance(index, slice):
            return PolicyBatch(self.parameters[index], self.spec)
        return Policy(self.parameters[index].detach().cpu().numpy(), self.spec)

    def __iter__(self) -> Iterator[Policy]:
        """The policies one by one, in numpy."""
        return (self[index] for index in range(len(self)))

    def _layers(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Bias `[N, 1, out]` and transposed weight `[N, in, out]` of each layer, by its name."""
        parameters = self.parameters
        if parameters.requires_grad or parameters.is_inference():
            return self._split()
        # Reading the weights is what a step costs: copies that lie in the order of the product
        # are read half as long. They are made anew once the parameters were written to.
        if self._copies is None or self._copied_version != parameters._version:
            self._copied_version = parameters._version
            self._copies = {
                name: (bias.contiguous(), matrix.contiguous())
                for name, (bias, matrix) in self._split().items()
            }
        return self._copies

    def _split(self) -> dict[str, tuple[Tensor, Tensor]]:
        layers = self.spec.layers
        sizes = [size for layer in layers for size in (layer.fan_out * layer.fan_in, layer.fan_out)]
        # One split, whose gradient is one concatenation; slices would each fill a whole [N, P].
        pieces = self.parameters.split(sizes, dim=1)
        return {
            layer.name: (
                bias[:, None],
                weight.unflatten(1, (layer.fan_out, layer.fan_in)).transpose(1, 2),
            )
            for layer, weight, bias in zip(layers, pieces[::2], pieces[1::2], strict=True)
        }

    def forward(self, observations: Tensor) -> tuple[Tensor, Tensor | None]:
        """Pre-squash mean and clamped log-std, `[N, B, O] -> [N, B, A]` each.

        The log-std is None where the spec has no such head.
        """
        mean, *log_std = self.run(observations)
        return mean, log_std[0].clamp(*LOG_STD_RANGE) if log_std else None

    def run(
        self,
        observations: Tensor,
        heads: Sequence[str] | None = None,
        watch: Callable[[str, Tensor, Tensor], Tensor] | None = None,
    ) -> list[Tensor]:
        """What heads give before clamp and squash, `[N, B, O] -> [N, B, A]` each.

        Args:
            observations: `[N, B, O]`.
            heads: which ones; by default all of the spec's.
            watch: called with each layer's name, input and output before its activation; what it
                returns goes on in the output's place, and may be written to.
        """
        layers = self._layers()

        def apply(layer: str, x: Tensor) -> Tensor:
            bias, matrix = layers[layer]
            output = torch.baddbmm(bias, x, matrix)
            return output if watch is None else watch(layer, x, output)

        return run_layers(self.spec, apply, _ACTIVATIONS, observations.to(self.parameters), heads)

    def reset(self, num_worlds: int) -> None:
        """Policies remember nothing: with this and `act` they are an actor of N times B worlds."""

    def act(
        self,
        observations: Rows,
        *,
        deterministic: bool = True,
        generator: torch.Generator | None = None,
    ) -> Rows:
        """Actions of every policy on its own observations.

        Args:
            observations: `[N, B, O]`, B for each policy; or `[N * B, O]`, the first B for the first
                policy. Torch or numpy.
            deterministic: the mean action; otherwise a sample of the Gaussian before squashing
                (the mean all the same where the spec has no log-std head).
            generator: source of the samples' noise.

        Returns:
            `[N, B, A]`, or `[N * B, A]`; numpy where the observations are.

        Raises:
            InputError: the observations cannot be shared out among the policies.
        """
        if isinstance(observations, np.ndarray):
            with torch.no_grad():
                states = torch.from_numpy(np.array(observations, np.float32))
                action = self.act(states, deterministic=deterministic, generator=generator)
            return action.cpu().numpy()
        shape, width = observations.shape, self.spec.observation_dim
        rows = shape[0] == len(self) if len(shape) == 3 else not shape[0] % len(self)
        if len(shape) not in (2, 3) or not rows or shape[-1] != width:
            raise InputError(
                f"observations: shape {tuple(shape)}, expected [N, B, {width}] or [N * B, {width}]"
                f" with N = {len(self)} policies; `act_all` gives all of them the same"
            )
        action = self._act(observations.reshape(len(self), -1, width), deterministic, generator)
        return action.reshape(*shape[:-1], -1)

    def act_all(
        self,
        observations: Rows,
        *,
        deterministic: bool = True,
        generator: torch.Generator | None = None,
    ) -> Rows:
        """Actions of every policy on the same observations, `[B, O] -> [N, B, A]`.

        Arguments are those of `act`.

        Raises:
            InputError: the observations have another shape.
        """
        if observations.ndim != 2 or observations.shape[1] != self.spec.observation_dim:
            raise InputError(
                f"observations: shape {tuple(observations.shape)}, expected"
                f" [B, {self.spec.observation_dim}]"
            )
        if isinstance(observations, np.ndarray):
            shared = np.broadcast_to(observations, (len(self), *observations.shape))
            return self.act(shared, deterministic=deterministic, generator=generator)
        return self._act(observations.expand(len(self), -1, -1), deterministic, generator)

    def _act(
        self, observations: Tensor, deterministic: bool, generator: torch.Generator | None
    ) -> Tensor:
        """Actions `[N, B, A]` on `[N, B, O]`."""
        if deterministic:
            (action,), log_std = self.run(observations, ("mean",)), None
        else:
            action, log_std = self.forward(observations)
        if log_std is not None:
            noise = torch.randn(
                action.shape, generator=generator, device=action.device, dtype=action.dtype
            )
            action = action + log_std.exp() * noise
        return torch.tanh_(action) if self.spec.squash == "tanh" else action
