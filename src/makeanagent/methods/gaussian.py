"""Baseline: one Gaussian a task over the latents of its training policies."""

from collections.abc import Sequence

import torch
from torch import Tensor

from makeanagent.generator import MakeAnAgent
from makeanagent.methods.bank import PolicyBank, embed_behaviors
from makeanagent.policies.batch import PolicyBatch
from makeanagent.trajectories import Trajectory
from makeanagent.trajectories.behaviors import Behavior, group_prompts


class LatentGaussian:
    """Samples the Gaussian of the prompt's task, which is that of the nearest training prompt.

    Of the prompt it uses the task alone: what a generator gains over this, it gains by the rest of
    the prompt or by a better distribution.

    Args:
        generator: its embedding says what is near, and its autoencoder decodes.
        bank: the policies that the Gaussians are fitted on.
    """

    def __init__(self, generator: MakeAnAgent, bank: PolicyBank) -> None:
        self._generator, self._bank = generator, bank

    @torch.no_grad()
    def generate(
        self,
        prompts: Trajectory | Sequence[Behavior],
        num_policies: int | None = None,
        seed: int = 0,
    ) -> PolicyBatch:
        """Policies as `PolicyGenerator.generate` gives them."""
        groups, rows = group_prompts(prompts, num_policies)
        tasks = self._bank.find_tasks(embed_behaviors(self._generator, groups))[rows]
        source = torch.Generator().manual_seed(seed)
        latents = torch.empty(len(rows), *self._bank.latents.shape[1:])
        for task in tasks.unique():
            mine = tasks == task
            latents[mine] = sample_gaussian(
                self._bank.latents[self._bank.task == task], int(mine.sum()), source
            )
        latents = latents.to(self._generator.device)
        return PolicyBatch(self._generator.autoencoder.decode(latents), self._generator.config.spec)


def sample_gaussian(data: Tensor, num_samples: int, source: torch.Generator) -> Tensor:
    """Samples `[num_samples, ...]` with the mean and the full covariance of `data` `[N, ...]`.

    A random combination of the centred rows has their covariance, though it may be singular: no
    matrix is factorised.
    """
    mean = data.mean(dim=0)
    weights = torch.randn((num_samples, len(data)), generator=source) / len(data) ** 0.5
    return mean + torch.tensordot(weights, data - mean, dims=1)
