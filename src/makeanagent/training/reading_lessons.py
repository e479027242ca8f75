"""The lessons of a reader's training, made phase by phase."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from makeanagent.generator import MakeAnAgent
from makeanagent.suites import Suite
from makeanagent.training.drawn import draw_lessons
from makeanagent.training.reading_config import ReadingConfig
from makeanagent.training.shown import revisit_lessons, show_lessons


@dataclass(frozen=True, kw_only=True)
class LessonMaker:
    """Makes those that are missing in a run's folders."""

    shared: Path
    "Folder of lessons that several runs may share: `drawn/`, `visited/` and `shown/`."
    own: Path
    "Folder of the run, for `revisited-<n>/`."
    suite: Suite
    "Whose tasks are learned."
    tasks: tuple[str, ...]
    "Full names of those with experts."
    config: ReadingConfig
    "What is made."
    pool: Executor
    "Plays episodes."
    on_progress: Callable[[int, int, str], Any]
    "Called with step, number of steps, and a few words."

    def draw(self) -> list[Path]:
        """Lessons of drawn tasks."""
        return draw_lessons(
            self.shared / "drawn", self.config.drawn, self.pool, self._tell("drawing tasks")
        )

    def visit_drawn(self, drawn: Sequence[Path], generator: MakeAnAgent) -> list[Path]:
        """The lessons of drawn tasks, some with states that the generator's policies see."""
        config = self.config.drawn
        visited = draw_lessons(
            self.shared / "visited",
            replace(config, num_tasks=config.num_visited_tasks),
            self.pool,
            self._tell("visiting drawn tasks"),
            generator,
        )
        return [*visited, *drawn[len(visited) :]]

    def show(self, turn: int, before: Sequence[Path], generator: MakeAnAgent | None) -> list[Path]:
        """Lessons of the suite's tasks, with states that the generator's policies see.

        Args:
            turn: 0 for the first such lessons; later turns add to those before.
            before: the lessons of the turn before.
            generator: of the phase before; only the first may be without one.
        """
        if turn == 0 or generator is None:
            return show_lessons(
                self.shared / "shown",
                self.suite,
                self.tasks,
                self.config.shown,
                generator,
                self.pool,
                self._tell("recording the tasks"),
            )
        return revisit_lessons(
            self.own / f"revisited-{turn}",
            self.suite,
            self.tasks,
            self.config.shown,
            generator,
            turn,
            before,
            self.pool,
            self._tell("visiting the tasks"),
        )

    def _tell(self, words: str) -> Callable[[int, int], Any]:
        return lambda done, total: self.on_progress(done, total, words)
