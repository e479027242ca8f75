"""Sizes of a reader's training, by name."""

from collections.abc import Sequence

from makeanagent.errors import InputError
from makeanagent.models.basis import BasisConfig
from makeanagent.models.denoisers import DenoiserConfig
from makeanagent.models.reader import ReaderConfig
from makeanagent.suites import Suite
from makeanagent.suites.procedural import ProceduralSuite
from makeanagent.training.drawn import DrawnConfig
from makeanagent.training.practice import PracticeTraining
from makeanagent.training.reading_config import ReadingConfig
from makeanagent.training.reading_loss import ReadingTraining
from makeanagent.training.shown import ShownConfig

FAST_READING = ReadingConfig()
"""An hour and a half on two processor cores, for fifty tasks."""

ALONE_READING = ReadingConfig(
    shown=ShownConfig(horizon=300, visited_horizon=300),
    first=ReadingTraining(batch_size=32),
    mixed_steps=(800, 800, 1_200),
    mixed_learning_rate=1e-3,
)
"""In place of `FAST_READING` where a training begins with nothing: a suite whose observations and
actions are not those of drawn tasks. Ten minutes on two processor cores for four tasks."""

LARGE_READING = ReadingConfig(
    drawn=DrawnConfig(num_tasks=406_000, num_visited_tasks=32_000),
    first=ReadingTraining(batch_size=256, warmup_steps=300),
    second_steps=46_000,
    second_learning_rate=1e-3,
)
"""Four minutes on one H100 and 16 processor cores, to go on from a generator of drawn tasks that
`FAST_READING` made, whose networks it has."""

SMOKE_READING = ReadingConfig(
    drawn=DrawnConfig(num_tasks=50, tasks_per_shard=25, num_visited_tasks=25, num_knots=8),
    shown=ShownConfig(
        num_demonstrations=4,
        num_disturbed=2,
        num_visited=2,
        num_states=200,
        num_revisited_states=50,
        num_knots=8,
    ),
    first=ReadingTraining(
        reader=ReaderConfig(num_knots=8, width=16, num_layers=1),
        basis=BasisConfig(ranks=(8, 8)),
        denoiser=DenoiserConfig(kind="trunk", widths=(32, 32)),
        gradient_steps=20,
        batch_size=8,
        num_states=8,
    ),
    second_steps=20,
    mixed_steps=(20,),
    practice=PracticeTraining(gradient_steps=50, num_states=32),
)
"""Seconds; for tests and for a first look at one's own suite."""

READING_PRESETS = {"fast": FAST_READING, "large": LARGE_READING, "smoke": SMOKE_READING}


def find_reading(preset: str, suite: Suite, tasks: Sequence[str], *, begins: bool) -> ReadingConfig:
    """The settings of a preset.

    Args:
        preset: its name.
        suite: whose tasks are learned.
        tasks: full names; none, for drawn tasks alone.
        begins: whether the training begins with another generator's weights.

    Raises:
        InputError: there is no such preset.
    """
    if preset not in READING_PRESETS:
        raise InputError(
            f"preset {preset}: a reader has {', '.join(READING_PRESETS)}; the paper's own is of its"
            " three stages"
        )
    drawn = ProceduralSuite().space("0")
    alone = not begins and any(suite.space(task) != drawn for task in tasks)
    return ALONE_READING if alone and preset == "fast" else READING_PRESETS[preset]
