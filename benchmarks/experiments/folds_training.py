"""A generator for each fold and training seed, trained without the fold's tasks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from makeanagent.cli.progress import show_progress
from makeanagent.devices import find_device
from makeanagent.errors import InputError
from makeanagent.suites import Suite


@dataclass(frozen=True, kw_only=True)
class TrainingSource:
    """What the generators of all folds are trained from."""

    base: Path | None
    "Folder of the generator that all begin with, which knows drawn tasks alone."
    lessons: Path | None
    "Folder of the drawn tasks' lessons, which are learned from besides the real ones."
    device: str
    "`auto`, `cpu` or `cuda`."


def train_generator(
    folder: Path, suite: Suite, tasks: Sequence[str], seed: int, source: TrainingSource
) -> Path:
    """Train a generator, or go on with it, and return its folder.

    Args:
        folder: of the run.
        suite: the environments.
        tasks: full names of those that it may know.
        seed: of the training.
        source: what it begins with.
    """
    from makeanagent.training.reading_run import (  # type: ignore[import-not-found]
        ReadingConfig,
        ReadingRun,
    )

    from makeanagent.training.start import load_start

    start = None if source.base is None else load_start(source.base)
    run = ReadingRun(
        folder,
        suite,
        tasks,
        replace(ReadingConfig(), seed=seed),
        lessons=source.lessons,
        start=start,
    )
    with show_progress(f"folds: {folder.name}", 1) as advance:
        done = 0.0

        def report(step: int, num_steps: int, text: str) -> None:
            nonlocal done
            advance(step / num_steps - done, f"folds: {folder.name}: {text}")
            done = step / num_steps

        run.train(find_device(source.device), report)
    generator: Path = run.save_generator()
    return generator


def find_generator(folder: Path, fold: str, seed: int) -> Path:
    """The folder of a generator that is there already.

    Raises:
        InputError: it is not.
    """
    found = folder / f"{fold}-{seed}" / "generator"
    if not found.is_dir():
        raise InputError(f"--generators {folder}: there is no {fold}-{seed}/generator")
    return found
