"""Familiarity: what in a demonstration is unlike those of the training, by name."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from makeanagent.errors import InputError
from makeanagent.models.traits import Check, Trait, measure_traits, name_column, name_traits
from makeanagent.trajectories.excerpt import Excerpts
from makeanagent.trajectories.space import Space

_LOWEST_THRESHOLD = 0.25
"""So far beyond the training's range, in its widths, is never unlike: exact simulators would else
make rounding errors stand out."""
_SPAN = 4
"""Steps over which movement is compared with actions: in one alone, noise is most of it."""
_EXPLAINED = 0.5
"""Share of a number's changes that the actions must explain in training to be held to it."""


@dataclass(frozen=True, kw_only=True)
class FamiliarityConfig:
    """How training is summed up, and where unlike it begins (not in the paper)."""

    num_knots: int = 32
    "K: steps of a demonstration that are looked at, evenly up to its success."
    tails: float = 0.005
    "Share of the training's demonstrations that a range leaves out at either end."
    num_folds: int = 10
    "Fits at most that leave tasks out to find the thresholds."
    quantile: float = 0.998
    "Share of the left-out tasks' demonstrations that must count as like training, in each trait."
    slack: float = 1.25
    "How much farther than these a demonstration may be."
    hides_goals: bool = False
    "Whether training hid goals by chance, so that a demonstration without them is like it."


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing in which a demonstration differs from all training."""

    subject: str
    "What it is about, such as `goal`, `observation 3` or `actions`."
    check: Check
    "Which kind of difference it is."
    what: str
    "What was measured, such as `lowest x`."
    value: float
    "In this demonstration."
    low: float
    "Lowest in training, but for the tails."
    high: float
    "Highest in training, but for the tails."
    score: float
    "How far beyond training's range, in units of the threshold: unlike training above 1."

    @property
    def hidden(self) -> bool:
        """Whether it is a position that is not there at all."""
        return self.check == "presence" and self.value == 0

    def __str__(self) -> str:
        """In words."""
        if self.hidden:
            return f"{self.subject}: is not shown, but was in training"
        if self.what.startswith("whether"):
            found, known = ("yes" if value else "no" for value in (self.value, self.low))
            return f"{self.subject}: {self.what}: {found}, in training {known}"
        known = f"{self.low:.3g}"
        known += "" if f"{self.high:.3g}" == known else f" to {self.high:.3g}"
        return (
            f"{self.subject}: {self.what} is {self.value:.3g}, in training {known}"
            f" ({self.score:.1f} times the threshold)"
        )


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What of one demonstration is unlike training."""

    score: float
    "The largest of all checks, in units of their thresholds: unlike training above 1."
    findings: tuple[Finding, ...]
    "All above 1, the largest first: one for each subject and check."
    notes: tuple[Finding, ...]
    "Goals that are hidden, as training hid them by chance; they do not count."


