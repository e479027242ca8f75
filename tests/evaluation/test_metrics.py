import json

import numpy as np
import pytest
from scipy.stats import binomtest

from makeanagent.evaluation.metrics import (
    hierarchical_bootstrap,
    interquartile_mean,
    qualified_rate,
    summarize,
    top_k_success,
    wilson_interval,
)

# Three policies on four layouts; their rates are 1, 1/2 and 1/4.
SUCCESS = np.array([[1, 1, 1, 1], [1, 0, 1, 0], [0, 0, 0, 1]], bool)


@pytest.mark.parametrize(
    ("successes", "trials", "lower", "upper"),
    # Newcombe (1998), Statistics in Medicine 17, table I, method 3.
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_matches_published_values(successes, trials, lower, upper):
    assert wilson_interval(successes, trials) == pytest.approx((lower, upper), abs=5e-5)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_wilson_matches_scipy(confidence):
    trials = np.array([[1], [5], [50], [1000]])
    successes = np.floor(trials * np.linspace(0, 1, 7))
    lower, upper = wilson_interval(successes, trials, confidence)
    for (row, column), count in np.ndenumerate(successes):
        test = binomtest(int(count), int(trials[row, 0]))
        expected = test.proportion_ci(confidence, method="wilson")
        assert lower[row, column] == pytest.approx(expected.low, abs=1e-12)
        assert upper[row, column] == pytest.approx(expected.high, abs=1e-12)


def test_wilson_by_hand():
    # k = n = 4, z = 1.96: the lower end is n / (n + z^2) = 4 / 7.8415; the upper end is 1.
    assert wilson_interval(4, 4) == pytest.approx((0.51011, 1.0), abs=1e-5)


def test_wilson_without_trials_is_everything():
    assert wilson_interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("successes", "trials"), [(3, 2), (-1, 2)])
def test_wilson_refuses_impossible_counts(successes, trials):
    with pytest.raises(ValueError, match="between 0 and trials"):
        wilson_interval(successes, trials)


def test_interquartile_mean_by_hand():
    # Nine numbers lose 9 // 4 = 2 at each end: (2 + 3 + 4 + 5 + 6) / 5 = 4, whatever the outliers.
    assert interquartile_mean([[100, 2, 3], [4, -50, 6], [5, 0, 7]]) == 4.0
    # Three numbers lose none.
    assert interquartile_mean([0, 0, 3]) == 1.0


def test_bootstrap_keeps_tasks_apart():
    # The tasks differ, their seeds and policies do not: no resample can change the aggregate.
    scores = np.tile([[[0.0], [0.5], [1.0]]], (2, 1, 6))
    assert hierarchical_bootstrap(scores, np.mean) == (0.5, 0.5)


def test_bootstrap_of_one_seed_by_hand():
    # One seed and task, policies 0 and 1: the mean of two draws is 0, 1/2 or 1 with chances 1/4,
    # 1/2, 1/4. The middle 40% lie at 1/2; the middle 90% reach both ends.
    assert hierarchical_bootstrap([[[0, 1]]], np.mean, confidence=0.4) == (0.5, 0.5)
    assert hierarchical_bootstrap([[[0, 1]]], np.mean, confidence=0.9) == (0.0, 1.0)


def test_bootstrap_of_seeds_by_hand():
    # Two seeds whose policies are all alike: the mean of two drawn seeds is 0, 1/2 or 1, likewise,
    # however many policies and tasks there are. By policies alone it would be 1/2, nearly always.
    scores = np.repeat([[[0.0]], [[1.0]]], 50, axis=2).repeat(9, axis=1)
    assert hierarchical_bootstrap(scores, np.mean, confidence=0.4) == (0.5, 0.5)
    assert hierarchical_bootstrap(scores, np.mean, confidence=0.9) == (0.0, 1.0)


def test_bootstrap_draws_policies_within_their_seed_and_task():
    # Every seed and task holds one 0 and one 1 and is as good as any other: only policies vary.
    # The sum of 12 draws lies within 12 * (0.5 +- 0.29) with 95%: a binomial of 12 has 3 to 9.
    scores = np.tile([0.0, 1.0], (2, 3, 1))
    lower, upper = hierarchical_bootstrap(scores, np.mean)
    assert (lower, upper) == (pytest.approx(3 / 12), pytest.approx(9 / 12))


