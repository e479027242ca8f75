"""Fitting a latent to each of a suite's tasks, by its lessons, through the trained basis."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR

from makeanagent.models.practice import Practice, PracticeConfig
from makeanagent.models.reader import Knots
from makeanagent.training.lessons import LessonShard
from makeanagent.training.reading_loss import Networks, ReadingTraining, measure_actions


@dataclass(frozen=True, kw_only=True)
class PracticeTraining:
    """How latents are fitted (not in the paper)."""

    gradient_steps: int = 1_500
    "How many gradient steps are taken, for all tasks at once."
    num_states: int = 256
    "States of each task in each step."
    learning_rate: float = 3e-2
    "Of Adam, at the beginning of the cosine decay."
    final_learning_rate: float = 1e-4
    "At its end."


def practise(
    networks: Networks,
    paths: Sequence[Path],
    reading: ReadingTraining,
    config: PracticeTraining,
    *,
    seed: int,
    device: str,
    log: Callable[[int, int, dict[str, torch.Tensor]], Any],
) -> Practice:
    """Latents that do best in the states of tasks' lessons, and what tells the tasks.

    All tasks are fitted together, as products that the basis shares; a latent begins as the mean of
    those that the tasks' demonstrations are read as.

    Args:
        networks: trained; they stay as they are.
        paths: the lessons of one task each.
        reading: its loss is that of the networks' own training.
        config: sizes and rates.
        seed: of the states.
        device: where to compute.
        log: called with step, number of steps and measurements.
    """
    networks.to(device)
    shards = [LessonShard.load(path) for path in paths]
    states = torch.cat([shard.states for shard in shards]).to(device)
    labels = torch.cat([shard.labels for shard in shards]).to(device)
    conditions, begun = [], []
    with torch.no_grad():
        for shard in shards:
            knots = Knots(*(part.to(device) for part in shard.prompts()))
            condition, latent = networks.predict(knots)
            conditions.append(condition)
            begun.append(latent.mean(dim=0))
    latents = torch.stack(begun).requires_grad_()
    optimizer = torch.optim.Adam([latents], lr=config.learning_rate)
    total = config.gradient_steps
    schedule = CosineAnnealingLR(optimizer, total, eta_min=config.final_learning_rate)
    rng = np.random.default_rng(seed)
    each = torch.arange(len(shards), device=device)[:, None]
    for step in range(total):
        asked = rng.integers(states.shape[1], size=(len(shards), config.num_states))
        rows = torch.from_numpy(asked).to(device)
        means = networks.basis.act(latents, states[each, rows])
        errors = measure_actions(means, labels[each, rows], reading)
        optimizer.zero_grad()
        # The sum: tasks do not share a latent, so that none's rate depends on how many there are.
        errors.sum().backward(inputs=[latents])
        optimizer.step()
        schedule.step()
        log(step + 1, total, {"action_error": errors.mean().detach()})
    shape = conditions[0].shape
    practice = Practice(
        shape[1],
        networks.denoiser.latent_shape,
        PracticeConfig(num_tasks=len(shards), num_demonstrations=shape[0]),
    )
    practice.fit(torch.stack(conditions).cpu(), latents.detach().cpu())
    return practice
