"""What the generator and every baseline have in common."""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from makeanagent.policies.batch import PolicyBatch
from makeanagent.trajectories import Trajectory
from makeanagent.trajectories.behaviors import group_prompts


class PolicyGenerator(Protocol):
    """From demonstrations to policies: the part of `MakeAnAgent` that benchmarks use."""

    def generate(
        self,
        prompts: Trajectory | Sequence[Trajectory],
        num_policies: int | None = None,
        seed: int = 0,
    ) -> PolicyBatch:
        """Policies from demonstrations.

        Args:
            prompts: one demonstration or several; policy i is prompted by number i modulo their
                count.
            num_policies: policies in all; by default one for each demonstration.
            seed: of everything random; the same seed gives the same policies.

        Raises:
            InputError: there is no demonstration, or one cannot be used.
        """


def assign_prompts(
    prompts: Trajectory | Sequence[Trajectory], num_policies: int | None
) -> tuple[list[Trajectory], Tensor]:
    """The M demonstrations as a list, and the number of the one that prompts each policy, `[N]`.

    Raises:
        InputError: there is no demonstration, or no policy is asked for.
    """
    groups, rows = group_prompts(prompts, num_policies)
    return [prompt for (prompt,) in groups], rows
