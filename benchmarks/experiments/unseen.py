"""From one demonstration of a task that nobody trained on to a policy: ways, rivals and curves."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

from benchmarks.experiments.unseen_cells import Part, UnseenConfig, plan_cells, run_unseen
from benchmarks.experiments.unseen_page import draw_unseen, write_shipped, write_unseen
from benchmarks.experiments.unseen_summary import summarize_unseen
from benchmarks.prompts import EXPERT_NOISE
from benchmarks.results import Settings, describe_training, read_optional, write_result
from makeanagent.cli.checks import require_at_least, require_picture
from makeanagent.cli.progress import show_progress
from makeanagent.cli.train import train_all
from makeanagent.errors import InputError
from makeanagent.evaluation.figures import write_figure
from makeanagent.evaluation.protocols import ProtocolConfig
from makeanagent.generator import MakeAnAgent
from makeanagent.parallel import open_pool
from makeanagent.suites import find_suite
from makeanagent.suites.tasks import expand_tasks
from makeanagent.training.presets import PRESETS
from makeanagent.training.reading_presets import FAST_READING
from makeanagent.zoo.store import Zoo

Preset = Literal["fast", "paper", "smoke"]
READER = "reader"
"""In place of a preset's name, of a generator that was given and that reads."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """Generation and guidance against cloning and other rivals, on seen and new tasks."""

    zoo: Path | None = None
    "Zoo to train on, without its tasks of the suite's group `unseen`."
    generator: str | None = None
    """A generator to measure as the one training seed, in place of training any: a bundled one's
    name, a folder, or a Hugging Face hub id. Its rivals need the zoo that it was trained on."""
    runs: Path = Path("runs/unseen")
    "Training runs and cells, one folder or file each; a stopped benchmark goes on with them."
    seeds: int = 3
    "Training seeds."
    rival_seeds: int = 1
    "Training seeds whose generators have rivals."
    tasks: tuple[str, ...] = ("seen", "unseen")
    "Tasks to generate for, or groups of them."
    num_prompts: int = 10
    "Expert prompts of each task and training seed, and policies."
    parts: tuple[Part, ...] = ("core", "rivals", "curves")
    "What to measure; cells of the other parts, where they are there, are read."
    sealed: bool = False
    """Score on sealed layouts, for a final table: this adds a line to the log of their uses
    (`benchmarks/sealed_layouts.jsonl`). Curves are scored as ever."""
    preset: Preset = "fast"
    "Settings of the generators' training."
    device: Literal["auto", "cpu", "cuda"] = "auto"
    "Where generators are trained, and generate."
    note: str = ""
    "A sentence on this run, kept with its figures and shown with them."
    out: Path = Path("benchmarks/results/unseen.json")
    "The figures' file."
    figure: Path = Path("docs/images/unseen.png")
    "Picture of the curves, `.png` or `.svg`."

    def run(self) -> None:
        """Train what is missing, fill the cells, and write the figures and their picture."""
        require_at_least("--seeds", self.seeds, 1)
        require_picture("--figure", self.figure)
        config = UnseenConfig(
            parts=self.parts,
            num_prompts=self.num_prompts,
            rival_seeds=self.rival_seeds,
            sealed=self.sealed,
        )
        zoo = None if self.zoo is None else Zoo.open(self.zoo)
        load = cache(lambda path: MakeAnAgent.from_pretrained(path, self.device))
        if self.generator is not None:
            paths: list[str | Path] = [self.generator]
            suite = find_suite(load(self.generator).config.suite)
        elif zoo is None:
            raise InputError("unseen: give --zoo to train on, or a trained --generator")
        else:
            suite = zoo.find_suite()
            paths = self._train(zoo, suite.groups.get("unseen", ()))
        tasks = expand_tasks(suite, self.tasks)
        generators = [partial(load, path) for path in paths]
        cells = self.runs / "cells"
        total = len(plan_cells(tasks, generators, config))
        with open_pool() as pool, show_progress("unseen: cells", total) as advance:
            run_unseen(
                pool,
                suite,
                tasks,
                generators,
                zoo,
                cells,
                config,
                lambda name: advance(1, f"unseen: {name}"),
            )
        result = summarize_unseen(cells, tasks, generators, config)
        write_result(self.out, "unseen", result, self._resolve(load(paths[0]), paths), self.note)
        if result["curves"]:
            write_figure(draw_unseen(result), self.figure)
            print(f"written: {self.figure}")

    def _train(self, zoo: Zoo, unseen: Sequence[str]) -> list[str | Path]:
        """A generator's folder for each training seed.

        Raises:
            InputError: there is nothing to train on.
        """
        trained_on = tuple(task for task in zoo.tasks() if task not in unseen)
        if not trained_on:
            raise InputError(f"{zoo.folder}: all of its tasks are unseen ones")
        return [
            train_all(
                self.runs / f"seed-{seed}",
                zoo,
                replace(PRESETS[self.preset], seed=seed),
                self.device,
                trained_on,
            )
            for seed in range(self.seeds)
        ]

    def _resolve(self, generator: MakeAnAgent, paths: Sequence[str | Path]) -> Settings:
        settings = resolve_settings(
            seeds=len(paths),
            rival_seeds=self.rival_seeds,
            num_prompts=self.num_prompts,
            parts=self.parts,
            sealed=self.sealed,
            preset=READER if generator.config.reads_whole else self.preset,
        )
        # One that was given may be of another recipe, or not tell of which.
        if self.generator is not None:
            settings["training"] = describe_training(generator)
        return settings


def resolve_settings(
    *,
    seeds: int,
    rival_seeds: int,
    num_prompts: int,
    parts: Sequence[Part],
    sealed: bool,
    preset: str,
) -> Settings:
    """What is measured with these options by today's code."""
    config = UnseenConfig(
        parts=tuple(parts), num_prompts=num_prompts, rival_seeds=rival_seeds, sealed=sealed
    )
    sizes = asdict(config)
    methods = sizes.pop("methods")
    return {
        "options": {
            "seeds": seeds,
            "rival_seeds": rival_seeds,
            "num_prompts": num_prompts,
            "parts": list(parts),
            "sealed": sealed,
            "preset": preset,
        },
        "sizes": sizes,
        **methods,
        "protocol": asdict(ProtocolConfig(score_on="sealed" if sealed else "scoring")),
        "expert_noise": list(EXPERT_NOISE),
        "training": _describe_preset(preset),
    }


def _describe_preset(preset: str) -> Settings:
    """Settings of the training that a preset, or `READER`, names."""
    if preset != READER:
        return asdict(PRESETS[preset])
    return asdict(FAST_READING)


def write_page() -> str:
    """The sections on unseen tasks and on the bundled generator."""
    unseen, shipped = read_unseen(), read_optional("shipped")
    text = ""
    if unseen is not None:
        text += write_unseen(
            unseen,
            zoo=read_optional("zoo_generators"),
            whole=read_optional("zoo_training"),
            known=read_optional("known"),
            resolve=resolve_settings,
        )
    return text + (write_shipped(shipped, resolve_settings) if shipped else "")


def read_unseen() -> dict[str, Any] | None:
    """Figures of unseen tasks, with those of seen ones, which were measured apart, beside them."""
    unseen, known = read_optional("unseen"), read_optional("known")
    if unseen is not None and known is not None:
        for name in ("means", "against_rival"):
            unseen[name] = [part for part in known[name] if part["seen"]] + [
                part for part in unseen[name] if not part["seen"]
            ]
    return unseen
