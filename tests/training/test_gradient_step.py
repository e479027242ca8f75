"""The reader's gradient step, on CUDA and on the processor."""

import copy

import numpy as np
import pytest
import torch
from tests.tiny_reader import SPACE, SPEC, TRAINING
from torch import nn

from makeanagent.models.reader import Knots
from makeanagent.training.gradient_step import GradientStep
from makeanagent.training.lessons import Batch
from makeanagent.training.reading_loss import Networks

_RATE = 1e-3


def make_batch(seed, together, device):
    rng = np.random.default_rng(seed)
    count, num_knots = 4, TRAINING.reader.num_knots
    observation_dim, action_dim = SPACE.observation_dim, SPACE.action_dim

    def draw(*shape):
        return torch.from_numpy(rng.normal(size=shape)).float()

    shown = (count, together)
    knots = Knots(
        observations=draw(*shown, num_knots + 1, observation_dim),
        actions=draw(*shown, num_knots, action_dim),
        mean_actions=draw(*shown, num_knots, action_dim),
        steps=draw(*shown, num_knots + 1),
        success=draw(*shown),
    )
    states, labels = draw(count, 6, observation_dim), draw(count, 6, action_dim).tanh()
    return Batch(knots, states, labels, draw(count, 3), draw(count, 3) > 0).to(device)


def learn(device, num_steps=12):
    """Errors of steps whose batches come in two shapes by turns, networks, and their average."""
    torch.manual_seed(0)
    networks = Networks(SPEC, SPACE, TRAINING).to(device)
    tell = nn.Linear(TRAINING.reader.condition_dim, 3).to(device)
    averaged = copy.deepcopy(networks).requires_grad_(False)
    step = GradientStep(networks, averaged, tell, TRAINING)
    found = []
    for number in range(num_steps):
        rate = _RATE * (1 + number % 2)
        errors = step(make_batch(number, 1 + number % 2, device), number, rate)
        found.append([errors.actions.mean().item(), errors.program.item()])
    return np.array(found), networks, averaged


def test_averaged_weights_hold_no_graph():
    _, networks, averaged = learn("cpu", 2)
    assert not any(weight.requires_grad for weight in averaged.parameters())
    assert all(weight.grad is not None for weight in networks.basis.reads)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_captured_steps_are_those_of_the_processor():
    expected, expected_networks, expected_average = learn("cpu")
    found, networks, average = learn("cuda")
    assert np.allclose(found, expected, rtol=0.02, atol=2e-3)
    # Batches count, and the rate of each step: both differ from step to step.
    assert np.ptp(expected[:, 0]) > 0.01
    for mine, other in ((networks, expected_networks), (average, expected_average)):
        for name, weight in other.named_parameters():
            apart = (mine.get_parameter(name).cpu() - weight).abs().mean()
            # AdamW moves a weight as far by a gradient that is next to nothing: not each is alike.
            assert apart < 0.1 * _RATE * len(found), name
