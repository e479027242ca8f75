"""The autoencoder's recipe: what it learns from, by which rates, and what it minimises."""

from dataclasses import replace

import pytest
import torch
from tests.training.tiny_data import AUTOENCODER, disturb, make_data
from tests.training.tracing import same, train

from makeanagent.models.autoencoder import ParameterAutoencoder
from makeanagent.policies.batch import PolicyBatch
from makeanagent.training.autoencoder import train_autoencoder

DATA = make_data()
RANDOM = replace(AUTOENCODER, closed_form=False)


def measure_action_error(autoencoder: ParameterAutoencoder) -> float:
    """On the training policies and the states of their own rollouts."""
    kept = DATA.parameters[~DATA.held_out]
    states = DATA.rollouts.states[~DATA.held_out]
    with torch.no_grad():
        decoded = autoencoder.decode(autoencoder.encode(kept))
    actions, target = (PolicyBatch(each, DATA.spec).act(states) for each in (decoded, kept))
    return (actions - target).square().mean().item()


def measure_weight_error(autoencoder: ParameterAutoencoder) -> float:
    kept = DATA.parameters[~DATA.held_out]
    with torch.no_grad():
        return (autoencoder.decode(autoencoder.encode(kept)) - kept).square().mean().item()


def test_held_out_runs_are_not_learnt_from():
    other = disturb(DATA, policies=DATA.held_out, demonstrations=torch.ones(18, dtype=torch.bool))
    first, second = (train(train_autoencoder, data, AUTOENCODER) for data in (DATA, other))
    assert not torch.equal(DATA.parameters, other.parameters)
    assert same(list(first.model.state_dict().values()), list(second.model.state_dict().values()))


def test_the_action_error_is_minimised():
    config = replace(RANDOM, gradient_steps=150, learning_rate=5e-3)
    with_actions, without = (
        train(train_autoencoder, DATA, replace(config, action_weight=weight))
        for weight in (20.0, 0.0)
    )
    assert measure_action_error(with_actions.model) < 0.7 * measure_action_error(without.model)
    assert "action_error" not in without.log[0]


def test_the_weight_error_is_minimised():
    before, after = (
        train(train_autoencoder, DATA, replace(RANDOM, gradient_steps=steps, learning_rate=5e-3))
        for steps in (0, 150)
    )
    assert measure_weight_error(after.model) < 0.5 * measure_weight_error(before.model)
    # Logged as a share of the policies' spread.
    assert after.column("weight_error")[-1] < 0.5


def test_the_linear_optimum_is_a_good_beginning():
    optimum, random = (
        train(train_autoencoder, DATA, replace(config, gradient_steps=0)).model
        for config in (AUTOENCODER, RANDOM)
    )
    assert measure_action_error(optimum) < 0.1 * measure_action_error(random)


def test_random_maps_are_the_seeds():
    expected = ParameterAutoencoder(DATA.spec, RANDOM.model)
    expected.draw_maps(5)
    found = train(train_autoencoder, DATA, replace(RANDOM, gradient_steps=0), seed=5).model
    assert same(list(found.parameters()), list(expected.parameters()))


def test_seeds_decide_what_is_learnt():
    first, again, other = (train(train_autoencoder, DATA, RANDOM, seed=seed) for seed in (0, 0, 1))
    assert same(first.weights[-1], again.weights[-1])
    assert not same(first.weights[-1], other.weights[-1])


def test_latents_end_at_unit_scale():
    config = replace(RANDOM, gradient_steps=50, learning_rate=5e-3)
    model = train(train_autoencoder, DATA, config).model
    latents = model.encode(DATA.parameters[~DATA.held_out])
    assert latents.std().item() == pytest.approx(1.0, abs=1e-4)


def test_the_rate_decays_along_half_a_cosine():
    rates = train(train_autoencoder, DATA, replace(RANDOM, gradient_steps=8)).rates
    assert len(rates) == 8
    # (1 + cos(pi k / 8)) / 2 for k = 0, 4 and 7.
    assert rates[0] == pytest.approx(1e-3)
    assert rates[4] == pytest.approx(0.5e-3)
    assert rates[7] == pytest.approx(0.0380602e-3, rel=1e-5)
    assert rates == sorted(rates, reverse=True)


def test_the_rate_begins_anew_after_each_period():
    # Sixteen policies in batches of eight: two steps an epoch, four a period.
    rates = train(train_autoencoder, DATA, replace(RANDOM, num_epochs=5, restart_epochs=2)).rates
    period = [1e-3, 0.853553e-3, 0.5e-3, 0.146447e-3]
    assert rates == pytest.approx([*period, *period, *period[:2]], rel=1e-5)


def test_the_optimizer_is_that_of_the_config():
    settings = train(train_autoencoder, DATA, replace(RANDOM, weight_decay=0.03)).settings
    assert settings["weight_decay"] == 0.03
    assert settings["initial_lr"] == RANDOM.learning_rate


def test_batches_are_as_large_as_asked_for():
    trace = train(train_autoencoder, DATA, replace(RANDOM, batch_size=5), kind=ParameterAutoencoder)
    assert {len(parameters) for (parameters, _), _ in trace.calls} == {5}
    # Each with noise from the training's own random stream (equation 5).
    assert all(generator is not None for (_, generator), _ in trace.calls)
