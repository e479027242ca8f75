"""The behaviour embedding's recipe: what it learns from, by which rates, and with which noise."""

from dataclasses import replace

import pytest
import torch
from tests.training.tiny_data import BEHAVIOR, disturb, make_data
from tests.training.tracing import same, train

from makeanagent.models.behavior import BehaviorEmbedding, contrastive_loss
from makeanagent.training.behavior import train_behavior, training_prompts

DATA = make_data()


def everything(model: torch.nn.Module) -> list[torch.Tensor]:
    return list(model.state_dict().values())


def test_held_out_rollouts_and_demonstrations_are_not_learnt_from():
    other = disturb(DATA, policies=DATA.held_out, demonstrations=DATA.demonstrations_held_out)
    assert not torch.equal(DATA.demonstrations.behavior, other.demonstrations.behavior)
    first, second = (train(train_behavior, data, BEHAVIOR) for data in (DATA, other))
    # Normalisers too.
    assert same(everything(first.model), everything(second.model))


def test_training_rollouts_and_demonstrations_are_learnt_from():
    nothing = torch.zeros(18, dtype=torch.bool)
    kept = train(train_behavior, DATA, BEHAVIOR).model
    for data in (
        disturb(DATA, policies=~DATA.held_out, demonstrations=nothing),
        disturb(
            DATA,
            policies=torch.zeros_like(DATA.held_out),
            demonstrations=~DATA.demonstrations_held_out,
        ),
    ):
        assert not same(everything(kept), everything(train(train_behavior, data, BEHAVIOR).model))
    behavior, outcome = training_prompts(DATA)
    assert len(behavior) == len(outcome) == 16 + 16


def test_the_inputs_are_noisy_while_training():
    quiet, loud = (
        train(
            train_behavior,
            DATA,
            replace(BEHAVIOR, model=replace(BEHAVIOR.model, input_noise=noise)),
        )
        for noise in (0.0, 0.5)
    )
    assert quiet.column("contrastive_loss")[0] != loud.column("contrastive_loss")[0]


def test_pairs_of_one_demonstration_are_told_from_others():
    """On prompts that can be told apart, the loss falls far below that of guessing, ln 8."""
    prompts = replace(DATA.rollouts, outcome=DATA.rollouts.behavior[:, :, :6])
    demonstrations = replace(DATA.demonstrations, outcome=DATA.demonstrations.behavior[:, :, :6])
    data = replace(DATA, rollouts=prompts, demonstrations=demonstrations)
    config = replace(BEHAVIOR, gradient_steps=200, learning_rate=5e-3)
    model = train(train_behavior, data, config).model
    behavior, outcome = (part[:8] for part in training_prompts(data))
    with torch.no_grad():
        loss = contrastive_loss(model.similarity(*model(behavior, outcome)))
    assert loss < 0.5 * torch.tensor(8.0).log()


def test_the_rate_decays_along_half_a_cosine():
    rates = train(train_behavior, DATA, BEHAVIOR).rates
    # (1 + cos(pi k / 8)) / 2 for k = 0, 4 and 7.
    assert len(rates) == 8
    assert [rates[0], rates[4], rates[7]] == pytest.approx([1e-3, 0.5e-3, 0.0380602e-3], rel=1e-5)


def test_the_rate_begins_anew_after_each_period():
    # Thirty-two prompts in batches of eight: four steps an epoch.
    rates = train(train_behavior, DATA, replace(BEHAVIOR, num_epochs=3, restart_epochs=1)).rates
    period = [1e-3, 0.853553e-3, 0.5e-3, 0.146447e-3]
    assert rates == pytest.approx(period * 3, rel=1e-5)


def test_the_optimizer_and_the_batches_are_those_of_the_config():
    trace = train(
        train_behavior,
        DATA,
        replace(BEHAVIOR, weight_decay=0.03, batch_size=5),
        kind=BehaviorEmbedding,
    )
    assert trace.settings["weight_decay"] == 0.03
    assert {len(inputs[0]) for inputs, _ in trace.calls} == {5}


def test_seeds_decide_what_is_learnt():
    first, again, other = (train(train_behavior, DATA, BEHAVIOR, seed=seed) for seed in (0, 0, 1))
    assert same(everything(first.model), everything(again.model))
    assert not same(everything(first.model), everything(other.model))
