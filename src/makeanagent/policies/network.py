"""One policy as a torch module: for fine-tuning, for export, and to check `PolicyBatch` against."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from makeanagent.policies.codec import unflatten_policy
from makeanagent.policies.forward import run_layers
from makeanagent.policies.policy import LOG_STD_RANGE
from makeanagent.policies.spec import PolicySpec

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "elu": nn.functional.elu,
    "relu": nn.functional.relu,
    "tanh": torch.tanh,
}


class PolicyNetwork(nn.Module):
    """A policy whose `state_dict` has the codec's names: `linear1.weight`, ..., `mean.bias`, ...

    Args:
        spec: the network's layers.
    """

    def __init__(self, spec: PolicySpec) -> None:
        super().__init__()
        self.spec = spec
        for layer in spec.layers:
            self.add_module(layer.name, nn.Linear(layer.fan_in, layer.fan_out))

    @classmethod
    def from_vector(cls, vector: np.ndarray | Tensor, spec: PolicySpec) -> "PolicyNetwork":
        """The network of a flat parameter vector `[P]`, which is copied.

        Raises:
            InputError: it is no vector, or its length is not the spec's.
        """
        if isinstance(vector, Tensor):
            vector = vector.detach().clone()
        else:
            vector = torch.from_numpy(np.array(vector, np.float32))
        # On "meta" no layer is initialised, so torch's random numbers stay where they are.
        with torch.device("meta"):
            network = cls(spec)
        network.load_state_dict(unflatten_policy(vector, spec), assign=True)
        return network

    def forward(self, observations: Tensor) -> tuple[Tensor, Tensor | None]:
        """Pre-squash mean and clamped log-std, `[..., O] -> [..., A]` each.

        The log-std is None where the spec has no such head.
        """
        mean, *log_std = run_layers(
            self.spec,
            lambda layer, x: self.get_submodule(layer)(x),
            _ACTIVATIONS,
            observations,
        )
        return mean, log_std[0].clamp(*LOG_STD_RANGE) if log_std else None

    def act(
        self,
        observations: Tensor,
        *,
        deterministic: bool = True,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Actions, `[..., O] -> [..., A]`, within [-1, 1] if squashed by tanh.

        Args:
            observations: one observation or a stack of them.
            deterministic: the mean action; otherwise a sample of the Gaussian before squashing
                (the mean all the same where the spec has no log-std head).
            generator: source of the sample's noise.
        """
        action, log_std = self(observations)
        if not deterministic and log_std is not None:
            noise = torch.randn(
                action.shape, generator=generator, device=action.device, dtype=action.dtype
            )
            action = action + log_std.exp() * noise
        return torch.tanh(action) if self.spec.squash == "tanh" else action
