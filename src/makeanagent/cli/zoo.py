"""`make-an-agent zoo`: build, list, show, verify and publish zoos, and write their replay."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, Literal, TypeVar

import tyro

from makeanagent.cli.options import optional, read_given
from makeanagent.rl.sac import config as sac_config
from makeanagent.rl.sac.config import SACConfig
from makeanagent.zoo.recipes import distillation_config
from makeanagent.zoo.recipes.distillation_config import DistillationConfig

if TYPE_CHECKING:
    from makeanagent.zoo.plan import RecipeConfig
    from makeanagent.zoo.store import Zoo


_PRESETS: dict[str, Any] = {"distillation": distillation_config.PRESETS, "sac": sac_config.PRESETS}


@optional(distillation_config.PRESETS)
class _DistillationOptions(DistillationConfig):
    """Settings of distillation."""


@optional(sac_config.PRESETS)
class _SACOptions(SACConfig):
    """Settings of SAC."""


_OPTIONS: dict[str, type[Any]] = {"distillation": _DistillationOptions, "sac": _SACOptions}
Options = TypeVar("Options")


@dataclass(frozen=True, kw_only=True)
class Build(Generic[Options]):
    """Build a zoo of policies; run it again to go on after a stop.

    Example: make-an-agent zoo build --tasks window-close drawer-open --out runs/zoo
    """

    out: Path
    "Folder of the zoo: empty or new, or of a zoo that was begun with the same settings."
    suite: str = "metaworld"
    """Name of the suite: metaworld, robosuite, gymnasium or procedural, or a Python file that
    defines `suite`; metaworld-symmetric and procedural-symmetric have their tasks mirrored and
    turned as well."""
    tasks: tuple[str, ...] = ("seen",)
    "Tasks by name, groups of the suite (Meta-World: seen, unseen, training), or all."
    seed: int = 0
    "Seed of everything; population b of a task adds b to it."
    blocks: int = 1
    "Number of populations of each task."
    window_steps: int = 60
    """Environment steps that every stored trajectory has at least, so that the prompt window's n
    steps can be cut out of it."""
    workers: int | None = None
    "Number of worker processes; by default one for each processor."
    device: Literal["auto", "cpu", "cuda"] = "cpu"
    "Device that populations are trained on."
    recipe: Literal["distillation", "sac"] = "distillation"
    """How policies are made: distilled from the tasks' experts, or soft actor-critic agents trained
    on one layout, as the paper's. Each has settings of its own; `zoo build --recipe sac --help`
    shows SAC's."""
    preset: Literal["fast", "paper", "smoke"] = "fast"
    """Settings to begin with, from which the options below may differ. Of SAC, fast takes minutes a
    task on two cores, paper has the paper's 8 runs, 1,500 checkpoints and schedule, and smoke takes
    seconds; distillation has fast alone."""
    config: Annotated[Options, tyro.conf.OmitArgPrefixes]

    def run(self) -> None:
        """Build what is missing."""
        from makeanagent.cli.checks import require_at_least

        for option, value, minimum in (
            ("--workers", 1 if self.workers is None else self.workers, 1),
            ("--blocks", self.blocks, 1),
            ("--window-steps", self.window_steps, 1),
            ("--seed", self.seed, 0),
        ):
            require_at_least(option, value, minimum)
        config, given = self._choose_config()
        config.check()

        from makeanagent.cli.progress import show_progress
        from makeanagent.devices import find_device
        from makeanagent.parallel import open_pool
        from makeanagent.policies.spec import PolicySpec
        from makeanagent.suites import find_suite
        from makeanagent.suites.tasks import expand_tasks
        from makeanagent.trajectories import PromptWindow
        from makeanagent.zoo.build import build_zoo, find_space, measure_progress
        from makeanagent.zoo.recipes.registry import find_recipe
        from makeanagent.zoo.store import Zoo

        device = find_device(self.device)
        window = PromptWindow(num_steps=self.window_steps)
        suite = find_suite(self.suite)
        tasks = expand_tasks(suite, self.tasks)
        needs_experts = find_recipe(self.recipe).needs_experts(config)
        space = find_space(suite, tasks, need_experts=needs_experts)
        zoo = Zoo.create(
            self.out,
            self.suite,
            PolicySpec(observation_dim=space.observation_dim, action_dim=space.action_dim),
            self.recipe,
            config,
            self.seed,
            self.window_steps,
            space,
            given,
        )
        done = measure_progress(zoo, tasks, self.blocks)
        with (
            open_pool(self.workers) as pool,
            show_progress("zoo: shards", len(tasks) * self.blocks, done) as advance,
        ):
            build_zoo(
                zoo,
                suite,
                tasks,
                config,
                pool,
                num_blocks=self.blocks,
                seed=self.seed,
                window=window,
                device=device,
                on_progress=lambda task, share: advance(share, f"zoo: {task}"),
            )
        _print_zoo(zoo)

    def _choose_config(self) -> tuple["RecipeConfig", dict[str, Any]]:
        """The recipe's settings: of the preset, but for those that were given; and these.

        Raises:
            InputError: the recipe lacks the preset.
        """
        from makeanagent.errors import InputError

        presets = _PRESETS[self.recipe]
        if self.preset not in presets:
            raise InputError(
                f"--preset {self.preset}: --recipe {self.recipe} has {', '.join(presets)} alone"
            )
        given = read_given(self.config)
        config: RecipeConfig = replace(presets[self.preset], **given)
        return config, {"preset": self.preset} | given


