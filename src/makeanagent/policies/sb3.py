"""A generated policy as the actor of Stable-Baselines3's SAC, ready to act and to be fine-tuned."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from stable_baselines3 import SAC
from stable_baselines3.common.distributions import SquashedDiagGaussianDistribution
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.sac.policies import Actor, SACPolicy
from torch import Tensor, nn

from makeanagent.errors import InputError
from makeanagent.policies.modules import fill, make_hidden
from makeanagent.policies.policy import Policy
from makeanagent.policies.spec import PolicySpec

LOG_STD = -2.0
"""Of the actor in every state: how far it explores at first."""


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


class CarefulSAC(SAC):
    """SAC that can begin with an actor that acts well already: see `care_for_actor`."""

    _warm_up = 0
    _actor_learning_rate: float | None = None

    def care_for_actor(self, warm_up: int = 500, learning_rate: float = 1e-4) -> None:
        """Let the actor wait for its critics, and stay near what it is now.

        Its entropy is measured against the actor of now, in place of against nothing: SAC then
        keeps the divergence from that, in nats, at the number of its actions, as it else keeps the
        entropy at minus that. Not saved with the model; once more after `load`, and once only.

        Args:
            warm_up: environment steps for which the actor stays as it is.
            learning_rate: the actor's after that.
        """
        self._warm_up, self._actor_learning_rate = warm_up, learning_rate
        given, measure = deepcopy(self.actor).requires_grad_(False), self.actor.action_log_prob

        def measure_against_given(observations: Tensor) -> tuple[Tensor, Tensor]:
            actions, log_prob = measure(observations)
            mean, log_std, _ = given.get_action_dist_params(observations)
            before = SquashedDiagGaussianDistribution(mean.shape[1])
            before.proba_distribution(mean, log_std)
            # Given those before tanh, too: saturated actions do not tell what they were.
            assert isinstance(self.actor.action_dist, SquashedDiagGaussianDistribution)
            unsquashed = self.actor.action_dist.gaussian_actions
            return actions, log_prob - before.log_prob(actions, unsquashed)

        vars(self.actor)["action_log_prob"] = measure_against_given

    def _update_learning_rate(self, optimizers: Any) -> None:  # noqa: ANN401
        super()._update_learning_rate(optimizers)
        if self._actor_learning_rate is not None:
            waits = self.num_timesteps < self._warm_up
            for group in self.actor.optimizer.param_groups:
                group["lr"] = 0.0 if waits else self._actor_learning_rate


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
        device="cpu",
    )
    actor = model.policy.actor
    fill([*actor.latent_pi, actor.mu], policy)
    assert isinstance(actor.log_std, nn.Linear)
    nn.init.zeros_(actor.log_std.weight)
    nn.init.constant_(actor.log_std.bias, LOG_STD)
    return model