class Familiarity(nn.Module):
    """What training's demonstrations were like, as a range for each of their traits; a few kB.

    The thresholds are set by tasks that a fit has not seen, so that a new task of the same suite
    usually passes: of K tasks the oddest sets each, and about one new task in K + 1 is odder still.
    Before `fit` nothing is unlike training.
    """

    low: Tensor
    high: Tensor
    thresholds: Tensor
    effect: Tensor
    controlled: Tensor

    def __init__(self, space: Space, config: FamiliarityConfig) -> None:
        super().__init__()
        self.space, self.config = space, config
        self.traits = (*name_traits(space), *_name_dynamics(space))
        count = len(self.traits)
        for name, value in {
            # Of each trait, in its own numbers; NaN where training says nothing of it.
            "low": torch.full((count,), torch.nan),
            "high": torch.full((count,), torch.nan),
            "thresholds": torch.full((count,), torch.inf),
            # From three spans' actions to the movement, in standard deviations.
            "effect": torch.zeros(3 * space.action_dim, space.observation_dim),
            # 1 / standard deviation of the movement where actions explain it, else 0.
            "controlled": torch.zeros(space.observation_dim),
        }.items():
            self.register_buffer(name, value)

    @torch.no_grad()
    def fit(self, excerpts: Excerpts, task: np.ndarray) -> None:
        """Take ranges from training's demonstrations, thresholds from leaving tasks out.

        A single task leaves no other to judge it by: its demonstrations are then left out by turns,
        and other tasks will count as unlike training.

        Args:
            excerpts: M demonstrations, about as many of each task.
            task: int `[M]`: number of each one's task.

        Raises:
            InputError: there are fewer than two demonstrations.
        """
        if len(task) < 2:
            raise InputError(f"familiarity: {len(task)} demonstrations; at least 2 are needed")
        _, label = np.unique(task, return_inverse=True)
        if label.max() == 0:
            label = np.arange(len(task))
        fold = label % self.config.num_folds
        traits = measure_traits(excerpts, self.space)
        left_out = np.empty((len(task), len(self.traits)))
        for number in np.unique(fold):
            rows = fold == number
            self._fit_ranges(excerpts.take(~rows), traits[~rows])
            left_out[rows] = self._exceed(self._complete(excerpts.take(rows), traits[rows]))
        # What only one fold has anything of is held to nothing.
        oddest = np.nan_to_num(_find_quantile(left_out, self.config.quantile), nan=np.inf)
        thresholds = self.config.slack * oddest.clip(min=_LOWEST_THRESHOLD)
        self._fit_ranges(excerpts, traits)
        self.thresholds.copy_(torch.from_numpy(thresholds))

    def judge(self, excerpts: Excerpts) -> list[Judgement]:
        """What of each demonstration is unlike training."""
        values = self._complete(excerpts, measure_traits(excerpts, self.space))
        scores = self._exceed(values) / self.thresholds.cpu().double().numpy()
        return [self._report(*pair) for pair in zip(values, scores, strict=True)]

    def _report(self, values: np.ndarray, scores: np.ndarray) -> Judgement:
        """One demonstration's judgement, by its traits `[F]` and their scores `[F]`."""
        found: dict[tuple[str, Check], Finding] = {}
        notes = []
        largest = 0.0
        goals = {self.space.name_position(start) for start in self.space.goals}
        for index in np.argsort(-np.nan_to_num(scores), kind="stable"):
            trait, score = self.traits[index], float(np.nan_to_num(scores[index]))
            finding = Finding(
                subject=trait.subject,
                check=trait.check,
                what=trait.what,
                value=float(values[index]),
                low=float(self.low[index]),
                high=float(self.high[index]),
                score=score,
            )
            if score > 0 and self.config.hides_goals and finding.hidden and trait.subject in goals:
                notes.append(finding)
                continue
            largest = max(largest, score)
            if score > 1:
                found.setdefault((trait.subject, trait.check), finding)
        return Judgement(score=largest, findings=tuple(found.values()), notes=tuple(notes))

    def _fit_ranges(self, excerpts: Excerpts, traits: np.ndarray) -> None:
        """Take the dynamics and all ranges from demonstrations and their traits `[M, F - D]`."""
        actions, movement = self._pair_moves(excerpts)
        flat, moved = actions.reshape(-1, actions.shape[2]), movement.reshape(-1, movement.shape[2])
        moment = flat.T @ flat
        ridge = 1e-3 * np.trace(moment) / len(moment) + 1e-8
        effect = np.linalg.solve(moment + ridge * np.eye(len(moment)), flat.T @ moved)
        variance = np.square(moved).mean(axis=0)
        error = np.square(moved - flat @ effect).mean(axis=0)
        # The small term keeps numbers that never move (in metres or radians) out.
        moving = variance + 1e-8 * np.square(self.space.scale)
        explained = (variance - error) / moving
        for start in self.space.past:
            explained[start : start + 3] = 0
        controlled = np.where(explained > _EXPLAINED, moving**-0.5, 0.0)
        self.controlled.copy_(torch.from_numpy(controlled))
        self.effect.copy_(torch.from_numpy(effect * controlled))

        values = self._complete(excerpts, traits)
        tails = self.config.tails
        self.low.copy_(torch.from_numpy(_find_quantile(values, tails)))
        self.high.copy_(torch.from_numpy(_find_quantile(values, 1 - tails)))

    def _complete(self, excerpts: Excerpts, traits: np.ndarray) -> np.ndarray:
        """Traits with those of the dynamics, `[M, F]`: shares of movement not explained."""
        actions, movement = self._pair_moves(excerpts)
        controlled = self.controlled.cpu().double().numpy()
        movement = movement * controlled
        error = np.square(movement - actions @ self.effect.cpu().double().numpy()).sum(axis=1)
        # What hardly moves says little: a third of the training's movement is added.
        total = np.square(movement).sum(axis=1) + 0.3 * movement.shape[1]
        shares = np.where(controlled > 0, error / total, np.nan)
        if not controlled.any():
            return np.concatenate([traits, np.full((len(traits), 1), np.nan), shares], axis=1)
        rows = controlled > 0
        whole = error[:, rows].sum(axis=1) / total[:, rows].sum(axis=1)
        return np.concatenate([traits, whole[:, None], shares], axis=1)

    def _pair_moves(self, excerpts: Excerpts) -> tuple[np.ndarray, np.ndarray]:
        """Sums of actions `[M, K + 1, 3 A]` and the movement beside them `[M, K + 1, O]`.

        Movement in a span of steps is paired with the actions of that span and of the two before,
        since bodies lag. Both lose their mean over the demonstration: one that goes one way all
        the time would otherwise fit with its actions in any order.
        """
        steps = excerpts.steps.astype(np.float64)
        pushed = excerpts.mean_actions.astype(np.float64) * np.diff(steps, axis=1)[..., None]
        pushed = np.concatenate([np.zeros_like(pushed[:, :1]), pushed.cumsum(axis=1)], axis=1)
        latest = (steps[:, -1:] - _SPAN).clip(min=0)
        begin = np.linspace(0, 1, steps.shape[1]) * latest
        both = np.concatenate([pushed, excerpts.observations], axis=2)
        # Before the first step nothing is done.
        at = [_interpolate(both, steps, begin - lag * _SPAN) for lag in (-1, 0, 1, 2)]
        width = self.space.action_dim
        actions = [later[..., :width] - sooner[..., :width] for later, sooner in pairwise(at)]
        pair = np.concatenate(actions, axis=2), at[0][..., width:] - at[1][..., width:]
        actions, movement = (part - part.mean(axis=1, keepdims=True) for part in pair)
        return actions, movement

    def _exceed(self, values: np.ndarray) -> np.ndarray:
        """How far traits `[M, F]` lie beyond their ranges, in widths of these; 0 within."""
        low, high = (bound.cpu().double().numpy() for bound in (self.low, self.high))
        beyond = np.empty_like(values)
        for index, trait in enumerate(self.traits):
            value, least, most = (trait.scale(part[..., index]) for part in (values, low, high))
            above = np.zeros(len(value)) if trait.only_below else value - most
            farther = np.maximum(least - value, above).clip(min=0)
            beyond[:, index] = farther / (most - least + trait.margin)
        return beyond


