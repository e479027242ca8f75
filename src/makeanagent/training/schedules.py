"""Numbers of steps and learning rates."""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts, LambdaLR

from makeanagent.training.presets import (
    AutoencoderTraining,
    BehaviorTraining,
    DiffusionTraining,
)


def count_steps(
    config: AutoencoderTraining | BehaviorTraining | DiffusionTraining, num_items: int
) -> int:
    """Gradient steps of a stage: as given, or as many as the epochs over `num_items` hold."""
    if config.num_epochs is None:
        return config.gradient_steps
    return config.num_epochs * math.ceil(num_items / config.batch_size)


def decay_with_restarts(
    optimizer: Optimizer,
    config: AutoencoderTraining | BehaviorTraining,
    num_items: int,
    first_step: int,
) -> CosineAnnealingWarmRestarts:
    """Cosine decay of the learning rate, begun anew after each period (tables 1 and 2).

    Args:
        optimizer: has the highest rate.
        config: says how long a period is; without one, the whole training is a single period.
        num_items: what an epoch passes over.
        first_step: where a stage goes on that was killed.
    """
    period = count_steps(config, num_items)
    if config.restart_epochs is not None:
        period = config.restart_epochs * math.ceil(num_items / config.batch_size)
    schedule = CosineAnnealingWarmRestarts(optimizer, max(1, period))
    schedule.step(first_step)
    return schedule


def warm_up_and_decay(
    optimizer: Optimizer, num_steps: int, warmup_steps: int, first_step: int
) -> LambdaLR:
    """Linear warm-up of the learning rate, then cosine decay to 0 (table 3).

    Args:
        optimizer: has the highest rate.
        num_steps: of the whole training.
        warmup_steps: of these, how many warm up.
        first_step: where a stage goes on that was killed.
    """

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        progress = (step - warmup_steps) / max(1, num_steps - warmup_steps)
        return 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))

    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    return LambdaLR(optimizer, factor, last_epoch=first_step - 1)
