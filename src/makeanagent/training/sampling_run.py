"""The phase of a reader's training in which its denoiser learns to sample, from lessons on."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from makeanagent.training.lessons import Batch
from makeanagent.training.reading import Augment, LessonSource
from makeanagent.training.reading_loss import Networks, ReadingTraining
from makeanagent.training.sampling_phase import (
    SamplingTraining,
    freeze_lessons,
    teach,
    train_sampling,
)

Sources = Sequence[tuple[LessonSource, float, Augment | None]]
"""Lessons, the share of the prompts that they make up, and what changes them."""
_DRAWN_AT_ONCE = 1_024


def run_sampling_phase(
    networks: Networks,
    sources: Sources,
    reading: ReadingTraining,
    config: SamplingTraining,
    *,
    seed: int,
    device: str,
    folder: Path,
    checkpoint_seconds: float,
    on_progress: Callable[[int, int, str], Any],
) -> Networks:
    """Read prompts, train the teacher, then the denoiser.

    Args:
        networks: trained in the one-step form.
        sources: of the prompts.
        reading: what the networks were trained with.
        config: sizes and rates.
        seed: of cuts, initialisation, batches and noise.
        device: where to train.
        folder: of the states from which a killed training goes on, which are deleted in the end.
        checkpoint_seconds: time between two writes of them.
        on_progress: called with step, number of steps, and a few words.
    """
    networks = networks.to(device)
    lessons = freeze_lessons(
        networks,
        _draw(sources, config, np.random.default_rng((seed, 3)), on_progress),
        config.cut,
        np.random.default_rng((seed, 2)),
    )
    states = {name: folder / f".{name}.state" for name in ("teacher", "sampling")}

    lessons = teach(
        networks,
        lessons,
        reading,
        config,
        seed=seed,
        state_path=states["teacher"],
        checkpoint_seconds=checkpoint_seconds,
        log=describe_steps("teacher", on_progress),
    )
    trained = train_sampling(
        networks,
        lessons,
        reading,
        config,
        seed=seed,
        state_path=states["sampling"],
        checkpoint_seconds=checkpoint_seconds,
        log=describe_steps("sampling phase", on_progress),
    )
    for path in states.values():
        path.unlink(missing_ok=True)
    return trained


def describe_steps(
    words: str, on_progress: Callable[[int, int, str], Any]
) -> Callable[[int, int, dict[str, Tensor]], None]:
    """Reports of a training's steps, in words, now and then."""

    def log(step: int, total: int, values: dict[str, Tensor]) -> None:
        if step % 20 == 0 or step == total:
            error = float(values["action_error"])
            on_progress(step, total, f"{words}: action error {error:.3f}")

    return log


def _draw(
    sources: Sources,
    config: SamplingTraining,
    rng: np.random.Generator,
    on_progress: Callable[[int, int, str], Any],
) -> Iterator[Batch]:
    """Lessons of one demonstration each, as they are to be read."""
    done = 0
    for source, share, augment in sources:
        total = round(share * config.num_prompts)
        for first in range(0, total, _DRAWN_AT_ONCE):
            count = min(_DRAWN_AT_ONCE, total - first)
            batch = source.draw(first, count, 1, config.num_states)
            yield batch if augment is None else augment(batch, rng)
            done += count
            on_progress(min(done, config.num_prompts), config.num_prompts, "reading prompts")
