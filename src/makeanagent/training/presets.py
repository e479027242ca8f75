"""Settings of the three training stages, and their presets."""

from dataclasses import dataclass, field, replace
from typing import TypeVar

from makeanagent.models.autoencoder import PAPER_AUTOENCODER, AutoencoderConfig
from makeanagent.models.behavior import PAPER_BEHAVIOR, BehaviorConfig, ConditionKind
from makeanagent.models.denoisers import PAPER_DENOISER, DenoiserConfig
from makeanagent.models.diffusion import DiffusionConfig
from makeanagent.trajectories.windows import PromptWindow, Window


@dataclass(frozen=True, kw_only=True)
class AutoencoderTraining:
    """How the parameter autoencoder is made (equation 5, table 1)."""

    model: AutoencoderConfig = field(default_factory=AutoencoderConfig)
    "Shape of the autoencoder."
    closed_form: bool = True
    "Whether the maps begin as the linear optimum, instead of at random."
    gradient_steps: int = 300
    "How many gradient steps are taken."
    num_epochs: int | None = None
    "How many passes over the policies are made; in place of gradient_steps."
    batch_size: int = 32
    "How many policies a batch holds."
    learning_rate: float = 1e-5
    "Learning rate of AdamW where its cosine schedule begins."
    weight_decay: float = 0.0
    "Weight decay of AdamW."
    action_weight: float = 1.0
    "Weight of the action error beside the weight error."
    restart_epochs: int | None = None
    "Epochs after which the cosine schedule begins anew; a single decay if none."


@dataclass(frozen=True, kw_only=True)
class BehaviorTraining:
    """How the behaviour embedding is trained (equation 7, table 2)."""

    model: BehaviorConfig = field(default_factory=BehaviorConfig)
    "Shape of the embedding."
    gradient_steps: int = 2000
    "How many gradient steps are taken."
    num_epochs: int | None = None
    "How many passes over the prompts are made; in place of gradient_steps."
    batch_size: int = 128
    "How many prompts a batch holds."
    learning_rate: float = 1e-3
    "Learning rate of AdamW where its cosine schedule begins."
    weight_decay: float = 1e-4
    "Weight decay of AdamW."
    restart_epochs: int | None = None
    "Epochs after which the cosine schedule begins anew; a single decay if none."


@dataclass(frozen=True, kw_only=True)
class DiffusionTraining:
    """How the denoiser is trained (equation 8, table 3)."""

    model: DenoiserConfig = field(default_factory=DenoiserConfig)
    "Shape of the denoiser."
    diffusion: DiffusionConfig = field(default_factory=DiffusionConfig)
    "Noise schedule and sampler."
    condition: ConditionKind = "hv"
    "Which embeddings condition the denoiser: both, h alone, or v alone (figure 8)."
    gradient_steps: int = 5_000
    """How many gradient steps are taken at most. Three times as many met held-out runs hardly
    better, and made what is generated for a new task without guidance worse: training prompts were
    learnt by heart."""
    num_epochs: int | None = None
    "How many passes over the policies are made at most; in place of gradient_steps."
    batch_size: int = 128
    "How many latents a batch holds."
    learning_rate: float = 7e-4
    "Highest learning rate of AdamW, after the warm-up."
    weight_decay: float = 5e-4
    "Weight decay of AdamW."
    betas: tuple[float, float] = (0.95, 0.999)
    "Decay of AdamW's running means of gradients and of their squares."
    warmup_steps: int = 500
    "Gradient steps in which the learning rate rises from 0."
    ema_decay: float = 0.998
    "Share of the averaged weights, which are saved and used, that a gradient step keeps."
    demonstration_share: float = 0.5
    "Share of the samples prompted by an expert's demonstration of the task, not by a rollout."
    condition_noise: float = 0.3
    """Standard deviation of noise on conditions, whose scale is 1: prompts of a task are few, and
    must not be known apart."""
    action_weight: float = 1.0
    """Weight of the decoded prediction's action error on the demonstration's states: what acts
    alike may differ in weights, and the other way round."""
    action_samples: int = 32
    "How many samples of each batch the action error is measured on."
    validate_steps: int = 500
    "Gradient steps between validations on held-out runs."
    patience: int = 10
    "How many validations without improvement end the training."


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """A generator's whole training."""

    window: Window = field(default_factory=PromptWindow)
    "How prompts are cut out of demonstrations."
    autoencoder: AutoencoderTraining = field(default_factory=AutoencoderTraining)
    "The first stage."
    behavior: BehaviorTraining = field(default_factory=BehaviorTraining)
    "The second stage, which does not need the first."
    diffusion: DiffusionTraining = field(default_factory=DiffusionTraining)
    "The third stage, on the latents and conditions of the other two."
    held_out_runs: int = 2
    "How many runs of each population are kept for validation; a quarter of them at most."
    align: bool = False
    """Whether runs are brought into one order and scale of hidden units first, by weight matching:
    for zoos whose runs do not share their beginning."""
    max_policies: int | None = None
    "How many policies of each task are read at most; all of them if none."
    seed: int = 0
    "Seed of initialisation, batches and noise."
    checkpoint_seconds: float = 30.0
    "Seconds between checkpoints of a stage, from which a killed run goes on."


