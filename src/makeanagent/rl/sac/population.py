"""N soft actor-critic agents whose networks are stacked: one update is a few batched products.

Soft actor-critic as in Haarnoja et al. 2018b: twin critics, a tanh-squashed Gaussian actor, and a
temperature that is learned towards an entropy of minus the action's width. Agents share nothing
but the matrix product: their losses are summed, so each gradient is an agent's own.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from makeanagent.policies.batch import PolicyBatch
from makeanagent.policies.initialization import initialize_actor
from makeanagent.policies.spec import Activation, PolicySpec
from makeanagent.rl.sac.config import SACConfig

_PARTS = ("actors", "critics", "log_temperature")
"""What is trained; each is one tensor with an optimiser of its own."""
_FIXED = ("targets", "center", "inverse_scale")
"""Tensors that go with it."""
_LEAST_SCALE = 0.01
"""Deviation, in metres for the most part, below which an observation counts as constant."""


class SACPopulation:
    """Actors, twin critics, target critics and temperatures of N agents.

    Args:
        spec: the actors' layers, with mean and log-std heads; critics are as wide, of ReLU layers.
        config: rates and periods.
        seeds: one for each agent's initial networks.
        seed: of all noise in the updates.
        device: where to compute.
    """

    def __init__(
        self,
        spec: PolicySpec,
        config: SACConfig,
        seeds: Sequence[int],
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        self.spec, self.config, self.device = spec, config, torch.device(device)
        relu: Activation = "relu"
        self.critic_spec = replace(
            spec,
            observation_dim=spec.observation_dim + spec.action_dim,
            action_dim=1,
            activations=(relu,) * len(spec.hidden),
            heads=("mean",),
            squash="none",
        )
        self.generator = torch.Generator(device).manual_seed(seed)
        self.num_updates = 0
        width = self.critic_spec.observation_dim
        self.standardized = False
        self.center = torch.zeros((len(seeds), 1, width), device=device)
        self.inverse_scale = torch.ones((len(seeds), 1, width), device=device)
        first = [agent if config.init_seed is None else config.init_seed for agent in seeds]
        actors = [initialize_actor(spec, agent) for agent in first]
        # [2, N, P]: each agent's twins begin apart, or they would stay one.
        critics = [
            torch.stack([initialize_actor(self.critic_spec, 1_000_003 * twin + s) for s in seeds])
            for twin in (1, 2)
        ]
        self.actors = torch.stack(actors).to(device).requires_grad_()
        self.critics = torch.stack(critics).to(device).requires_grad_()
        self.targets = self.critics.detach().clone().requires_grad_()
        temperature = math.log(config.initial_temperature)
        self.log_temperature = torch.full(
            (len(seeds),), temperature, device=device, requires_grad=True
        )
        self._make_optimizers()

    def __len__(self) -> int:
        """N, the number of agents."""
        return len(self.actors)

    def _make_optimizers(self) -> None:
        self._optimizers = {
            part: torch.optim.Adam([getattr(self, part)], lr=self.config.learning_rate, fused=True)
            for part in _PARTS
        }

    def parameters(self) -> np.ndarray:
        """The actors, float32 `[N, P]`."""
        return self.actors.detach().cpu().numpy().copy()

    def standardize(self, rows: Tensor) -> None:
        """Let each agent's critics see observations with mean 0 and deviation 1 over `rows`.

        Args:
            rows: transitions `[N, M, W]` of each agent's task.
        """
        width = self.spec.observation_dim
        observations = rows[..., :width]
        self.center[..., :width] = observations.mean(dim=1, keepdim=True)
        scale = observations.std(dim=1, keepdim=True).clamp(min=_LEAST_SCALE)
        self.inverse_scale[..., :width] = 1 / scale
        self.standardized = True

    def update(self, batch: Tensor) -> None:
        """One step of the critics, and by their periods of actor, temperature and targets.

        Args:
            batch: transitions `[N, B, W]`, rows as in `ReplayBuffer`.
        """
        width, actions = self.spec.observation_dim, self.spec.action_dim
        inputs = batch[..., : width + actions]
        reward, discount = batch[..., width + actions], batch[..., width + actions + 1]
        observations, following = batch[..., :width], batch[..., width + actions + 2 :]
        temperature = self.log_temperature.detach().exp()[:, None]

        with torch.no_grad():
            action, log_prob = self._sample(self.actors, following)
            value = self._values(self.targets, torch.cat([following, action], dim=-1)).amin(0)
            target = reward + discount * (value - temperature * log_prob)
        error = self._values(self.critics, inputs) - target
        self._descend("critics", error.square().mean(dim=-1).sum())

        self.num_updates += 1
        if self.num_updates % self.config.actor_period == 0:
            action, log_prob = self._sample(self.actors, observations)
            value = self._values(self.critics, torch.cat([observations, action], dim=-1)).amin(0)
            self._descend("actors", (temperature * log_prob - value).mean(dim=-1).sum())
            surplus = log_prob.detach().mean(dim=-1) - actions
            self._descend("log_temperature", -(self.log_temperature * surplus).sum())
        if self.num_updates % self.config.target_period == 0:
            with torch.no_grad():
                self.targets.lerp_(self.critics, self.config.tau)

    def _descend(self, part: str, loss: Tensor) -> None:
        tensor = getattr(self, part)
        # Of this part alone: the actors' loss has a gradient in the critics too, which costs.
        (tensor.grad,) = torch.autograd.grad(loss, [tensor])
        self._optimizers[part].step()

    def _sample(self, actors: Tensor, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Actions `[N, B, A]` of the stochastic actors, and their log-probabilities `[N, B]`."""
        mean, log_std = PolicyBatch(actors, self.spec).forward(observations)
        assert log_std is not None
        noise = torch.randn(mean.shape, generator=self.generator, device=self.device)
        raw = mean + log_std.exp() * noise
        # log(1 - tanh(u)^2) written so that it is exact for large u.
        squash = 2 * (math.log(2) - raw - torch.nn.functional.softplus(-2 * raw))
        log_prob = -0.5 * noise.square() - log_std - 0.5 * math.log(2 * math.pi) - squash
        return torch.tanh(raw), log_prob.sum(dim=-1)

    def _values(self, critics: Tensor, inputs: Tensor) -> Tensor:
        """Both critics' values `[2, N, B]` of inputs `[N, B, O + A]`."""
        if self.standardized:
            inputs = (inputs - self.center) * self.inverse_scale
        batch = PolicyBatch(critics.flatten(0, 1), self.critic_spec)
        return batch.forward(inputs.repeat(2, 1, 1))[0].view(2, *inputs.shape[:2])

    def state_dict(self) -> dict[str, np.ndarray]:
        """All that training goes on from, as arrays."""
        state = {name: getattr(self, name).detach() for name in _FIXED}
        state["rng"] = self.generator.get_state()
        for part in _PARTS:
            tensor = getattr(self, part)
            state[part] = tensor.detach()
            for name, moment in self._optimizers[part].state[tensor].items():
                state[f"{part}.{name}"] = moment
        arrays = {name: tensor.cpu().numpy() for name, tensor in state.items()}
        return arrays | {
            "num_updates": np.array([self.num_updates]),
            "standardized": np.array([self.standardized]),
        }

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Go on from what `state_dict` gave of as many agents."""
        tensors = {name: torch.from_numpy(array.copy()) for name, array in state.items()}
        self.num_updates = int(tensors["num_updates"])
        self.standardized = bool(tensors["standardized"])
        self.generator.set_state(tensors["rng"])
        for name in _FIXED:
            setattr(self, name, tensors[name].to(self.device))
        self.targets.requires_grad_()
        for part in _PARTS:
            setattr(self, part, tensors[part].to(self.device).requires_grad_())
        self._make_optimizers()
        for part in _PARTS:
            moments = {
                name.partition(".")[2]: tensor.to(self.device)
                for name, tensor in tensors.items()
                if name.startswith(f"{part}.")
            }
            if moments:
                self._optimizers[part].state[getattr(self, part)] = moments
