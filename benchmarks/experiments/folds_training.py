"""A generator for each fold and training seed, trained without the fold's tasks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from makeanagent.devices import find_device
from makeanagent.errors import InputError
from makeanagent.parallel import one_thread, open_pool
from makeanagent.suites import Suite
from makeanagent.training.reading_presets import FAST_READING
from makeanagent.training.reading_run import ReadingRun
from makeanagent.training.start import load_start


@dataclass(frozen=True, kw_only=True)
class TrainingSource:
    """What the generators of all folds are trained from."""

    base: Path | None
    "Folder of the generator that all begin with, which knows drawn tasks alone."
    lessons: Path | None
    "Folder of the drawn tasks' lessons, which are learned from besides the real ones."
    device: str
    "`auto`, `cpu` or `cuda`."


@one_thread()
def train_generator(
    folder: Path, suite: Suite, tasks: Sequence[str], seed: int, source: TrainingSource
) -> Path:
    """Train a generator in this process alone, or go on with it, and return its folder.

    Args:
        folder: of the run.
        suite: the environments.
        tasks: full names of those that it may know.
        seed: of the training.
        source: what it begins with.
    """
    run = ReadingRun(
        folder,
        suite,
        tasks,
        replace(FAST_READING, seed=seed),
        lessons=source.lessons,
        start=None if source.base is None else load_start(source.base),
    )
    with open_pool(1) as here:
        run.train(find_device(source.device), here, lambda *_: None)
    return run.save_generator()


def find_generator(folder: Path, fold: str, seed: int) -> Path:
    """The folder of a generator that is there already.

    Raises:
        InputError: it is not.
    """
    found = folder / f"{fold}-{seed}" / "generator"
    if not found.is_dir():
        raise InputError(f"--generators {folder}: there is no {fold}-{seed}/generator")
    return found
