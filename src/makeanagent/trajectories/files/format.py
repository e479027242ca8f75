"""What a file format of demonstrations says of itself."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from makeanagent.trajectories.trajectory import Trajectory


@dataclass(frozen=True, kw_only=True)
class Format:
    """One format; `demonstrations.FORMATS` lists them."""

    words: str
    "What error messages call it, with its article."
    recognizes: Callable[[Path], bool]
    "Whether an existing file or folder is of this format; a quick look, not a check."
    read: Callable[[Path], list[Trajectory]]
    "Reads one or more demonstrations; raises InputError where one is not valid."
    scheme: str | None = None
    "Names that are no paths begin with it and a colon."
    find: Callable[[str], Path] | None = None
    "The path behind such a name, without its scheme."
