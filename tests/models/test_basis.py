"""The policy basis: latents are plain actors, and plain actors have a nearest latent."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.tiny_reader import SPACE, SPEC, draw_states

from makeanagent.errors import InputError
from makeanagent.models.basis import BasisConfig, PolicyBasis
from makeanagent.policies.batch import PolicyBatch
from makeanagent.policies.initialization import initialize_actor
from makeanagent.zoo.recipes.distillation_config import DistillationConfig

CONFIG = BasisConfig(ranks=(5, 4))
STATES = torch.from_numpy(draw_states(30, seed=3))
DEEP = replace(SPEC, hidden=(8, 6, 7), activations=("tanh", "elu", "relu"))
MEAN_ALONE = replace(SPEC, heads=("mean",))


def make_basis(spec=SPEC, config=CONFIG):
    torch.manual_seed(0)
    basis = PolicyBasis(spec, SPACE, config)
    basis.scale.fit(draw_states(200))
    return basis.double()


def draw_latents(basis, count=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((count, *basis.latent_shape), generator=generator).double()


def means_of(parameters, spec, states):
    """Of plain actors before the squash, `[N, B, A]`, layer by layer."""
    hidden = states.expand(len(parameters), -1, -1)
    for index, layer in enumerate(spec.layers):
        weight = parameters[:, layer.weight].unflatten(1, (layer.fan_out, layer.fan_in))
        hidden = hidden @ weight.transpose(1, 2) + parameters[:, None, layer.bias]
        if layer.name == "mean":
            return hidden
        hidden = {"elu": torch.nn.functional.elu, "relu": torch.relu, "tanh": torch.tanh}[
            spec.activations[index]
        ](hidden)
    raise AssertionError


@pytest.mark.parametrize(
    ("spec", "ranks"), [(SPEC, (5, 4)), (DEEP, (5, 4, 3)), (MEAN_ALONE, (5, 4))]
)
def test_a_latent_folds_exactly_into_a_plain_actor(spec, ranks):
    basis = make_basis(spec, BasisConfig(ranks=ranks))
    latents = draw_latents(basis)
    states = STATES.double().expand(3, -1, -1)
    # `act` computes in single precision what is shared, as in training.
    found = basis.float().act(latents.float(), states.float())
    parameters = basis.decode(latents.float())
    assert parameters.shape == (3, spec.num_parameters)
    expected = means_of(parameters, spec, states[0].float())
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    acted = PolicyBatch(parameters, spec).act_all(states[0].float())
    torch.testing.assert_close(acted, found.tanh(), atol=1e-5, rtol=1e-5)
    assert (found[0] - found[1]).abs().max() > 0.1


def test_policies_act_on_states_of_their_own():
    basis = make_basis().float()
    latents, states = draw_latents(basis).float(), STATES.unflatten(0, (3, 10))
    found = basis.act(latents, states)
    for row in range(3):
        alone = basis.act(latents[row : row + 1], states[row : row + 1])
        torch.testing.assert_close(found[row : row + 1], alone)


@pytest.mark.parametrize("init_seed", [7, 0])
def test_the_shared_network_is_the_zoos_initial_actor(init_seed):
    basis = make_basis(config=replace(CONFIG, init_seed=init_seed))
    nothing = torch.zeros(1, *basis.latent_shape).double()
    expected = initialize_actor(SPEC, init_seed)[None].double()
    torch.testing.assert_close(basis.decode(nothing), expected)
    assert basis.encode(expected).abs().max() < 1e-6
    assert not basis.centre.requires_grad
    assert CONFIG.init_seed == DistillationConfig().init_seed


def test_a_policy_of_the_basis_is_encoded_as_its_latent():
    basis = make_basis()
    latents = draw_latents(basis)
    parameters = basis.decode(latents)
    found = basis.encode(parameters)
    assert found.shape == latents.shape
    torch.testing.assert_close(found, latents, atol=2e-4, rtol=2e-4)
    torch.testing.assert_close(basis.decode(found), parameters, atol=1e-4, rtol=1e-3)


def test_any_other_policy_is_encoded_as_the_nearest_of_the_basis():
    basis = make_basis()
    generator = torch.Generator().manual_seed(5)
    parameters = basis.centre + 0.3 * torch.randn((2, SPEC.num_parameters), generator=generator).to(
        basis.centre
    )
    found = basis.encode(parameters)[:, 0].split(basis.sizes, dim=1)
    for index, layer in enumerate(SPEC.layers[:2]):
        weight = parameters[:, layer.weight].unflatten(1, (layer.fan_out, layer.fan_in))
        centre = basis.centre[layer.weight].view(layer.fan_out, layer.fan_in)
        departure = weight - centre
        if index == 0:  # On scaled observations.
            departure = departure * basis.scale.std
        # Rank-one matrices written out, as columns.
        matrices = torch.einsum("or,ri->oir", basis.writes[index], basis.reads[index])
        expected = torch.linalg.lstsq(matrices.flatten(0, 1), departure.flatten(1).T).solution.T
        torch.testing.assert_close(found[2 * index], expected, atol=1e-3, rtol=1e-3)
    # Biases and the head depart freely.
    decoded = basis.decode(basis.encode(parameters))
    for layer in SPEC.layers[1:3]:
        torch.testing.assert_close(decoded[:, layer.bias], parameters[:, layer.bias])
    head = SPEC.layers[2]
    torch.testing.assert_close(decoded[:, head.weight], parameters[:, head.weight])
    # Only the mean head's: a log-std head stays that of the shared network.
    log_std = SPEC.layers[3]
    assert torch.equal(decoded[0, log_std.weight], basis.centre[log_std.weight])


def test_the_first_layers_bias_is_that_on_scaled_observations():
    basis = make_basis()
    parameters = initialize_actor(SPEC, 3)[None].double()
    decoded = basis.decode(basis.encode(parameters))
    layer = SPEC.layers[0]
    # At the mean observation, the first layer's sums are kept.
    sums = [
        each[0, layer.weight].view(layer.fan_out, layer.fan_in) @ basis.scale.mean
        + each[0, layer.bias]
        for each in (decoded, parameters)
    ]
    torch.testing.assert_close(*sums)


def test_gradients_reach_latents_and_basis_by_both_ways():
    found = []
    for way in ("act", "decode"):
        basis = make_basis().float()
        latents = draw_latents(basis).float().requires_grad_(True)
        states = STATES.expand(3, -1, -1)
        if way == "act":
            means = basis.act(latents, states)
        else:
            means = means_of(basis.decode(latents), SPEC, STATES)
        means.square().sum().backward()
        assert (latents.grad != 0).float().mean() > 0.8
        for name, weight in basis.named_parameters():
            assert weight.grad.abs().max() > 0, (way, name)
        found.append(latents.grad)
    torch.testing.assert_close(*found, atol=1e-3, rtol=1e-3)


def test_a_rank_for_each_hidden_layer_is_needed():
    with pytest.raises(InputError, match=r"ranks \(5,\): one is needed for each of the 2"):
        PolicyBasis(SPEC, SPACE, BasisConfig(ranks=(5,)))


def test_latents_are_as_long_as_what_they_hold():
    basis = make_basis()
    # Ranks and biases of the two layers; then the head's 4 x 6 weights and 4 biases.
    assert basis.latent_shape == (1, 5 + 8 + 4 + 6 + 24 + 4)
    assert np.prod(basis.latent_shape) == sum(basis.sizes)
