"""Settings of a reader's whole training."""

from dataclasses import dataclass, field

from makeanagent.errors import InputError
from makeanagent.training.augment import AugmentConfig
from makeanagent.training.drawn import DrawnConfig
from makeanagent.training.reading import ReadingTraining
from makeanagent.training.sampling_phase import SamplingTraining
from makeanagent.training.shown import ShownConfig


@dataclass(frozen=True, kw_only=True)
class ReadingConfig:
    """A whole training: on drawn tasks, then on these and a suite's own together."""

    drawn: DrawnConfig = field(default_factory=DrawnConfig)
    "Drawn tasks; they serve suites whose space is theirs."
    shown: ShownConfig = field(default_factory=ShownConfig)
    "What is recorded of the suite's own tasks."
    first: ReadingTraining = field(default_factory=ReadingTraining)
    "Networks and rates of the first phase, on drawn tasks alone."
    mixed_steps: tuple[int, ...] = (1_500, 3_000, 1_500)
    """Gradient steps of each phase on both kinds of tasks; before each, the policies of the phase
    before it are played, and what they see is learned from too."""
    mixed_learning_rates: tuple[float, ...] = (6e-4, 6e-4, 3e-4)
    "Highest learning rate of each of these phases."
    drawn_share: float = 0.5
    "Share of drawn tasks in their batches."
    drawn_augment: AugmentConfig = field(
        default_factory=lambda: AugmentConfig(symmetric=0.0, hidden_goals=0.15)
    )
    "Of drawn tasks, which are as often mirrored as not by themselves."
    shown_augment: AugmentConfig = field(default_factory=AugmentConfig)
    "Of the suite's own tasks."
    sampling: SamplingTraining | None = None
    "Last phase, in which the denoiser learns to sample besides; without it, there is none."
    seed: int = 0
    "Seed of initialisation and batches."
    checkpoint_seconds: float = 60.0
    "Seconds between checkpoints, from which a killed run goes on."

    def __post_init__(self) -> None:
        """Check that each phase has its rate.

        Raises:
            InputError: one has none.
        """
        if len(self.mixed_steps) != len(self.mixed_learning_rates):
            raise InputError(
                f"reading: mixed_steps {self.mixed_steps} and mixed_learning_rates"
                f" {self.mixed_learning_rates} must be as many"
            )
