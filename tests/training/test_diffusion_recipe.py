"""The denoiser's recipe: what it learns from, what is averaged and kept, and what validates it."""

from dataclasses import replace

import pytest
import torch
from tests.training.tiny_data import AUTOENCODER, BEHAVIOR, DIFFUSION, disturb, make_data
from tests.training.tracing import Trace, same, train, weights_of
from torch import Tensor

from makeanagent.models.denoisers import MLPDenoiser
from makeanagent.models.diffusion import make_scheduler
from makeanagent.policies.batch import PolicyBatch
from makeanagent.training.autoencoder import train_autoencoder
from makeanagent.training.behavior import train_behavior
from makeanagent.training.data import TrainingData
from makeanagent.training.diffusion import train_diffusion

DATA = make_data()
AVERAGED = replace(DIFFUSION, gradient_steps=30, ema_decay=0.6, learning_rate=5e-3)
"""From the seventh step or so on, its average is old enough to keep its decay."""


@pytest.fixture(scope="module")
def frozen():
    """The two networks that the denoiser builds on."""
    return (
        train(train_autoencoder, DATA, replace(AUTOENCODER, gradient_steps=0)).model,
        train(train_behavior, DATA, BEHAVIOR).model,
    )


@pytest.fixture
def fit(frozen):
    def run(config=DIFFUSION, data=DATA, **options) -> Trace:
        return train(train_diffusion, data, *frozen, config, kind=MLPDenoiser, **options)

    return run


def average(trace: Trace, decay: float) -> list[list[Tensor]]:
    """The averages after each step: at first the past counts 1/10, then 2/11, 3/12, ..."""
    means = [trace.weights[0]]
    for step, weights in enumerate(trace.weights[1:]):
        keep = min(decay, (1 + step) / (10 + step))
        means.append([keep * a + (1 - keep) * b for a, b in zip(means[-1], weights, strict=True)])
    return means[1:]


def distance(first: list[Tensor], second: list[Tensor]) -> float:
    return max((a - b).abs().max().item() for a, b in zip(first, second, strict=True))


def test_what_is_kept_are_averaged_weights(fit):
    trace = fit(AVERAGED)
    kept, expected = weights_of(trace.model), average(trace, AVERAGED.ema_decay)[-1]
    assert distance(kept, expected) < 1e-6
    assert distance(kept, trace.weights[-1]) > 1e-4
    assert distance(kept, trace.weights[0]) > 1e-4


def test_averaged_weights_are_what_is_validated(fit):
    raw, averaged = fit(replace(AVERAGED, ema_decay=0.0)), fit(AVERAGED)
    assert same(raw.weights[-1], averaged.weights[-1])
    assert raw.column("loss") == averaged.column("loss")
    for name in ("validation/loss", "validation/action_error", "validation/sample_rms"):
        assert raw.column(name) != averaged.column(name)


def test_the_weights_of_the_best_validation_are_kept(fit):
    config = replace(AVERAGED, validate_steps=1, learning_rate=0.1, patience=100)
    trace = fit(config)
    errors = trace.column("validation/action_error")
    best = errors.index(min(errors))
    assert 0 < best < len(errors) - 5, "no test if the last one is the best"
    assert distance(weights_of(trace.model), average(trace, config.ema_decay)[best]) < 1e-6


def test_training_stops_where_validation_no_longer_improves(fit):
    # At a rate of 0 the first validation is never bettered.
    still = replace(DIFFUSION, learning_rate=0.0, validate_steps=2, patience=3, gradient_steps=50)
    assert len(fit(still).log) == 2 * (1 + 3)


def test_validation_is_on_held_out_runs_and_demonstrations(fit):
    other = disturb(DATA, policies=DATA.held_out, demonstrations=DATA.demonstrations_held_out)
    first, second = fit(), fit(data=other)
    # What is held out changes no training step, and all of the validation.
    assert first.column("loss") == second.column("loss")
    assert first.column("action_error") == second.column("action_error")
    assert same(weights_of(first.model), weights_of(second.model))
    for name in ("validation/loss", "validation/action_error", "validation/data_rms"):
        assert first.column(name) != second.column(name)


