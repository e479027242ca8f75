"""The numpy policy, the torch module and the batch are one and the same network."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from makeanagent.errors import InputError
from makeanagent.policies import Policy, PolicySpec
from makeanagent.policies.batch import PolicyBatch
from makeanagent.policies.network import PolicyNetwork

QUICK = settings(deadline=None, max_examples=25)
METAWORLD = PolicySpec(observation_dim=39, action_dim=4)
SMALL = PolicySpec(observation_dim=2, action_dim=1, hidden=(3,), activations=("relu",))


class FixedNoise:
    """Stands in for a numpy generator."""

    def __init__(self, noise):
        self.noise = noise

    def standard_normal(self, shape, dtype):
        assert shape == self.noise.shape
        return self.noise.astype(dtype)


def make_policies(spec, num_policies, seed=0):
    rng = np.random.default_rng(seed)
    scale = 1 / np.sqrt(max(spec.hidden, default=1))
    return (scale * rng.standard_normal((num_policies, spec.num_parameters))).astype(np.float32)


@QUICK
@given(
    num_policies=st.integers(1, 4),
    num_rows=st.integers(1, 6),
    activations=st.lists(st.sampled_from(["elu", "relu", "tanh"]), max_size=3),
    squash=st.sampled_from(["tanh", "none"]),
    seed=st.integers(0, 1000),
)
def test_three_implementations_agree(num_policies, num_rows, activations, squash, seed):
    spec = PolicySpec(
        observation_dim=5,
        action_dim=3,
        hidden=(8,) * len(activations),
        activations=tuple(activations),
        squash=squash,
    )
    parameters = make_policies(spec, num_policies, seed)
    observations = np.random.default_rng(seed).normal(size=(num_policies, num_rows, 5))
    observations = torch.from_numpy(observations.astype(np.float32))
    batch = PolicyBatch(torch.from_numpy(parameters), spec)

    def seeded():
        return torch.Generator().manual_seed(seed)

    means = batch.act(observations)
    samples = batch.act(observations, deterministic=False, generator=seeded())
    noise = torch.randn(samples.shape, generator=seeded())
    assert means.shape == samples.shape == (num_policies, num_rows, 3)
    for index, vector in enumerate(parameters):
        policy, network = Policy(vector, spec), PolicyNetwork.from_vector(vector, spec)
        rows = observations[index]
        with torch.no_grad():
            torch.testing.assert_close(network.act(rows), means[index], atol=1e-5, rtol=1e-4)
            for ours, theirs in zip(network(rows), batch.forward(observations), strict=True):
                torch.testing.assert_close(ours, theirs[index], atol=1e-5, rtol=1e-4)
        close = {"atol": 1e-5, "rtol": 1e-4}
        np.testing.assert_allclose(policy.act(rows.numpy()), means[index], **close)
        np.testing.assert_allclose(batch[index](rows.numpy()), means[index], **close)
        sample = policy.act(rows.numpy(), deterministic=False, rng=FixedNoise(noise[index].numpy()))
        np.testing.assert_allclose(sample, samples[index], atol=1e-4, rtol=1e-3)


def test_one_policys_samples_equal_its_networks():
    vector = make_policies(METAWORLD, 1)[0]
    observations = torch.randn(7, 39, generator=torch.Generator().manual_seed(0))
    network = PolicyNetwork.from_vector(vector, METAWORLD)
    batch = PolicyBatch(torch.from_numpy(vector), METAWORLD)
    samples = [
        actor.act(observations, deterministic=False, generator=torch.Generator().manual_seed(3))
        for actor in (network, network, batch)
    ]
    assert torch.equal(samples[0], samples[1])
    torch.testing.assert_close(samples[0], samples[2])
    assert not torch.allclose(samples[0], network.act(observations))


def test_arithmetic_by_hand():
    spec = PolicySpec(
        observation_dim=1, action_dim=1, hidden=(2,), activations=("elu",), heads=("mean",)
    )
    # linear1: W = [[1], [-1]], b = [0, 1]; mean: W = [[2, 3]], b = [0.5]. For an observation of 2:
    # elu(2) = 2, elu(-2 + 1) = exp(-1) - 1, and so 2*2 + 3*(exp(-1) - 1) + 0.5.
    vector = np.array([1, -1, 0, 1, 2, 3, 0.5], np.float32)
    expected = np.tanh(4.5 + 3 * (np.exp(-1) - 1))
    assert Policy(vector, spec)(np.array([2.0])) == pytest.approx([expected])
    batch = PolicyBatch(torch.from_numpy(vector), spec)
    assert batch.act(torch.tensor([[2.0]])).item() == pytest.approx(expected)


@pytest.mark.parametrize(("bias", "log_std"), [(100.0, 2.0), (-100.0, -20.0)])
def test_the_log_std_is_clamped(bias, log_std):
    spec = PolicySpec(
        observation_dim=2, action_dim=3, hidden=(4,), activations=("relu",), squash="none"
    )
    vector = np.zeros(spec.num_parameters, np.float32)
    vector[spec.layers[-1].bias] = bias
    batch = PolicyBatch(torch.from_numpy(vector), spec)
    for _, found in (
        batch.forward(torch.zeros(1, 1, 2)),
        PolicyNetwork.from_vector(vector, spec)(torch.zeros(1, 2)),
    ):
        assert (found == log_std).all()
    action = Policy(vector, spec).act(np.zeros(2), deterministic=False, rng=FixedNoise(np.ones(3)))
    np.testing.assert_allclose(action, np.exp(log_std), rtol=1e-5)


def test_gradients_reach_every_parameter():
    spec = PolicySpec(observation_dim=3, action_dim=2, hidden=(4, 4), activations=("elu", "tanh"))
    parameters = torch.from_numpy(make_policies(spec, 3)).requires_grad_()
    observations = torch.randn(3, 5, 3, generator=torch.Generator().manual_seed(0))
    batch = PolicyBatch(parameters, spec)
    generator = torch.Generator().manual_seed(0)
    batch.act(observations, deterministic=False, generator=generator).square().sum().backward()
    assert (parameters.grad != 0).all()


def test_gradients_equal_the_modules():
    parameters = torch.from_numpy(make_policies(METAWORLD, 2)).requires_grad_()
    observations = torch.randn(2, 5, 39, generator=torch.Generator().manual_seed(0))
    PolicyBatch(parameters, METAWORLD).act(observations).sum().backward()
    for index in range(2):
        network = PolicyNetwork.from_vector(parameters[index], METAWORLD)
        network.act(observations[index]).sum().backward()
        for layer in METAWORLD.layers[:-1]:
            found = parameters.grad[index, layer.weight].reshape(layer.fan_out, layer.fan_in)
            expected = network.get_submodule(layer.name).weight.grad
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-3)


def test_a_batch_is_a_sequence():
    parameters = torch.from_numpy(make_policies(SMALL, 5))
    batch = PolicyBatch(parameters, SMALL)
    assert len(batch) == len(list(batch)) == 5
    assert len(batch[1:3]) == 2
    assert torch.equal(batch[1:3].parameters, parameters[1:3])
    assert [policy.parameters.tobytes() for policy in batch] == [
        row.numpy().tobytes() for row in parameters
    ]
    assert isinstance(batch[-1], Policy)


def test_the_same_observations_may_go_to_all_policies():
    batch = PolicyBatch(torch.from_numpy(make_policies(METAWORLD, 3)), METAWORLD)
    observations = torch.randn(4, 39, generator=torch.Generator().manual_seed(0))
    expected = batch.act(observations.repeat(3, 1, 1))
    torch.testing.assert_close(batch.act_all(observations), expected)
    np.testing.assert_allclose(batch.act_all(observations.numpy()), expected, atol=1e-6)
    with pytest.raises(InputError, match=r"shape \(3, 4, 39\), expected \[B, 39\]"):
        batch.act_all(observations.repeat(3, 1, 1))


def test_each_policy_acts_on_its_own_rows():
    """As in a vector environment: row by row, or as many rows after each other for each policy."""
    batch = PolicyBatch(torch.from_numpy(make_policies(METAWORLD, 3)), METAWORLD)
    observations = torch.randn(6, 39, generator=torch.Generator().manual_seed(0))
    for rows in (3, 6):
        found = batch.act(observations[:rows].numpy())
        assert isinstance(found, np.ndarray) and found.shape == (rows, 4)
        for row, action in enumerate(found):
            policy = batch[row * 3 // rows]
            np.testing.assert_allclose(policy.act(observations[row].numpy()), action, atol=1e-5)
    for wrong in (observations[:4], observations[:3, :5], observations[None]):
        with pytest.raises(InputError, match="with N = 3 policies; `act_all` gives all"):
            batch.act(wrong)


def test_without_a_log_std_head_a_sample_is_the_mean():
    spec = PolicySpec(observation_dim=2, action_dim=1, heads=("mean",))
    vector = make_policies(spec, 1)[0]
    rows = np.ones((3, 2), np.float32)
    for actor, observations in (
        (Policy(vector, spec), rows),
        (PolicyNetwork.from_vector(vector, spec), torch.from_numpy(rows)),
        (PolicyBatch(torch.from_numpy(vector), spec), torch.from_numpy(rows)),
    ):
        means = actor.act(observations)
        assert bool((actor.act(observations, deterministic=False) == means).all())


@pytest.mark.parametrize("shape", [(), (16,), (2, 18), (2, 2, 17)])
def test_parameters_of_another_shape_are_refused(shape):
    with pytest.raises(InputError, match="policy parameters: shape"):
        PolicyBatch(torch.zeros(shape), SMALL)


def test_a_network_has_the_codecs_names_and_keeps_its_own_numbers():
    vector = make_policies(METAWORLD, 1)[0]
    state = torch.random.get_rng_state()
    network = PolicyNetwork.from_vector(vector, METAWORLD)
    assert torch.equal(state, torch.random.get_rng_state())
    assert list(network.state_dict()) == [
        f"{layer}.{kind}"
        for layer in ("linear1", "linear2", "mean", "log_std")
        for kind in ("weight", "bias")
    ]
    assert all(parameter.requires_grad for parameter in network.parameters())
    before = vector.tobytes()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    assert vector.tobytes() == before


def test_a_network_of_another_length_is_refused():
    with pytest.raises(InputError, match="policy parameters: shape"):
        PolicyNetwork.from_vector(np.zeros(16, np.float32), SMALL)


def test_parameters_written_in_place_are_seen():
    spec = PolicySpec(observation_dim=3, action_dim=2, hidden=(4,), activations=("relu",))
    batch = PolicyBatch(torch.randn(2, spec.num_parameters), spec)
    observations = torch.randn(2, 5, 3)
    before = batch.act(observations)
    batch.parameters.mul_(2)
    fresh = PolicyBatch(batch.parameters.clone(), spec).act(observations)
    assert torch.equal(batch.act(observations), fresh)
    assert not torch.equal(before, fresh)
