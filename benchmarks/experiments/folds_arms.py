"""The arms of `folds`: from a left-out task's demonstrations to policies, in several ways.

What tells a generator that reads its demonstration from one that does not is the difference between
arms: another task's demonstration, or the nearest that training knew, in the place of its own.
"""

from collections.abc import Sequence
from concurrent.futures import Executor
from functools import cached_property, lru_cache
from typing import Any

import torch
from torch import Tensor

from benchmarks.hidden import hide_in_demonstration
from benchmarks.prompts import EXPERT_NOISE, record_expert_prompts
from makeanagent.errors import InputError
from makeanagent.generator import MakeAnAgent
from makeanagent.methods.bank import measure_distances
from makeanagent.methods.method import MethodConfig, Sources
from makeanagent.methods.registry import find_method
from makeanagent.policies.batch import PolicyBatch
from makeanagent.suites import Suite, layouts
from makeanagent.trajectories import PromptWindow, Trajectory


class Demonstrations:
    """Expert demonstrations with noise by turns, recorded once for all folds and training seeds.

    Args:
        pool: worker processes.
        suite: the environments.
        num_prompts: of each left-out task, on layouts for prompts.
        num_known: of each training task, on the zoo's layouts.
        first: where in the range of prompts' layouts the first one is recorded.
    """

    def __init__(
        self, pool: Executor, suite: Suite, num_prompts: int, num_known: int, first: int
    ) -> None:
        self._pool, self.suite, self._first = pool, suite, first
        self._num_prompts, self._num_known = num_prompts, num_known
        self.record_prompts = lru_cache(maxsize=None)(self._record_prompts)
        self.record_known = lru_cache(maxsize=None)(self._record_known)

    def _record_prompts(self, task: str) -> list[Trajectory]:
        """Those that prompt.

        Raises:
            InputError: the expert keeps failing.
        """
        return self._record(task, self._num_prompts, self._first, layouts.PROMPTS)

    def _record_known(self, task: str) -> list[Trajectory]:
        """Those of a training task; none where its expert keeps failing."""
        try:
            return self._record(task, self._num_known, 0, layouts.ZOO)
        except InputError:
            return []

    def _record(self, task: str, count: int, first: int, where: range) -> list[Trajectory]:
        # A window of its own: the same episodes whatever window a generator has.
        return record_expert_prompts(
            self._pool, self.suite, task, count, PromptWindow(), EXPERT_NOISE, first, where
        )


class ArmMaker:
    """Makes the policies of every arm with one fold's generator.

    Args:
        generator: trained without the fold's tasks.
        seed: of its training, and of generating.
        left_out: full names of the fold's tasks.
        others: full names of the tasks of all other folds.
        demonstrations: of all tasks.
        config: settings of guidance and cloning.
    """

    def __init__(
        self,
        generator: MakeAnAgent,
        seed: int,
        left_out: Sequence[str],
        others: Sequence[str],
        demonstrations: Demonstrations,
        config: MethodConfig,
    ) -> None:
        self._generator, self._seed, self._config = generator, seed, config
        self._left_out, self._others = list(left_out), list(others)
        self._demonstrations = demonstrations

    def make(self, arm: str, task: str) -> tuple[PolicyBatch, dict[str, Any]]:
        """A policy for each of the task's prompts, and what there is to say of the prompts.

        Args:
            arm: one of `ARMS`.
            task: one of the fold's.

        Raises:
            InputError: an expert keeps failing.
        """
        prompts, about = self._demonstrations.record_prompts(task), dict[str, Any]()
        if arm == "cloning_moved":
            method = find_method(arm).build(Sources(generator=self._generator), self._config)
            # By no seed of training: one cell serves all of them.
            return method.generate(prompts, seed=0), about
        if arm == "hidden":
            space = self._demonstrations.suite.space(task)
            prompts = [hide_in_demonstration(prompt, space) for prompt in prompts]
        elif arm == "wrong":
            stranger = self._left_out[(self._left_out.index(task) + 1) % len(self._left_out)]
            prompts, about = self._demonstrations.record_prompts(stranger), {"prompts_of": stranger}
        elif arm == "nearest":
            prompts, about = self._find_nearest(prompts)
        guidance = self._config.guidance if arm == "guided" else None
        return self._generator.generate(prompts, seed=self._seed, guidance=guidance), about

    def _find_nearest(
        self, prompts: Sequence[Trajectory]
    ) -> tuple[list[Trajectory], dict[str, Any]]:
        """Of the training tasks' demonstrations the nearest one to each prompt, and its task."""
        owners, known, conditions = self._known
        nearest = measure_distances(self._embed(prompts), conditions).argmin(dim=1).tolist()
        return [known[row] for row in nearest], {"prompts_of": [owners[row] for row in nearest]}

    @cached_property
    def _known(self) -> tuple[list[str], list[Trajectory], Tensor]:
        """Task, demonstration and condition `[M, C]` of each that training tasks have.

        Raises:
            InputError: there is none.
        """
        found = [
            (task, demonstration)
            for task in self._others
            for demonstration in self._demonstrations.record_known(task)
        ]
        if not found:
            raise InputError("folds: no training task has a demonstration")
        owners, known = (list(part) for part in zip(*found, strict=True))
        return owners, known, self._embed(known)

    @torch.no_grad()
    def _embed(self, prompts: Sequence[Trajectory]) -> Tensor:
        """Conditions `[M, C]` of demonstrations that prompt alone, on the CPU."""
        parts = self._generator.embed_groups([[prompt] for prompt in prompts])
        return torch.stack([part.flatten() for part in parts]).cpu()
