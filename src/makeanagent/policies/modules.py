"""A policy as torch modules one after the other, as other libraries want it."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from makeanagent.policies.codec import unflatten_policy
from makeanagent.policies.policy import Policy
from makeanagent.policies.spec import PolicySpec

_ACTIVATIONS = {"elu": nn.ELU, "relu": nn.ReLU, "tanh": nn.Tanh}


def make_hidden(spec: PolicySpec) -> nn.Sequential:
    """The hidden layers, `[..., O] -> [..., H]`: linear and activation by turns."""
    modules: list[nn.Module] = []
    for layer, activation in zip(spec.layers, spec.activations, strict=False):
        modules += [nn.Linear(layer.fan_in, layer.fan_out), _ACTIVATIONS[activation]()]
    return nn.Sequential(*modules)


def fill(modules: Iterable[nn.Module], policy: Policy) -> None:
    """Give modules a policy's numbers: the linear ones are its hidden layers, then its mean."""
    weights = {
        name: torch.from_numpy(array.copy())
        for name, array in unflatten_policy(policy.parameters, policy.spec).items()
    }
    linears = [module for module in modules if isinstance(module, nn.Linear)]
    for layer, linear in zip(policy.spec.layers, linears, strict=False):
        linear.load_state_dict(
            {part: weights[f"{layer.name}.{part}"] for part in ("weight", "bias")}
        )


class ActionNetwork(nn.Module):
    """The deterministic policy, `[..., O] -> [..., A]`, in the environment's own units.

    Args:
        policy: whose numbers are copied.
        low: the environment's own action for -1, float32 `[A]`.
        high: that for 1.
    """

    def __init__(self, policy: Policy, low: np.ndarray, high: np.ndarray) -> None:
        super().__init__()
        spec = policy.spec
        hidden = make_hidden(spec)
        width = spec.hidden[-1] if spec.hidden else spec.observation_dim
        mean = nn.Linear(width, spec.action_dim)
        fill([*hidden, mean], policy)
        # Where tanh does not keep the action within its bounds, the environment would clip it.
        self.layers = nn.Sequential(
            *hidden, mean, nn.Tanh() if spec.squash == "tanh" else nn.Hardtanh()
        )
        # It only acts: whoever runs it need not say that no gradient is wanted.
        self.requires_grad_(False)
        self.register_buffer("scale", torch.from_numpy((high - low) / 2))
        self.register_buffer("shift", torch.from_numpy((high + low) / 2))

    def forward(self, observation: Tensor) -> Tensor:
        """Actions for observations."""
        return self.layers(observation) * self.scale + self.shift
