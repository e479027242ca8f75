"""How well candidates are ranked before they are played, and how far a predicted success holds.

Probabilities and rates lie between 0 and 1. A group holds the candidates of one prompt.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata  # type: ignore[import-untyped]


def spearman(scores: ArrayLike, values: ArrayLike) -> float:
    """Rank correlation of `[N]` with `[N]`, ties at their mean rank (Spearman, 1904).

    Where either side is constant it is 0, since nothing is then ranked.
    """
    ranks = np.stack([rankdata(scores), rankdata(values)])
    centred = ranks - ranks.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(centred, axis=1)
    return float(centred[0] @ centred[1] / norms.prod()) if norms.all() else 0.0


def spearman_within(scores: ArrayLike, values: ArrayLike, group: ArrayLike) -> float:
    """Mean rank correlation within the groups whose values differ; NaN if there is none.

    Args:
        scores: `[N]`: what ranks.
        values: `[N]`: what is to be ranked.
        group: int `[N]`.
    """
    pairs = [(np.asarray(scores)[rows], np.asarray(values)[rows]) for rows in _rows_by_group(group)]
    found = [spearman(score, value) for score, value in pairs if np.ptp(value) > 0]
    return float(np.mean(found)) if found else float("nan")


def expected_calibration_error(
    probability: ArrayLike, successes: ArrayLike, trials: ArrayLike, num_bins: int = 10
) -> float:
    """Mean gap between predicted and found success over bins of equal width (Guo et al., 2017).

    Each bin counts by its trials. The counts' own noise keeps the error of a perfect predictor
    above 0 where bins hold few trials.

    Args:
        probability: `[N]`: predicted.
        successes: counts `[N]`.
        trials: counts `[N]`.
        num_bins: bins between 0 and 1.
    """
    probability, k, n = (np.asarray(item, float) for item in (probability, successes, trials))
    place = np.minimum((probability * num_bins).astype(int), num_bins - 1)
    # n_b |mean p - mean rate| is |sum n p - sum k|, which an empty bin makes 0.
    surplus = np.bincount(place, weights=n * probability - k, minlength=num_bins)
    return float(np.abs(surplus).sum() / n.sum())


def brier_score(probability: ArrayLike, successes: ArrayLike, trials: ArrayLike) -> float:
    """Mean squared error of a prediction over all single trials (Brier, 1950).

    Arguments are those of `expected_calibration_error`.
    """
    p, k, n = (np.asarray(item, float) for item in (probability, successes, trials))
    return float((k * (1 - p) ** 2 + (n - k) * p**2).sum() / n.sum())


def top_success(scores: ArrayLike, rates: ArrayLike, group: ArrayLike) -> float:
    """Mean over groups of the rate of the highest score; equal scores share its place.

    Args:
        scores: `[N]`: higher is chosen.
        rates: `[N]`: success of each candidate.
        group: int `[N]`.
    """
    scores, rates = np.asarray(scores), np.asarray(rates, float)
    chosen = [rows[scores[rows] == scores[rows].max()] for rows in _rows_by_group(group)]
    return float(np.mean([rates[rows].mean() for rows in chosen]))


def _rows_by_group(group: ArrayLike) -> list[np.ndarray]:
    """Row numbers of each group."""
    _, inverse, counts = np.unique(np.asarray(group), return_inverse=True, return_counts=True)
    return np.split(np.argsort(inverse, kind="stable"), np.cumsum(counts)[:-1])


@dataclass(frozen=True, kw_only=True)
class RankingReport:
    """What a success predictor is worth on candidates of tasks that it was not trained on."""

    num_candidates: int
    num_prompts: int
    spearman_within: float
    "Mean over the prompts whose candidates differ; NaN if there is none."
    spearman_within_error: float
    "The same by demonstration error alone."
    spearman_all: float
    "Over all candidates."
    ece_raw: float
    "Expected calibration error before calibration, ten bins."
    ece: float
    "After it."
    brier_raw: float
    "Before calibration."
    brier: float
    "After it."
    success_mean: float
    "Of all candidates, averaged over prompts: what choosing at random achieves."
    success_error: float
    "Of the candidate with the smallest demonstration error."
    success_top: float
    "Of the candidate that the predictor ranks first."
    success_oracle: float
    "Of the best candidate, chosen on the very trials that score it, which flatters it."

    def to_dict(self) -> dict[str, Any]:
        """The report as plain values."""
        return dataclasses.asdict(self)


def summarize_ranking(
    raw: ArrayLike,
    calibrated: ArrayLike,
    error: ArrayLike,
    successes: ArrayLike,
    trials: ArrayLike,
    group: ArrayLike,
) -> RankingReport:
    """Sum up predictions for N candidates; none may come from a predictor that saw its task.

    Args:
        raw: `[N]`: probabilities before calibration.
        calibrated: `[N]`: after it; these rank.
        error: `[N]`: demonstration errors; lower is better.
        successes: counts `[N]`.
        trials: counts `[N]`.
        group: int `[N]`: the prompt of each candidate.
    """
    rates = np.asarray(successes, float) / np.asarray(trials, float)
    closeness = -np.asarray(error, float)
    return RankingReport(
        num_candidates=len(rates),
        num_prompts=len(np.unique(np.asarray(group))),
        spearman_within=spearman_within(calibrated, rates, group),
        spearman_within_error=spearman_within(closeness, rates, group),
        spearman_all=spearman(calibrated, rates),
        ece_raw=expected_calibration_error(raw, successes, trials),
        ece=expected_calibration_error(calibrated, successes, trials),
        brier_raw=brier_score(raw, successes, trials),
        brier=brier_score(calibrated, successes, trials),
        success_mean=top_success(np.zeros(len(rates)), rates, group),
        success_error=top_success(closeness, rates, group),
        success_top=top_success(calibrated, rates, group),
        success_oracle=top_success(rates, rates, group),
    )
