"""Groups of demonstrations: those of one behaviour prompt each policy together."""

from collections.abc import Sequence

import torch

from makeanagent.errors import InputError
from makeanagent.trajectories.trajectory import Trajectory

Behavior = Trajectory | Sequence[Trajectory]
"""One demonstration, or several of one behaviour that prompt together."""


def group_prompts(
    prompts: Trajectory | Sequence[Behavior], num_policies: int | None
) -> tuple[list[list[Trajectory]], torch.Tensor]:
    """The demonstrations behind each of M prompts, and each policy's prompt, int `[N]`.

    Raises:
        InputError: there is no demonstration, or no policy is asked for.
    """
    prompts = [prompts] if isinstance(prompts, Trajectory) else list(prompts)
    groups = [[item] if isinstance(item, Trajectory) else list(item) for item in prompts]
    if not groups or not all(groups):
        raise InputError("generate: no demonstration given")
    num_policies = len(groups) if num_policies is None else num_policies
    if num_policies < 1:
        raise InputError(f"generate: {num_policies} policies asked for; at least 1 is needed")
    return groups, torch.arange(num_policies) % len(groups)


def average_groups(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """Each group's mean `[M, ...]`, in which its demonstrations say as much."""
    return torch.stack([part.mean(dim=0) for part in parts])
