"""What a recipe is told of the shard that it is to make."""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from makeanagent.policies.spec import PolicySpec
from makeanagent.rollouts.episodes import tells_success
from makeanagent.suites import Environment, Suite, layouts
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

    def find_fault(self, environment: Environment, max_steps: int | None = None) -> str | None:
        """Why no shard can be made of a task's episodes, if so.

        Args:
            environment: the task's simulator.
            max_steps: steps of an episode at most, where that is less than the horizon.
        """
        env_id, horizon = f"{self.suite.name}/{self.task}", environment.horizon
        num_steps = horizon if max_steps is None else min(horizon, max_steps)
        if num_steps < self.window.num_steps:
            return (
                f"{env_id}: episodes end after {num_steps} steps, but prompts need"
                f" {self.window.num_steps}; give a smaller number of steps"
            )
        if not tells_success(environment, self.spec.action_dim, layouts.ZOO_SCORES[0]):
            return f"{env_id}: has no success signal, by which a zoo's policies are chosen"
        return None
