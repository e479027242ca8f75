"""Bars: how much is done, and when the rest will be."""

import io

import pytest
from rich.console import Console
from rich.progress import Progress

from makeanagent.cli import progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until a test moves it."""
    now = [100.0]
    monkeypatch.setattr(progress, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def line(monkeypatch):
    """What the bar shows at the moment."""
    bars = []

    class Remembered(Progress):
        def __init__(self, *columns, **options):
            super().__init__(*columns, **options)
            bars.append(self)

    monkeypatch.setattr(progress, "Progress", Remembered)
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    monkeypatch.setattr(progress, "console", console)

    def render():
        console = Console(file=io.StringIO(), width=120)
        console.print(bars[-1])
        return console.file.getvalue()

    render.bars = bars
    return render


def test_time_left_is_known_from_the_first_report_on_and_counted_down(clock, line):
    with progress.show_progress("cells", 10) as advance:
        assert "ETA -:--:--" in line()
        clock[0] += 60
        advance()
        assert "ETA 0:09:00" in line()
        # Nothing is reported, yet time passes.
        clock[0] += 30
        assert "ETA 0:08:30" in line()
        # Two that end together are not taken for quick ones: 3 in 120 seconds.
        clock[0] += 30
        advance()
        advance()
        assert "ETA 0:04:40" in line()
        # Later than it was thought: it does not go below nothing.
        clock[0] += 1_000
        assert "ETA 0:00:00" in line()
        assert "30%" in line()
        assert " 3/10" in line()


def test_nothing_is_forgotten_after_half_a_minute(clock, line):
    with progress.show_progress("cells", 100) as advance:
        clock[0] += 10
        advance(50)
        clock[0] += 90
        advance(1)
        # 51 in 100 seconds, and not 1 in 90.
        assert "ETA 0:01:36" in line()


def test_what_an_earlier_run_did_says_nothing_of_the_speed(clock, line):
    with progress.show_progress("cells", 10, completed=8) as advance:
        assert " 8/10" in line()
        clock[0] += 60
        advance()
        assert " 9/10" in line()
        assert "ETA 0:01:00" in line()


def test_fractions_become_whole_units(line):
    with progress.show_progress("shards", 2) as advance:
        for _ in range(10):
            advance(0.1)
        assert sum([0.1] * 10) < 1
        assert "1/2" in line()
        for _ in range(10):
            advance(0.1, "the last")
        assert "2/2" in line()
        assert "100%" in line()
        assert "ETA" not in line()
        assert "the last" in line()


def test_a_single_unit_is_not_counted(line):
    with progress.show_progress("stage", 1) as advance:
        advance(0.5)
        assert "50%" in line()
        assert "0/1" not in line()


def test_stages_follow_each_other(line):
    texts = {"load": "loading", "rollouts": "playing", "film": "filming"}
    with progress.show_stages(texts) as show:
        show("load", 0, 1)
        show("load", 1, 1)
        show("rollouts", 0, 40)
        assert "playing" in line()
        show("rollouts", 10, 40)
        show("rollouts", 30, 40)
        assert "30/40" in line()
        assert line.bars[-1].live.is_started
        show("film", 0, 1)
        assert not line.bars[-1].live.is_started, "two displays at once"
    assert len(line.bars) == 1


@pytest.fixture
def piped(monkeypatch):
    """What a file gets to see in place of a bar."""
    monkeypatch.setattr(progress, "console", Console(file=io.StringIO(), width=40))
    return progress.console.file


def test_a_file_gets_a_line_now_and_then(clock, piped):
    with progress.show_progress("cells", 100, completed=10) as advance:
        clock[0] += 2
        advance(10)
        assert piped.getvalue() == "cells 20% 20/100 ETA 0:00:16\n"
        clock[0] += 2
        advance(10)
        assert piped.getvalue().count("\n") == 1
        clock[0] += 8
        advance(0.5, "a cell whose name is longer than the forty columns of a line")
        last = piped.getvalue().splitlines()[-1]
        assert last.startswith("a cell whose") and last.endswith(" 30% ETA 0:00:41")
        advance(69.5)
    assert piped.getvalue().splitlines()[2:] == ["cells 100% 100/100"]
