"""Alignment undoes what changes a policy's numbers and not its actions, and no more than that."""

import numpy as np
import pytest

from makeanagent.errors import InputError
from makeanagent.policies import Policy, PolicySpec
from makeanagent.policies.alignment import align, align_runs, canonical_scale
from makeanagent.policies.codec import unflatten_policy

SPECS = [
    PolicySpec(observation_dim=39, action_dim=4),
    PolicySpec(observation_dim=7, action_dim=2, hidden=(24, 12), heads=("mean",)),
    PolicySpec(
        observation_dim=9, action_dim=3, hidden=(20, 24, 16), activations=("relu", "tanh", "relu")
    ),
]
ELU = PolicySpec(observation_dim=7, action_dim=2, hidden=(12, 12), activations=("elu", "elu"))


def make_policies(spec, count, seed=0):
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((count, spec.num_parameters))
    return (vectors / np.sqrt(max(spec.hidden))).astype(np.float32)


def disguise(vector, spec, seed=0):
    """The same policy with its units in another order, and its ReLU units rescaled."""
    rng = np.random.default_rng(seed)
    vector = vector.copy()
    arrays = unflatten_policy(vector, spec)
    names = [layer.name for layer in spec.layers]
    hidden, heads = names[: len(spec.hidden)], names[len(spec.hidden) :]
    for index, name in enumerate(hidden):
        order = rng.permutation(spec.hidden[index])
        scale = np.ones(spec.hidden[index], np.float32)
        if spec.activations[index] == "relu":
            scale = np.exp(rng.standard_normal(len(scale))).astype(np.float32)
        weight, bias = arrays[f"{name}.weight"], arrays[f"{name}.bias"]
        weight[:] = (weight * scale[:, None])[order]
        bias[:] = (bias * scale)[order]
        for follower in hidden[index + 1 : index + 2] or heads:
            outgoing = arrays[f"{follower}.weight"]
            outgoing[:] = (outgoing / scale)[:, order]
    return vector


def act(vector, spec):
    states = np.random.default_rng(9).standard_normal((50, spec.observation_dim))
    return Policy(vector, spec).act(states)


@pytest.mark.parametrize("spec", SPECS)
def test_a_disguised_copy_comes_back(spec):
    (original,) = make_policies(spec, 1)
    copy = disguise(original, spec)
    np.testing.assert_allclose(act(copy, spec), act(original, spec), atol=1e-5)
    reference = canonical_scale(original[None], spec)[0]
    before = np.linalg.norm(canonical_scale(copy[None], spec)[0] - reference)
    assert before > 0.5 * np.linalg.norm(reference)
    (aligned,) = align(copy[None], original, spec)
    np.testing.assert_allclose(aligned, reference, atol=1e-5)
    np.testing.assert_allclose(act(aligned, spec), act(original, spec), atol=1e-5)


def test_every_small_copy_comes_back():
    # Of networks as small as this, a search from their own order alone loses one in twenty.
    spec = PolicySpec(observation_dim=5, action_dim=2, hidden=(12, 10))
    originals = make_policies(spec, 100)
    copies = np.stack([disguise(vector, spec, seed) for seed, vector in enumerate(originals)])
    expected = canonical_scale(originals, spec)
    np.testing.assert_allclose(align(copies, originals, spec), expected, atol=1e-5)


@pytest.mark.parametrize("spec", SPECS)
def test_another_network_stays_another(spec):
    first, second = make_policies(spec, 2)
    reference = canonical_scale(second[None], spec)[0]
    before = np.linalg.norm(canonical_scale(first[None], spec)[0] - reference)
    (aligned,) = align(first[None], second, spec)
    after = np.linalg.norm(aligned - reference)
    assert 0.5 * before < after < before
    np.testing.assert_allclose(act(aligned, spec), act(first, spec), atol=1e-5)


def test_each_policy_has_its_own_reference():
    spec = SPECS[1]
    originals = make_policies(spec, 3)
    copies = np.stack([disguise(vector, spec, seed) for seed, vector in enumerate(originals)])
    scaled = canonical_scale(originals, spec)
    np.testing.assert_allclose(align(copies, originals, spec), scaled, atol=1e-5)
    distances = np.linalg.norm(align(copies, originals[::-1], spec) - scaled[::-1], axis=1)
    assert (distances > 0.5).tolist() == [True, False, True]


