"""Behaviour embedding: what a demonstration says about the policy behind it."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from makeanagent.errors import InputError

ConditionKind = Literal["hv", "h", "v"]


@dataclass(frozen=True, kw_only=True)
class BehaviorConfig:
    """Shape of the embedding (paper, section 3 and table 2)."""

    hidden_dim: int = 256
    "Width of the hidden layers; table 2 has 1,024."
    embedding_dim: int = 128
    "Width of h and of v."
    input_noise: float = 0.05
    "Standard deviation of noise on normalised inputs in training, as a zoo's prompts are few."


_FLOOR = 0.05
"""Added to the deviations of inputs; of positions, in metres."""
PAPER_BEHAVIOR = BehaviorConfig(hidden_dim=1024, input_noise=0.0)


class BehaviorEmbedding(nn.Module):
    """The networks h (of the first n steps) and v (of the outcome's states), and the metric W.

    They read one segment of a trajectory; a prompt of K segments is embedded K times. Inputs are
    normalised by the training prompts' mean and standard deviation; embeddings are normalised to
    length sqrt(embedding_dim), which makes them a condition of unit scale.
    """

    behavior_mean: Tensor
    behavior_std: Tensor
    outcome_mean: Tensor
    outcome_std: Tensor

    def __init__(self, behavior_dim: int, outcome_dim: int, config: BehaviorConfig) -> None:
        super().__init__()
        self.config = config
        hidden, dim = config.hidden_dim, config.embedding_dim

        def mlp(width: int) -> nn.Sequential:
            return nn.Sequential(
                nn.Linear(width, hidden),
                nn.ReLU(),
                nn.Linear(hidden, hidden),
                nn.ReLU(),
                nn.Linear(hidden, dim),
            )

        self.behavior_network = mlp(behavior_dim)
        self.outcome_network = mlp(outcome_dim)
        self.metric = nn.Parameter(torch.eye(dim) / dim**0.5)
        for name, width in (("behavior", behavior_dim), ("outcome", outcome_dim)):
            self.register_buffer(f"{name}_mean", torch.zeros(width))
            self.register_buffer(f"{name}_std", torch.ones(width))

    def fit_normalizers(
        self, behavior: Tensor, outcome: Tensor, scales: tuple[Tensor, Tensor] | None = None
    ) -> None:
        """Take means and standard deviations from the segments of training prompts.

        Args:
            behavior: `[..., behavior_dim]`.
            outcome: `[..., outcome_dim]`.
            scales: what a metre is in each number of the two (`Window.scales`); by default 1.
        """
        for index, (name, data) in enumerate((("behavior", behavior), ("outcome", outcome))):
            segments = data.flatten(0, -2)
            # Many inputs hardly move in any task.
            floor = _FLOOR if scales is None else _FLOOR * scales[index].to(segments)
            getattr(self, f"{name}_mean").copy_(segments.mean(dim=0))
            getattr(self, f"{name}_std").copy_(segments.std(dim=0) + floor)

    def forward(
        self, behavior: Tensor, outcome: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Embeddings h and v of segments, `[..., embedding_dim]` each.

        Args:
            behavior: `[..., behavior_dim]`.
            outcome: `[..., outcome_dim]`.
            generator: while training, the source of the noise on the normalised inputs.
        """
        behavior = (behavior - self.behavior_mean) / self.behavior_std
        outcome = (outcome - self.outcome_mean) / self.outcome_std
        if generator is not None:
            behavior = self._add_noise(behavior, generator)
            outcome = self._add_noise(outcome, generator)
        scale = self.config.embedding_dim**0.5
        h = nn.functional.normalize(self.behavior_network(behavior), dim=-1) * scale
        v = nn.functional.normalize(self.outcome_network(outcome), dim=-1) * scale
        return h, v

    def _add_noise(self, inputs: Tensor, generator: torch.Generator) -> Tensor:
        noise = torch.randn(inputs.shape, generator=generator, device=inputs.device)
        return inputs + self.config.input_noise * noise

    def similarity(self, h: Tensor, v: Tensor) -> Tensor:
        """Bilinear scores h_i^T W v_j, `[N, N]` (equation 7).

        Raises:
            InputError: there is no metric W.
        """
        if not hasattr(self, "metric"):
            raise InputError(
                "embedding: this generator came without its metric (training.safetensors), which"
                " only training needs; use one that has it"
            )
        return h @ self.metric @ v.T

    def condition(self, behavior: Tensor, outcome: Tensor, kind: ConditionKind = "hv") -> Tensor:
        """What the diffusion model is conditioned on, `[N, C]`.

        Of each segment h and v, or one of them; all segments' are concatenated (paper, section 3).

        Args:
            behavior: `[N, K, behavior_dim]`.
            outcome: `[N, K, outcome_dim]`.
            kind: which embeddings.
        """
        h, v = self(behavior, outcome)
        return {"hv": torch.cat([h, v], dim=-1), "h": h, "v": v}[kind].flatten(1)


def contrastive_loss(similarity: Tensor) -> Tensor:
    """InfoNCE over a batch (equation 7).

    Differs from the paper: equation 7 is written without the exponential, as a ratio of scores that
    may be negative; InfoNCE, which it cites, has it.

    Args:
        similarity: `[N, N]`: scores of behaviour i with outcome j; pairs on the diagonal.
    """
    targets = torch.arange(len(similarity), device=similarity.device)
    return nn.functional.cross_entropy(similarity, targets)
