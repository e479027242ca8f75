"""Familiarity: how unlike the training prompts a prompt is, as one score with its parts."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from makeanagent.errors import InputError
from makeanagent.trajectories.space import Space
from makeanagent.trajectories.windows import Window

_FLOOR = 0.05
"""Added to the deviations of inputs; of positions, in metres."""


@dataclass(frozen=True, kw_only=True)
class FamiliarityConfig:
    """What is kept of the training prompts, and where unfamiliar begins (not in the paper)."""

    num_components: int = 32
    "Principal components of the normalised prompts."
    bank_size: int = 4_096
    """Conditions of training prompts that are kept, some twice where there are fewer. With six of
    each task, half of a known task's new demonstrations lie as far off as those of new tasks."""
    max_prompts: int = 4_096
    "Prompts that are fitted at most, evenly over the tasks."
    num_folds: int = 10
    "Fits at most that leave tasks out to find the threshold."
    quantile: float = 0.99
    "Share of the left-out tasks' prompts that must count as familiar."


@dataclass(frozen=True, kw_only=True, eq=False)
class FamiliarityScores:
    """Scores of N prompts, `[N]` each, in units of the threshold: unfamiliar above 1."""

    total: Tensor
    "The largest part."
    distance: Tensor
    "From the prompt's condition to the nearest known one."
    reconstruction: Tensor
    "Of the inputs, the share that the principal components leave unexplained."
    dynamics: Tensor
    "Of the controlled observations' movement, the share that the actions leave unexplained."


