"""Moved demonstrations: what is right in one place is right beside it.

Where some numbers of an observation are positions in one frame, moving all of them alike along the
floor leaves what is to be done as it is. One demonstration thus stands for many, on layouts that
nobody has shown.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def translate(states: Tensor, moves: Tensor, positions: Sequence[int]) -> Tensor:
    """States whose positions have all moved alike.

    Args:
        states: `[..., S, O]`.
        moves: `[..., S, 2]`: along x and y, in the unit of the positions. Not along z, since what
            stands on the floor stays there.
        positions: where in an observation positions begin, x, y and z each. One that is all zeros
            is of an object that is not there, and stays.
    """
    moved = states.clone()
    for start in positions:
        present = (states[..., start : start + 3] != 0).any(dim=-1, keepdim=True)
        moved[..., start : start + 2] += torch.where(present, moves, 0.0)
    return moved


def draw_moves(count: int, scale: float, source: torch.Generator) -> Tensor:
    """Gaussian moves `[count, 2]` of standard deviation `scale`."""
    return scale * torch.randn((count, 2), generator=source)
