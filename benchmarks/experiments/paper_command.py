"""`make-an-agent benchmark table4`, `figure5`, ...: the paper's experiments, from shared cells.

An experiment is one module of `benchmarks` with `NAME`, `list_cells` and `summarize`, a line in
`_list_cells` below, and a picture where it has one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from benchmarks.cells import Cell, Source, ZooKind
    from makeanagent.generator import MakeAnAgent
    from makeanagent.suites import Suite
    from makeanagent.training.presets import TrainingConfig
    from makeanagent.trajectories import Trajectory
    from makeanagent.zoo.store import Zoo

_HELD_OUT_RUNS = 2
"""Zoo prompts come from the last runs of each task, which training holds out."""
Experiment = Literal["table4", "figure5", "figure7", "alignment"]


@dataclass(frozen=True, kw_only=True)
class Paper:
    """The paper's experiments in one go: Table 4, figures 5, 6 and 7, and alignment."""

    experiments: ClassVar[tuple[Experiment, ...]] = ("table4", "figure5", "figure7", "alignment")

    zoo: Path
    "Distilled zoo to train on."
    sac_zoo: Path | None = None
    "SAC zoo to train on besides."
    sac_shared_zoo: Path | None = None
    "SAC zoo whose agents share their initial actor, for the experiment on alignment."
    unseen_zoo: Path | None = None
    "Zoo whose policies prompt the unseen tasks; needed for zoo prompts there."
    replay: Path = Path("benchmarks/replay")
    "Replay prompts: a folder with one Minari dataset a task."
    runs: Path = Path("runs/paper")
    "Training runs and cells, one folder or file each; a stopped benchmark goes on with them."
    out: Path = Path("benchmarks/results")
    "Folder for the figures, one JSON file an experiment."
    pictures: Path = Path("docs/images")
    "Folder for the pictures."
    seeds: int = 4
    "Training seeds."
    num_prompts: int = 100
    "Prompts, and policies, in each cell."
    sources: tuple[Literal["expert", "zoo", "replay"], ...] = ("expert", "zoo", "replay")
    "Who makes the prompts of Table 4; the other experiments have replay prompts."
    tasks: tuple[str, ...] = ("seen", "unseen")
    preset: Literal["fast", "paper", "smoke"] = "fast"
    paper_schedule: float | None = None
    """Train on the distilled zoo with the paper's preset besides, for a row of Table 4, on this
    share of its schedule; 1 is the whole: days on a processor, hours on a GPU."""
    device: Literal["auto", "cpu", "cuda"] = "auto"

    def run(self) -> None:
        """Train what is missing, fill the cells, and write figures and pictures."""
        from importlib import import_module

        from benchmarks.cells import CellConfig, fill_cells, read_cells
        from makeanagent.artifacts import write_json
        from makeanagent.cli.checks import require_at_least
        from makeanagent.cli.progress import show_progress
        from makeanagent.errors import InputError
        from makeanagent.parallel import open_pool
        from makeanagent.suites import find_suite
        from makeanagent.suites.tasks import expand_tasks
        from makeanagent.zoo.replay import require_replay

        require_at_least("--seeds", self.seeds, 1)
        require_at_least("--num-prompts", self.num_prompts, 1)
        if self.paper_schedule is not None and not 0 < self.paper_schedule <= 1:
            raise InputError(f"--paper-schedule {self.paper_schedule}: must be in (0, 1]")
        zoos = self._open_zoos()
        suite = find_suite(zoos["distilled"].suite)
        tasks = expand_tasks(suite, self.tasks)
        seen = zoos["distilled"].tasks()
        others = self._find_prompting_zoo(zoos["distilled"], tasks)
        plans = {
            name: cells
            for name in self.experiments
            if (cells := self._list_cells(name, tuple(zoos), tasks, seen))
        }
        if not plans:
            raise InputError(f"{self.experiments[0]}: nothing to compare; give --sac-zoo as well")
        cells = list({cell.name: cell for plan in plans.values() for cell in plan}.values())
        for task in sorted({cell.task for cell in cells if cell.source == "replay"}):
            require_replay(self.replay, task)

        @cache
        def load(zoo: "ZooKind", seed: int) -> "MakeAnAgent":
            return self._train(zoo, zoos[zoo], seed)

        with open_pool() as pool:
            for cell in cells:
                load(cell.zoo, cell.seed)
            with show_progress("paper: cells", len(cells)) as advance:
                fill_cells(
                    pool,
                    suite,
                    cells,
                    load,
                    partial(self._make_prompts, pool, suite, zoos["distilled"], others),
                    self.runs / "cells",
                    CellConfig(num_prompts=self.num_prompts),
                    lambda name: advance(1, f"paper: {name}"),
                )
        for name, plan in plans.items():
            module = import_module(f"benchmarks.experiments.{name}")
            result = module.summarize(read_cells(self.runs / "cells", plan))
            result |= {"preset": self.preset, "paper_schedule": self.paper_schedule}
            write_json(self.out / f"{name}.json", result)
            print(f"written: {self.out / name}.json")
            self._draw(name, result)

    def _open_zoos(self) -> "dict[ZooKind, Zoo]":
        """The zoos that were given."""
        from makeanagent.zoo.store import Zoo

        zoos: dict[ZooKind, Zoo] = {"distilled": Zoo.open(self.zoo)}
        if self.paper_schedule is not None:
            zoos["distilled-paper"] = zoos["distilled"]
        if self.sac_zoo:
            zoos["sac"] = zoos["sac-aligned"] = Zoo.open(self.sac_zoo)
        if self.sac_shared_zoo:
            zoos["sac-shared"] = Zoo.open(self.sac_shared_zoo)
        return zoos

    def _find_prompting_zoo(self, zoo: "Zoo", tasks: Sequence[str]) -> "Zoo | None":
        """The zoo whose policies prompt what the generator has not seen.

        Raises:
            InputError: zoo prompts are asked for, and there is none for a task.
        """
        from makeanagent.errors import InputError
        from makeanagent.zoo.store import Zoo

        others = Zoo.open(self.unseen_zoo) if self.unseen_zoo else None
        lacking = set(tasks) - set(zoo.tasks()) - set(others.tasks() if others else ())
        if "table4" in self.experiments and "zoo" in self.sources and lacking:
            raise InputError(
                f"--sources zoo: no zoo holds policies of {', '.join(sorted(lacking))};"
                " give --unseen-zoo, or --sources expert replay"
            )
        return others

    def _make_prompts(
        self,
        pool: "Executor",
        suite: "Suite",
        zoo: "Zoo",
        others: "Zoo | None",
        generator: "MakeAnAgent",
        source: "Source",
        task: str,
    ) -> "list[Trajectory]":
        """One source's prompts for a task."""
        from benchmarks.prompts import record_expert_prompts, record_zoo_prompts
        from makeanagent.zoo.replay import load_replay

        window, count = generator.config.window, self.num_prompts
        if source == "replay":
            return load_replay(self.replay, task, count)
        if source == "expert":
            return record_expert_prompts(pool, suite, task, count, window)
        owner = zoo if task in zoo.tasks() or others is None else others
        return record_zoo_prompts(pool, suite, task, owner, count, window, _HELD_OUT_RUNS)

    def _list_cells(
        self,
        name: Experiment,
        zoos: "Sequence[ZooKind]",
        tasks: Sequence[str],
        seen: Sequence[str],
    ) -> "list[Cell]":
        from benchmarks.experiments import alignment, figure5, figure7, table4

        main = [zoo for zoo in zoos if zoo in ("distilled", "sac")]
        paper = [zoo for zoo in zoos if zoo == "distilled-paper"]
        if name == "table4":
            return table4.list_cells([*main, *paper], self.sources, tasks, self.seeds)
        if name == "figure5":
            return figure5.list_cells(main, tasks, self.seeds)
        if name == "figure7":
            unseen = [task for task in tasks if task not in seen]
            return figure7.list_cells(("distilled",), unseen, self.seeds)
        known = [task for task in tasks if task in seen]
        present = [zoo for zoo in alignment.KINDS if zoo in zoos]
        return alignment.list_cells(present, known, self.seeds)

    def _train(self, kind: "ZooKind", zoo: "Zoo", seed: int) -> "MakeAnAgent":
        """The generator of a zoo and seed, trained if it is missing."""
        from makeanagent.cli.train import train_all
        from makeanagent.generator import MakeAnAgent

        folder = train_all(
            self.runs / f"{kind}-{seed}", zoo, self._choose_config(kind, seed), self.device
        )
        return MakeAnAgent.from_pretrained(folder)

    def _choose_config(self, kind: "ZooKind", seed: int) -> "TrainingConfig":
        """The preset; on SAC zoos prompted by the policies' own rollouts alone, as in the paper.

        Their runs begin apart and take more dimensions to be told: decoded from 128, many agents no
        longer solve their own layout.
        """
        from dataclasses import replace

        from makeanagent.training.presets import PRESETS, shorten

        if kind == "distilled-paper":
            return replace(shorten(PRESETS["paper"], self.paper_schedule or 1.0), seed=seed)
        config = replace(PRESETS[self.preset], seed=seed)
        if kind == "distilled":
            return config
        autoencoder = config.autoencoder
        if self.preset == "fast":
            autoencoder = replace(autoencoder, model=replace(autoencoder.model, latent_dim=256))
        diffusion = replace(config.diffusion, demonstration_share=0.0)
        return replace(
            config, autoencoder=autoencoder, diffusion=diffusion, align=kind == "sac-aligned"
        )

    def _draw(self, name: Experiment, result: dict[str, Any]) -> None:
        from benchmarks.experiments.figures_paper import draw_figure5, draw_figure7
        from makeanagent.evaluation.figures import write_figure

        drawers: dict[str, Callable] = {"figure5": draw_figure5, "figure7": draw_figure7}
        if name in drawers:
            path = self.pictures / f"{name}.png"
            write_figure(drawers[name](result), path)
            print(f"written: {path}")


@dataclass(frozen=True, kw_only=True)
class Table4(Paper):
    """The paper's Table 4: 100 prompts a task, seen and unseen, over training seeds."""

    experiments = ("table4",)


@dataclass(frozen=True, kw_only=True)
class Figure5(Paper):
    """The paper's figures 5 and 6: the best policies over the number of prompts."""

    experiments = ("figure5",)


@dataclass(frozen=True, kw_only=True)
class Figure7(Paper):
    """The paper's figure 7: noise on the actions in the prompts."""

    experiments = ("figure7",)


@dataclass(frozen=True, kw_only=True)
class Alignment(Paper):
    """SAC zoos as they are, aligned, and with a shared beginning."""

    experiments = ("alignment",)
