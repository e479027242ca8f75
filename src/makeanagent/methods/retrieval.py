"""Baseline: the training policies with the nearest prompts, alone, disturbed, or averaged.

A generator that is no better than this has learnt its training policies by heart (Generative
Modeling of Weights: Generalization or Memorization?, arXiv 2506.07998).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from makeanagent.errors import InputError
from makeanagent.generator import MakeAnAgent
from makeanagent.methods.bank import PolicyBank, embed_behaviors, measure_distances
from makeanagent.policies.batch import PolicyBatch
from makeanagent.trajectories import Trajectory
from makeanagent.trajectories.behaviors import Behavior, group_prompts


class Retrieval:
    """Looks a policy up instead of generating it.

    The nearest training prompt, rollout or demonstration, says which task it is: a demonstration
    belongs to no single policy. Of that task it takes the policies whose own rollouts are nearest.

    Args:
        generator: its embedding says what is near.
        bank: the policies to choose from.
        num_averaged: policies whose weights are averaged, of as many different runs as there are;
            all of a task that has fewer.
        noise: standard deviation of Gaussian noise on the weights, in units of each parameter's
            standard deviation over the task's training policies; different for every policy.

    Raises:
        InputError: `noise` is negative, or every task has fewer policies than are to be averaged.
    """

    def __init__(
        self,
        generator: MakeAnAgent,
        bank: PolicyBank,
        *,
        num_averaged: int = 1,
        noise: float = 0.0,
    ) -> None:
        most = int(bank.task.unique(return_counts=True)[1].max())
        if not 1 <= num_averaged <= most:
            raise InputError(
                f"retrieval: num_averaged {num_averaged}: must be at least 1 and at most {most},"
                " the policies of the largest task"
            )
        if not noise >= 0:
            raise InputError(f"retrieval: noise {noise}: must be at least 0")
        self._generator, self._bank = generator, bank
        self.num_averaged, self.noise = num_averaged, noise

    def generate(
        self,
        prompts: Trajectory | Sequence[Behavior],
        num_policies: int | None = None,
        seed: int = 0,
    ) -> PolicyBatch:
        """Policies as `PolicyGenerator.generate` gives them; without noise, `seed` is not used."""
        groups, rows = group_prompts(prompts, num_policies)
        conditions = embed_behaviors(self._generator, groups)
        tasks = self._bank.find_tasks(conditions)
        found = [
            self._find_policies(condition, task)
            for condition, task in zip(conditions, tasks, strict=True)
        ]
        vectors = torch.stack([self._bank.parameters[each].mean(dim=0) for each in found])[rows]
        if self.noise > 0:
            source = torch.Generator().manual_seed(seed)
            scales = self._measure_scales(tasks)[rows]
            vectors += self.noise * scales * torch.randn(vectors.shape, generator=source)
        return PolicyBatch(vectors, self._generator.config.spec)

    def _find_policies(self, condition: Tensor, task: Tensor) -> Tensor:
        """Rows of the bank, `num_averaged` at most: each run's nearest, then its second nearest."""
        members = torch.nonzero(self._bank.task == task).flatten()
        distances = measure_distances(condition[None], self._bank.conditions[members])[0]
        members = members[distances.argsort(stable=True)]
        run = self._bank.run[members]
        num_nearer_of_run = (run[:, None] == run).tril(-1).sum(dim=1)
        return members[num_nearer_of_run.argsort(stable=True)][: self.num_averaged]

    def _measure_scales(self, tasks: Tensor) -> Tensor:
        """Standard deviation of each parameter over the policies of each task, `[M, P]`."""
        names, places = tasks.unique(return_inverse=True)
        scales = [
            self._bank.parameters[self._bank.task == name].std(dim=0, correction=0)
            for name in names
        ]
        return torch.stack(scales)[places]
