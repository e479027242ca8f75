"""Groups of demonstrations: those of one behaviour prompt each policy together."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from makeanagent.errors import InputError
from makeanagent.trajectories.demonstrations import read_demonstrations
from makeanagent.trajectories.trajectory import Trajectory

Behavior = Trajectory | Sequence[Trajectory]
"""One demonstration, or several of one behaviour that prompt together."""
Prompts = Trajectory | str | Path | Sequence[Behavior]
"""One demonstration or several, or the path of a file or folder of them."""
MOST_POLICIES = 1_000_000
"""That are made at once."""


def group_prompts(
    prompts: Prompts, num_policies: int | None
) -> tuple[list[list[Trajectory]], torch.Tensor]:
    """The demonstrations behind each of M prompts, and each policy's prompt, int `[N]`.

    Raises:
        InputError: there is no demonstration, or something else; or no policy is asked for, or too
            many.
    """
    if isinstance(prompts, str | Path):
        prompts = list(read_demonstrations(prompts))
    prompts = [prompts] if isinstance(prompts, Trajectory) else list(prompts)
    groups = [list(item) if isinstance(item, Iterable) else [item] for item in prompts]
    for item in (item for group in groups for item in group):
        if not isinstance(item, Trajectory):
            raise InputError(
                f"generate: a demonstration is a {type(item).__name__}; accepted are Trajectory,"
                " sequences of them, or the path of a file"
            )
    if not groups or not all(groups):
        raise InputError("generate: no demonstration given")
    num_policies = len(groups) if num_policies is None else num_policies
    if not (isinstance(num_policies, int) and 1 <= num_policies <= MOST_POLICIES):
        raise InputError(
            f"generate: {num_policies} policies asked for; accepted are 1 to {MOST_POLICIES:,}"
        )
    return groups, torch.arange(num_policies) % len(groups)


def average_groups(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """Each group's mean `[M, ...]`, in which its demonstrations say as much."""
    return torch.stack([part.mean(dim=0) for part in parts])
