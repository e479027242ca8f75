"""Many policies that act at once by batched matrix products."""

from collections.abc import Callable, Iterator
from typing import overload

import torch
from torch import Tensor, nn

from makeanagent.errors import InputError
from makeanagent.policies.codec import check_parameters
from makeanagent.policies.policy import LOG_STD_RANGE, Policy
from makeanagent.policies.spec import PolicySpec

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "elu": nn.functional.elu,
    "relu": nn.functional.relu,
    "tanh": torch.tanh,
}


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

    def forward(self, observations: Tensor) -> tuple[Tensor, Tensor | None]:
        """Pre-squash mean and clamped log-std, `[N, B, O] -> [N, B, A]` each.

        The log-std is None where the spec has no such head.
        """
        layers = self.spec.layers
        sizes = [size for layer in layers for size in (layer.fan_out * layer.fan_in, layer.fan_out)]
        # One split, whose gradient is one concatenation; slices would each fill a whole [N, P].
        pieces = self.parameters.split(sizes, dim=1)
        linear = {}
        for layer, weight, bias in zip(layers, pieces[::2], pieces[1::2], strict=True):
            matrix = weight.unflatten(1, (layer.fan_out, layer.fan_in)).transpose(1, 2)
            linear[layer.name] = (bias[:, None], matrix)

        x = observations.to(self.parameters)
        for index, activation in enumerate(self.spec.activations):
            bias, matrix = linear[f"linear{index + 1}"]
            x = _ACTIVATIONS[activation](torch.baddbmm(bias, x, matrix))
        bias, matrix = linear["mean"]
        mean = torch.baddbmm(bias, x, matrix)
        if "log_std" not in linear:
            return mean, None
        bias, matrix = linear["log_std"]
        return mean, torch.baddbmm(bias, x, matrix).clamp(*LOG_STD_RANGE)

    def act(
        self,
        observations: Tensor,
        *,
        deterministic: bool = True,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Actions of every policy on its own observations, `[N, B, O] -> [N, B, A]`.

        Args:
            observations: `[N, B, O]`, or `[B, O]` for the same observations to all policies.
            deterministic: the mean action; otherwise a sample of the Gaussian before squashing
                (the mean all the same where the spec has no log-std head).
            generator: source of the samples' noise.
        """
        if observations.ndim == 2:
            observations = observations.expand(len(self), -1, -1)
        action, log_std = self.forward(observations)
        if not deterministic and log_std is not None:
            noise = torch.randn(
                action.shape, generator=generator, device=action.device, dtype=action.dtype
            )
            action = action + log_std.exp() * noise
        return torch.tanh(action) if self.spec.squash == "tanh" else action
