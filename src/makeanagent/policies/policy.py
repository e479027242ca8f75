"""One policy in plain numpy: what a robot or a simulator loop calls at every step."""

from collections.abc import Callable

import numpy as np

from makeanagent.policies.codec import unflatten_policy
from makeanagent.policies.forward import run_layers
from makeanagent.policies.spec import PolicySpec

LOG_STD_RANGE = (-20.0, 2.0)
"""Clamp of the log-std head, as in the paper's SAC actor."""


def _elu(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


_ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "elu": _elu,
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
}


class Policy:
    """A policy network that acts on numpy observations.

    Args:
        parameters: float32 `[P]`, in the codec's order.
        spec: the network's layers.
    """

    def __init__(self, parameters: np.ndarray, spec: PolicySpec) -> None:
        self.parameters = np.ascontiguousarray(parameters, np.float32)
        self.spec = spec
        arrays = unflatten_policy(self.parameters, spec)
        # Transposed copies: `x @ W.T` is twice as fast on a contiguous right-hand side.
        self._layers = {
            layer.name: (
                np.ascontiguousarray(arrays[f"{layer.name}.weight"].T),
                arrays[f"{layer.name}.bias"],
            )
            for layer in spec.layers
        }

    def __repr__(self) -> str:
        """In a line: its layers."""
        return f"Policy({self.spec.describe()})"

    def _apply(self, layer: str, x: np.ndarray) -> np.ndarray:
        weight, bias = self._layers[layer]
        return x @ weight + bias

    def __reduce__(self) -> tuple[type["Policy"], tuple[np.ndarray, PolicySpec]]:
        """Worker processes are sent the parameters alone, and copy them as they like."""
        return Policy, (self.parameters, self.spec)

    def reset(self, num_worlds: int) -> None:
        """A policy remembers nothing: with this and `act` it is an actor of any worlds."""

    def act(
        self,
        observation: np.ndarray,
        *,
        deterministic: bool = True,
        rng: np.random.Generator | None = None,
    ) -> np.ndarray:
        """Action for an observation, `[..., O] -> [..., A]`, within [-1, 1] if squashed by tanh.

        Args:
            observation: one observation or a stack of them.
            deterministic: the mean action; otherwise a sample of the Gaussian before squashing
                (the mean all the same where the spec has no log-std head).
            rng: source of the sample's noise.
        """
        x = np.asarray(observation, np.float32)
        heads = ("mean",) if deterministic else self.spec.heads
        action, *log_std = run_layers(self.spec, self._apply, _ACTIVATIONS, x, heads)
        if log_std:
            std = np.exp(np.clip(log_std[0], *LOG_STD_RANGE))
            rng = rng or np.random.default_rng()
            action = action + std * rng.standard_normal(action.shape, np.float32)
        return np.tanh(action) if self.spec.squash == "tanh" else action

    def __call__(self, observation: np.ndarray) -> np.ndarray:
        """The deterministic action; makes a policy usable wherever a callable expert is."""
        return self.act(observation)

    def state_dict(self) -> dict[str, np.ndarray]:
        """Arrays under `linear1.weight`, ..., in `torch.nn.Linear` layout."""
        return unflatten_policy(self.parameters, self.spec)