@dataclass(frozen=True, kw_only=True)
class List:
    """List a zoo's tasks: policies, runs, and how many are qualified.

    Example: make-an-agent zoo list runs/zoo
    """

    zoo: Annotated[Path, tyro.conf.Positional]
    "The zoo's folder."

    def run(self) -> None:
        """Print one row a task."""
        from makeanagent.zoo.store import Zoo

        _print_zoo(Zoo.open(self.zoo))


@dataclass(frozen=True, kw_only=True)
class Show:
    """Show how a zoo was made, or one task's runs.

    Example: make-an-agent zoo show runs/zoo window-close-v3
    """

    zoo: Annotated[Path, tyro.conf.Positional]
    "The zoo's folder."
    task: Annotated[str | None, tyro.conf.Positional] = None
    "Full name of one of its tasks."

    def run(self) -> None:
        """Print the header, or one row a run."""
        import json

        import numpy as np

        from makeanagent.zoo.store import Zoo

        zoo = Zoo.open(self.zoo)
        if self.task is None:
            print(json.dumps(zoo.header, indent=2))
            return
        for name, index in zoo.read_indices(self.task).items():
            expert = _format_rate(index["expert_success"])
            print(f"{name}: expert success {expert}, seed {index['seed']}")
            success = np.array(index["success"], bool)
            for run in np.unique(index["run"]):
                rows = success[np.array(index["run"]) == run]
                print(
                    f"  run {run}: {len(rows)} checkpoints, success {rows.mean():.3f},"
                    f" qualified {rows.all(axis=1).mean():.3f}"
                )


@dataclass(frozen=True, kw_only=True)
class Verify:
    """Check every file of a zoo against its recorded hash and shape.

    Example: make-an-agent zoo verify runs/zoo
    """

    zoo: Annotated[Path, tyro.conf.Positional]
    "The zoo's folder."

    def run(self) -> None:
        """Print the faults, if any, and fail if there are."""
        from makeanagent.cli.words import count
        from makeanagent.errors import InputError
        from makeanagent.zoo.store import Zoo

        zoo = Zoo.open(self.zoo)
        faults = zoo.verify()
        for fault in faults:
            print(fault)
        if faults:
            raise InputError(
                f"{self.zoo}: {count(len(faults), 'fault')}, named above; to make a shard"
                " anew, delete its .json and run the same `zoo build`"
            )
        print(f"{self.zoo}: {count(len(zoo.shard_names()), 'shard')}, all whole")


