"""`make-an-agent convert`: demonstrations from one file format to another."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import tyro

from makeanagent.cli.words import count
from makeanagent.read_options import ReadOptions


@dataclass(frozen=True, kw_only=True)
class Convert:
    """Write demonstrations of any format in another one, and say what does not come along.

    Example: make-an-agent convert demonstrations.hdf5 --to lerobot --fps 20 --out demonstrations
    """

    goes_on: ClassVar[bool] = False
    "It is done from the start again after a stop."

    source: Annotated[str, tyro.conf.Positional]
    "Demonstrations: .npz, Minari, LeRobot or robomimic; also minari:<id> or lerobot:<hub id>."
    to: Literal["npz", "minari", "lerobot", "robomimic"]
    "Format to write; of LeRobotDatasets, version 3.0."
    out: Path
    "New folder, or file: .hdf5 for robomimic, .npz for one episode. Nothing is overwritten."
    read: Annotated[ReadOptions, tyro.conf.OmitArgPrefixes] = ReadOptions()
    "Which demonstrations are read, and what of them."
    fps: float | None = None
    "Steps a second, which a LeRobotDataset notes; Meta-World's are 80."

    def run(self) -> None:
        """Read, write, and say what was written."""
        from makeanagent.cli.checks import require_absent
        from makeanagent.cli.notes import print_note
        from makeanagent.trajectories.demonstrations import (
            open_demonstrations,
            read_episodes,
            write_demonstrations,
        )

        if not self.out.is_dir():
            require_absent("--out", self.out)
        source = open_demonstrations(self.source, self.read)
        found = read_episodes(source, self.read, print_note)
        write_demonstrations(found, self.out, self.to, self.fps)
        if source.unread:
            print_note(f"what does not come along: {', '.join(source.unread)}")
        succeeded = sum(item.first_success is not None for item in found)
        print(
            f"{self.out}: {count(len(found), 'demonstration')},"
            f" {count(sum(map(len, found)), 'step')}, {succeeded} with success"
        )
