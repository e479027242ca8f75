"""Trajectories, the prompts cut out of them, and their files."""

from makeanagent.trajectories.demonstrations import read_demonstrations
from makeanagent.trajectories.trajectory import Trajectory
from makeanagent.trajectories.windows import (
    Prompt,
    PromptWindow,
    SegmentWindow,
    make_prompt,
    stack_prompts,
)

__all__ = [
    "Prompt",
    "PromptWindow",
    "SegmentWindow",
    "Trajectory",
    "make_prompt",
    "read_demonstrations",
    "stack_prompts",
]
