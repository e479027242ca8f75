"""What tells a copy from a new policy, on made-up policies and by hand."""

import json
from statistics import NormalDist

import numpy as np
import pytest
from benchmarks.experiments.novelty_measures import (
    NUM_CANDIDATES,
    CopyingTest,
    average_copying,
    failure_overlap,
    find_nearest,
    find_reference_pairs,
    find_traits,
    measure_copying,
    novel_share,
    summarize_distances,
    summarize_overlap,
)
from scipy.stats import mannwhitneyu
from tests.policies.test_alignment import disguise, make_policies

from makeanagent.policies import Policy, PolicySpec
from makeanagent.policies.alignment import align

SPEC = PolicySpec(observation_dim=5, action_dim=2, hidden=(12, 10))
PROBES = np.random.default_rng(1).standard_normal((20, 5)).astype(np.float32)
NUM_TRAINING = 80


def traits_of(parameters):
    return find_traits(parameters, SPEC, PROBES)


@pytest.fixture(scope="module")
def policies():
    """Training policies, and after them held-out and fresh ones, all from one distribution."""
    return make_policies(SPEC, NUM_TRAINING + 60)


@pytest.fixture(scope="module")
def training(policies):
    return traits_of(policies[:NUM_TRAINING])


@pytest.fixture(scope="module")
def held_out(policies, training):
    return find_nearest(traits_of(policies[NUM_TRAINING : NUM_TRAINING + 30]), training, SPEC)


@pytest.fixture(scope="module")
def copies(policies):
    """Thirty training policies in disguise, no two alike."""
    return np.stack([disguise(policies[row], SPEC, seed=row) for row in range(30)])


def test_traits_are_actions_on_every_probe(policies):
    traits = traits_of(policies[:70])  # More than act at once.
    for row in (0, 69):
        expected = Policy(policies[row], SPEC).act(PROBES).ravel()
        np.testing.assert_allclose(traits.actions[row], expected, atol=1e-5)


def test_a_copy_in_disguise_is_found_to_be_one(copies, training):
    nearest = find_nearest(traits_of(copies), training, SPEC)
    assert nearest.weight_index.tolist() == nearest.action_index.tolist() == list(range(30))
    assert nearest.weight.max() < 1e-4
    assert nearest.action.max() < 1e-5


def test_copies_in_disguise_are_not_novel(copies, policies, training, held_out):
    nearest = find_nearest(traits_of(copies), training, SPEC)
    good = np.ones(30)
    for kind in ("weight", "action"):
        level = np.median(getattr(held_out, kind))
        assert novel_share(good, getattr(nearest, kind), bar=0.8, level=level) == 0
        assert novel_share(good, getattr(held_out, kind), bar=0.8, level=level) == 0.5
    # Without alignment they would pass for new.
    plain = np.linalg.norm(traits_of(copies).parameters - training.parameters[:30], axis=1)
    level = np.median(held_out.weight)
    assert novel_share(good, plain, bar=0.8, level=level) > 0.9


@pytest.mark.parametrize("kind", ["weight", "action"])
def test_the_copying_test_finds_copies(copies, training, held_out, kind):
    nearest = find_nearest(traits_of(copies), training, SPEC)
    found = measure_copying(getattr(nearest, kind), getattr(held_out, kind))
    assert found.z < -6
    assert found.share_farther == 0
    assert found.num_generated == found.num_held_out == 30


def test_fresh_samples_pass_the_copying_test(training):
    nearest = [
        find_nearest(traits_of(make_policies(SPEC, 30, seed)), training, SPEC)
        for seed in range(1, 17)
    ]
    for kind in ("weight", "action"):
        scores = [
            measure_copying(getattr(first, kind), getattr(second, kind)).z
            for first, second in zip(nearest[::2], nearest[1::2], strict=True)
        ]
        # Standard normal, each: the mean of eight has a deviation of 0.35.
        assert abs(np.mean(scores)) < 1
        assert np.abs(scores).max() < 3.5


def test_the_nearest_is_the_nearest_allowed(policies, training):
    rows = np.array([3, 70])
    allowed = np.ones((2, NUM_TRAINING), bool)
    allowed[[0, 1], rows] = False
    allowed[1, :-1] = False
    allowed[1, -1] = True
    nearest = find_nearest(training[rows], training, SPEC, allowed)
    differences = np.abs(training.actions[rows][:, None] - training.actions).mean(axis=2)
    differences[~allowed] = np.inf
    assert nearest.action_index.tolist() == differences.argmin(axis=1).tolist()
    np.testing.assert_allclose(nearest.action, differences.min(axis=1), rtol=1e-4)
    assert nearest.weight_index[0] != 3
    assert nearest.weight_index[1] == nearest.action_index[1] == NUM_TRAINING - 1
    assert (nearest.weight > 0.1).all()


