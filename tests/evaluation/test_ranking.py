import json
import math

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import spearmanr

from makeanagent.evaluation.ranking import (
    brier_score,
    expected_calibration_error,
    spearman,
    spearman_within,
    summarize_ranking,
    top_success,
)


def test_spearman_matches_scipy_with_ties():
    rng = np.random.default_rng(0)
    scores, values = rng.normal(size=40), rng.integers(4, size=40)
    assert spearman(scores, values) == pytest.approx(spearmanr(scores, values).statistic)


def test_spearman_of_what_ranks_nothing_is_zero():
    assert spearman([1, 1, 1], [0, 1, 2]) == 0.0
    assert spearman([0, 1, 2], [1, 1, 1]) == 0.0


def test_spearman_within_is_blind_to_differences_between_groups():
    # In each group the order is reversed, though over all the higher group has higher scores.
    scores, values = [2, 1, 12, 11], [1, 2, 11, 12]
    assert spearman_within(scores, values, [0, 0, 1, 1]) == pytest.approx(-1)
    assert spearman(scores, values) > 0


def test_spearman_within_leaves_out_groups_without_difference():
    # Groups in any order and under any number: 7 is ranked rightly, 3 wrongly, 5 not at all.
    group, values = [7, 3, 7, 3, 5, 5, 7], [1, 1, 2, 2, 9, 9, 3]
    assert spearman_within([1, 2, 2, 1, 1, 2, 3], values, group) == pytest.approx(0)
    assert math.isnan(spearman_within([1, 2], [4, 4], [0, 0]))


def test_calibration_error_by_hand():
    # Bin [0.2, 0.3): 5 trials at 0.2 and 15 at 0.28 predict 5.2 successes of 20, found were 10.
    # Bin [0.9, 1.0]: 10 trials at 1.0 predict 10, found were 9.
    error = expected_calibration_error([0.2, 0.28, 1.0], [1, 9, 9], [5, 15, 10])
    assert error == pytest.approx((abs(5.2 - 10) + abs(10 - 9)) / 30)


def test_calibration_error_tells_overconfidence_from_truth():
    rng = np.random.default_rng(0)
    logits, trials = rng.normal(size=20_000), np.full(20_000, 4)
    successes = rng.binomial(trials, expit(logits))
    assert expected_calibration_error(expit(logits), successes, trials) < 0.01
    assert expected_calibration_error(expit(3 * logits), successes, trials) > 0.1


def test_calibration_error_cannot_see_sharpness_but_brier_can():
    successes, trials = np.array([0, 4]), np.array([4, 4])
    assert expected_calibration_error([0.5, 0.5], successes, trials) == 0.0
    assert brier_score([0.5, 0.5], successes, trials) == 0.25
    assert brier_score([0.0, 1.0], successes, trials) == 0.0
    # One of four trials succeeds: (0.9^2 + 3 * 0.1^2) / 4.
    assert brier_score([0.1], [1], [4]) == pytest.approx(0.21)


def test_top_success_by_hand():
    rates, group = [0.2, 0.8, 0.0, 1.0, 0.4], [0, 0, 1, 1, 1]
    assert top_success([2, 1, 0, 3, 1], rates, group) == pytest.approx((0.2 + 1.0) / 2)
    # Equal scores share the place: (0.2 + 0.8) / 2 and (1.0 + 0.4) / 2.
    assert top_success([1, 1, 0, 3, 3], rates, group) == pytest.approx((0.5 + 0.7) / 2)


def test_summary_by_hand():
    report = summarize_ranking(
        raw=[0.9, 0.1, 0.9, 0.1],
        calibrated=[0.7, 0.3, 0.7, 0.3],
        error=[2.0, 1.0, 1.0, 2.0],
        successes=[4, 0, 2, 1],
        trials=[4, 4, 4, 4],
        group=[0, 0, 1, 1],
    )
    assert (report.num_candidates, report.num_prompts) == (4, 2)
    # The predictor ranks both prompts rightly, the error the second alone.
    assert report.spearman_within == pytest.approx(1)
    assert report.spearman_within_error == pytest.approx(0)
    # Rates 1 and 0, 1/2 and 1/4.
    assert report.success_mean == pytest.approx((0.5 + 0.375) / 2)
    assert report.success_error == pytest.approx((0.0 + 0.5) / 2)
    assert report.success_top == report.success_oracle == pytest.approx((1.0 + 0.5) / 2)
    # At 0.9 (0.7) 6 of 8 succeed, at 0.1 (0.3) 1 of 8.
    assert report.ece_raw == pytest.approx((1.2 + 0.2) / 16)
    assert report.ece == pytest.approx((0.4 + 1.4) / 16)
    assert report.brier_raw == pytest.approx(
        (6 * 0.1**2 + 2 * 0.9**2 + 1 * 0.9**2 + 7 * 0.1**2) / 16
    )
    assert report.brier == pytest.approx((6 * 0.3**2 + 2 * 0.7**2 + 1 * 0.7**2 + 7 * 0.3**2) / 16)
    assert json.loads(json.dumps(report.to_dict()))["success_top"] == 0.75