@dataclass(frozen=True, kw_only=True)
class Replay:
    """Write the replay episodes of SAC zoos as Minari datasets, one a task: benchmarks' prompts.

    Example: make-an-agent zoo replay runs/sac --out runs/replay
    """

    zoos: Annotated[tuple[Path, ...], tyro.conf.Positional]
    "SAC zoos' folders."
    out: Path
    "Folder for the datasets; those that are there stay as they are."

    def run(self) -> None:
        """Write what is missing."""
        from makeanagent.errors import InputError
        from makeanagent.trajectories.files.minari import is_minari
        from makeanagent.zoo.replay import describe_origin, order_replay, save_replay
        from makeanagent.zoo.store import Zoo

        owners: dict[str, Zoo] = {}
        for zoo in map(Zoo.open, self.zoos):
            if not zoo.recipe.gives_replay:
                raise InputError(f"{zoo.folder}: a zoo of {zoo.recipe.name} has no replay")
            for task in zoo.tasks():
                if task in owners:
                    raise InputError(f"{zoo.folder}: {task} is in {owners[task].folder} too")
                owners[task] = zoo
        for task, zoo in owners.items():
            if is_minari(self.out / task):
                continue
            chosen = order_replay(zoo.load_task(task))
            if not chosen:
                raise InputError(f"{zoo.folder}: no replay episodes of {task}")
            episodes = [shard.replay[row] for shard, row in chosen]
            path = save_replay(self.out, task, episodes, describe_origin(zoo, chosen))
            print(f"{path}: {len(chosen)} episodes")


@dataclass(frozen=True, kw_only=True)
class Publish:
    """Write a finished zoo as a dataset for others: index, card, splits and Croissant file.

    Example: make-an-agent zoo publish runs/zoo --out runs/zoo_dataset
    """

    goes_on: ClassVar[bool] = False
    "It is done from the start again after a stop."

    zoo: Annotated[Path, tyro.conf.Positional]
    "The zoo's folder."
    out: Path
    "Folder to write to, empty or new."
    license: str | None = None
    "License of the data, as the hub names it, such as cc-by-4.0."

    def run(self) -> None:
        """Write, and say what was written."""
        from makeanagent.cli.words import count
        from makeanagent.zoo.publish import publish_zoo
        from makeanagent.zoo.published import load_published
        from makeanagent.zoo.store import Zoo

        published = load_published(
            publish_zoo(Zoo.open(self.zoo), self.out, license_name=self.license)
        )
        tasks = count(len(set(published.index["task"])), "task")
        print(f"{self.out}: {count(len(published), 'policy', 'policies')}, {tasks}")


@dataclass(frozen=True, kw_only=True)
class ZooCommand(Generic[Options]):
    """Build and look after zoos of policies."""

    command: (
        Annotated[Build[Options], tyro.conf.subcommand("build")]
        | Annotated[List, tyro.conf.subcommand("list")]
        | Annotated[Show, tyro.conf.subcommand("show")]
        | Annotated[Verify, tyro.conf.subcommand("verify")]
        | Annotated[Replay, tyro.conf.subcommand("replay")]
        | Annotated[Publish, tyro.conf.subcommand("publish")]
    )

    def run(self) -> None:
        """Run the subcommand."""
        self.command.run()


def find_options(arguments: Sequence[str]) -> type[Any]:
    """The options that `zoo build` has besides its own: those of the recipe that is named.

    Args:
        arguments: of the command line, which is yet to be parsed.

    Raises:
        InputError: one of them is an option of another recipe alone.
    """
    from makeanagent.errors import InputError

    if list(arguments[:2]) != ["zoo", "build"]:
        return _DistillationOptions
    words = [word for argument in arguments for word in argument.split("=", 1)]
    named = [value for word, value in zip(words, words[1:], strict=False) if word == "--recipe"]
    recipe = named[-1] if named else "distillation"
    own = _OPTIONS.get(recipe)
    if own is None:
        return _DistillationOptions  # The parser says which recipes there are.
    known = _name_options(own)
    for other, options in _OPTIONS.items():
        for word in words:
            if word.replace("_", "-") in _name_options(options) - known:
                raise InputError(f"{word}: an option of --recipe {other}, not of {recipe}")
    return own


def _name_options(options: type[Any]) -> set[str]:
    names = {field.name.replace("_", "-") for field in fields(options)}
    return {f"--{name}" for name in names} | {f"--no-{name}" for name in names}


def _format_rate(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.2f}"


def _print_zoo(zoo: "Zoo") -> None:
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    table = Table(title=str(zoo.folder))
    for name in ("task", "policies", "runs", "qualified", "success", "expert"):
        table.add_column(name, justify="left" if name == "task" else "right")
    for name in zoo.shard_names():
        index = zoo.read_index(name)
        success = np.array(index["success"], bool)
        table.add_row(
            index["task"],
            str(index["num_policies"]),
            str(len(set(index["run"]))),
            f"{success.all(axis=1).mean():.3f}",
            f"{success.mean():.3f}",
            _format_rate(index["expert_success"]),
        )
    Console().print(table)
