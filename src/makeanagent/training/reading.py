"""Recipe: train reader, basis and denoiser together, by what policies do on other layouts."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from makeanagent.models.basis import BasisConfig, PolicyBasis
from makeanagent.models.denoisers import DenoiserConfig, TrunkDenoiser
from makeanagent.models.reader import DemonstrationReader, Knots, ReaderConfig
from makeanagent.policies.spec import PolicySpec
from makeanagent.training.checkpoint import TrainingState
from makeanagent.training.diffusion import average_weights
from makeanagent.training.lessons import Batch, LessonSource
from makeanagent.trajectories.space import Space

Augment = Callable[[Batch, np.random.Generator], Batch]


@dataclass(frozen=True, kw_only=True)
class ReadingTraining:
    """How reader, basis and denoiser are trained (not in the paper)."""

    reader: ReaderConfig = field(default_factory=ReaderConfig)
    "Shape of the behaviour embedding."
    basis: BasisConfig = field(default_factory=BasisConfig)
    "Shape of the parameter autoencoder."
    denoiser: DenoiserConfig = field(
        default_factory=lambda: DenoiserConfig(kind="trunk", widths=(512, 512))
    )
    "Shape of the denoiser."
    gradient_steps: int = 8_500
    "How many gradient steps are taken."
    batch_size: int = 64
    "Prompts of a batch."
    num_states: int = 64
    "States of other layouts that each prompt's policy is asked about."
    demonstrations: tuple[int, ...] = (1, 1, 1, 1, 2)
    "Demonstrations that prompt together, by turns of the batches."
    learning_rate: float = 1e-3
    "Highest learning rate of AdamW, after the warm-up."
    final_learning_rate: float = 2e-5
    "Learning rate at the end of the cosine decay."
    warmup_steps: int = 200
    "Gradient steps in which the learning rate rises from 0."
    weight_decay: float = 0.01
    "Weight decay of AdamW."
    ema_decay: float = 0.998
    "Share of the averaged weights, which are used in the end, that a gradient step keeps."
    action_limit: float = 0.97
    "Largest size of an action that is learned, since tanh reaches 1 nowhere."
    loss_beta: float = 0.1
    "Action error from which on the loss grows linearly and no longer by its square."
    leak: float = 0.01
    "Slope that the loss keeps where tanh has none."
    program_weight: float = 0.1
    "Weight of regressing the drawn program's numbers from the embedding."
    latent_weight: float = 1e-4
    "Weight of the mean square of the latents."


class Networks(nn.Module):
    """The three networks of a generator that reads."""

    def __init__(self, spec: PolicySpec, space: Space, config: ReadingTraining) -> None:
        super().__init__()
        self.reader = DemonstrationReader(space, config.reader)
        self.basis = PolicyBasis(spec, space, config.basis)
        self.denoiser = TrunkDenoiser(
            self.basis.latent_shape, config.reader.condition_dim, config.denoiser
        )

    def predict(self, knots: Knots) -> tuple[Tensor, Tensor]:
        """Conditions `[B, C]`, and the one-step form's latents `[B, 1, Z]`."""
        condition = self.reader(knots)
        return condition, self.denoiser.predict(condition)


def measure_actions(means: Tensor, labels: Tensor, config: ReadingTraining) -> Tensor:
    """Action error of each policy, `[B]`, by its means before the squash and labels `[B, S, A]`."""
    limit = config.action_limit
    error = nn.functional.smooth_l1_loss(
        means.tanh() + config.leak * means,
        labels.clamp(-limit, limit),
        beta=config.loss_beta,
        reduction="none",
    )
    return error.mean(dim=(1, 2))


