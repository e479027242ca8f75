"""What a recipe is told of the shard that it is to make."""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from makeanagent.policies.spec import PolicySpec
from makeanagent.suites import Suite
from makeanagent.trajectories.windows import PromptWindow
from makeanagent.zoo.shard import shard_name


class RecipeConfig(Protocol):
    """What the settings of every recipe have."""

    @property
    def num_score_layouts(self) -> int:
        """Layouts on which each policy is scored."""
        ...

    def check(self) -> None:
        """Refuse what no population can be made with.

        Raises:
            InputError: a number is out of its range.
        """
        ...


Config = TypeVar("Config", bound=RecipeConfig)


@dataclass(frozen=True, kw_only=True)
class ShardPlan(Generic[Config]):
    """Everything that a worker needs to make one shard; pickles to other machines."""

    suite: Suite
    task: str
    block: int
    spec: PolicySpec
    config: Config
    window: PromptWindow
    seed: int
    device: str

    @property
    def name(self) -> str:
        """The shard's file name without its ending."""
        return shard_name(self.task, self.block)

    def find_fault(self, horizon: int) -> str | None:
        """What is wrong with episodes of `horizon` steps, if prompts do not fit into them."""
        if horizon >= self.window.num_steps:
            return None
        return (
            f"{self.suite.name}/{self.task}: episodes end after {horizon} steps, but prompts need"
            f" {self.window.num_steps}; give a smaller number of steps"
        )
