"""`make-an-agent zoo`: build, list, show and verify zoos, and write their replay prompts."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from makeanagent.rl.sac.config import SACConfig, adapt
from makeanagent.zoo.recipes.distillation_config import DistillationConfig

if TYPE_CHECKING:
    from makeanagent.zoo.store import Zoo


@dataclass(frozen=True, kw_only=True)
class Build:
    """Build a zoo of policies; run it again to go on after a stop."""

    out: Path
    "The zoo's folder; empty or new, or of a zoo that was begun with the same settings."
    suite: str = "metaworld"
    "Suite: metaworld, gymnasium, or a Python file that defines `suite`."
    tasks: tuple[str, ...] = ("seen",)
    "Tasks by name, groups of the suite (Meta-World: seen, unseen, training), or all."
    seed: int = 0
    "Of everything; population b of a task adds b to it."
    blocks: int = 1
    "Populations for each task."
    num_steps: int = 60
    "Steps that each stored trajectory has at least: the prompt window's n."
    workers: int | None = None
    "Processes; by default one for each processor."
    device: Literal["auto", "cpu", "cuda"] = "cpu"
    "Where populations are trained."
    recipe: Literal["distillation", "sac"] = "distillation"
    """How policies are made: distilled from the tasks' experts, or soft actor-critic agents trained
    on one layout, as the paper's."""
    config: Annotated[DistillationConfig, tyro.conf.OmitArgPrefixes] = field(
        default_factory=DistillationConfig
    )
    preset: Literal["fast", "paper", "smoke"] = "fast"
    "Of SAC. fast: minutes a task on two cores; paper: its 8 runs, 1,500 checkpoints and schedule."
    sac: SACConfig = field(default_factory=SACConfig)
    "What is to differ from the preset."

    def run(self) -> None:
        """Build what is missing."""
        from makeanagent.cli.checks import require_at_least

        for option, value, minimum in (
            ("--workers", 1 if self.workers is None else self.workers, 1),
            ("--blocks", self.blocks, 1),
            ("--num-steps", self.num_steps, 1),
            ("--seed", self.seed, 0),
        ):
            require_at_least(option, value, minimum)
        config = self._choose_config()
        config.check()

        from makeanagent.cli.progress import show_progress
        from makeanagent.devices import find_device
        from makeanagent.parallel import open_pool
        from makeanagent.policies.spec import PolicySpec
        from makeanagent.suites import find_suite
        from makeanagent.suites.tasks import expand_tasks
        from makeanagent.trajectories import PromptWindow
        from makeanagent.zoo.build import build_zoo, find_space, measure_progress
        from makeanagent.zoo.store import Zoo

        device = find_device(self.device)
        window = PromptWindow(num_steps=self.num_steps)
        suite = find_suite(self.suite)
        tasks = expand_tasks(suite, self.tasks)
        space = find_space(suite, tasks, need_experts=config.num_demonstrations > 0)
        zoo = Zoo.create(
            self.out,
            self.suite,
            PolicySpec(observation_dim=space.observation_dim, action_dim=space.action_dim),
            self.recipe,
            config,
            self.seed,
            self.num_steps,
            space,
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

    def _choose_config(self) -> DistillationConfig | SACConfig:
        """The recipe's settings.

        Raises:
            InputError: settings of the other recipe were given.
        """
        from makeanagent.errors import InputError

        if self.recipe == "distillation":
            if self.sac != SACConfig() or self.preset != "fast":
                raise InputError("--preset and --sac.* are settings of --recipe sac; give that too")
            return self.config
        if self.config != DistillationConfig():
            raise InputError(
                "--recipe sac: options such as --num-runs are of distillation; SAC has its own,"
                " such as --sac.num-runs"
            )
        return adapt(self.preset, self.sac)


@dataclass(frozen=True, kw_only=True)
class List:
    """List a zoo's tasks: policies, runs, and how many are qualified."""

    zoo: Annotated[Path, tyro.conf.Positional]
    "The zoo's folder."

    def run(self) -> None:
        """Print one row a task."""
        from makeanagent.zoo.store import Zoo

        _print_zoo(Zoo.open(self.zoo))


@dataclass(frozen=True, kw_only=True)
class Show:
    """Show how a zoo was made, or one task's runs."""

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
    """Check every file of a zoo against its recorded hash and shape."""

    zoo: Annotated[Path, tyro.conf.Positional]
    "The zoo's folder."

    def run(self) -> None:
        """Print the faults, if any, and fail if there are."""
        from makeanagent.errors import InputError
        from makeanagent.zoo.store import Zoo

        zoo = Zoo.open(self.zoo)
        faults = zoo.verify()
        for fault in faults:
            print(fault)
        if faults:
            raise InputError(
                f"{self.zoo}: {len(faults)} fault(s), named above; to make a shard anew, delete its"
                " .json and run the same `zoo build`"
            )
        print(f"{self.zoo}: {len(zoo.shard_names())} shard(s), all whole")


@dataclass(frozen=True, kw_only=True)
class Replay:
    """Write the replay episodes of SAC zoos as Minari datasets, one a task: benchmarks' prompts."""

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
            if zoo.header["recipe"] != "sac":
                raise InputError(f"{zoo.folder}: a zoo of {zoo.header['recipe']} has no replay")
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
class ZooCommand:
    """Build and look after zoos of policies."""

    command: (
        Annotated[Build, tyro.conf.subcommand("build")]
        | Annotated[List, tyro.conf.subcommand("list")]
        | Annotated[Show, tyro.conf.subcommand("show")]
        | Annotated[Verify, tyro.conf.subcommand("verify")]
        | Annotated[Replay, tyro.conf.subcommand("replay")]
    )

    def run(self) -> None:
        """Run the subcommand."""
        self.command.run()


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
