"""Recipe: train the parameter autoencoder (paper, section 3, equation 5, table 1)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from makeanagent.models.autoencoder import (
    ParameterAutoencoder,
    fit_closed_form,
    input_moments,
    output_sensitivities,
)
from makeanagent.policies.batch import PolicyBatch
from makeanagent.training.checkpoint import TrainingState
from makeanagent.training.data import TrainingData
from makeanagent.training.presets import AutoencoderTraining
from makeanagent.training.schedules import count_steps, decay_with_restarts
from makeanagent.training.start import take_over

_PROBE_POLICIES = 512
"""Policies on which input moments are measured."""
_LOG_STD_WEIGHT = 0.1
"""How much the log-std head counts beside the mean: deterministic actions do not see it."""


def train_autoencoder(
    data: TrainingData,
    config: AutoencoderTraining,
    *,
    seed: int,
    device: str,
    state_path: Path,
    checkpoint_seconds: float,
    log: Callable[[int, int, dict[str, Tensor]], Any],
    start: ParameterAutoencoder | None = None,
) -> ParameterAutoencoder:
    """Train on the policies of the training runs.

    Args:
        data: a zoo's policies.
        config: sizes and rates.
        seed: of initialisation, batches and noise.
        device: where to train.
        state_path: where the state lies from which a killed run goes on.
        checkpoint_seconds: time between two writings of the state.
        log: called with step, number of steps and values to log, tensors that it reads if it
            writes them: on a GPU each reading waits for the step to end.
        start: another one, whose weights this begins with where they fit.
    """
    torch.manual_seed(seed)
    generator = torch.Generator(device).manual_seed(seed)
    parameters = data.parameters[~data.held_out].to(device)
    states = data.rollouts.states[~data.held_out].to(device)
    autoencoder = ParameterAutoencoder(data.spec, config.model)
    autoencoder.draw_maps(seed)
    autoencoder.to(device)
    optimizer = torch.optim.AdamW(
        autoencoder.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    modules = {"autoencoder": autoencoder}
    state = TrainingState(state_path, modules, optimizer, generator, checkpoint_seconds)
    first_step = state.restore()
    if first_step == 0 and config.closed_form:
        _fit_linear_optimum(autoencoder, parameters, states, generator)
    if first_step == 0 and start is not None:
        take_over(autoencoder, start)

    num_steps = count_steps(config, len(parameters))
    schedule = decay_with_restarts(optimizer, config, len(parameters), first_step)
    spread = (parameters - parameters.mean(dim=0)).square().mean()
    for step in range(first_step, num_steps):
        rows = torch.randint(
            len(parameters), (config.batch_size,), generator=generator, device=device
        )
        batch = parameters[rows]
        decoded = autoencoder(batch, generator)
        weight_error = (decoded - batch).square().mean()
        loss = weight_error
        values = {"weight_error": weight_error.detach() / spread}
        if config.action_weight > 0:
            error = _action_error(decoded, batch, states[rows], data)
            loss = weight_error / spread + config.action_weight * error
            values["action_error"] = error.detach()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        log(step + 1, num_steps, values)
        state.save_if_due(step + 1)
    _fit_scale(autoencoder, parameters)
    return autoencoder.eval()


def _fit_linear_optimum(
    autoencoder: ParameterAutoencoder,
    parameters: Tensor,
    states: Tensor,
    generator: torch.Generator,
) -> None:
    spec = autoencoder.spec
    order = torch.randperm(len(parameters), generator=generator, device=parameters.device)
    rows = order[:_PROBE_POLICIES]
    moments = input_moments(parameters[rows], spec, states[rows])
    weights = output_sensitivities(parameters[rows], spec, states[rows])
    if "log_std" in weights:
        weights["log_std"] = _LOG_STD_WEIGHT * weights["mean"]
    fit_closed_form(autoencoder, parameters, moments, weights)


def _action_error(decoded: Tensor, original: Tensor, states: Tensor, data: TrainingData) -> Tensor:
    """Mean square difference of the two policies' actions on states `[B, S, O]`."""
    with torch.no_grad():
        target = PolicyBatch(original, data.spec).act(states)
    return (PolicyBatch(decoded, data.spec).act(states) - target).square().mean()


@torch.no_grad()
def _fit_scale(autoencoder: ParameterAutoencoder, parameters: Tensor) -> None:
    """Make the latents' standard deviation 1 once more; decoded policies stay as they are."""
    autoencoder.scale.mul_(autoencoder.encode(parameters).std())
