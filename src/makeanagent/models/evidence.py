"""Evidence about policies: what tells good ones from bad ones before any is played."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from makeanagent.models.guidance import DemonstratedSteps, GuidanceConfig, gather_steps
from makeanagent.models.imagination import IMAGINED_DIM, ImaginationConfig, imagine_rollouts
from makeanagent.policies.batch import PolicyBatch
from makeanagent.trajectories import Trajectory

_ERRORS_DIM = 3
EVIDENCE_DIM = _ERRORS_DIM + IMAGINED_DIM
"""Numbers that `gather_evidence` gives for each policy."""
_TOGETHER = 32
"""Policies that are tried on demonstrations at once: more would leave the cache."""


@dataclass(frozen=True, kw_only=True)
class EvidenceConfig:
    """How evidence is gathered: a predictor means nothing but on the evidence that it learnt on."""

    guidance: GuidanceConfig = field(default_factory=GuidanceConfig)
    "How steps of demonstrations are read and held back, and their errors counted."
    imagination: ImaginationConfig = field(default_factory=ImaginationConfig)
    "How rollouts are imagined."

    def in_unit(self, unit: float) -> "EvidenceConfig":
        """The same where positions are in another unit than metres (`Space.unit`)."""
        return EvidenceConfig(
            guidance=self.guidance.in_unit(unit), imagination=self.imagination.in_unit(unit)
        )

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "EvidenceConfig":
        """Read what `dataclasses.asdict` made of it.

        Raises:
            KeyError: a part is missing.
            TypeError: a field is unknown.
        """
        return cls(
            guidance=GuidanceConfig(**content["guidance"]),
            imagination=ImaginationConfig(**content["imagination"]),
        )


@torch.no_grad()
def gather_evidence(
    policies: PolicyBatch,
    groups: Sequence[Sequence[Trajectory]],
    rows: Tensor,
    positions: tuple[int, ...] = (),
    config: EvidenceConfig | None = None,
) -> Tensor:
    """How badly policies explain their demonstrations and fare in their scenes, `[N, 5]`.

    Logarithms of the mean action error of all steps, of those that guidance held back, and of the
    worst block of steps; then what `imagine_rollouts` gives, in the mean over the demonstrations.

    Args:
        policies: N of them.
        groups: demonstrations, M groups.
        rows: int `[N]`: the group of each policy.
        positions: where in an observation positions begin; without any, nothing is imagined.
        config: what a predictor was trained with (`GeneratorConfig.evidence`).
    """
    config = config or EvidenceConfig()
    steps = gather_steps(groups, config.guidance, policies.parameters.device)[rows]
    errors = measure_errors(policies, steps, config.guidance)
    imagined = errors.new_zeros(len(policies), IMAGINED_DIM)
    for number, group in enumerate(groups):
        picked = torch.nonzero(rows == number)[:, 0]
        mine = PolicyBatch(policies.parameters[picked], policies.spec)
        for demonstration in group:
            found = imagine_rollouts(mine, demonstration, positions, config.imagination)
            imagined[picked] += found / len(group)
    return torch.cat([errors, imagined], dim=1)


def measure_errors(
    policies: PolicyBatch, steps: DemonstratedSteps, config: GuidanceConfig
) -> Tensor:
    """Logarithms `[N, 3]` of action errors: of all steps, of those held back, of the worst block.

    A policy that gets one phase of the behaviour wrong fails, however good it is elsewhere.
    """
    actions = [
        PolicyBatch(policies.parameters[part], policies.spec).act(steps.states[part])
        for part in torch.arange(len(policies)).split(_TOGETHER)
    ]
    error = nn.functional.smooth_l1_loss(
        torch.cat(actions), steps.actions, reduction="none", beta=config.loss_beta
    ).mean(dim=2)
    num_blocks = error.shape[1] // config.block_steps
    blocks = error[:, : num_blocks * config.block_steps].unflatten(1, (num_blocks, -1)).mean(dim=2)
    parts = (error.mean(dim=1), error[:, steps.held_back].mean(dim=1), blocks.amax(dim=1))
    return torch.stack(parts, dim=1).clamp(min=1e-4).log()
