"""What success flags amount to: rates, their intervals, and the paper's measures of many policies.

Rates lie between 0 and 1 throughout.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import trim_mean  # type: ignore[import-untyped]

Interval = tuple[float, float]


def wilson_interval(
    successes: ArrayLike, trials: ArrayLike, confidence: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's score interval of a success probability (Wilson, 1927), without correction.

    No trials tell nothing: the interval is then [0, 1].

    Args:
        successes: counts `[...]`.
        trials: counts `[...]`, broadcast against `successes`; need not be whole numbers.
        confidence: probability that the interval covers.

    Returns:
        Lower and upper ends, each float64 `[...]`.

    Raises:
        ValueError: there are more successes than trials, or fewer than none.
    """
    k, n = np.broadcast_arrays(np.asarray(successes, float), np.asarray(trials, float))
    if ((k < 0) | (k > n)).any():
        raise ValueError("successes must lie between 0 and trials")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    # Multiplied through by n, so that n = 0 divides by z^2 and not by zero.
    centre = (k + z**2 / 2) / (n + z**2)
    spread = np.sqrt(k * (n - k) / np.maximum(n, 1e-9) + z**2 / 4) * z / (n + z**2)
    return np.clip(centre - spread, 0, 1), np.clip(centre + spread, 0, 1)


def interquartile_mean(scores: ArrayLike) -> float:
    """Mean of the middle half of all scores, whatever their shape (Agarwal et al., 2021).

    A quarter of their number, rounded down, is left out at each end.
    """
    return float(trim_mean(np.asarray(scores, float), 0.25, axis=None))


def hierarchical_bootstrap(
    scores: ArrayLike,
    aggregate: Callable[[np.ndarray], float] = interquartile_mean,
    *,
    confidence: float = 0.95,
    num_resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Percentile interval of an aggregate over training seeds, and policies within each task.

    Each resample draws training seeds with replacement and, within each of them and each task,
    policies with replacement. Tasks are kept, as in Agarwal et al. (2021): the interval speaks of
    new seeds and policies on these tasks, not of new tasks. One seed is all that there is to draw:
    the interval then speaks of policies of this seed alone. Few seeds hardly tell how much seeds
    differ: where that counts as much as the rest, an interval of 95% from three of them covers some
    nine times in ten.

    Args:
        scores: `[S, T, N]`: N policies of each of S training seeds on each of T tasks.
        aggregate: maps `[S, T, N]` to a number.
        confidence: probability that the interval covers.
        num_resamples: more make the ends steadier.
        seed: the same seed gives the same interval.
    """
    scores = np.asarray(scores, float)
    num_seeds, _, num_policies = scores.shape
    rng = np.random.default_rng(seed)
    drawn = scores[rng.integers(num_seeds, size=(num_resamples, num_seeds))]
    policies = rng.integers(num_policies, size=drawn.shape)
    resampled = list(map(aggregate, np.take_along_axis(drawn, policies, axis=3)))
    lower, upper = np.quantile(resampled, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(lower), float(upper)


def qualified_rate(success: ArrayLike) -> float:
    """Share of N policies that succeed on all L layouts (appendix B.2); `success` is `[N, L]`."""
    return float(np.asarray(success, bool).all(axis=1).mean())


def top_k_success(success: ArrayLike, k: int) -> float:
    """Mean success of the k policies that succeed most often (section 4, appendix B.2).

    They are chosen on the very layouts that score them, which flatters them. Of fewer than k
    policies all are taken.

    Args:
        success: `[N, L]`.
        k: how many; 1 gives the best policy.
    """
    rates = np.asarray(success, float).mean(axis=1)
    return float(np.sort(rates)[-k:].mean())


@dataclass(frozen=True, kw_only=True)
class SuccessSummary:
    """What N policies achieved on L layouts."""

    num_policies: int
    num_layouts: int
    mean: float
    "Over all policies and layouts."
    mean_interval: Interval
    "95%, for new policies from the same source."
    qualified: float
    "Share of policies that succeed on all layouts."
    qualified_interval: Interval
    "95%, Wilson."
    best: float
    "Success of the best policy, chosen on these layouts; so are `top5` and `top10`."
    top5: float
    top10: float

    def to_dict(self) -> dict[str, Any]:
        """The summary as plain JSON values."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in dataclasses.asdict(self).items()
        }


def summarize(success: ArrayLike) -> SuccessSummary:
    """Sum up bool `[N, L]`: N policies (at least one) on L layouts (at least one)."""
    success = np.asarray(success, bool)
    num_policies, num_layouts = success.shape
    trials = _count_independent_trials(success)
    qualified = qualified_rate(success)
    return SuccessSummary(
        num_policies=num_policies,
        num_layouts=num_layouts,
        mean=float(success.mean()),
        mean_interval=_to_interval(wilson_interval(success.mean() * trials, trials)),
        qualified=qualified,
        qualified_interval=_to_interval(wilson_interval(qualified * num_policies, num_policies)),
        best=top_k_success(success, 1),
        top5=top_k_success(success, 5),
        top10=top_k_success(success, 10),
    )


def _count_independent_trials(success: np.ndarray) -> float:
    """How many independent trials the N x L rollouts are worth (Korn and Graubard, 1998).

    A policy's rollouts resemble each other, so N x L trials would make an interval too narrow. The
    variance of the policies' rates about their mean p tells the number: it is p (1 - p) / L when
    all rollouts are independent, and p (1 - p) when each policy always or never succeeds. Where
    it tells nothing, since all rollouts ended alike, each policy counts once.
    """
    num_policies, num_layouts = success.shape
    if num_policies == 1:
        return num_layouts
    mean, between = success.mean(), success.mean(axis=1).var(ddof=1)
    if mean in (0, 1):
        return num_policies
    trials = num_policies * mean * (1 - mean) / max(between, 1e-12)
    return float(np.clip(trials, num_policies, num_policies * num_layouts))


def _to_interval(ends: tuple[np.ndarray, np.ndarray]) -> Interval:
    return float(ends[0]), float(ends[1])
