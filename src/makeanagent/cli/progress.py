"""Progress bars with the time that is left."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

console = Console(stderr=True)
"""Progress and notes go to stderr; results go to stdout."""


class _CountColumn(ProgressColumn):
    """Whole units that are done, of how many; nothing where there is but one."""

    def render(self, task: Task) -> Text:
        total = round(task.total or 0)
        if total <= 1:
            return Text("")
        done = int(task.completed + 1e-6)
        return Text(f"{done:>{len(str(total))}}/{total}", style="progress.download")


class _RemainingColumn(ProgressColumn):
    """Time left by the mean speed so far, counted down between two reports.

    Rich's own column forgets what is older than half a minute; single steps here may take longer.
    """

    def render(self, task: Task) -> Text:
        if task.finished:
            return Text("")
        end = task.fields.get("end")
        left = "-:--:--" if end is None else timedelta(seconds=max(0, round(end - monotonic())))
        return Text(f"ETA {left}", style="progress.remaining")


@contextmanager
def show_progress(text: str, total: float, completed: float = 0) -> Iterator[Callable[..., None]]:
    """A bar; the context gives a function that advances it, with an optional new text.

    Args:
        text: what is being done.
        total: how many units there are.
        completed: units that an earlier run has done; they say nothing about the speed.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        _CountColumn(),
        TimeElapsedColumn(),
        _RemainingColumn(),
    )
    begin = monotonic()
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(text, total=total)
        bar.update(task, completed=completed)

        def advance(amount: float = 1, description: str | None = None) -> None:
            bar.update(task, advance=amount, description=description or text)
            done = bar.tasks[task].completed
            if total - done < 1e-6:  # Fractions may sum to just below the whole.
                bar.update(task, completed=total)
            elif done > completed:
                now = monotonic()
                bar.update(task, end=now + (now - begin) * (total - done) / (done - completed))

        yield advance
