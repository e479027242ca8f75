"""The reader: a behaviour embedding that attends to a whole demonstration, or to several.

It stands where the paper has the networks h and v of one window (section 3): how far an object is
from the hand when the hand begins to sink, or which way the goal lies when it moves on, is read
off relative positions at several scales, at any time of a demonstration of any length.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from makeanagent.models.scaling import ObservationScale
from makeanagent.trajectories.excerpt import Excerpts, excerpt_trajectories
from makeanagent.trajectories.space import Space
from makeanagent.trajectories.trajectory import Trajectory


@dataclass(frozen=True, kw_only=True)
class ReaderConfig:
    """Shape of the reader."""

    kind: Literal["reader"] = "reader"
    "Tells it from the paper's embedding."
    num_knots: int = 32
    "K: steps of a demonstration that are looked at, evenly up to its success."
    width: int = 128
    "Width of a token."
    num_layers: int = 2
    "Layers of attention; with 0, each token is read by itself."
    num_heads: int = 4
    "Heads of each layer."
    num_queries: int = 6
    "Learned queries that pool the tokens."
    relative: bool = True
    "Whether tokens hold the relative positions."

    @property
    def condition_dim(self) -> int:
        """C, width of a condition: what each query pools, and the tokens' mean and maximum."""
        return (self.num_queries + 2) * self.width


class Knots(NamedTuple):
    """Excerpts as tensors: of M prompts, J demonstrations each."""

    observations: Tensor
    "`[M, J, K + 1, O]`."
    actions: Tensor
    "`[M, J, K, A]`."
    mean_actions: Tensor
    "`[M, J, K, A]`."
    steps: Tensor
    "`[M, J, K + 1]`."
    success: Tensor
    "`[M, J]`."

    @classmethod
    def from_excerpts(cls, excerpts: Excerpts, device: torch.device | None = None) -> "Knots":
        """Prompts of one demonstration each."""
        arrays = (getattr(excerpts, name) for name in cls._fields)
        return cls(*(torch.from_numpy(array).to(device)[:, None] for array in arrays))


_NEAR, _MIDDLE, _FAR = 0.02, 0.06, 0.1
"""Metres: scales at which relative positions are read. Thresholds of a grasp are of the first,
those of an approach of the second."""
_LIMIT = 6.0
"""Beyond this, in units of its scale, a number says no more."""
_FEW_STEPS, _MANY_STEPS = 4.0, 75.0
"""Steps from knot to knot, and of a demonstration, that count as 1."""


