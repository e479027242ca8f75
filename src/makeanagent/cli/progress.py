"""Progress with the time that is left: bars, or lines where no terminal shows them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from time import monotonic

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

console = Console(stderr=True)
"""Progress and notes go to stderr; results go to stdout."""


_LINE_SECONDS = 10.0
"""Time between two lines where there is no bar."""


class _RemainingColumn(ProgressColumn):
    """Time left by the mean speed so far, counted down between two reports.

    Rich's own column takes the speed between reports, however long its `speed_estimate_period`: it
    says nothing before the second one, stands still until the next, and finds two processes far too
    fast that report together.
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

    Where stderr is no terminal but a file or a pipe, there is a line now and then instead.

    Args:
        text: what is being done.
        total: how many units there are.
        completed: units that an earlier run has done; they say nothing about the speed.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        # A single unit is done by fractions.
        *([MofNCompleteColumn()] if total > 1 else []),
        TimeElapsedColumn(),
        _RemainingColumn(),
    )
    begin, done = monotonic(), completed
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(text, total=total)
        bar.update(task, completed=completed)
        lines = _Lines(begin)

        def advance(amount: float = 1, description: str | None = None) -> None:
            nonlocal done
            done += amount
            # Fractions may sum to just below a whole.
            shown = round(done) if abs(done - round(done)) < 1e-6 else done
            bar.update(task, completed=shown, description=description or text)
            if done > completed:
                now = monotonic()
                left = (now - begin) * (total - done) / (done - completed)
                bar.update(task, end=now + left)
                if bar.disable:
                    lines.print_if_due(description or text, shown, total, left)

        yield advance


class _Lines:
    """What a file or a pipe gets to see: at once, every ten seconds, and at the end."""

    def __init__(self, begin: float) -> None:
        self._last = begin - _LINE_SECONDS

    def print_if_due(self, text: str, done: float, total: float, seconds_left: float) -> None:
        now = monotonic()
        if now - self._last < _LINE_SECONDS and done < total:
            return
        self._last = now
        units = f" {done:.0f}/{total:.0f}" if total > 1 and done == int(done) else ""
        left = "" if done >= total else f" ETA {timedelta(seconds=round(seconds_left))}"
        console.print(f"{text} {done / total:.0%}{units}{left}", highlight=False, soft_wrap=True)


@contextmanager
def show_stages(texts: Mapping[str, str]) -> Iterator[Callable[[str, int, int], None]]:
    """Stages that follow each other: a bar for one of many units, a turning mark for others.

    The context gives a function that takes a stage, how many of its units are done, and how many
    there are.

    Args:
        texts: what is being done in each stage.
    """
    current, last = "", 0
    with ExitStack() as shown:
        advance: Callable[..., None] | None = None

        def show(stage: str, done: int, total: int) -> None:
            nonlocal current, last, advance
            if stage != current:
                shown.close()
                current, last, advance = stage, 0, None
                if total > 1:
                    advance = shown.enter_context(show_progress(texts[stage], total))
                else:
                    shown.enter_context(console.status(texts[stage]))
            if advance is not None and done > last:
                advance(done - last)
            last = done

        yield show