class Familiarity(nn.Module):
    """A closed-form picture of the training prompts; all of it is buffers, a few MB.

    Three parts see different faults. The distance in the embedding is blind to much: even noise
    lands on the embedding's sphere, no farther from the known than a new task does. The
    reconstruction sees scenes of another kind. Actions that do not belong to the states are
    plausible one by one, and only the dynamics see them.

    The threshold is set by tasks that a fit has not seen, so that a new task of the same suite
    usually passes: of K tasks the oddest sets it, and about one new task in K + 1 is odder still.
    Before `fit` all scores are 0.
    """

    mean: Tensor
    std: Tensor
    components: Tensor
    bank: Tensor
    effect: Tensor
    controlled: Tensor
    thresholds: Tensor

    def __init__(
        self,
        space: Space,
        condition_dim: int,
        window: Window,
        config: FamiliarityConfig,
    ) -> None:
        super().__init__()
        self.config = config
        self.window = window
        self.space = space
        observation_dim, action_dim = space.observation_dim, space.action_dim
        inputs_dim = window.behavior_dim(observation_dim, action_dim)
        inputs_dim += window.outcome_dim(observation_dim)
        inputs_dim *= window.num_segments
        group_actions_dim = window.group_steps * action_dim
        for name, value in {
            "mean": torch.zeros(inputs_dim),
            "std": torch.ones(inputs_dim),
            "components": torch.zeros(inputs_dim, config.num_components),
            "bank": torch.zeros(config.bank_size, condition_dim),
            # From two groups' actions to the movement, in units of its standard deviation.
            "effect": torch.zeros(2 * group_actions_dim, observation_dim),
            # 1 / standard deviation of the movement where actions explain it, else 0.
            "controlled": torch.zeros(observation_dim),
            # Of distance, reconstruction and dynamics.
            "thresholds": torch.full((3,), torch.inf),
        }.items():
            self.register_buffer(name, value)

    @torch.no_grad()
    def fit(self, behavior: Tensor, outcome: Tensor, task: Tensor, condition: Tensor) -> None:
        """Take everything from training prompts, the thresholds from leaving tasks out.

        A single task leaves no other to score it by: its prompts are then left out by turns, and
        other tasks will count as unfamiliar.

        Args:
            behavior: `[M, K, behavior_dim]`.
            outcome: `[M, K, outcome_dim]`.
            task: int `[M]`: index of each prompt's task.
            condition: `[M, condition_dim]`, by the trained embedding.

        Raises:
            InputError: there are fewer than two prompts.
        """
        if len(task) < 2:
            raise InputError(f"familiarity: {len(task)} prompts; at least 2 are needed")
        rows = task.argsort(stable=True)
        rows = rows[_spread(len(rows), min(len(rows), self.config.max_prompts), rows.device)]
        prompts = behavior[rows], outcome[rows], condition[rows]
        _, label = task[rows].unique(return_inverse=True)
        if label.max() == 0:
            label = torch.arange(len(rows), device=rows.device)
        fold = label % self.config.num_folds

        raw = []
        for left_out in fold.unique():
            mask = fold == left_out
            self._fit_parts(*(part[~mask] for part in prompts))
            raw.append(self._measure(*(part[mask] for part in prompts)))
        measured = torch.cat(raw)
        # First each part by itself, which makes them comparable, then the largest of them. The
        # floor is for exact simulators, where rounding would else be beyond the threshold.
        thresholds = measured.quantile(self.config.quantile, dim=0).clamp(min=0.05)
        largest = (measured / thresholds).amax(dim=1)
        thresholds *= largest.quantile(self.config.quantile).clamp(min=1e-6)
        self._fit_parts(*prompts)
        self.thresholds.copy_(thresholds)

    @torch.no_grad()
    def score(self, behavior: Tensor, outcome: Tensor, condition: Tensor) -> FamiliarityScores:
        """Scores of prompts.

        Args:
            behavior: `[N, K, behavior_dim]`.
            outcome: `[N, K, outcome_dim]`.
            condition: `[N, condition_dim]`.
        """
        parts = self._measure(behavior, outcome, condition) / self.thresholds
        # Numbers so large that they overflow are as unfamiliar as can be.
        parts = parts.where(~parts.isnan(), torch.inf)
        distance, reconstruction, dynamics = parts.unbind(dim=1)
        return FamiliarityScores(
            total=parts.amax(dim=1),
            distance=distance,
            reconstruction=reconstruction,
            dynamics=dynamics,
        )

    @torch.no_grad()
    def measure_distance(self, condition: Tensor) -> Tensor:
        """Distance `[N]` from conditions `[N, C]` to the nearest known one."""
        return torch.cdist(condition, self.bank).amin(dim=1)

    def _fit_parts(self, behavior: Tensor, outcome: Tensor, condition: Tensor) -> None:
        self.bank.copy_(condition[_spread(len(condition), len(self.bank), condition.device)])

        inputs = _join(behavior, outcome).double()
        mean = inputs.mean(dim=0)
        # The floor is that of the embedding's normalisers: many inputs hardly move in any task.
        std = inputs.std(dim=0, correction=0) + _FLOOR * self._scales(inputs)
        normalised = (inputs - mean) / std
        _, vectors = torch.linalg.eigh(normalised.T @ normalised)  # Eigenvalues ascend.
        self.mean.copy_(mean)
        self.std.copy_(std)
        kept = vectors[:, -self.components.shape[1] :]
        self.components.zero_()[:, : kept.shape[1]] = kept

        actions, movement = (part.double().flatten(0, 1) for part in self._pair_moves(behavior))
        moment = actions.T @ actions
        ridge = 1e-3 * moment.diagonal().mean() + 1e-8
        effect = torch.linalg.solve(
            moment + ridge * torch.eye(len(moment)).to(moment), actions.T @ movement
        )
        variance = movement.square().sum(dim=0) / max(len(movement), 1)
        error = (movement - actions @ effect).square().sum(dim=0) / max(len(movement), 1)
        # The small term keeps observations that never move (in metres or radians) out.
        moving = variance + 1e-8 * torch.from_numpy(self.space.scale).to(variance).square()
        explained = (variance - error) / moving
        controlled = torch.where(explained > 0.5, moving.rsqrt(), 0.0)
        self.controlled.copy_(controlled)
        self.effect.copy_(effect * controlled)

    def _scales(self, like: Tensor) -> Tensor:
        """What a metre is in each of a prompt's inputs, and 1 where none is."""
        parts = [torch.from_numpy(each).to(like) for each in self.window.scales(self.space)]
        behavior, outcome = (part.expand(1, self.window.num_segments, -1) for part in parts)
        return _join(behavior, outcome)[0]

    def _measure(self, behavior: Tensor, outcome: Tensor, condition: Tensor) -> Tensor:
        """Distance, reconstruction and dynamics `[N, 3]`, in units of their own."""
        distance = self.measure_distance(condition)
        normalised = (_join(behavior, outcome) - self.mean) / self.std
        error = normalised - normalised @ self.components @ self.components.T
        # Saturates at one standard deviation: a new task may be far off in a few inputs, such as
        # the orientation of an object that it alone has; another kind of scene is off in most.
        reconstruction = (1 - 1 / (1 + error.square())).mean(dim=1)

        actions, movement = self._pair_moves(behavior)
        movement = movement * self.controlled
        unexplained = (movement - actions @ self.effect).square().sum(dim=(1, 2))
        # A prompt that hardly moves says little: 5% of the training prompts' movement is added.
        little = 0.05 * movement.shape[1] * (self.controlled > 0).sum()
        dynamics = unexplained / (movement.square().sum(dim=(1, 2)) + little).clamp(min=1e-12)
        return torch.stack([distance, reconstruction, dynamics], dim=1)

    def _pair_moves(self, behavior: Tensor) -> tuple[Tensor, Tensor]:
        """Actions `[N, S, 2 x group's]` and the movement that follows on them `[N, S, O]`.

        Movement is the change of state over a group; it is paired with the actions of that group
        and of the one before, since bodies lag. Both lose their mean over the segment: one that
        goes one way all the time would otherwise fit with its actions in any order.
        """
        groups = behavior.unflatten(2, (self.window.num_steps // self.window.group_steps, -1))
        states, actions = groups.split(
            [self.space.observation_dim, self.window.group_steps * self.space.action_dim], dim=3
        )
        both = torch.cat([actions[:, :, 1:-1], actions[:, :, :-2]], dim=3)
        movement = states[:, :, 2:] - states[:, :, 1:-1]
        centred = [part - part.mean(dim=2, keepdim=True) for part in (both, movement)]
        return centred[0].flatten(1, 2), centred[1].flatten(1, 2)


def _join(behavior: Tensor, outcome: Tensor) -> Tensor:
    """All inputs of a prompt side by side, `[N, K (behavior_dim + outcome_dim)]`."""
    return torch.cat([behavior.flatten(1), outcome.flatten(1)], dim=1)


def _spread(length: int, count: int, device: torch.device) -> Tensor:
    """`count` indices evenly over `length`, some of them twice if there are more."""
    return torch.linspace(0, length - 1, count, device=device).round().long()
