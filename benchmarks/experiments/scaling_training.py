"""Generators of drawn tasks alone, which differ in one thing each."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from makeanagent.models.basis import BasisConfig
from makeanagent.models.denoisers import DenoiserConfig
from makeanagent.models.reader import ReaderConfig
from makeanagent.suites.procedural import FamilyConfig, ProceduralSuite
from makeanagent.training.drawn import DrawnConfig
from makeanagent.training.reading_config import ReadingConfig
from makeanagent.training.reading_loss import ReadingTraining
from makeanagent.training.reading_run import ReadingRun

MANY, SOME = 600_000, 60_000
"""Drawn tasks: all of them, and as many as the family's parts are compared with."""
STEPS = 2_107
"""Gradient steps of each: with the batches below, as many prompts as `FAST_READING`'s first phase
sees."""
_STEP = ReadingTraining(
    gradient_steps=STEPS, batch_size=256, learning_rate=1.2e-3, warmup_steps=500
)
_PARTS = ("walls", "gripped", "caged", "oblique", "sideways", "habits")


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A training that differs from the others of its kind in one thing."""

    kind: str
    "`tasks`, `width`, `network` or `family`: what is compared."
    name: str
    "Of the training, as a folder's."
    num_tasks: int = SOME
    "Drawn tasks."
    family: FamilyConfig = field(default_factory=FamilyConfig)
    "What is drawn."
    training: ReadingTraining = _STEP
    "Sizes and rates."


def list_variants() -> Iterator[Variant]:
    """All of them, those that need the fewest drawn tasks first."""
    yield Variant(kind="tasks", name="tasks-60000")
    yield Variant(
        kind="network", name="no-attention", training=_read_by(ReaderConfig(num_layers=0))
    )
    yield Variant(
        kind="network",
        name="no-relative-positions",
        training=_read_by(ReaderConfig(relative=False)),
    )
    for number in (10_000, 1_000):
        yield Variant(kind="tasks", name=f"tasks-{number}", num_tasks=number)
    yield Variant(kind="tasks", name=f"tasks-{MANY}", num_tasks=MANY)
    for name, scale in (("half", 0.5), ("double", 2)):
        yield Variant(kind="width", name=f"width-{name}", num_tasks=MANY, training=_scale(scale))
    for part in _PARTS:
        yield Variant(
            kind="family", name=f"no-{part}", family=replace(FamilyConfig(), **{part: False})
        )
    yield Variant(kind="family", name="no-two-objects", family=FamilyConfig(two=0.0))


def _read_by(reader: ReaderConfig) -> ReadingTraining:
    return replace(_STEP, reader=reader)


def _scale(factor: float) -> ReadingTraining:
    """All three networks of another width; the policies keep theirs."""
    reader, basis, denoiser = ReaderConfig(), BasisConfig(), DenoiserConfig(kind="trunk")
    widths = _STEP.denoiser.widths
    return replace(
        _STEP,
        reader=replace(reader, width=int(factor * reader.width)),
        basis=replace(basis, ranks=tuple(int(factor * rank) for rank in basis.ranks)),
        denoiser=replace(denoiser, widths=tuple(int(factor * width) for width in widths)),
    )


def _lessons_of(variant: Variant, lessons: Path) -> Path:
    """The folder of its drawn tasks' lessons; all of one family share theirs."""
    return lessons / variant.name if variant.kind == "family" else lessons


def begin_run(variant: Variant, lessons: Path, runs: Path) -> ReadingRun:
    """The run in which it is trained, begun or not."""
    drawn = DrawnConfig(num_tasks=variant.num_tasks, family=variant.family)
    config = ReadingConfig(drawn=drawn, first=variant.training, second_steps=0)
    folder = runs / variant.name
    folder.mkdir(parents=True, exist_ok=True)
    return ReadingRun(folder, ProceduralSuite(), (), config, lessons=_lessons_of(variant, lessons))


def describe_variant(variant: Variant) -> dict[str, Any]:
    """What a row of the figures says of it."""
    training = variant.training
    return {
        "kind": variant.kind,
        "name": variant.name,
        "num_tasks": variant.num_tasks,
        "num_prompts": training.gradient_steps * training.batch_size,
    }