def _interpolate(values: np.ndarray, steps: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Values `[M, S, D]` at times `[M, S]`, linearly at other times `[M, N]`: `[M, N, D]`."""
    after = (steps[:, None] <= at[..., None]).sum(axis=2).clip(1, steps.shape[1] - 1)
    rows = np.arange(len(values))[:, None]
    first, last = steps[rows, after - 1], steps[rows, after]
    share = ((at - first) / (last - first).clip(min=1e-9)).clip(0, 1)[..., None]
    found: np.ndarray = (1 - share) * values[rows, after - 1] + share * values[rows, after]
    return found


def _find_quantile(values: np.ndarray, quantile: float) -> np.ndarray:
    """Quantiles `[F]` of the columns of `[M, F]`, over what is no NaN; the nearest value."""
    ordered = np.sort(values, axis=0)  # NaN comes last.
    counts = (~np.isnan(values)).sum(axis=0)
    ranks = np.round(quantile * (counts - 1).clip(min=0)).astype(int)
    found: np.ndarray = ordered[ranks, np.arange(values.shape[1])]
    return found


def _name_dynamics(space: Space) -> list[Trait]:
    """Of all that the actions move together, and of each number of an observation."""
    what = "share of the movement that they do not explain"
    traits = [Trait(subject="actions", check="dynamics", what=what, margin=0.1)]
    for column in range(space.observation_dim):
        subject, axis = name_column(column, space)
        what = " ".join(
            filter(None, ["share of its movement", axis, "that actions do not explain"])
        )
        traits.append(Trait(subject=subject, check="dynamics", what=what, margin=0.1))
    return traits
