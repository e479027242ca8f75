"""What a recipe is told of the shard that it is to make."""

from dataclasses import dataclass
from pathlib import Path

from makeanagent.artifacts import write_text
from makeanagent.policies.spec import PolicySpec
from makeanagent.rl.sac.config import SACConfig
from makeanagent.suites import Suite
from makeanagent.trajectories.windows import PromptWindow
from makeanagent.zoo.recipes.distillation_config import DistillationConfig


@dataclass(frozen=True, kw_only=True)
class ShardPlan:
    """Everything that a worker needs to make one shard."""

    suite: Suite
    task: str
    block: int
    spec: PolicySpec
    config: DistillationConfig | SACConfig
    window: PromptWindow
    seed: int
    device: str
    partial: Path
    "Where the trained policies are kept until the shard is written."

    def note_progress(self, share: float) -> None:
        """Tell the process that waits for the shard how much of the training is done."""
        write_text(progress_path(self.partial), f"{share:.4f}")

    def find_fault(self, horizon: int) -> str | None:
        """What is wrong with episodes of `horizon` steps, if prompts do not fit into them."""
        if horizon >= self.window.num_steps:
            return None
        return (
            f"{self.suite.name}/{self.task}: episodes end after {horizon} steps, but prompts need"
            f" {self.window.num_steps}; give a smaller number of steps"
        )


def progress_path(partial: Path) -> Path:
    """File in which the worker notes the part of a shard's training that is done."""
    return partial.with_suffix(".progress")


def read_progress(partial: Path) -> float:
    """Part of a shard's training that is done."""
    if partial.is_file():
        return 1.0
    try:
        return float(progress_path(partial).read_text())
    except (OSError, ValueError):
        return 0.0
