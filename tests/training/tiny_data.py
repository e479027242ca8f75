"""What a recipe trains on, made up: two tasks of small networks, which train in a moment."""

from dataclasses import replace

import torch
from torch import Tensor

from makeanagent.models.autoencoder import AutoencoderConfig
from makeanagent.models.behavior import BehaviorConfig
from makeanagent.models.denoisers import DenoiserConfig
from makeanagent.policies.spec import PolicySpec
from makeanagent.training.data import Prompts, TrainingData
from makeanagent.training.presets import (
    AutoencoderTraining,
    BehaviorTraining,
    DiffusionTraining,
)

SPEC = PolicySpec(observation_dim=4, action_dim=2, hidden=(8, 6))
AUTOENCODER = AutoencoderTraining(
    model=AutoencoderConfig(latent_dim=6), gradient_steps=8, batch_size=8, learning_rate=1e-3
)
BEHAVIOR = BehaviorTraining(
    model=BehaviorConfig(hidden_dim=16, embedding_dim=4), gradient_steps=8, batch_size=8
)
DIFFUSION = DiffusionTraining(
    model=DenoiserConfig(widths=(16, 16), time_dim=8),
    gradient_steps=8,
    batch_size=16,
    warmup_steps=2,
    validate_steps=100,
)
"""It validates once, at the end."""
NUM_RUNS, NUM_CHECKPOINTS, NUM_DEMONSTRATIONS = 3, 4, 9
"""Of each task; its last run and every ninth demonstration are held out."""


def make_prompts(task: Tensor, generator: torch.Generator) -> Prompts:
    """Prompts of 12 and 6 numbers about their task's own mean, with 5 states each."""

    def draw(*shape: int) -> Tensor:
        noise = torch.randn((len(task), *shape), generator=generator)
        return noise + task.reshape(-1, *[1] * len(shape))

    return Prompts(behavior=draw(1, 12), outcome=draw(1, 6), task=task, states=draw(5, 4))


def make_data(seed: int = 0) -> TrainingData:
    """Policies of each run about their task's own network."""
    generator = torch.Generator().manual_seed(seed)
    run = torch.arange(2 * NUM_RUNS).repeat_interleave(NUM_CHECKPOINTS)
    task = run // NUM_RUNS
    centres = 0.5 * torch.randn((2, SPEC.num_parameters), generator=generator)
    noise = torch.randn((len(run), SPEC.num_parameters), generator=generator)
    demonstration_task = torch.arange(2).repeat_interleave(NUM_DEMONSTRATIONS)
    return TrainingData(
        spec=SPEC,
        tasks=("push", "reach"),
        parameters=centres[task] + 0.1 * noise,
        task=task,
        run=run,
        held_out=run % NUM_RUNS == NUM_RUNS - 1,
        rollouts=make_prompts(task, generator),
        demonstrations=make_prompts(demonstration_task, generator),
        demonstrations_held_out=torch.arange(2 * NUM_DEMONSTRATIONS) % 9 == 0,
    )


def disturb(data: TrainingData, *, policies: Tensor, demonstrations: Tensor) -> TrainingData:
    """The same data but for the policies, with their rollouts, and demonstrations of two masks."""
    other = make_data(seed=1)

    def mix(kept: Tensor, drawn: Tensor, mask: Tensor) -> Tensor:
        return torch.where(mask.reshape(-1, *[1] * (kept.ndim - 1)), drawn, kept)

    def mix_prompts(kept: Prompts, drawn: Prompts, mask: Tensor) -> Prompts:
        return replace(
            kept,
            **{
                name: mix(getattr(kept, name), getattr(drawn, name), mask)
                for name in ("behavior", "outcome", "states")
            },
        )

    return replace(
        data,
        parameters=mix(data.parameters, other.parameters, policies),
        rollouts=mix_prompts(data.rollouts, other.rollouts, policies),
        demonstrations=mix_prompts(data.demonstrations, other.demonstrations, demonstrations),
    )
