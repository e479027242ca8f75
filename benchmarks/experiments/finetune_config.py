"""Sizes and rates of fine-tuning; without Stable-Baselines3, so that pages need it not."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class FineTuningConfig:
    """One training of an agent; its environment is played until `goal` is met, or `num_steps`."""

    num_steps: int = 3_000
    "Environment steps at most."
    evaluate_every: int = 500
    "Environment steps between evaluations; the first one is before any."
    training_layouts: int = 50
    "Layouts that episodes of training begin on, at random."
    num_layouts: int = 20
    "Layouts that each evaluation plays deterministically, always the same."
    goal: float = 0.95
    "Success rate of an evaluation at which training ends."
    horizon: int = 200
    "Steps of an episode at most, in training and evaluation."
    demonstration_noise: float = 0.1
    "Standard deviation of the noise on the demonstration's actions."
    warm_up: int = 500
    "Environment steps for which a given actor stays as it is while its critics learn."
    learning_rate: float = 1e-3
    "Of critics and entropy, and of an actor that begins from scratch."
    actor_learning_rate: float = 1e-4
    "Of a given actor after its warm-up; it is also held near what it was."
    learning_starts: int = 100
    "Environment steps before the first update."
    update_every: int = 1
    "Environment steps for each update."
    batch_size: int = 128
    n_steps: int = 5
    "Of returns."
    reward_scale: float = 0.1
    "Meta-World's rewards are up to 10 a step."