def test_canonical_units_have_norm_one_and_act_alike():
    spec = SPECS[2]
    policies = make_policies(spec, 2)
    scaled = canonical_scale(policies, spec)
    for before, after in zip(policies, scaled, strict=True):
        arrays = unflatten_policy(after, spec)
        for name in ("linear1", "linear3"):
            incoming = np.column_stack([arrays[f"{name}.weight"], arrays[f"{name}.bias"]])
            np.testing.assert_allclose(np.linalg.norm(incoming, axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(act(after, spec), act(before, spec), atol=1e-5)
    np.testing.assert_allclose(canonical_scale(scaled, spec), scaled, atol=1e-6)


def test_only_relu_units_are_scaled():
    policies = make_policies(ELU, 2)
    assert np.array_equal(canonical_scale(policies, ELU), policies)


def test_a_unit_that_nothing_enters_stays_as_it_is():
    spec = SPECS[1]
    policies = make_policies(spec, 1)
    arrays = unflatten_policy(policies[0], spec)
    arrays["linear2.weight"][3] = arrays["linear2.bias"][3] = 0
    scaled = canonical_scale(policies, spec)
    assert np.isfinite(scaled).all()
    after = unflatten_policy(scaled[0], spec)["mean.weight"][:, 3]
    assert np.array_equal(after, arrays["mean.weight"][:, 3])


def test_arguments_are_not_written_to():
    policies, reference = make_policies(SPECS[1], 2), make_policies(SPECS[1], 1, seed=1)[0]
    before = policies.tobytes(), reference.tobytes()
    align(policies, reference, SPECS[1])
    assert (policies.tobytes(), reference.tobytes()) == before


def test_a_network_without_hidden_layers_has_one_form():
    spec = PolicySpec(observation_dim=3, action_dim=2, hidden=(), activations=())
    policies = np.random.default_rng(0).standard_normal((2, spec.num_parameters))
    assert np.array_equal(align(policies, policies[0], spec), policies)


@pytest.mark.parametrize("shape", [(5,), (2, 5), ()])
def test_what_is_no_policies_of_the_spec_is_refused(shape):
    with pytest.raises(InputError, match="policy parameters: shape"):
        canonical_scale(np.zeros(shape), SPECS[1])


def test_as_many_references_as_policies():
    policies = make_policies(SPECS[1], 3)
    with pytest.raises(ValueError, match="broadcast"):
        align(policies, policies[:2], SPECS[1])


def make_run(spec, num_checkpoints=4):
    """Checkpoints of one run: each a small step from the one before."""
    (start,) = make_policies(spec, 1)
    steps = 0.02 * make_policies(spec, num_checkpoints, seed=1)
    return start + steps.cumsum(axis=0)


def disguise_run(run, spec, seed):
    """One order and one scale for all checkpoints, as of a run that began in another place."""
    return np.stack([disguise(vector, spec, seed) for vector in run])


@pytest.mark.parametrize("spec", SPECS)
def test_disguised_copies_of_a_run_come_together(spec):
    run = make_run(spec)
    runs = [run, disguise_run(run, spec, 1), disguise_run(run, spec, 2)]
    numbers = np.repeat([3, 7, 20], len(run))
    aligned = align_runs(np.concatenate(runs), numbers, spec)
    expected = canonical_scale(run, spec)
    before = canonical_scale(runs[1], spec)
    assert np.linalg.norm(before - expected) > 0.5 * np.linalg.norm(expected)
    for number in (3, 7, 20):
        np.testing.assert_allclose(aligned[numbers == number], expected, atol=1e-5)


@pytest.mark.parametrize("spec", SPECS)
def test_aligned_runs_act_as_before(spec):
    runs = [disguise_run(make_policies(spec, 3, seed), spec, seed) for seed in range(3)]
    policies, numbers = np.concatenate(runs), np.repeat([0, 1, 2], 3)
    before = policies.tobytes()
    aligned = align_runs(policies, numbers, spec)
    assert policies.tobytes() == before, "arguments are not written to"
    assert aligned.dtype == policies.dtype
    for ours, theirs in zip(aligned, policies, strict=True):
        np.testing.assert_allclose(act(ours, spec), act(theirs, spec), atol=1e-5)


def test_all_checkpoints_of_a_run_are_moved_by_one_order():
    spec = SPECS[1]
    policies, numbers = make_policies(spec, 8), np.array([0, 1] * 4)
    aligned, scaled = align_runs(policies, numbers, spec), canonical_scale(policies, spec)
    orders = []
    for ours, theirs in zip(aligned, scaled, strict=True):
        after = unflatten_policy(ours, spec)["linear1.weight"]
        before = unflatten_policy(theirs, spec)["linear1.weight"]
        distances = np.linalg.norm(after[:, None] - before[None], axis=2)
        assert distances.min(axis=1).max() < 1e-6
        orders.append(distances.argmin(axis=1).tolist())
    for number in (0, 1):
        assert all(order == orders[number] for order in orders[number::2])
    assert orders[0] == list(range(24)), "the first run keeps its order"
    assert orders[1] != orders[0]


def test_rows_of_runs_may_be_mixed():
    spec = SPECS[1]
    run = make_run(spec)
    policies = np.concatenate([run, disguise_run(run, spec, 1)])
    numbers = np.repeat([0, 1], len(run))
    mixed = np.array([4, 0, 1, 5, 6, 2, 7, 3])
    aligned = align_runs(policies, numbers, spec)
    assert np.array_equal(align_runs(policies[mixed], numbers[mixed], spec), aligned[mixed])


def test_aligned_runs_are_nearer_to_one_another():
    spec = SPECS[1]
    policies, numbers = make_policies(spec, 6), np.arange(6)
    aligned, scaled = align_runs(policies, numbers, spec), canonical_scale(policies, spec)
    assert aligned.std(axis=0).sum() < 0.95 * scaled.std(axis=0).sum()


def test_runs_are_aligned_to_their_mean_and_not_to_the_first_alone():
    """They share a network under noise, of which the mean of all holds less than the first does."""
    spec = PolicySpec(observation_dim=5, action_dim=2, hidden=(12, 10))
    (shared,) = make_policies(spec, 1)
    noisy = shared + 0.9 * make_policies(spec, 12, seed=1)
    policies = np.stack([disguise(vector, spec, seed) for seed, vector in enumerate(noisy)])
    spread = [
        each.std(axis=0).sum()
        for each in (align_runs(policies, np.arange(12), spec), align(policies, policies[0], spec))
    ]
    assert spread[0] < 0.98 * spread[1]


def test_runs_without_hidden_layers_stay_as_they_are():
    spec = PolicySpec(observation_dim=3, action_dim=2, hidden=(), activations=())
    policies = np.random.default_rng(0).standard_normal((4, spec.num_parameters))
    assert np.array_equal(align_runs(policies, np.array([0, 0, 1, 1]), spec), policies)
