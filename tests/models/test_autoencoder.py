import itertools
from dataclasses import replace

import pytest
import torch

from makeanagent.errors import InputError
from makeanagent.models.autoencoder import (
    PAPER_AUTOENCODER,
    AutoencoderConfig,
    Grouping,
    ParameterAutoencoder,
    fit_closed_form,
    group_layers,
    input_moments,
    output_sensitivities,
)
from makeanagent.policies import PolicySpec
from makeanagent.policies.batch import PolicyBatch

SPEC = PolicySpec(observation_dim=5, action_dim=2, hidden=(8, 6))
META_WORLD = PolicySpec(observation_dim=39, action_dim=4)


def make_zoo(count: int, rank: int) -> torch.Tensor:
    """Policies that lie in a subspace of `rank` dimensions around a mean."""
    generator = torch.Generator().manual_seed(0)
    basis = torch.randn(rank, SPEC.num_parameters, generator=generator)
    mean = 0.3 * torch.randn(SPEC.num_parameters, generator=generator)
    return mean + 0.05 * torch.randn(count, rank, generator=generator) @ basis


def fit(
    parameters: torch.Tensor, latent_dim: int, grouping: Grouping = "paper"
) -> ParameterAutoencoder:
    states = torch.randn(len(parameters), 20, SPEC.observation_dim)
    autoencoder = ParameterAutoencoder(
        SPEC, AutoencoderConfig(latent_dim=latent_dim, grouping=grouping)
    )
    moments = input_moments(parameters, SPEC, states)
    weights = output_sensitivities(parameters, SPEC, states)
    fit_closed_form(autoencoder, parameters, moments, weights)
    return autoencoder


def test_groups_are_the_two_rows_of_table_1():
    first, rest = ParameterAutoencoder(META_WORLD, AutoencoderConfig(latent_dim=2)).groups
    # 39 x 128 + 128 = 5,120; 128 x 128 + 128 + 2 x (128 x 4 + 4) = 17,544.
    assert (first.stop - first.start, rest.stop - rest.start) == (5_120, 17_544)
    assert rest.stop == META_WORLD.num_parameters


def test_layers_group_around_what_all_domains_share():
    names = {
        hidden: [
            [layer.name for layer in group]
            for group in group_layers(replace(SPEC, hidden=hidden, activations=acts), "layers")
        ]
        for hidden, acts in (((8,), ("elu",)), ((8, 6), ("elu",) * 2), ((8, 6, 7), ("elu",) * 3))
    }
    heads = ["mean", "log_std"]
    assert names == {
        (8,): [["linear1"], heads],
        (8, 6): [["linear1"], ["linear2"], heads],
        (8, 6, 7): [["linear1"], ["linear2", "linear3"], heads],
    }


DOMAINS = [
    PolicySpec(observation_dim=observations, action_dim=actions, hidden=(16, 12))
    for observations, actions in ((39, 4), (41, 8), (256, 12))
]


def test_latents_have_one_shape_for_all_domains():
    config = AutoencoderConfig(latent_dim=5, grouping="layers")
    networks = [ParameterAutoencoder(spec, config) for spec in DOMAINS]
    assert {network.latent_shape for network in networks} == {(3, 5)}
    assert {
        network.encode(torch.zeros(2, network.spec.num_parameters)).shape for network in networks
    } == {(2, 3, 5)}
    middle = 16 * 12 + 12
    assert {network.encoders[1].weight.shape for network in networks} == {(5, middle)}
    assert {network.decoders[1].weight.shape for network in networks} == {(middle, 5)}
    first, last = networks[0].groups[0], networks[0].groups[2]
    assert (first.start, first.stop) == (0, 40 * 16)
    assert (last.start, last.stop) == (40 * 16 + middle, DOMAINS[0].num_parameters)


def test_the_paper_groups_have_one_shape_for_all_observations():
    networks = [ParameterAutoencoder(spec, AutoencoderConfig(latent_dim=5)) for spec in DOMAINS]
    assert {network.latent_shape for network in networks} == {(2, 5)}


def draw_maps(spec: PolicySpec, seed: int = 0) -> list[torch.Tensor]:
    """The three groups' maps, encoders before decoders."""
    network = ParameterAutoencoder(spec, AutoencoderConfig(latent_dim=50, grouping="layers"))
    network.draw_maps(seed)
    return [part.weight.detach() for part in (*network.encoders, *network.decoders)]


def test_middle_groups_begin_alike_in_all_domains():
    here, there, again, other = (
        draw_maps(DOMAINS[0]),
        draw_maps(DOMAINS[2]),
        draw_maps(DOMAINS[0]),
        draw_maps(DOMAINS[0], 1),
    )
    assert torch.equal(here[1], there[1])
    assert torch.equal(here[4], there[4])
    assert all(map(torch.equal, here, again))
    assert not any(map(torch.equal, here, other))
    # Nor do groups of one network begin alike, but for their scales.
    drawn = [part.flatten()[:100] * part.shape[1] ** 0.5 for part in here[:3]]
    assert all(not torch.allclose(*pair) for pair in itertools.combinations(drawn, 2))


def test_maps_are_drawn_as_linear_layers_draw_theirs():
    torch.manual_seed(0)
    network = ParameterAutoencoder(DOMAINS[2], AutoencoderConfig(latent_dim=50, grouping="layers"))
    for drawn, part in zip(
        draw_maps(DOMAINS[2]), (*network.encoders, *network.decoders), strict=True
    ):
        bound = part.in_features**-0.5
        assert drawn.abs().max() <= bound
        assert drawn.std().item() == pytest.approx(part.weight.std().item(), rel=0.05)
        assert drawn.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)


