"""How demonstrations are read: the same options for every format, on the command line and here."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """Which demonstrations of a dataset are read, and what of them."""

    episodes: tuple[int, ...] = ()
    "Read only these episodes, by their numbers; without, all."
    group: str | None = None
    "Read only the episodes of this task, by its text (LeRobot), or of this mask (robomimic)."
    observation: tuple[str, ...] = ()
    "What makes up an observation, in order: columns, or keys (robomimic, a Minari Dict space)."
    success: Literal["recorded", "reward", "done"] = "recorded"
    "What success is read from; a reward must be 1 where the task is solved, and else 0."
    skip_bad: bool = False
    "Go on without the episodes that cannot be read, and say which."