def test_candidates_are_sought_among_the_allowed(training):
    rows = np.arange(20)
    vectors = training.parameters
    plain = np.linalg.norm(vectors[rows][:, None] - vectors, axis=2)
    order = plain.argsort(axis=1)
    allowed = np.ones((20, NUM_TRAINING), bool)
    np.put_along_axis(allowed, order[:, :40], False, axis=1)
    nearest = find_nearest(training[rows], training, SPEC, allowed)
    for row in rows:
        candidates = vectors[order[row, 40 : 40 + NUM_CANDIDATES]]
        aligned = align(candidates, vectors[row], SPEC)
        closest = np.linalg.norm(aligned - vectors[row], axis=1).min()
        assert nearest.weight[row] <= closest + 1e-5


def test_without_any_allowed_policy_the_distance_is_infinite(training):
    allowed = np.zeros((1, NUM_TRAINING), bool)
    nearest = find_nearest(training[:1], training, SPEC, allowed)
    assert np.isinf([nearest.weight[0], nearest.action[0]]).all()
    assert summarize_distances(nearest.weight) == {
        "num": 0, "min": None, "q10": None, "median": None, "q90": None,
    }  # fmt: skip
    assert measure_copying(nearest.weight, [1.0]) == CopyingTest(None, None, 0, 1)


def test_fewer_training_policies_than_candidates(training):
    few = training[: NUM_CANDIDATES - 3]
    nearest = find_nearest(few, few, SPEC)
    assert nearest.weight_index.tolist() == list(range(len(few)))
    assert nearest.weight.max() < 1e-5


def test_reference_pairs():
    task, run = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 2, 3])
    pairs = find_reference_pairs(task, run, np.array([0, 4]))
    assert {name: found.astype(int).tolist() for name, found in pairs.items()} == {
        "checkpoint": [[0, 1, 1, 1, 1], [1, 1, 1, 1, 0]],
        "run": [[0, 0, 1, 0, 0], [0, 0, 0, 1, 0]],
        "task": [[0, 0, 0, 1, 1], [1, 1, 1, 0, 0]],
    }


def test_failed_layouts_in_common():
    first = np.array([[1, 1, 0, 0], [1, 1, 1, 1], [0, 1, 1, 1], [0, 0, 0, 0]], bool)
    second = np.array([[1, 0, 0, 0], [1, 1, 1, 1], [1, 0, 1, 1], [0, 0, 0, 0]], bool)
    overlaps = failure_overlap(first, second)
    # 2 of 3, nobody fails, 0 of 2, 4 of 4.
    assert overlaps == [pytest.approx(2 / 3), None, 0.0, 1.0]
    assert summarize_overlap(overlaps) == {
        "mean": pytest.approx(5 / 9), "num_pairs": 4, "num_defined": 3,
    }  # fmt: skip
    assert summarize_overlap([None])["mean"] is None


def test_copying_by_hand():
    # Of the six pairs the generated one is farther in one (4 > 3) and level in one (3 and 3).
    found = measure_copying([1.0, 4.0], [3.0, 5.0, 4.0])
    assert found.share_farther == pytest.approx(1.5 / 6)
    # U = 1.5, mean 3, variance 2 * 3 * 6 / 12 = 3.
    assert found.z == pytest.approx((1.5 - 3) / 3**0.5)


def test_copying_is_mann_whitneys_test():
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal(25), rng.standard_normal(40) + 0.3
    expected = mannwhitneyu(first, second, method="asymptotic", use_continuity=False)
    found = measure_copying(first, second)
    assert found.share_farther == pytest.approx(expected.statistic / (25 * 40))
    assert 2 * NormalDist().cdf(-abs(found.z)) == pytest.approx(expected.pvalue)
    assert found.z < 0


def test_cells_are_averaged_by_their_held_out_samples():
    tests = [
        CopyingTest(-2.0, 0.1, 5, 30), CopyingTest(2.0, 0.9, 5, 10), CopyingTest(None, None, 5, 0)
    ]  # fmt: skip
    assert average_copying(tests) == CopyingTest(-1.0, pytest.approx(0.3), 10, 40)
    assert average_copying(tests[2:]) == CopyingTest(None, None, 0, 0)


def test_novelty_counts_only_above_the_bar():
    success, distances = [0.9, 0.9, 0.2, 0.8], [0.5, 2.0, 9.0, 1.5]
    assert novel_share(success, distances, bar=0.8, level=1.0) == 0.5
    assert novel_share(success, distances, bar=0.0, level=1.0) == 0.75
    assert novel_share(success, distances, bar=0.8, level=None) is None


def test_quantiles_leave_out_what_is_infinite():
    found = summarize_distances([3.0, np.inf, 1.0, 2.0])
    assert json.loads(json.dumps(found)) == found
    assert (found["num"], found["min"], found["median"]) == (3, 1.0, 2.0)
