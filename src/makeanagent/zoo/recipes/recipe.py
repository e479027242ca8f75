"""What the zoo's builder, store and commands know of a way to make policies."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol

import numpy as np

from makeanagent.errors import InputError
from makeanagent.zoo.plan import Config, ShardPlan

Arrays = dict[str, np.ndarray]
"""What training gives of a shard of N policies: `parameters` float32 `[N, P]`, `run` and `step` int
`[N]`; where there are such, `expert_success` `[1]` and the packed trajectories `rollouts`,
`demonstrations` and `replay` (trajectories/packing.py), these with `replay.run` and `replay.step`.
"""
Report = Callable[[float], Any]
"""Is told the part of the training that is done."""


class Train(Protocol[Config]):
    """Trains one shard's population, in a worker process."""

    def __call__(self, plan: ShardPlan[Config], folder: Path, report: Report) -> Arrays:
        """Train, in this process and in one thread.

        The same plan gives the same arrays, however often and wherever it is trained.

        Args:
            plan: of the shard.
            folder: on the worker's own disk: what training needs to go on after a stop may be kept
                there. The builder removes it, where it can see it, once it has the arrays.
            report: called now and then; what it is told may reach nobody.

        Raises:
            InputError: the task cannot be trained, or nothing came of it.
        """
        ...


class TrainTogether(Protocol[Config]):
    """Trains the shards of several tasks as one population, in the calling process."""

    def __call__(
        self, plans: Sequence[ShardPlan[Config]], folder: Path, pool: Executor, report: Report
    ) -> list[Arrays | InputError]:
        """Train, with what processes `pool` has; an error is of that task alone.

        Args:
            plans: shards of one suite, window, configuration, seed and device.
            folder: as for `Train`.
            pool: worker processes.
            report: as for `Train`.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Recipe(Generic[Config]):
    """One way to make the policies of a zoo; `registry.py` lists them all."""

    name: str
    "As zoos and the command line call it."
    config: type[Config]
    "Class of its settings."
    train: Train[Config]
    needs_experts: Callable[[Config], bool]
    "Whether each task needs an expert, by the settings."
    trains_on_qualified: bool
    """Whether generators are trained on qualified policies alone; on all of them, where policies
    are not meant to succeed on the layouts of the scores."""
    train_together: TrainTogether[Config] | None = None
    "How a GPU trains all tasks at once, where that takes less time than one after another."
    gives_replay: bool = False
    "Whether shards hold episodes of the agents' replay buffers."
