"""Numbers of steps and learning rates."""

import math


def count_steps(num_steps: int, num_epochs: int | None, num_items: int, batch_size: int) -> int:
    """Gradient steps of a stage: as given, or as many as the epochs hold."""
    if num_epochs is None:
        return num_steps
    return num_epochs * math.ceil(num_items / batch_size)


def cosine_factor(step: int, num_steps: int, warmup_steps: int = 0) -> float:
    """Linear warm-up, then cosine decay from 1 to 0."""
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(1, num_steps - warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


def restart_factor(step: int, period_steps: int) -> float:
    """Cosine decay from 1 to 0, begun anew after each period (Loshchilov and Hutter 2017)."""
    return 0.5 * (1 + math.cos(math.pi * (step % period_steps) / period_steps))
