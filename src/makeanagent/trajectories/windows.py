"""Windows: what the behaviour embedding reads of a trajectory (paper, section 3 and appendix A).

Tasks with a success signal are read in one piece, from the beginning to the success. Tasks without
one, such as locomotion, are read in segments. Whoever reads prompts asks a window, and need not
know which form it is.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from makeanagent.errors import InputError
from makeanagent.trajectories.space import Space
from makeanagent.trajectories.trajectory import Trajectory


@dataclass(frozen=True, kw_only=True, eq=False)
class Prompt:
    """What the behaviour embedding reads of one demonstration, in K segments."""

    behavior: np.ndarray
    "float32 `[K, behavior_dim]`: n steps of each segment, group by group (state, then actions)."
    outcome: np.ndarray
    "float32 `[K, outcome_dim]`: m states of each segment."
    has_success: bool
    "Whether `outcome` begins at a success."


@dataclass(frozen=True, kw_only=True)
class Window(ABC):
    """How a prompt is cut out of a trajectory; a form of it says where."""

    num_steps: int = 60
    "n: steps from the start of the trajectory, or of each of its segments."
    group_steps: int = 3
    "Steps in a group; a group holds its first state and all its actions."
    num_outcome_states: int = 3
    "m: states of the outcome."

    reads_success: ClassVar[bool]
    "Whether a trajectory should show a success."

    def __post_init__(self) -> None:
        """Check that whole groups fill the window."""
        name = type(self).__name__
        if min(self.num_steps, self.group_steps, self.num_outcome_states, self.num_segments) < 1:
            raise InputError(f"{name}: all fields must be at least 1, got {self}")
        if self.num_steps % self.group_steps:
            raise InputError(
                f"{name}: num_steps {self.num_steps} is no multiple of"
                f" group_steps {self.group_steps}"
            )

    @property
    @abstractmethod
    def num_segments(self) -> int:
        """K: parts that are embedded one by one, and whose embeddings go together."""

    @property
    @abstractmethod
    def min_steps(self) -> int:
        """T of the shortest trajectory that it takes."""

    @property
    @abstractmethod
    def words(self) -> str:
        """What it reads, for a model card."""

    @abstractmethod
    def read(self, trajectory: Trajectory) -> Prompt:
        """Cut the prompt out of a trajectory.

        Raises:
            InputError: the trajectory is shorter than `min_steps`.
        """

    def scales(self, space: Space) -> tuple[np.ndarray, np.ndarray]:
        """What a metre is in the numbers of a segment's behaviour and outcome; 1 where none is.

        Returns:
            float32 `[behavior_dim]` and `[outcome_dim]`.
        """
        steps = self.min_steps
        prompt = self.read(
            Trajectory(
                observations=np.tile(space.scale, (steps + 1, 1)),
                actions=np.ones((steps, space.action_dim)),
                success=np.zeros(steps),
            )
        )
        return prompt.behavior[0], prompt.outcome[0]

    def behavior_dim(self, observation_dim: int, action_dim: int) -> int:
        """Width of a segment's behaviour part: 20 x (39 + 3 x 4) = 1,020 for Meta-World."""
        group_dim = observation_dim + self.group_steps * action_dim
        return self.num_steps // self.group_steps * group_dim

    def outcome_dim(self, observation_dim: int) -> int:
        """Width of a segment's outcome part: 3 x 39 = 117 for Meta-World."""
        return self.num_outcome_states * observation_dim

    def _cut_steps(self, trajectory: Trajectory, start: int) -> np.ndarray:
        """`[behavior_dim]`: n steps from `start` on, group by group."""
        end = start + self.num_steps
        states = trajectory.observations[start : end : self.group_steps]
        actions = trajectory.actions[start:end].reshape(len(states), -1)
        return np.concatenate([states, actions], axis=1).ravel()


