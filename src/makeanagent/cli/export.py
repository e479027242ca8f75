"""`make-an-agent export`: policies of a folder for another runtime."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import tyro


@dataclass(frozen=True, kw_only=True)
class Export:
    """Write policies of a folder as files that other runtimes read, one a policy.

    Example: make-an-agent export policies --format onnx
    """

    goes_on: ClassVar[bool] = False
    "It is done from the start again after a stop."

    policies: Annotated[Path, tyro.conf.Positional]
    "Folder of policies, as `generate` writes it."
    format: Literal["onnx", "torchscript", "torch-export", "sb3"]
    "What reads them: ONNX, torch (its older way and its newer), or Stable-Baselines3's SAC."
    out: Path | None = None
    "Folder to write to, empty or new; by default <folder>-<format> beside the folder."
    only: tuple[int, ...] = ()
    "Numbers of the policies to export, counted from 0; by default all."

    def run(self) -> None:
        """Export, and say what takes what to what."""
        from makeanagent.policies.export import export_policies

        folder = self.policies.resolve()
        out = self.out or folder.with_name(f"{folder.name}-{self.format}")
        files = export_policies(self.policies, out, self.format, self.only or None)
        names = files[0].name if len(files) == 1 else f"{files[0].name} to {files[-1].name}"
        print(f"{out}: {len(files)} exported for {self.format}: {names}")