@pytest.mark.parametrize("part", ["policies", "demonstrations"])
def test_each_held_out_part_validates(fit, part):
    nothing = {
        "policies": torch.zeros_like(DATA.held_out),
        "demonstrations": torch.zeros_like(DATA.demonstrations_held_out),
    }
    masks = {"policies": DATA.held_out, "demonstrations": DATA.demonstrations_held_out}
    other = disturb(DATA, **nothing | {part: masks[part]})
    first, second = fit(), fit(data=other)
    assert first.column("loss") == second.column("loss")
    assert first.column("validation/action_error") != second.column("validation/action_error")


def test_training_policies_and_demonstrations_are_learnt_from(fit):
    nothing = torch.zeros(18, dtype=torch.bool)
    losses = fit().column("loss")
    for other in (
        disturb(DATA, policies=~DATA.held_out, demonstrations=nothing),
        disturb(
            DATA,
            policies=torch.zeros_like(DATA.held_out),
            demonstrations=~DATA.demonstrations_held_out,
        ),
    ):
        assert fit(data=other).column("loss") != losses


def make_alike() -> TrainingData:
    """All policies are one, on the same states: what each step is about is known."""

    def repeat(rows: Tensor) -> Tensor:
        return rows[:1].expand_as(rows)

    states = repeat(DATA.rollouts.states)
    return replace(
        DATA,
        parameters=repeat(DATA.parameters),
        rollouts=replace(DATA.rollouts, states=states),
        demonstrations=replace(DATA.demonstrations, states=states[:18]),
    )


def conditions(trace: Trace) -> Tensor:
    """Of all training steps, `[steps * batch, C]`."""
    return torch.cat([inputs[2] for inputs, _ in trace.calls[: len(trace.log)]])


def test_conditions_are_noisy(fit):
    clean, noisy = (fit(replace(DIFFUSION, condition_noise=noise)) for noise in (0.0, 0.3))
    noise = conditions(noisy) - conditions(clean)
    assert noise.std().item() == pytest.approx(0.3, rel=0.1)
    assert abs(noise.mean().item()) < 0.05


def test_demonstrations_prompt_the_share_that_is_asked_for(fit, frozen):
    embedding = frozen[1]
    known = {
        name: embedding.condition(prompts.behavior[mask], prompts.outcome[mask]).detach()
        for name, prompts, mask in (
            ("rollouts", DATA.rollouts, ~DATA.held_out),
            ("demonstrations", DATA.demonstrations, ~DATA.demonstrations_held_out),
        )
    }
    for share in (0.0, 0.25, 1.0):
        trace = fit(
            replace(DIFFUSION, condition_noise=0.0, demonstration_share=share, gradient_steps=20)
        )
        # Each condition is that of one known prompt: of which kind?
        nearest = {
            name: torch.cdist(conditions(trace), prompts).min(dim=1).values
            for name, prompts in known.items()
        }
        assert torch.minimum(*nearest.values()).max() < 1e-3
        found = (nearest["demonstrations"] < nearest["rollouts"]).float().mean().item()
        assert found == pytest.approx(share, abs=0.08)


def test_the_action_error_is_measured_on_as_many_samples_as_asked_for(fit):
    few, many = (fit(replace(DIFFUSION, action_samples=count)) for count in (2, 16))
    # The first batch is the same for both.
    assert few.column("loss")[0] == many.column("loss")[0]
    assert few.column("action_error")[0] != many.column("action_error")[0]


@pytest.mark.parametrize("prediction", ["sample", "epsilon"])
def test_the_clean_latent_or_the_noise_is_learnt(fit, frozen, prediction):
    diffusion = replace(DIFFUSION.diffusion, prediction=prediction)
    trace = fit(replace(DIFFUSION, diffusion=diffusion, action_weight=0.0), make_alike())
    (noisy, timesteps, _), output = trace.calls[0]
    clean = frozen[0].encode(DATA.parameters[:1]).detach()
    alpha = make_scheduler(diffusion).alphas_cumprod[timesteps][:, None, None]
    noise = (noisy - alpha.sqrt() * clean) / (1 - alpha).sqrt()
    target = clean.expand_as(output) if prediction == "sample" else noise
    expected = (output - target).square().mean().item()
    assert trace.column("loss")[0] == pytest.approx(expected, rel=1e-3)
    assert "action_error" not in trace.log[0]