def test_bootstrap_draws_each_tasks_runs_on_their_own():
    # Two such tasks: the mean of four draws is 0 or 1 with a chance of 1/16 each, and 1/4 or 3/4
    # with 1/4 each, so the middle 80% reach from 1/4 to 3/4. Were both tasks to draw the same runs,
    # they would reach from 0 to 1.
    assert hierarchical_bootstrap([[[0, 1], [0, 1]]], np.mean, confidence=0.8) == (0.25, 0.75)


def test_bootstrap_follows_its_seed():
    scores = np.random.default_rng(0).random((3, 5, 8))
    interval = hierarchical_bootstrap(scores, num_resamples=200)
    assert interval == hierarchical_bootstrap(scores, num_resamples=200, seed=0)
    assert interval != hierarchical_bootstrap(scores, num_resamples=200, seed=1)
    assert interval[0] < interquartile_mean(scores) < interval[1]


@pytest.mark.parametrize(
    ("num_seeds", "effect", "lowest"), [(3, 0.0, 0.93), (3, 0.05, 0.84), (10, 0.05, 0.91)]
)
def test_bootstrap_covers_the_mean_of_new_seeds(num_seeds, effect, lowest):
    # Training seeds shift all tasks alike; policies differ by 0.2 and play five layouts.
    rng, covered, num_trials = np.random.default_rng(0), 0, 150
    for _ in range(num_trials):
        rates = 0.5 + effect * rng.standard_normal((num_seeds, 1, 1))
        rates = np.clip(rates + 0.2 * rng.standard_normal((num_seeds, 9, 10)), 0, 1)
        scores = rng.binomial(5, rates) / 5
        lower, upper = hierarchical_bootstrap(scores, np.mean, num_resamples=300)
        covered += lower <= 0.5 <= upper
    assert covered / num_trials >= lowest


def test_qualified_rate_by_hand():
    # The first of three policies alone succeeds on all layouts.
    assert qualified_rate(SUCCESS) == pytest.approx(1 / 3)


def test_top_k_by_hand():
    assert top_k_success(SUCCESS, 1) == 1.0
    # (1 + 1/2) / 2
    assert top_k_success(SUCCESS, 2) == 0.75
    # (1 + 1/2 + 1/4) / 3: there are three policies only.
    assert top_k_success(SUCCESS, 5) == pytest.approx(7 / 12)


def test_summary_by_hand():
    summary = summarize(SUCCESS)
    assert (summary.num_policies, summary.num_layouts) == (3, 4)
    # 4 + 2 + 1 of 12 rollouts.
    assert summary.mean == pytest.approx(7 / 12)
    # The rates 1, 1/2, 1/4 vary by ((5/12)^2 + (1/12)^2 + (4/12)^2) / 2 = 42/288 about 7/12, so
    # the rollouts are worth 3 * (7/12 * 5/12) / (42/288) = 5 trials, with 5 * 7/12 successes.
    assert summary.mean_interval == pytest.approx(wilson_interval(35 / 12, 5))
    assert summary.qualified == pytest.approx(1 / 3)
    assert summary.qualified_interval == pytest.approx(wilson_interval(1, 3))
    assert (summary.best, summary.top5) == (1.0, pytest.approx(7 / 12))


def test_summary_of_policies_that_are_all_alike():
    # Twenty perfect policies count as 20 trials, not as 20 * 50.
    assert summarize(np.ones((20, 50))).mean_interval == pytest.approx(wilson_interval(20, 20))
    # The layouts of a single policy are all there is to count.
    assert summarize([[1, 1, 0, 0]]).mean_interval == pytest.approx(wilson_interval(2, 4))
    # Policies with equal rates: every rollout counts.
    assert summarize([[1, 0], [0, 1]]).mean_interval == pytest.approx(wilson_interval(2, 4))


def test_summary_interval_covers_the_rate_of_new_policies():
    # Policies whose own rates are uniform on [0, 1]: their mean rate is 1/2.
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        lower, upper = summarize(rng.random((20, 50)) < rng.random((20, 1))).mean_interval
        covered += lower <= 0.5 <= upper
    # 95% of 200 with a standard deviation of 3.
    assert 180 <= covered <= 199


def test_summary_is_json():
    content = json.loads(json.dumps(summarize(SUCCESS).to_dict()))
    assert content["best"] == 1.0
    assert len(content["mean_interval"]) == 2
