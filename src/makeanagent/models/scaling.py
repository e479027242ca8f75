"""One scale for the numbers of an observation, read from training states."""

import numpy as np
import torch
from torch import Tensor, nn

from makeanagent.trajectories.space import Space

_FLOOR = 0.05
"""Least standard deviation: many numbers hardly move in any task. Of positions, in metres."""


class ObservationScale(nn.Module):
    """Mean and scale of each number of an observation.

    Positions are in one frame and have one scale for all of them, so that what is far apart in the
    world is far apart in the network, whichever two they are.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.space = space
        self.register_buffer("mean", torch.zeros(space.observation_dim))
        self.register_buffer("std", torch.ones(space.observation_dim))

    @torch.no_grad()
    def fit(self, states: np.ndarray) -> None:
        """Take both from states `[N, O]`; a position of zeros is of what is not there."""
        space = self.space
        self.mean.copy_(torch.from_numpy(states.mean(axis=0)))
        self.std.copy_(torch.from_numpy(states.std(axis=0).clip(min=_FLOOR)))
        if not space.positions:
            return
        places = np.concatenate([states[:, start : start + 3] for start in space.positions])
        places = places[places.any(axis=1)]
        mean, std = places.mean(axis=0), places.std(axis=0).mean()
        for start in space.positions:
            self.mean[start : start + 3] = torch.from_numpy(mean)
            self.std[start : start + 3] = max(float(std), _FLOOR * space.unit)

    def forward(self, states: Tensor) -> Tensor:
        """States `[..., O]` in these units."""
        return (states - self.mean) / self.std
