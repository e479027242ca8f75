"""Baseline: a network straight from the prompt's condition to the latent, without diffusion."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from makeanagent.generator import MakeAnAgent
from makeanagent.methods.bank import PolicyBank, embed_behaviors
from makeanagent.policies.batch import PolicyBatch
from makeanagent.trajectories import Trajectory
from makeanagent.trajectories.behaviors import Behavior, group_prompts


@dataclass(frozen=True, kw_only=True)
class RegressionConfig:
    """Shape and training of the network; noise and share are those of the diffusion model."""

    hidden_dim: int = 256
    "Width of the three hidden layers: the denoiser's own."
    num_steps: int = 2_000
    "Gradient steps."
    batch_size: int = 128
    learning_rate: float = 1e-3
    "AdamW's at first; a cosine takes it to zero."
    weight_decay: float = 5e-4
    demonstration_share: float = 0.5
    "Share of the samples prompted by an expert's demonstration of the task, not by a rollout."
    condition_noise: float = 0.3
    "Noise on conditions, whose scale is 1."


class Regression:
    """A hypernetwork: the latent that is expected under a prompt, decoded.

    It is deterministic. Where several policies fit a prompt it gives their mean, which a diffusion
    model would sample from.

    Args:
        generator: its embedding reads prompts, and its autoencoder decodes.
        network: from `train`; conditions `[N, C]` to flat latents `[N, G * D]`, on the CPU.
    """

    def __init__(self, generator: MakeAnAgent, network: nn.Module) -> None:
        self._generator, self._network = generator, network

    @classmethod
    def train(
        cls,
        generator: MakeAnAgent,
        bank: PolicyBank,
        config: RegressionConfig | None = None,
        seed: int = 0,
    ) -> "Regression":
        """Train a network by the mean squared error of latents, on the diffusion model's own pairs.

        Args:
            generator: what the bank was made with.
            bank: the training policies and prompts.
            config: sizes and rates.
            seed: of weights, batches and noise.
        """
        config = config or RegressionConfig()
        torch.manual_seed(seed)
        source = torch.Generator().manual_seed(seed)
        targets = bank.latents.flatten(1)
        network = _build_network(bank.conditions.shape[1], targets.shape[1], config.hidden_dim)
        optimizer = torch.optim.AdamW(
            network.parameters(),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=True,
        )
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.num_steps)
        for _ in range(config.num_steps):
            rows = torch.randint(len(targets), (config.batch_size,), generator=source)
            condition = _draw_conditions(bank, rows, config.demonstration_share, source)
            noise = torch.randn(condition.shape, generator=source)
            prediction = network(condition + config.condition_noise * noise)
            loss = nn.functional.mse_loss(prediction, targets[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        return cls(generator, network.requires_grad_(False))

    @torch.no_grad()
    def generate(
        self,
        prompts: Trajectory | Sequence[Behavior],
        num_policies: int | None = None,
        seed: int = 0,
    ) -> PolicyBatch:
        """Policies as `PolicyGenerator.generate` gives them; `seed` is not used."""
        groups, rows = group_prompts(prompts, num_policies)
        autoencoder = self._generator.autoencoder
        latents = self._network(embed_behaviors(self._generator, groups))
        latents = latents.unflatten(1, autoencoder.latent_shape).to(self._generator.device)
        return PolicyBatch(
            autoencoder.decode(latents)[rows.to(latents.device)], self._generator.config.spec
        )


def _build_network(condition_dim: int, latent_dim: int, hidden_dim: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(condition_dim, hidden_dim),
        nn.SiLU(),
        nn.Linear(hidden_dim, hidden_dim),
        nn.SiLU(),
        nn.Linear(hidden_dim, hidden_dim),
        nn.SiLU(),
        nn.Linear(hidden_dim, latent_dim),
    )


def _draw_conditions(
    bank: PolicyBank, rows: Tensor, demonstration_share: float, source: torch.Generator
) -> Tensor:
    """Conditions `[B, C]` of policies: of their own rollouts, or of their task's experts."""
    own = bank.conditions[rows]
    if len(bank.demonstration_conditions) == 0:
        return own
    count = torch.bincount(bank.demonstration_task, minlength=int(bank.task.max()) + 1)
    first, count = (count.cumsum(0) - count)[bank.task[rows]], count[bank.task[rows]]
    chance, place = torch.rand((2, len(rows)), generator=source)
    # A task without demonstrations keeps its rollouts; the clamp is for its unused pick alone.
    pick = (first + (place * count).long()).clamp(max=len(bank.demonstration_task) - 1)
    is_expert = (chance < demonstration_share) & (count > 0)
    return torch.where(is_expert[:, None], bank.demonstration_conditions[pick], own)