@dataclass(frozen=True, kw_only=True)
class PromptWindow(Window):
    """The paper's form for tasks with a success: the first n steps, and what the success is like.

    Without a success the outcome is the last m states. Where a recording ends within m states of
    its first success, its last state is repeated, as a solved scene stays as it is.
    """

    kind: Literal["success"] = field(default="success", init=False)
    reads_success = True

    @property
    def num_segments(self) -> int:
        """K: the whole is one."""
        return 1

    @property
    def min_steps(self) -> int:
        """T of the shortest trajectory that it takes."""
        return self.num_steps

    @property
    def words(self) -> str:
        """What it reads, for a model card."""
        return (
            f"the first {self.num_steps} steps and {self.num_outcome_states} states from the first"
            " success on"
        )

    def read(self, trajectory: Trajectory) -> Prompt:
        """Cut the prompt out of a trajectory.

        Raises:
            InputError: the trajectory is shorter than `min_steps`.
        """
        n, m = self.num_steps, self.num_outcome_states
        if len(trajectory) < n:
            raise InputError(
                f"{trajectory.label}: {len(trajectory)} steps are too few; a prompt needs the first"
                f" {n}"
            )
        first = trajectory.first_success
        last = len(trajectory.observations) - 1
        start = max(last - m + 1, 0) if first is None else first
        rows = np.minimum(np.arange(start, start + m), last)
        return Prompt(
            behavior=self._cut_steps(trajectory, 0)[None],
            outcome=trajectory.observations[rows].reshape(1, -1),
            has_success=first is not None,
        )


@dataclass(frozen=True, kw_only=True)
class SegmentWindow(Window):
    """The paper's form for tasks without a success: segments of equal length, as near as can be.

    Of each segment the first n steps are the behaviour, the last m states the outcome. The
    embeddings of all segments are concatenated, so that their number is fixed, not their length.
    """

    kind: Literal["segments"] = field(default="segments", init=False)
    num_segments: int = 4
    "K: segments that the whole trajectory is cut into."
    reads_success = False

    @property
    def min_steps(self) -> int:
        """T of the shortest trajectory that it takes."""
        # The states of L steps are L + 1: two segments share the one between them.
        return self.num_segments * max(self.num_steps, self.num_outcome_states - 1)

    @property
    def words(self) -> str:
        """What it reads, for a model card."""
        return (
            f"the first {self.num_steps} steps and the last {self.num_outcome_states} states of"
            f" each of {self.num_segments} segments of equal length"
        )

    def read(self, trajectory: Trajectory) -> Prompt:
        """Cut the prompt out of a trajectory.

        Raises:
            InputError: the trajectory is shorter than `min_steps`.
        """
        total, count = len(trajectory), self.num_segments
        if total < self.min_steps:
            raise InputError(
                f"{trajectory.label}: {total} steps are too few; a prompt of {count} segments needs"
                f" {self.min_steps}"
            )
        bounds = [number * total // count for number in range(count + 1)]
        ends = [
            trajectory.observations[end - self.num_outcome_states + 1 : end + 1].ravel()
            for end in bounds[1:]
        ]
        return Prompt(
            behavior=np.stack([self._cut_steps(trajectory, start) for start in bounds[:-1]]),
            outcome=np.stack(ends),
            has_success=False,
        )


_FORMS: dict[str, type[Window]] = {"success": PromptWindow, "segments": SegmentWindow}


def read_window(content: dict[str, Any]) -> Window:
    """The window of what `dataclasses.asdict` made of one; without a kind, the success form.

    Raises:
        InputError: there is no such kind.
        TypeError: a field is unknown.
    """
    content = {"kind": PromptWindow.kind} | content
    kind = content.pop("kind")
    if kind not in _FORMS:
        raise InputError(f"window: kind {kind!r}; accepted are {', '.join(_FORMS)}")
    return _FORMS[kind](**content)


def make_prompt(trajectory: Trajectory, window: Window | None = None) -> Prompt:
    """Cut the prompt out of a trajectory; by default, the paper's of Meta-World.

    Raises:
        InputError: the trajectory is shorter than the window.
    """
    return (window or PromptWindow()).read(trajectory)


def stack_prompts(prompts: Sequence[Prompt]) -> tuple[np.ndarray, np.ndarray]:
    """The prompts' parts, `behavior [N, K, behavior_dim]` and `outcome [N, K, outcome_dim]`.

    Raises:
        InputError: there is no prompt, or their widths differ.
    """
    widths = {(prompt.behavior.shape, prompt.outcome.shape) for prompt in prompts}
    if len(widths) != 1:
        raise InputError(
            f"prompts: expected one or more of one width, got behaviour and outcome widths"
            f" {sorted(widths)}"
        )
    return (
        np.stack([prompt.behavior for prompt in prompts]),
        np.stack([prompt.outcome for prompt in prompts]),
    )
