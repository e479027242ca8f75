"""The generator as a method: with guidance or without, and with its own choice among candidates."""

from collections.abc import Sequence

import torch
from torch import Tensor

from makeanagent.errors import InputError
from makeanagent.generator import MakeAnAgent
from makeanagent.models.guidance import GuidanceConfig
from makeanagent.policies.batch import PolicyBatch
from makeanagent.trajectories import Trajectory
from makeanagent.trajectories.behaviors import Behavior, group_prompts


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


class Ranked:
    """Of many guided samples of a prompt those that the predictor likes best; none has played.

    Args:
        generator: makes and ranks them.
        guidance: of all candidates.
        num_candidates: samples of each prompt.

    Raises:
        InputError: the generator has no success predictor.
    """

    def __init__(
        self, generator: MakeAnAgent, guidance: GuidanceConfig, num_candidates: int
    ) -> None:
        generator.require_predictor()
        self._generator, self._guidance = generator, guidance
        self.num_candidates = num_candidates

    def generate(
        self,
        prompts: Trajectory | Sequence[Behavior],
        num_policies: int | None = None,
        seed: int = 0,
    ) -> PolicyBatch:
        """Policies as `PolicyGenerator.generate` gives them."""
        return self.choose(prompts, num_policies, seed)[0]

    def choose(
        self,
        prompts: Trajectory | Sequence[Behavior],
        num_policies: int | None = None,
        seed: int = 0,
    ) -> tuple[PolicyBatch, Tensor]:
        """The best candidate of each prompt, then each one's second best, ...

        Returns:
            The policies, and how likely each is to succeed, `[N]`.

        Raises:
            InputError: more policies are asked for than there are candidates.
        """
        groups, rows = group_prompts(prompts, num_policies)
        if len(rows) > self.num_candidates * len(groups):
            raise InputError(
                f"ranked: {len(rows)} policies of {len(groups)} prompts with {self.num_candidates}"
                " candidates each"
            )
        parameters: list[Tensor] = []
        success: list[Tensor] = []
        for group in groups:
            candidates = self._generator.generate(
                [group], self.num_candidates, seed, self._guidance
            )
            predicted = self._generator.predict_success(candidates, [group])
            order = predicted.argsort(descending=True, stable=True)
            parameters.append(candidates.parameters[order])
            success.append(predicted[order])
        # Policy i is number i // M of prompt i modulo M.
        place = torch.arange(len(rows)) // len(groups)
        chosen = torch.stack(parameters)[rows, place]
        return PolicyBatch(chosen, self._generator.config.spec), torch.stack(success)[rows, place]
