"""A generated policy as the actor of Stable-Baselines3's SAC, ready to act and to be fine-tuned."""

from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from stable_baselines3 import SAC
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.sac.policies import Actor, SACPolicy
from torch import nn

from makeanagent.errors import InputError
from makeanagent.policies.modules import fill, make_hidden
from makeanagent.policies.policy import Policy
from makeanagent.policies.spec import PolicySpec

LOG_STD = -2.0
"""Of the actor in every state: how far it explores at first."""
ENTROPY = 0.01
"""SAC's entropy coefficient at first. At 1, as it begins by default, entropy is nearly all that the
first updates are after, and a trained actor is soon a random one."""


class GeneratedActor(Actor):
    """SAC's actor with the hidden layers of a policy's spec, each with an activation of its own."""

    def __init__(self, *args: Any, spec: dict[str, Any], **kwargs: Any) -> None:  # noqa: ANN401
        self.spec = PolicySpec.from_dict(spec)
        super().__init__(*args, **(kwargs | {"net_arch": list(self.spec.hidden)}))
        self.latent_pi = make_hidden(self.spec)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return super()._get_constructor_parameters() | {"spec": self.spec.to_dict()}


class GeneratedSACPolicy(SACPolicy):
    """SAC's policy around a `GeneratedActor`; critics are Stable-Baselines3's own.

    Args:
        args: as `SACPolicy` has them.
        spec: `PolicySpec.to_dict()` of the actor, squashed by tanh.
        kwargs: as `SACPolicy` has them; `net_arch` and `activation_fn` are the critics'.
    """

    def __init__(self, *args: Any, spec: dict[str, Any], **kwargs: Any) -> None:  # noqa: ANN401
        self._spec = spec
        super().__init__(*args, **kwargs)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return super()._get_constructor_parameters() | {"spec": self._spec}

    def make_actor(self, features_extractor: BaseFeaturesExtractor | None = None) -> GeneratedActor:
        """The actor, its numbers still random."""
        kwargs = self._update_features_extractor(self.actor_kwargs, features_extractor)
        return GeneratedActor(**kwargs, spec=self._spec).to(self.device)


class _Idle(gymnasium.Env):
    """Spaces without a world: what a model needs to be built, and is never played."""

    def __init__(self, observations: Box, actions: Box) -> None:
        self.observation_space, self.action_space = observations, actions


def make_sac(policy: Policy, low: np.ndarray, high: np.ndarray) -> SAC:
    """A SAC model whose actor is the policy, and whose critics know nothing yet.

    Its log-std is `LOG_STD` in every state: a generator that reads is trained by mean actions
    alone, and what it says of log-stds means nothing.

    Args:
        policy: squashed by tanh, as SAC's actors are.
        low: the environment's own action for -1, float32 `[A]`.
        high: that for 1.

    Raises:
        InputError: the policy is not squashed by tanh.
    """
    if policy.spec.squash != "tanh":
        raise InputError("sb3: SAC's actors are squashed by tanh; this policy is not")
    spec = replace(policy.spec, heads=("mean", "log_std"))
    observations = Box(-np.inf, np.inf, (spec.observation_dim,), np.float32)
    model = SAC(
        GeneratedSACPolicy,
        _Idle(observations, Box(low, high, dtype=np.float32)),
        policy_kwargs={"spec": spec.to_dict()},
        ent_coef=f"auto_{ENTROPY}",
        device="cpu",
    )
    actor = model.policy.actor
    fill([*actor.latent_pi, actor.mu], policy)
    assert isinstance(actor.log_std, nn.Linear)
    nn.init.zeros_(actor.log_std.weight)
    nn.init.constant_(actor.log_std.bias, LOG_STD)
    return model
