"""What all visitors of the page share: the generators, and the turn to compute."""

import multiprocessing
import threading
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from typing import Any

from makeanagent.demo import PROMPTS
from makeanagent.errors import InputError, check_counts
from makeanagent.generator import MakeAnAgent
from makeanagent.policies.export import export_policies
from makeanagent.policies.folder import save_policies
from makeanagent.read_options import ReadOptions
from makeanagent.suites import Suite, find_suite
from makeanagent.suites.forms import require_form
from makeanagent.trajectories.trajectory import Trajectory
from makeanagent.trajectories.units import bring_to_units
from makeanagent.web.archives import pack
from makeanagent.web.sessions import Session, Sessions
from makeanagent.web.trial import (
    MAX_POLICIES,
    Emit,
    Stopped,
    Trial,
    describe_demonstration,
    film_trial,
    play_trial,
)
from makeanagent.web.uploads import ACCEPTED, SUFFIXES, ReadLimits, read_upload

_UNPACKED = 4
"""How many times its own size an upload may unpack to."""
_READ_SECONDS = 60
_BLINK = 0.5
"""Seconds between two looks at whose turn it is."""
_FOLDER = "policies"


@dataclass(frozen=True, kw_only=True)
class StudioConfig:
    """What the page offers, and what a visitor may cost."""

    generators: tuple[str, ...] = ("metaworld", "metaworld-41")
    "Bundled ones, folders, or Hugging Face hub ids; the first is chosen at first."
    max_upload: int = 64
    "Megabytes of an upload."
    max_seconds: int = 600
    "For generating and playing, without the wait for others."
    num_workers: int | None = None
    "Processes that play; by default one for each processor."

    def __post_init__(self) -> None:
        """Refuse limits that let nothing through.

        Raises:
            InputError: one does, or no generator is offered.
        """
        check_counts(self, ())
        if not self.generators:
            raise InputError("generators: none is offered; name one or more")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What is to be read."""

    generator: str
    "For which one."
    bundled: str | None = None
    "Name of a bundled demonstration; without, the upload."
    task: str | None = None
    "For a demonstration that names none."
    options: ReadOptions = ReadOptions()
    "Of an upload."


class Studio:
    """The generators, loaded; and visitors, of whom one computes at a time."""

    def __init__(self, config: StudioConfig) -> None:
        self.config = config
        self.generators = {name: MakeAnAgent.from_pretrained(name) for name in config.generators}
        self._suites: dict[str, Suite] = {
            name: find_suite(each.config.suite) for name, each in self.generators.items()
        }
        self._turn = threading.Lock()
        self._is_closing = threading.Event()
        self.sessions = Sessions()

    def describe(self) -> dict[str, Any]:
        """What a page has to know before anything is chosen, as JSON values."""
        return {
            "generators": [
                {
                    "name": name,
                    "about": repr(generator),
                    "suite": self._suites[name].name,
                    "tasks": self._suites[name].tasks(),
                    "demonstrations": _list_bundled(self._suites[name]),
                }
                for name, generator in self.generators.items()
            ],
            "max_policies": MAX_POLICIES,
            "max_upload": self.config.max_upload,
            "accepted": ACCEPTED,
            "suffixes": SUFFIXES,
            "has_onnx": find_spec("onnx") is not None,
        }

    def read(self, session: Session, asked: Reading) -> dict[str, Any]:
        """Read a bundled demonstration, or the visitor's own, for a generator.

        Returns:
            What `describe_demonstration` tells, with what is noted on reading, and which episodes
            there are.

        Raises:
            InputError: there is no such demonstration or generator, or one does not fit the other.
        """
        bundled, options = asked.bundled, asked.options
        generator = self.generators.get(asked.generator)
        if generator is None:
            raise InputError(
                f"{asked.generator[:80]}: no such generator here; there are"
                f" {', '.join(self.generators)}"
            )
        suite, config = self._suites[asked.generator], generator.config
        if bundled is not None:
            path = _find(bundled)
            if bundled not in _list_bundled(suite):
                raise InputError(f"{bundled[:80]}: no such bundled demonstration")
            demonstration = replace(Trajectory.load(path), name=path.name)
            episodes: dict[str, Any] = {"episode": 0, "episodes": [0], "num_episodes": 1}
            notes = list[str]()
        elif session.upload is not None:
            limits = ReadLimits(
                max_bytes=_UNPACKED * self.config.max_upload * 10**6, max_seconds=_READ_SECONDS
            )
            found = read_upload(session.upload, options, limits)
            demonstration, notes = found.demonstration, list(found.notes)
            episodes = {
                "episode": found.episode,
                "episodes": found.episodes,
                "num_episodes": found.num_episodes,
            }
        else:
            raise InputError("nothing was uploaded yet")
        require_form(demonstration, config.suite, config.space)
        demonstration, units = bring_to_units(demonstration, config.space)
        shown = describe_demonstration(demonstration, generator, suite, asked.task)
        session.demonstration, session.generator = demonstration, asked.generator
        return shown | episodes | {"notes": [*notes, *([units] if units else [])]}

    def make(self, session: Session, trial: Trial, emit: Emit) -> None:
        """Make policies for a visitor, once it is their turn.

        Raises:
            InputError: nothing was read yet, `play_trial` refuses the task, or time is up.
            Stopped: `emit` raised it, or the page is being closed.
        """
        demonstration = session.demonstration
        if demonstration is None:
            raise InputError("choose a demonstration first")
        generator, suite = self.generators[session.generator], self._suites[session.generator]
        name = session.generator
        while not self._turn.acquire(timeout=_BLINK):
            self._require_open()
            emit({"stage": "wait"})
        end = monotonic() + self.config.max_seconds

        def pass_on(line: dict[str, Any]) -> None:
            self._require_open()
            if line.get("stage") == "play" and monotonic() > end:
                raise InputError(
                    f"not played within {self.config.max_seconds} s; ask for fewer policies"
                )
            emit(line)

        try:
            played = play_trial(
                trial, demonstration, generator, suite, pass_on, self.config.num_workers
            )
            session.policies, session.about = played.policies, played.about | {"generator": name}
            # They can be had while they are filmed.
            pass_on({"stage": "film", "ready": True})
            pass_on(film_trial(suite, trial.task, demonstration, played.takes))
        finally:
            self._turn.release()

    def _require_open(self) -> None:
        if self._is_closing.is_set():
            raise Stopped

    def pack_policies(self, session: Session, form: str) -> bytes:
        """The visitor's policies as a zip file: their folder, or one ONNX file for each.

        Args:
            session: the visitor's.
            form: `safetensors` or `onnx`.

        Raises:
            InputError: there are none yet, or what ONNX needs is not installed.
        """
        policies, about = session.policies, session.about
        if policies is None:
            raise InputError("no policies were made yet")
        with self.sessions.scratch() as scratch:
            folder = Path(scratch) / _FOLDER
            save_policies(folder, policies.parameters.cpu().numpy(), policies.spec, about)
            if form == "onnx":
                export_policies(folder, folder.with_name(f"{_FOLDER}-onnx"), "onnx")
                folder = folder.with_name(f"{_FOLDER}-onnx")
            return pack(folder)

    def close(self) -> None:
        """Stop what runs, and delete what visitors left."""
        self._is_closing.set()
        for process in multiprocessing.active_children():
            process.terminate()
        # What computes ends at its next word; until then it might still start a process.
        if self._turn.acquire(timeout=10):
            self._turn.release()
        self.sessions.close()


def _list_bundled(suite: Suite) -> list[str]:
    """Names of the bundled demonstrations of a suite's tasks."""
    return [task for task in suite.tasks() if suite.name == "metaworld" and _find(task).is_file()]


def _find(task: str) -> Path:
    return PROMPTS / f"{task}.npz"