def train_reading(
    spec: PolicySpec,
    space: Space,
    sources: Sequence[tuple[LessonSource, float, Augment | None]],
    config: ReadingTraining,
    *,
    seed: int,
    device: str,
    state_path: Path,
    checkpoint_seconds: float,
    log: Callable[[int, int, dict[str, Tensor]], Any],
    start: nn.Module | None = None,
) -> Networks:
    """Train reader, basis and denoiser.

    Args:
        spec: of the policies.
        space: of observations and actions.
        sources: lessons, the share of each batch that they make up, and what changes them.
        config: sizes and rates.
        seed: of initialisation and of what changes lessons.
        device: where to train.
        state_path: file of the state from which a killed training goes on.
        checkpoint_seconds: time between two writes of it.
        log: called with step, number of steps and measurements.
        start: networks to begin with, in place of random ones.
    """
    torch.manual_seed(seed)
    networks = Networks(spec, space, config)
    states = np.concatenate([source.sample_states(4096) for source, _, _ in sources])
    if start is not None:
        networks.load_state_dict(start.state_dict())
    else:
        networks.reader.scale.fit(states)
        networks.basis.scale.fit(states)
    networks.to(device)
    num_targets = max(source.draw(0, 1, 1, 1).targets.shape[1] for source, _, _ in sources)
    tell = nn.Linear(config.reader.condition_dim, max(1, num_targets)).to(device)
    averaged = average_weights(networks, config.ema_decay)
    learned = [*networks.parameters(), *tell.parameters()]
    optimizer = torch.optim.AdamW(
        learned, lr=config.learning_rate, weight_decay=config.weight_decay, betas=(0.9, 0.98)
    )
    generator = torch.Generator().manual_seed(seed)
    state = TrainingState(
        state_path,
        {"networks": networks, "tell": tell, "averaged": averaged},
        optimizer,
        generator,
        checkpoint_seconds,
    )
    total = config.gradient_steps
    restored, taken = state.restore(), [0] * len(sources)
    for step in range(total):
        together = config.demonstrations[step % len(config.demonstrations)]
        counts = [round(share * config.batch_size / together) for _, share, _ in sources]
        begun, taken = taken, [sum(pair) for pair in zip(taken, counts, strict=True)]
        if step < restored:
            continue
        for group in optimizer.param_groups:
            group["lr"] = _rate(step, config)
        parts = []
        # What a step learns from does not depend on the steps before it: a killed training goes on
        # with the same lessons.
        rng = np.random.default_rng((seed, step))
        for (source, _, augment), first, count in zip(sources, begun, counts, strict=True):
            if count:
                part = source.draw(first, count, together, config.num_states)
                parts.append(part if augment is None else augment(part, rng))
        batch = Batch.join(parts).to(device)
        with torch.autocast(device, torch.bfloat16, enabled=device != "cpu"):
            condition, latents = networks.predict(batch.knots)
            means = networks.basis.act(latents, batch.states)
        each = measure_actions(means.float(), batch.labels, config)
        told = (tell(condition.float())[:, :num_targets] - batch.targets).square() * batch.masks
        program = told.sum() / batch.masks.sum().clamp(min=1)
        loss = (
            each.mean()
            + config.program_weight * program
            + config.latent_weight * latents.float().square().mean()
        )
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(learned, 1.0)
        optimizer.step()
        averaged.update_parameters(networks)
        values = {"action_error": each.mean().detach(), "program": program.detach()}
        first = 0
        for number, part in enumerate(parts):
            values[f"action_error_{number}"] = (
                each[first : first + len(part.states)].mean().detach()
            )
            first += len(part.states)
        log(step + 1, total, values)
        state.save_if_due(step + 1)
    assert isinstance(averaged.module, Networks)
    return averaged.module.eval()


def blend(kept: Networks, learned: Networks, share: float) -> Networks:
    """Networks between two, of which one was trained on from the other (Wortsman et al. 2022).

    Args:
        kept: from before.
        learned: from after.
        share: of the former's weights.
    """
    between, weights = copy.deepcopy(learned), kept.state_dict()
    for name, weight in between.state_dict().items():
        if weight.is_floating_point():
            weight.lerp_(weights[name], share)
    return between


def _rate(step: int, config: ReadingTraining) -> float:
    progress = step / config.gradient_steps
    cosine = 0.5 * (1 + np.cos(np.pi * progress))
    low, high = config.final_learning_rate, config.learning_rate
    return float(min(1.0, (step + 1) / config.warmup_steps) * (low + (high - low) * cosine))
