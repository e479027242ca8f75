"""Prompts: the windows of a trajectory that the behaviour embedding reads (paper, section 3)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from makeanagent.errors import InputError
from makeanagent.trajectories.trajectory import Trajectory


@dataclass(frozen=True, kw_only=True)
class PromptWindow:
    """How a prompt is cut out of a trajectory (paper, appendix A)."""

    num_steps: int = 60
    "n: steps from the start of the trajectory."
    group_steps: int = 3
    "Steps in a group; a group holds its first state and all its actions."
    num_outcome_states: int = 3
    "m: states from the first success on."

    def __post_init__(self) -> None:
        """Check that whole groups fill the window."""
        if min(self.num_steps, self.group_steps, self.num_outcome_states) < 1:
            raise InputError(f"PromptWindow: all fields must be at least 1, got {self}")
        if self.num_steps % self.group_steps:
            raise InputError(
                f"PromptWindow: num_steps {self.num_steps} is no multiple of"
                f" group_steps {self.group_steps}"
            )

    def behavior_dim(self, observation_dim: int, action_dim: int) -> int:
        """Width of the behaviour part: 20 x (39 + 3 x 4) = 1,020 for Meta-World."""
        group_dim = observation_dim + self.group_steps * action_dim
        return self.num_steps // self.group_steps * group_dim

    def outcome_dim(self, observation_dim: int) -> int:
        """Width of the outcome part: 3 x 39 = 117 for Meta-World."""
        return self.num_outcome_states * observation_dim


@dataclass(frozen=True, kw_only=True, eq=False)
class Prompt:
    """What the behaviour embedding reads of one demonstration."""

    behavior: np.ndarray
    "float32 `[behavior_dim]`: the first n steps, group by group (state, then actions)."
    outcome: np.ndarray
    "float32 `[outcome_dim]`: m states from the first success on, or the last m states."
    has_success: bool
    "Whether `outcome` begins at a success; if not, this is the paper's flexible form."


def make_prompt(trajectory: Trajectory, window: PromptWindow | None = None) -> Prompt:
    """Cut the prompt out of a trajectory (paper, section 3 and appendix A).

    Without a success the outcome is the last m states (the paper's flexible form). Where a
    recording ends within m states of its first success, its last state is repeated, as a solved
    scene stays as it is.

    Raises:
        InputError: the trajectory is shorter than the window.
    """
    window = window or PromptWindow()
    n, m = window.num_steps, window.num_outcome_states
    if len(trajectory) < n:
        raise InputError(
            f"{trajectory.label}: {len(trajectory)} steps are too few; a prompt needs the first {n}"
        )
    states = trajectory.observations[0 : n : window.group_steps]
    actions = trajectory.actions[:n].reshape(len(states), -1)
    first = trajectory.first_success
    last = len(trajectory.observations) - 1
    start = max(last - m + 1, 0) if first is None else first
    rows = np.minimum(np.arange(start, start + m), last)
    return Prompt(
        behavior=np.concatenate([states, actions], axis=1).ravel(),
        outcome=trajectory.observations[rows].ravel(),
        has_success=first is not None,
    )


def stack_prompts(prompts: Sequence[Prompt]) -> tuple[np.ndarray, np.ndarray]:
    """The prompts' parts as `behavior [N, behavior_dim]` and `outcome [N, outcome_dim]`.

    Raises:
        InputError: there is no prompt, or their widths differ.
    """
    widths = {(len(prompt.behavior), len(prompt.outcome)) for prompt in prompts}
    if len(widths) != 1:
        raise InputError(
            f"prompts: expected one or more of one width, got behaviour and outcome widths"
            f" {sorted(widths)}"
        )
    return (
        np.stack([prompt.behavior for prompt in prompts]),
        np.stack([prompt.outcome for prompt in prompts]),
    )
