"""Recipe: train the behaviour embedding by contrast (paper, section 3, equation 7, table 2)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from makeanagent.models.behavior import BehaviorEmbedding, contrastive_loss
from makeanagent.training.checkpoint import TrainingState
from makeanagent.training.data import TrainingData
from makeanagent.training.presets import BehaviorTraining
from makeanagent.training.schedules import count_steps, decay_with_restarts
from makeanagent.training.start import take_over


def train_behavior(
    data: TrainingData,
    config: BehaviorTraining,
    *,
    seed: int,
    device: str,
    state_path: Path,
    checkpoint_seconds: float,
    log: Callable[[int, int, dict[str, Tensor]], Any],
    start: BehaviorEmbedding | None = None,
) -> BehaviorEmbedding:
    """Train on the rollouts of the training runs and on the experts' demonstrations.

    Arguments are those of `train_autoencoder`.
    """
    torch.manual_seed(seed)
    generator = torch.Generator(device).manual_seed(seed)
    behavior, outcome = (part.to(device) for part in training_prompts(data))
    embedding = BehaviorEmbedding(behavior.shape[1], outcome.shape[1], config.model).to(device)
    embedding.fit_normalizers(behavior, outcome, data.scales)
    optimizer = torch.optim.AdamW(
        embedding.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    state = TrainingState(
        state_path, {"behavior": embedding}, optimizer, generator, checkpoint_seconds
    )
    first_step = state.restore()
    if first_step == 0 and start is not None:
        take_over(embedding, start)

    num_steps = count_steps(config, len(behavior))
    schedule = decay_with_restarts(optimizer, config, len(behavior), first_step)
    for step in range(first_step, num_steps):
        rows = torch.randint(
            len(behavior), (config.batch_size,), generator=generator, device=device
        )
        h, v = embedding(behavior[rows], outcome[rows], generator)
        loss = contrastive_loss(embedding.similarity(h, v))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        log(step + 1, num_steps, {"contrastive_loss": loss.detach()})
        state.save_if_due(step + 1)
    return embedding.eval()


def training_prompts(data: TrainingData) -> tuple[Tensor, Tensor]:
    """Behaviour and outcome parts of all prompts that training may see, segment by segment."""
    seen = (data.rollouts, ~data.held_out), (data.demonstrations, ~data.demonstrations_held_out)
    return (
        torch.cat([prompts.behavior[mask].flatten(0, 1) for prompts, mask in seen]),
        torch.cat([prompts.outcome[mask].flatten(0, 1) for prompts, mask in seen]),
    )
