"""Settings of a reader's whole training."""

from dataclasses import dataclass, field

from makeanagent.errors import InputError
from makeanagent.training.augment import AugmentConfig
from makeanagent.training.drawn import DrawnConfig
from makeanagent.training.practice import PracticeTraining
from makeanagent.training.reading_loss import ReadingTraining
from makeanagent.training.sampling_phase import SamplingTraining
from makeanagent.training.shown import ShownConfig


@dataclass(frozen=True, kw_only=True)
class ReadingConfig:
    """A whole training: on drawn tasks twice, then on these and a suite's own together."""

    drawn: DrawnConfig = field(default_factory=DrawnConfig)
    "Drawn tasks; they serve suites whose space is theirs."
    shown: ShownConfig = field(default_factory=ShownConfig)
    "What is recorded of the suite's own tasks."
    first: ReadingTraining = field(default_factory=ReadingTraining)
    "Networks and rates of the first phase, on drawn tasks alone."
    second_steps: int = 8_000
    """Gradient steps of the second phase, on drawn tasks again: what policies of the first phase
    see is learned from too. Without any, there is none."""
    second_learning_rate: float = 7e-4
    "Highest learning rate of the second phase."
    mixed_steps: tuple[int, ...] = (1_500,)
    """Gradient steps of each phase on both kinds of tasks; before each, the policies of the phase
    before it are played, and what they see is learned from too."""
    mixed_learning_rate: float = 8e-4
    """Learning rate of these phases after the warm-up. It does not fall: the average of weights
    that keep moving serves tasks that are left out better than weights that have come to rest."""
    mixed_ema_decay: float = 0.999
    "Share of the averaged weights that a gradient step of these phases keeps."
    kept_share: float = 0.5
    """Share of the weights from before these phases in the final ones (Wortsman et al. 2022): what
    is learned of few tasks must not displace what was of many."""
    drawn_share: float = 0.5
    "Share of drawn tasks in their batches."
    drawn_augment: AugmentConfig = field(
        default_factory=lambda: AugmentConfig(symmetric=0.0, hidden_goals=0.15)
    )
    "Of drawn tasks, which are as often mirrored as not by themselves."
    shown_augment: AugmentConfig = field(default_factory=AugmentConfig)
    "Of the suite's own tasks."
    practice: PracticeTraining = field(default_factory=PracticeTraining)
    "In the end, latents of the suite's own tasks."
    sampling: SamplingTraining | None = None
    "Last phase, in which the denoiser learns to sample besides; without it, there is none."
    seed: int = 0
    "Seed of initialisation and batches."
    checkpoint_seconds: float = 60.0
    "Seconds between checkpoints, from which a killed run goes on."

    def __post_init__(self) -> None:
        """Check that shares are shares.

        Raises:
            InputError: one is not.
        """
        for name in ("drawn_share", "kept_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"reading: {name} {getattr(self, name)}: must be 0 to 1")
