"""Practised tasks: those of training are recognised, and get latents that were fitted to them.

What a demonstration shows of an unknown task has to be read off it. Of the tasks that training
showed, far more is known than one demonstration tells: a latent is fitted to all of a task's
lessons, and a demonstration that lies as near to the task's own as these to each other gets it (a
memory of nearest neighbours, as of Khandelwal et al. 2020; not in the paper).
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

_QUANTILE = 0.99
"""Share of training's demonstrations that their own task's other ones must recognise."""

_LOWEST_SCALE = 0.01
"""Of a number of the conditions, which are around 1: rounding must not count."""


@dataclass(frozen=True, kw_only=True)
class PracticeConfig:
    """How much is remembered."""

    num_tasks: int
    "T: those that were practised, in the order of the generator's tasks."
    num_demonstrations: int
    "P: of each, those by which it is recognised."


class Nearest(NamedTuple):
    """The practised tasks whose demonstrations are nearest to N conditions."""

    numbers: Tensor
    "Int `[N]`."
    distances: Tensor
    "`[N]`, each number of a condition in units of its own scale."


class Practice(nn.Module):
    """A latent for each practised task, and conditions by which the task is recognised.

    Args:
        condition_dim: C.
        latent_shape: `[G, D]`.
        config: how much is remembered.
    """

    def __init__(
        self, condition_dim: int, latent_shape: tuple[int, int], config: PracticeConfig
    ) -> None:
        super().__init__()
        self.config = config
        counts = (config.num_tasks, config.num_demonstrations)
        self.register_buffer("scale", torch.ones(condition_dim))
        self.register_buffer("conditions", torch.zeros(*counts, condition_dim))
        self.register_buffer("latents", torch.zeros(config.num_tasks, *latent_shape))
        self.register_buffer("radius", torch.zeros(()))
        self.scale: Tensor
        self.conditions: Tensor
        self.latents: Tensor
        self.radius: Tensor

    @classmethod
    def of(cls, tensors: dict[str, Tensor]) -> "Practice":
        """The one whose `state_dict` these are."""
        num_tasks, num_demonstrations, width = tensors["conditions"].shape
        _, groups, dim = tensors["latents"].shape
        config = PracticeConfig(num_tasks=num_tasks, num_demonstrations=num_demonstrations)
        found = cls(width, (groups, dim), config)
        found.load_state_dict(tensors)
        return found

    def fit(self, conditions: Tensor, latents: Tensor) -> None:
        """Remember.

        Args:
            conditions: `[T, P, C]`, of the tasks' demonstrations.
            latents: `[T, G, D]`.
        """
        self.scale.copy_(conditions.flatten(0, 1).std(dim=0).clamp(min=_LOWEST_SCALE))
        self.conditions.copy_(conditions)
        self.latents.copy_(latents)
        scaled = conditions / self.scale
        apart = torch.cdist(scaled, scaled)
        apart.diagonal(dim1=1, dim2=2).fill_(torch.inf)
        nearest = apart.amin(dim=2).flatten()
        # A task that was demonstrated once alone knows of no demonstration that is like its own.
        nearest = nearest[nearest.isfinite()]
        if len(nearest):
            self.radius.copy_(nearest.quantile(_QUANTILE))

    def find_nearest(self, conditions: Tensor) -> Nearest:
        """The tasks that are nearest to conditions `[N, C]`, however far they are."""
        known = (self.conditions / self.scale).flatten(0, 1)
        distances, which = torch.cdist(conditions / self.scale, known).min(dim=1)
        return Nearest(which // self.config.num_demonstrations, distances)

    def recognise(self, conditions: Tensor) -> Tensor:
        """Numbers int `[N]` of the tasks that conditions `[N, C]` are of; -1 for unknown ones."""
        numbers, distances = self.find_nearest(conditions)
        return torch.where(distances <= self.radius, numbers, -1)

    def correct(self, conditions: Tensor, read: Tensor) -> Tensor:
        """What practised latents differ by from those that were read; 0 for unknown tasks.

        Args:
            conditions: `[N, C]`.
            read: latents `[N, G, D]`.
        """
        numbers = self.recognise(conditions)
        known = (numbers >= 0)[:, None, None]
        return torch.where(known, self.latents[numbers.clamp(min=0)] - read, 0.0)