@pytest.mark.parametrize("weight", [0.1, 5.0])
def test_what_is_minimised_is_denoising_and_action_error(fit, frozen, weight):
    autoencoder, _ = frozen
    data = make_alike()
    trace = fit(replace(DIFFUSION, action_weight=weight, action_samples=4), data)
    denoiser = trace.model.requires_grad_(True)
    with torch.no_grad():
        for parameter, begin in zip(denoiser.parameters(), trace.weights[0], strict=True):
            parameter.copy_(begin)
    output = denoiser(*trace.calls[0][0])
    clean = autoencoder.encode(data.parameters[:1]).expand_as(output)
    states = data.rollouts.states[:4]
    actions, target = (
        PolicyBatch(autoencoder.decode(latents[:4]), data.spec).act(states)
        for latents in (output, clean)
    )
    action_error = (actions - target).square().mean()
    loss = (output - clean).square().mean() + weight * action_error
    assert trace.column("action_error")[0] == pytest.approx(action_error.item(), rel=1e-4)
    gradients = torch.autograd.grad(loss, list(denoiser.parameters()))
    torch.testing.assert_close(trace.gradients, list(gradients), rtol=1e-3, atol=1e-6)


def test_all_noise_levels_are_trained(fit):
    config = replace(DIFFUSION, gradient_steps=30)
    trace = fit(replace(config, diffusion=replace(config.diffusion, train_steps=20)))
    steps = torch.cat([inputs[1] for inputs, _ in trace.calls[: len(trace.log)]])
    assert set(steps.tolist()) == set(range(20))


@pytest.mark.parametrize("sample_steps", [3, 7])
def test_validation_samples_by_the_steps_of_the_config(fit, sample_steps):
    config = replace(DIFFUSION, diffusion=replace(DIFFUSION.diffusion, sample_steps=sample_steps))
    trace = fit(config)
    # Once for the denoising loss, then step by step.
    assert len(trace.calls) == len(trace.log) + 1 + sample_steps


def test_the_rate_warms_up_and_decays(fit):
    rates = fit(replace(DIFFUSION, gradient_steps=12, warmup_steps=4, learning_rate=1e-3)).rates
    warm_up = [0.25e-3, 0.5e-3, 0.75e-3, 1e-3]
    # (1 + cos(pi k / 8)) / 2 for k = 0 to 7.
    decay = [1.0, 0.9619398, 0.8535534, 0.6913417, 0.5, 0.3086583, 0.1464466, 0.0380602]
    assert rates == pytest.approx([*warm_up, *(1e-3 * factor for factor in decay)], rel=1e-5)


def test_epochs_count_the_training_policies(fit):
    # Sixteen in batches of six: three steps an epoch.
    trace = fit(replace(DIFFUSION, num_epochs=4, batch_size=6))
    assert len(trace.rates) == 12
    assert {len(inputs[0]) for inputs, _ in trace.calls[:12]} == {6}


def test_validations_come_as_often_as_asked_for(fit):
    trace = fit(replace(DIFFUSION, gradient_steps=8, validate_steps=3))
    validated = [step for step, row in enumerate(trace.log, 1) if "validation/loss" in row]
    assert validated == [3, 6, 8]


def test_the_optimizer_is_that_of_the_config(fit):
    settings = fit(replace(DIFFUSION, weight_decay=0.03, betas=(0.8, 0.98))).settings
    assert (settings["weight_decay"], settings["betas"]) == (0.03, (0.8, 0.98))


def test_seeds_decide_what_is_learnt(fit):
    first, again, other = fit(), fit(), fit(seed=1)
    assert same(weights_of(first.model), weights_of(again.model))
    assert not same(weights_of(first.model), weights_of(other.model))


def test_the_frozen_networks_stay_as_they_are(fit, frozen):
    before = [weight.clone() for network in frozen for weight in network.state_dict().values()]
    fit()
    after = [weight for network in frozen for weight in network.state_dict().values()]
    assert same(before, after)