FAST = TrainingConfig()
"""Minutes on two processor cores."""

PAPER = TrainingConfig(
    autoencoder=AutoencoderTraining(
        model=PAPER_AUTOENCODER,
        closed_form=False,
        num_epochs=3000,
        batch_size=32,
        learning_rate=1e-3,
        weight_decay=5e-3,
        action_weight=0.0,
        restart_epochs=300,
    ),
    behavior=BehaviorTraining(
        model=PAPER_BEHAVIOR,
        num_epochs=300,
        batch_size=16,
        learning_rate=1e-4,
        weight_decay=1e-4,
        restart_epochs=30,
    ),
    diffusion=DiffusionTraining(
        model=PAPER_DENOISER,
        num_epochs=1000,
        batch_size=128,
        learning_rate=2e-4,
        demonstration_share=0.0,
        condition_noise=0.0,
        action_weight=0.0,
        patience=1000,
    ),
    # Its state is 3 GB.
    checkpoint_seconds=600.0,
)
"""Tables 1, 2 and 3 as written; days on a processor, hours on a GPU."""

SMOKE = TrainingConfig(
    autoencoder=AutoencoderTraining(model=AutoencoderConfig(latent_dim=32), gradient_steps=20),
    behavior=BehaviorTraining(gradient_steps=200),
    diffusion=DiffusionTraining(
        model=DenoiserConfig(widths=(128, 128)),
        gradient_steps=600,
        validate_steps=200,
        warmup_steps=50,
    ),
)
"""Seconds; for tests and for a first look at one's own suite."""

PRESETS = {"fast": FAST, "paper": PAPER, "smoke": SMOKE}


_Stage = TypeVar("_Stage", AutoencoderTraining, BehaviorTraining, DiffusionTraining)


def shorten(config: TrainingConfig, share: float) -> TrainingConfig:
    """The same training on a share of its gradient steps, each schedule in proportion.

    Args:
        config: a whole training.
        share: of the steps or epochs of each stage, in (0, 1].
    """

    def scale(count: int) -> int:
        return max(1, round(share * count))

    def scale_epochs(count: int | None) -> int | None:
        return None if count is None else scale(count)

    def shorten_stage(stage: _Stage) -> _Stage:
        return replace(
            stage,
            gradient_steps=scale(stage.gradient_steps),
            num_epochs=scale_epochs(stage.num_epochs),
        )

    autoencoder, behavior = shorten_stage(config.autoencoder), shorten_stage(config.behavior)
    diffusion = shorten_stage(config.diffusion)
    return replace(
        config,
        autoencoder=replace(autoencoder, restart_epochs=scale_epochs(autoencoder.restart_epochs)),
        behavior=replace(behavior, restart_epochs=scale_epochs(behavior.restart_epochs)),
        diffusion=replace(diffusion, warmup_steps=scale(diffusion.warmup_steps)),
    )
