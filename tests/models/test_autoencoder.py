import pytest
import torch

from makeanagent.errors import InputError
from makeanagent.models.autoencoder import (
    PAPER_AUTOENCODER,
    AutoencoderConfig,
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


def fit(parameters: torch.Tensor, latent_dim: int) -> ParameterAutoencoder:
    states = torch.randn(len(parameters), 20, SPEC.observation_dim)
    autoencoder = ParameterAutoencoder(SPEC, AutoencoderConfig(latent_dim=latent_dim))
    moments = input_moments(parameters, SPEC, states)
    weights = output_sensitivities(parameters, SPEC, states)
    fit_closed_form(autoencoder, parameters, moments, weights)
    return autoencoder


def test_groups_are_the_two_rows_of_table_1():
    first, rest = group_layers(META_WORLD)
    # 39 x 128 + 128 = 5,120; 128 x 128 + 128 + 2 x (128 x 4 + 4) = 17,544.
    assert (first.stop - first.start, rest.stop - rest.start) == (5_120, 17_544)
    assert rest.stop == META_WORLD.num_parameters


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
