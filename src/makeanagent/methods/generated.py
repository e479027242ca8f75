"""The generator as a method: with guidance or without."""

from collections.abc import Sequence

from makeanagent.generator import MakeAnAgent
from makeanagent.models.guidance import GuidanceConfig
from makeanagent.policies.batch import PolicyBatch
from makeanagent.trajectories import Trajectory
from makeanagent.trajectories.behaviors import Behavior


class Generated:
    """The first samples.

    Args:
        generator: makes them.
        guidance: pulls them towards the demonstration's own actions; without it, the embedding is
            all that they know of it.
    """

    def __init__(self, generator: MakeAnAgent, guidance: GuidanceConfig | None = None) -> None:
        self._generator, self._guidance = generator, guidance

    def generate(
        self,
        prompts: Trajectory | Sequence[Behavior],
        num_policies: int | None = None,
        seed: int = 0,
    ) -> PolicyBatch:
        """Policies as `PolicyGenerator.generate` gives them."""
        return self._generator.generate(prompts, num_policies, seed, self._guidance)
