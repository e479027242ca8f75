"""`make-an-agent zoo`: build, list, show and verify zoos."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from makeanagent.zoo.config import DistillationConfig


@dataclass(frozen=True, kw_only=True)
class Build:
    """Build a zoo by distilling experts; run it again to go on after a stop."""

    out: Path
    "The zoo's folder."
    suite: str = "metaworld"
    "Suite: `metaworld`, `gymnasium`, or a Python file that defines `suite`."
    tasks: tuple[str, ...] = ("seen",)
    "Tasks by name, or groups of the suite (Meta-World: seen, unseen), or all."
    seed: int = 0
    blocks: int = 1
    "Populations for each task."
    num_steps: int = 60
    "Steps that each stored trajectory has at least: the prompt window's n."
    workers: int | None = None
    "Processes; by default one for each processor."
    device: str = "cpu"
    "Where populations are trained: cpu, cuda or auto."
    config: DistillationConfig = field(default_factory=DistillationConfig)

    def run(self) -> None:
        """Build what is missing."""
        from makeanagent.cli.progress import show_progress
        from makeanagent.devices import find_device
        from makeanagent.environments import find_suite
        from makeanagent.environments.groups import expand_tasks
        from makeanagent.parallel import open_pool
        from makeanagent.policies import PolicySpec
        from makeanagent.trajectories import PromptWindow
        from makeanagent.zoo.build import build_zoo
        from makeanagent.zoo.store import Zoo

        suite = find_suite(self.suite)
        tasks = expand_tasks(suite, self.tasks)
        observation_dim, action_dim = suite.spaces(tasks[0])
        spec = PolicySpec(observation_dim=observation_dim, action_dim=action_dim)
        zoo = Zoo.create(self.out, self.suite, spec, "distillation", self.config, self.seed)
        window = PromptWindow(num_steps=self.num_steps)
        total = len(tasks) * self.blocks
        with (
            open_pool(self.workers) as pool,
            show_progress("zoo: shards", total) as advance,
        ):
            build_zoo(
                zoo,
                suite,
                tasks,
                self.config,
                pool,
                num_blocks=self.blocks,
                seed=self.seed,
                window=window,
                device=find_device(self.device),
                on_progress=lambda task, share: advance(share, f"zoo: {task}"),
            )
        _print_zoo(zoo)


@dataclass(frozen=True, kw_only=True)
class List:
    """List a zoo's tasks: policies, runs, and how many are qualified."""

    zoo: Annotated[Path, tyro.conf.Positional]

    def run(self) -> None:
        """Print one row a task."""
        from makeanagent.zoo.store import Zoo

        _print_zoo(Zoo.open(self.zoo))


@dataclass(frozen=True, kw_only=True)
class Show:
    """Show how a zoo was made, or one task's runs."""

    zoo: Annotated[Path, tyro.conf.Positional]
    task: Annotated[str | None, tyro.conf.Positional] = None

    def run(self) -> None:
        """Print the header, or one row a run."""
        import json

        import numpy as np

        from makeanagent.zoo.store import Zoo

        zoo = Zoo.open(self.zoo)
        if self.task is None:
            print(json.dumps(zoo.header, indent=2))
            return
        for shard in zoo.load_task(self.task):
            print(f"{shard.name}: expert success {shard.expert_success:.2f}, seed {shard.seed}")
            for run in np.unique(shard.run):
                rows = shard.run == run
                print(
                    f"  run {run}: {rows.sum()} checkpoints, success"
                    f" {shard.success[rows].mean():.3f}, qualified {shard.qualified[rows].mean():.3f}"
                )


@dataclass(frozen=True, kw_only=True)
class Verify:
    """Check every file of a zoo against its recorded hash and shape."""

    zoo: Annotated[Path, tyro.conf.Positional]

    def run(self) -> None:
        """Print the faults, if any, and fail if there are."""
        from makeanagent.errors import InputError
        from makeanagent.zoo.store import Zoo

        zoo = Zoo.open(self.zoo)
        faults = zoo.verify()
        for fault in faults:
            print(fault)
        if faults:
            raise InputError(f"{self.zoo}: {len(faults)} fault(s) found; see the lines above")
        print(f"{self.zoo}: {len(zoo.shard_names())} shard(s), all whole")


@dataclass(frozen=True, kw_only=True)
class ZooCommand:
    """Build and look after zoos of policies."""

    command: (
        Annotated[Build, tyro.conf.subcommand("build")]
        | Annotated[List, tyro.conf.subcommand("list")]
        | Annotated[Show, tyro.conf.subcommand("show")]
        | Annotated[Verify, tyro.conf.subcommand("verify")]
    )

    def run(self) -> None:
        """Run the subcommand."""
        self.command.run()


def _print_zoo(zoo: "Zoo") -> None:  # type: ignore[name-defined]  # noqa: F821
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
            f"{index['expert_success']:.2f}",
        )
    Console().print(table)
