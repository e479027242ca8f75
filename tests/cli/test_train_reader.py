"""`make-an-agent train reader`: from a command to a generator, refusals, and its bars."""

import io

import pytest
from rich.console import Console
from rich.progress import Progress
from tests.tiny_reader import RUN
from tests.tiny_sac import SUITE as EASY

from makeanagent.artifacts import read_json
from makeanagent.cli import main, progress
from makeanagent.cli.train import train_reader
from makeanagent.generator import MakeAnAgent
from makeanagent.training.reading_presets import READING_PRESETS


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setitem(READING_PRESETS, "smoke", RUN)
    monkeypatch.setattr("makeanagent.parallel.count_cpus", lambda: 1)


def test_one_command_trains_a_generator(tiny, run, tmp_path):
    arguments = ["train", "reader", "--suite", EASY, "--tasks", "drift-v1", "--preset", "smoke"]
    arguments += ["--out", tmp_path / "run", "--lessons", tmp_path / "lessons", "--seed", "3"]
    assert run(*arguments) == f"generator: {tmp_path / 'run' / 'generator'}\n"
    generator = MakeAnAgent.from_pretrained(tmp_path / "run" / "generator")
    assert generator.config.tasks == ("drift-v1",)
    assert read_json(tmp_path / "run" / "run.json")["config"]["seed"] == 3
    assert (tmp_path / "lessons" / "shown" / "drift-v1.safetensors").is_file()
    # And again, to the same.
    assert run(*arguments) == f"generator: {tmp_path / 'run' / 'generator'}\n"


def test_drawn_tasks_may_be_all_that_is_learned(tiny, run, tmp_path):
    arguments = ["train", "reader", "--suite", "procedural", "--tasks", "drawn"]
    run(*arguments, "--preset", "smoke", "--out", tmp_path / "run")
    assert MakeAnAgent.from_pretrained(tmp_path / "run" / "generator").config.tasks == ()
    assert (tmp_path / "run" / "lessons" / "drawn" / "00000.safetensors").is_file()


def test_mistakes_are_one_line(tiny, fails, tmp_path):
    out = ("--out", tmp_path / "run")
    fails(
        "preset paper: a reader has fast, large, smoke",
        "train",
        "reader",
        "--preset",
        "paper",
        *out,
    )
    fails("train all: needs a zoo; give its folder with --zoo", "train", "all", *out)
    reader = ("train", "reader", "--suite", EASY, "--preset", "smoke")
    fails("nothing-v1", *reader, "--tasks", "nothing-v1", *out)
    fails("no such suite", "train", "reader", "--suite", "nothing", *out)
    fails("nothing", *reader, "--tasks", "drift-v1", "--start-from", tmp_path / "nothing", *out)


@pytest.mark.parametrize(
    ("task", "message"),
    [("never-v1", "has not succeeded in 5 episodes"), ("alone-v1", "has no expert")],
)
def test_a_task_without_a_good_expert_is_one_line(tiny, capsys, tmp_path, task, message):
    arguments = ["train", "reader", "--suite", EASY, "--preset", "smoke", "--tasks", task]
    assert main([*arguments, "--out", str(tmp_path / "run")]) == 2
    # Its bar stands before it.
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith("make-an-agent: error: ")
    assert f"{task}: " in line
    assert message in line


class Run:
    """Reports as a training does, and looks at the bar after each one."""

    def __init__(self, *reports):
        self.reports = reports

    def train(self, device, pool, on_progress):
        for step, total, text, expected in self.reports:
            on_progress(step, total, text)
            console = Console(file=io.StringIO(), width=150)
            console.print(self.bars[-1])
            line = console.file.getvalue()
            assert text in line, line
            assert f"{expected}%" in line.split(), line


@pytest.fixture
def watch(tiny, monkeypatch):
    def watch(*reports):
        run, run.bars = Run(*reports), []

        class Remembered(Progress):
            def __init__(self, *columns, **options):
                super().__init__(*columns, **options)
                run.bars.append(self)

        monkeypatch.setattr(progress, "Progress", Remembered)
        monkeypatch.setattr(progress, "console", Console(file=io.StringIO(), width=150))
        train_reader(run, "cpu")
        return run.bars

    return watch


def test_each_part_fills_a_bar(watch):
    bars = watch(
        (0, 4, "drawing tasks", 0),
        (1, 4, "drawing tasks", 25),
        (4, 4, "drawing tasks", 100),
        (20, 40, "first phase: action error 0.500", 50),
        (40, 40, "first phase: action error 0.250", 100),
        (0, 1, "recording the tasks", 0),
        (1, 1, "recording the tasks", 100),
        (20, 30, "second phase: action error 0.125", 67),
        (30, 30, "second phase: action error 0.100", 100),
    )
    assert len(bars) == 4
    assert all(bar.finished for bar in bars)


def test_a_part_goes_on_where_it_was(watch):
    bars = watch((60, 80, "second phase: x", 75), (80, 80, "second phase: y", 100))
    assert len(bars) == 1


def test_nothing_to_do_shows_no_bar(watch):
    assert watch() == []