class _Attention(nn.Module):
    """A layer of self-attention and its MLP, normalised before each (Xiong et al. 2020)."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.norm_attention, self.norm_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """`[M, T, D] -> [M, T, D]`."""
        split = self.project(self.norm_attention(tokens)).unflatten(2, (3, self.num_heads, -1))
        query, key, value = split.permute(2, 0, 3, 1, 4)
        # Written out: on a processor and over so few tokens the fused kernels are slower.
        scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
        seen = scores.softmax(dim=-1) @ value
        tokens = tokens + self.out(seen.transpose(1, 2).flatten(2))
        return tokens + self.mlp(self.norm_mlp(tokens))


class DemonstrationReader(nn.Module):
    """From demonstrations to conditions `[M, C]`.

    Args:
        space: which numbers of an observation are positions.
        action_dim: A.
        config: its shape.
    """

    def __init__(self, space: Space, config: ReaderConfig) -> None:
        super().__init__()
        self.config, self.space = config, space
        width = config.width
        self.scale = ObservationScale(space)
        # Without a space, or where a suite names no positions, all numbers are read as they are.
        self._positions = tuple(p for p in space.positions if p not in space.past)
        self._pairs = tuple(combinations(range(len(self._positions)), 2))
        inside = {start + axis for start in space.positions for axis in range(3)}
        others = [n for n in range(space.observation_dim) if n not in inside]
        # A tensor on the networks' device: a list would be copied there every time.
        self.register_buffer("_others", torch.tensor(others, dtype=torch.long), persistent=False)
        self._others: Tensor
        self.embed = nn.Sequential(
            nn.Linear(self.num_features, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.time = nn.Parameter(0.02 * torch.randn(config.num_knots, width))
        self.layers = nn.ModuleList(
            [_Attention(width, config.num_heads) for _ in range(config.num_layers)]
        )
        self.norm = nn.LayerNorm(width)
        self.queries = nn.Parameter(0.3 * torch.randn(config.num_queries, width))

    @property
    def num_features(self) -> int:
        """Numbers of a token before it is embedded."""
        places, others = len(self._positions), len(self._others)
        pairs = len(self._pairs) * 12 if self.config.relative else 0
        return 10 * places + 2 * others + pairs + 2 * self.space.action_dim + 3

    def tokenize(self, knots: Knots) -> Tensor:
        """Features `[M, J, K, F]`."""
        unit = self.space.unit
        now, then = knots.observations[:, :, :-1], knots.observations[:, :, 1:]
        scaled, scaled_then = self.scale(now), self.scale(then)
        others = scaled[..., self._others]
        features = [others, scaled_then[..., self._others] - others]
        places, present = [], []
        for start in self._positions:
            span = slice(start, start + 3)
            place = now[..., span]
            there = (place != 0).any(dim=-1, keepdim=True).to(place)
            moved = (then[..., span] - place) * there
            since = (place - knots.observations[:, :, :1, span]) * there
            features += [
                scaled[..., span] * there,
                there,
                moved / (0.05 * unit),
                since / (_FAR * unit),
            ]
            places.append(place)
            present.append(there)
        if self.config.relative:
            for first, second in self._pairs:
                both = present[first] * present[second]
                apart = (places[second] - places[first]) * both / unit
                floor = apart[..., :2].norm(dim=-1, keepdim=True)
                features += [
                    apart / _FAR,
                    (apart / _NEAR).tanh(),
                    (apart / _MIDDLE).tanh(),
                    floor / 0.05,
                    (floor / _NEAR).tanh(),
                    both,
                ]
        spans = (knots.steps[..., 1:] - knots.steps[..., :-1])[..., None]
        features += [
            knots.actions,
            knots.mean_actions,
            spans / _FEW_STEPS,
            knots.steps[..., :-1, None] / _MANY_STEPS - 1,
            knots.success[..., None, None].expand(*spans.shape),
        ]
        return torch.cat(features, dim=-1).clamp(-_LIMIT, _LIMIT)

    def forward(self, knots: Knots) -> Tensor:
        """Conditions `[M, C]`; tokens of a prompt's demonstrations attend to each other."""
        tokens = (self.embed(self.tokenize(knots)) + self.time).flatten(1, 2)
        for layer in self.layers:
            tokens = layer(tokens)
        tokens = self.norm(tokens)
        weights = (tokens @ self.queries.T).softmax(dim=1)
        pooled = torch.einsum("mtq,mtd->mqd", weights, tokens).flatten(1)
        return torch.cat([pooled, tokens.mean(dim=1), tokens.amax(dim=1)], dim=1)

    def embed_groups(self, groups: Sequence[Sequence[Trajectory]]) -> Tensor:
        """Conditions `[M, C]` of M groups of demonstrations, each of which prompts together."""
        device = self.queries.device
        counts = [len(group) for group in groups]
        flat = excerpt_trajectories(
            [item for group in groups for item in group], self.config.num_knots
        )
        knots = Knots.from_excerpts(flat, device)
        starts = [sum(counts[:index]) for index in range(len(counts))]
        conditions = self.queries.new_empty(len(groups), self.config.condition_dim)
        for count in sorted(set(counts)):
            rows = [index for index, each in enumerate(counts) if each == count]
            members = torch.tensor([[starts[row] + n for n in range(count)] for row in rows])
            grouped = Knots(*(part[:, 0][members.to(device)] for part in knots))
            conditions[rows] = self(grouped)
        return conditions
