"""Baseline: behaviour cloning on the prompt's own demonstrations."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from makeanagent.errors import InputError
from makeanagent.policies.batch import PolicyBatch
from makeanagent.policies.initialization import initialize_actor
from makeanagent.policies.spec import PolicySpec
from makeanagent.trajectories import Trajectory
from makeanagent.trajectories.behaviors import Behavior, group_prompts
from makeanagent.trajectories.scene import Scene, draw_moves, read_scene
from makeanagent.trajectories.space import Space


@dataclass(frozen=True, kw_only=True)
class CloningConfig:
    """How policies are cloned; the loss is that of the zoo's distillation."""

    num_steps: int = 4_000
    "Gradient steps."
    batch_size: int = 64
    "States for each policy and gradient step."
    learning_rate: float = 1e-3
    "AdamW's at first; a cosine takes it to zero."
    weight_decay: float = 0.0
    input_noise: float = 0.01
    "Standard deviation of Gaussian noise on observations; on positions, in metres."
    action_limit: float = 0.97
    "Labels are clipped to this, since tanh reaches 1 nowhere."
    loss_beta: float = 0.1
    "Action error from which the loss grows linearly."
    log_std: float = -2.0
    "What the log-std head is set to, in every state."


class Cloning:
    """Behaviour cloning (Pomerleau 1991) of many policies at once, as one batch of networks.

    It reads every state of its demonstrations, where the generator reads a prompt's window, and it
    takes thousands of gradient steps where the generator takes none.

    Args:
        spec: the policies' layers.
        config: sizes and rates.
        space: what observations are; without it, their numbers are taken as they are.
        translation: metres, standard deviation of the moves by which half of each batch is moved,
            as guidance moves what it reads; 0 for none.
    """

    def __init__(
        self,
        spec: PolicySpec,
        config: CloningConfig | None = None,
        space: Space | None = None,
        translation: float = 0.0,
    ) -> None:
        self.spec, self.config = spec, config or CloningConfig()
        space = space or Space(observation_dim=spec.observation_dim, action_dim=spec.action_dim)
        self._noise_scale = torch.from_numpy(space.scale).float()
        self._positions = space.positions if translation > 0 else ()
        self._translation = space.unit * translation

    def generate(
        self,
        prompts: Trajectory | Sequence[Behavior],
        num_policies: int | None = None,
        seed: int = 0,
    ) -> PolicyBatch:
        """Policies as `PolicyGenerator.generate` gives them."""
        groups, rows = group_prompts(prompts, num_policies)
        return self.clone([groups[row] for row in rows.tolist()], seed)

    def clone(self, groups: Sequence[Sequence[Trajectory]], seed: int = 0) -> PolicyBatch:
        """One policy from each group of demonstrations.

        Args:
            groups: demonstrations of each policy, of any lengths.
            seed: of the initialisation, and with the policy's number of its batches and noise;
                what else is in the batch makes no difference.

        Raises:
            InputError: a group is empty, or a demonstration is of another width.
        """
        config = self.config
        states, labels, first, count = self._gather(groups)
        labels = labels.clamp(-config.action_limit, config.action_limit)
        start = initialize_actor(self.spec, seed)
        policies = PolicyBatch(start.repeat(len(groups), 1).requires_grad_(), self.spec)
        optimizer = torch.optim.AdamW(
            [policies.parameters],
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=True,
        )
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.num_steps)
        sources = [np.random.default_rng((seed, number)) for number in range(len(groups))]
        shape = (config.batch_size, self.spec.observation_dim)
        moving = torch.Generator().manual_seed(seed)
        scenes: dict[Scene, list[int]] = defaultdict(list)
        if self._positions:
            for number, group in enumerate(groups):
                scenes[read_scene(group, self._positions, self._translation)].append(number)
        for _ in range(config.num_steps):
            places = np.stack([source.random(config.batch_size) for source in sources])
            rows = torch.from_numpy(first + (places * count).astype(int))
            inputs = states[rows]
            # Before there is noise, by which an absent object would seem to be there.
            if scenes:
                half = config.batch_size // 2
                moves = draw_moves(half, self._translation, moving)
                for scene, numbers in scenes.items():
                    inputs[numbers, :half] = scene.move(inputs[numbers, :half], moves)
            if config.input_noise > 0:
                noise = np.stack([source.standard_normal(shape, np.float32) for source in sources])
                inputs += config.input_noise * self._noise_scale * torch.from_numpy(noise)
            error = nn.functional.smooth_l1_loss(
                policies.act(inputs), labels[rows], reduction="none", beta=config.loss_beta
            )
            # Summed over policies: each one's gradient is its own, whatever their number.
            loss = error.mean(dim=(1, 2)).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        return self._finish(policies)

    def _gather(
        self, groups: Sequence[Sequence[Trajectory]]
    ) -> tuple[Tensor, Tensor, np.ndarray, np.ndarray]:
        """All states `[S, O]` and actions `[S, A]`; each group's first row and count `[M, 1]`."""
        if not groups or not all(groups):
            raise InputError("cloning: a policy without a demonstration; at least 1 is needed")
        trajectories = [trajectory for group in groups for trajectory in group]
        for trajectory in trajectories:
            trajectory.require_widths(self.spec.observation_dim, self.spec.action_dim)
        states = np.concatenate([trajectory.observations[:-1] for trajectory in trajectories])
        labels = np.concatenate([trajectory.actions for trajectory in trajectories])
        count = np.array([[sum(map(len, group))] for group in groups])
        first = count.cumsum(axis=0) - count
        return torch.from_numpy(states), torch.from_numpy(labels), first, count

    def _finish(self, policies: PolicyBatch) -> PolicyBatch:
        """Set the log-std heads, which a demonstration says nothing about."""
        parameters = policies.parameters.detach()
        for layer in self.spec.layers:
            if layer.name == "log_std":
                parameters[:, layer.weight] = 0.0
                parameters[:, layer.bias] = self.config.log_std
        return PolicyBatch(parameters, self.spec)