@torch.no_grad()
def test_closed_form_is_exact_for_either_grouping():
    parameters = make_zoo(40, rank=4)
    autoencoder = fit(parameters, latent_dim=4, grouping="layers")
    assert autoencoder.latent_shape == (3, 4)
    decoded = autoencoder.decode(autoencoder.encode(parameters))
    torch.testing.assert_close(decoded, parameters, atol=1e-4, rtol=1e-3)


@torch.no_grad()
def test_a_layer_norm_gives_latents_of_unit_scale_each():
    parameters = 5 * make_zoo(10, rank=4) + 1
    config = AutoencoderConfig(latent_dim=64, layer_norm=True)
    latents = ParameterAutoencoder(SPEC, config).encode(parameters)
    torch.testing.assert_close(latents.mean(dim=2), torch.zeros(10, 2), atol=1e-4, rtol=0)
    torch.testing.assert_close(
        latents.std(dim=2, correction=0), torch.ones(10, 2), atol=1e-2, rtol=0
    )


@torch.no_grad()
def test_the_noise_of_equation_5_has_its_scales():
    parameters, scale = make_zoo(200, rank=4), 1e-2
    spread = {}
    for name in ("input_noise", "latent_noise"):
        config = AutoencoderConfig(
            latent_dim=4, **{"input_noise": 0.0, "latent_noise": 0.0, name: scale}
        )
        autoencoder = fit(parameters, latent_dim=4)
        autoencoder.config = config
        difference = autoencoder(parameters, torch.Generator().manual_seed(0)) - parameters
        spread[name] = autoencoder.encode(parameters + difference) - autoencoder.encode(parameters)
    assert spread["latent_noise"].std().item() == pytest.approx(scale, rel=0.1)
    expected = torch.stack(
        [
            scale * part.get_parameter("weight").square().sum(dim=1).sqrt() / autoencoder.scale
            for part in autoencoder.encoders
        ]
    )
    torch.testing.assert_close(spread["input_noise"].std(dim=0), expected, rtol=0.3, atol=0)


def test_paper_latents_have_the_shape_of_table_1():
    autoencoder = ParameterAutoencoder(META_WORLD, PAPER_AUTOENCODER)
    latents = autoencoder.encode(torch.randn(3, META_WORLD.num_parameters))
    assert latents.shape == (3, 2, 1024)
    assert autoencoder.decode(latents).shape == (3, 22_664)


@torch.no_grad()
def test_closed_form_is_exact_on_a_subspace_of_its_size():
    parameters = make_zoo(40, rank=4)
    autoencoder = fit(parameters, latent_dim=4)
    decoded = autoencoder.decode(autoencoder.encode(parameters))
    torch.testing.assert_close(decoded, parameters, atol=1e-4, rtol=1e-3)


@torch.no_grad()
def test_latents_have_unit_scale():
    parameters = make_zoo(40, rank=4)
    assert fit(parameters, latent_dim=4).encode(parameters).std().item() == pytest.approx(1.0)


@torch.no_grad()
def test_action_metric_beats_plain_pca_in_action_error():
    torch.manual_seed(0)
    parameters = make_zoo(60, rank=24)
    states = torch.randn(60, 20, SPEC.observation_dim) * torch.tensor([5.0, 1, 0.1, 0.1, 0.1])
    target = PolicyBatch(parameters, SPEC).act(states)
    errors = {}
    for metric in ("action", "plain"):
        autoencoder = ParameterAutoencoder(SPEC, AutoencoderConfig(latent_dim=6))
        moments = input_moments(parameters, SPEC, states)
        weights = output_sensitivities(parameters, SPEC, states)
        if metric == "plain":
            moments = {name: torch.eye(len(moment)) for name, moment in moments.items()}
            weights = dict.fromkeys(weights, 1.0)
        fit_closed_form(autoencoder, parameters, moments, weights)
        decoded = autoencoder.decode(autoencoder.encode(parameters))
        errors[metric] = (PolicyBatch(decoded, SPEC).act(states) - target).square().mean()
    assert errors["action"] < 0.9 * errors["plain"]


@torch.no_grad()
def test_input_moments_by_hand():
    spec = PolicySpec(observation_dim=2, action_dim=1, hidden=(1,), activations=("relu",))
    # linear1: W = [1, 2], b = 3; mean and log-std are zero.
    parameters = torch.tensor([[1.0, 2.0, 3.0, 0, 0, 0, 0]])
    states = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])
    moments = input_moments(parameters, spec, states)
    # Inputs (1, 0, 1) and (0, 2, 1): the mean of their outer products.
    expected = torch.tensor([[0.5, 0.0, 0.5], [0.0, 2.0, 1.0], [0.5, 1.0, 1.0]])
    torch.testing.assert_close(moments["linear1"], expected)
    # Hidden 1 + 3 = 4 and 4 + 3 = 7: (4, 1) and (7, 1).
    expected = torch.tensor([[(16 + 49) / 2, 5.5], [5.5, 1.0]])
    torch.testing.assert_close(moments["mean"], expected)


@torch.no_grad()
def test_noise_of_equation_5_reaches_the_reconstruction():
    parameters = make_zoo(10, rank=4)
    autoencoder = fit(parameters, latent_dim=4)
    first, second = (
        autoencoder(parameters, torch.Generator().manual_seed(seed)) for seed in (0, 1)
    )
    assert not torch.equal(first, second)
    torch.testing.assert_close(first, parameters, atol=0.05, rtol=0.05)


def test_other_sizes_are_refused():
    with pytest.raises(InputError, match="7 parameters, expected"):
        ParameterAutoencoder(SPEC, AutoencoderConfig()).encode(torch.zeros(1, 7))
