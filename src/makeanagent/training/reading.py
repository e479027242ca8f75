"""Recipe: train reader, basis and denoiser together, by what policies do on other layouts."""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from makeanagent.policies.spec import PolicySpec
from makeanagent.training.checkpoint import TrainingState
from makeanagent.training.gradient_step import GradientStep
from makeanagent.training.lessons import Batch, LessonSource
from makeanagent.training.reading_loss import Networks, ReadingTraining
from makeanagent.trajectories.space import Space

Augment = Callable[[Batch, np.random.Generator], Batch]


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
    averaged = copy.deepcopy(networks).requires_grad_(False)
    learn = GradientStep(networks, averaged, tell, config)
    generator = torch.Generator().manual_seed(seed)
    state = TrainingState(
        state_path,
        {"networks": networks, "tell": tell, "averaged": averaged},
        learn.optimizer,
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
        parts = []
        # What a step learns from does not depend on the steps before it: a killed training goes on
        # with the same lessons.
        rng = np.random.default_rng((seed, step))
        for (source, _, augment), first, count in zip(sources, begun, counts, strict=True):
            if count:
                part = source.draw(first, count, together, config.num_states)
                parts.append(part if augment is None else augment(part, rng))
        errors = learn(Batch.join(parts).to(device), step, _rate(step, config))
        each = errors.actions
        values = {"action_error": each.mean(), "program": errors.program}
        first = 0
        for number, part in enumerate(parts):
            values[f"action_error_{number}"] = each[first : first + len(part.states)].mean()
            first += len(part.states)
        log(step + 1, total, values)
        state.save_if_due(step + 1)
    return averaged.eval()


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
