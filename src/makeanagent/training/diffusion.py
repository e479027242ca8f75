"""Recipe: train the conditional latent diffusion model (paper, section 3, equation 8, table 3)."""

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from makeanagent.models.autoencoder import ParameterAutoencoder
from makeanagent.models.behavior import BehaviorEmbedding
from makeanagent.models.denoisers import build_denoiser
from makeanagent.models.diffusion import make_scheduler, noise_latents, sample_latents
from makeanagent.policies.batch import PolicyBatch
from makeanagent.training.checkpoint import TrainingState
from makeanagent.training.data import Prompts, TrainingData
from makeanagent.training.presets import DiffusionTraining
from makeanagent.training.schedules import count_steps, warm_up_and_decay
from makeanagent.training.start import take_over


@dataclass(frozen=True, kw_only=True)
class _Pairs:
    """Latents with the prompts that may go with them, all of training or all held out."""

    latents: Tensor
    "`[N, G, D]`."
    task: Tensor
    "int `[N]`."
    rollout_conditions: Tensor
    "`[N, C]`: of each policy's own rollout."
    rollout_states: Tensor
    "`[N, S, O]`."
    demonstration_conditions: Tensor
    "`[M, C]`, sorted by task."
    demonstration_states: Tensor
    "`[M, S, O]`."
    first: Tensor
    "int `[tasks]`: where each task's demonstrations begin."
    count: Tensor
    "int `[tasks]`: how many there are."

    def draw(
        self, rows: Tensor, demonstration_share: float, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Latents, conditions and states of `rows`, a share of them prompted by experts."""
        device = rows.device
        chance, place = torch.rand((2, len(rows)), generator=generator, device=device)
        task = self.task[rows]
        if len(self.demonstration_conditions) == 0:
            return self.latents[rows], self.rollout_conditions[rows], self.rollout_states[rows]
        # A task of few demonstrations may have none among these: its rollouts stand in.
        last = len(self.demonstration_conditions) - 1
        pick = (self.first[task] + (place * self.count[task]).long()).clamp(max=last)
        expert = ((chance < demonstration_share) & (self.count[task] > 0))[:, None]
        condition = torch.where(
            expert, self.demonstration_conditions[pick], self.rollout_conditions[rows]
        )
        states = torch.where(
            expert[..., None], self.demonstration_states[pick], self.rollout_states[rows]
        )
        return self.latents[rows], condition, states


def _make_pairs(
    data: TrainingData,
    latents: Tensor,
    embed: Callable[[Prompts], Tensor],
    policies: Tensor,
    demonstrations: Tensor,
    device: str,
) -> _Pairs:
    """Pairs of the policies and demonstrations that two masks pick."""
    rows = torch.nonzero(demonstrations).flatten()
    rows = rows[data.demonstrations.task[rows].argsort(stable=True)]
    count = torch.bincount(data.demonstrations.task[rows], minlength=len(data.tasks))
    return _Pairs(
        latents=latents[policies].to(device),
        task=data.task[policies].to(device),
        rollout_conditions=embed(data.rollouts)[policies].to(device),
        rollout_states=data.rollouts.states[policies].to(device),
        demonstration_conditions=embed(data.demonstrations)[rows].to(device),
        demonstration_states=data.demonstrations.states[rows].to(device),
        first=(count.cumsum(0) - count).to(device),
        count=count.to(device),
    )


def train_diffusion(
    data: TrainingData,
    autoencoder: ParameterAutoencoder,
    embedding: BehaviorEmbedding,
    config: DiffusionTraining,
    *,
    seed: int,
    device: str,
    state_path: Path,
    checkpoint_seconds: float,
    log: Callable[[int, int, dict[str, Tensor]], Any],
    start: nn.Module | None = None,
) -> nn.Module:
    """Train the denoiser; autoencoder and embedding stay frozen.

    Validation is on held-out runs; training stops early without improvement, and the EMA weights
    of the best validation are what is returned. Arguments are those of `train_autoencoder`.
    """
    torch.manual_seed(seed)
    generator = torch.Generator(device).manual_seed(seed)
    for frozen in (autoencoder, embedding):
        frozen.to(device).eval().requires_grad_(False)

    @torch.no_grad()
    def embed(prompts: Prompts) -> Tensor:
        return embedding.condition(
            prompts.behavior.to(device), prompts.outcome.to(device), config.condition
        )

    with torch.no_grad():
        latents = torch.cat(
            [autoencoder.encode(part.to(device)) for part in data.parameters.split(1024)]
        )
    held_out, kept_demos = data.held_out, data.demonstrations_held_out
    train = _make_pairs(data, latents.cpu(), embed, ~held_out, ~kept_demos, device)
    valid = _make_pairs(data, latents.cpu(), embed, held_out, kept_demos, device)
    if len(valid.latents) == 0:
        valid = train  # A zoo of one run has none to hold out.

    condition_dim = train.rollout_conditions.shape[1]
    denoiser = build_denoiser(autoencoder.latent_shape, condition_dim, config.model).to(device)
    if start is not None:
        take_over(denoiser, start)
    ema = average_weights(denoiser, config.ema_decay)
    best = copy.deepcopy(denoiser).requires_grad_(False)
    scheduler = make_scheduler(config.diffusion)
    optimizer = torch.optim.AdamW(
        denoiser.parameters(),
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        betas=config.betas,
        fused=True,
    )
    modules = {"denoiser": denoiser, "ema": ema, "best": best}
    state = TrainingState(state_path, modules, optimizer, generator, checkpoint_seconds)
    first_step = state.restore()
    best_loss = float(state.notes.get("best_loss", torch.tensor(float("inf"))))
    stale = int(state.notes.get("stale", torch.tensor(0)))

    num_steps = count_steps(config, len(train.latents))
    schedule = warm_up_and_decay(optimizer, num_steps, config.warmup_steps, first_step)
    for step in range(first_step, num_steps):
        if stale >= config.patience:
            break
        rows = torch.randint(
            len(train.latents), (config.batch_size,), generator=generator, device=device
        )
        clean, condition, states = train.draw(rows, config.demonstration_share, generator)
        noise = torch.randn(condition.shape, generator=generator, device=device)
        condition = condition + config.condition_noise * noise
        noisy, timesteps, noise = noise_latents(scheduler, clean, generator)
        prediction = denoiser(noisy, timesteps, condition)
        target = clean if config.diffusion.prediction == "sample" else noise
        loss = nn.functional.mse_loss(prediction, target)
        values = {"loss": loss.detach()}
        if config.action_weight > 0:
            few = slice(0, config.action_samples)
            error = _action_error(autoencoder, data, prediction[few], clean[few], states[few])
            values["action_error"] = error.detach()
            loss = loss + config.action_weight * error
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        ema.update_parameters(denoiser)
        if (step + 1) % config.validate_steps == 0 or step + 1 == num_steps:
            checks = _validate(ema, autoencoder, data, valid, config, seed)
            values |= checks
            valid_loss = float(checks["validation/action_error"])
            if valid_loss < best_loss:
                best_loss, stale = valid_loss, 0
                best.load_state_dict(ema.module.state_dict())
            else:
                stale += 1
            state.notes = {
                "best_loss": torch.tensor(best_loss),
                "stale": torch.tensor(stale),
            }
        log(step + 1, num_steps, values)
        state.save_if_due(step + 1)
    return best.eval()


def average_weights(model: nn.Module, decay: float) -> AveragedModel:
    """An exponential moving average of a model's weights, over a shorter past while it is young.

    Args:
        model: where the average begins.
        decay: share of the average that each update keeps, once it is old enough.
    """

    @torch.no_grad()
    def average(means: Iterable[Tensor], weights: Iterable[Tensor], count: Tensor | int) -> None:
        # A tensor, since reading the count would wait for the GPU.
        share = (9 / (9 + torch.as_tensor(count))).clamp(min=1 - decay)
        for mean, weight in zip(means, weights, strict=True):
            mean.lerp_(weight, share)

    averaged = AveragedModel(model, multi_avg_fn=average)
    averaged.requires_grad_(False)
    # The weights at the beginning count; else the first update would replace them.
    averaged.n_averaged += 1
    return averaged


def _action_error(
    autoencoder: ParameterAutoencoder,
    data: TrainingData,
    predicted: Tensor,
    clean: Tensor,
    states: Tensor,
) -> Tensor:
    """Mean square difference of decoded policies' actions on states `[B, S, O]`."""
    with torch.no_grad():
        target = PolicyBatch(autoencoder.decode(clean), data.spec).act(states)
    return (
        (PolicyBatch(autoencoder.decode(predicted), data.spec).act(states) - target).square().mean()
    )


@torch.no_grad()
def _validate(
    denoiser: nn.Module,
    autoencoder: ParameterAutoencoder,
    data: TrainingData,
    valid: _Pairs,
    config: DiffusionTraining,
    seed: int,
) -> dict[str, Tensor]:
    """Denoising loss, and how far samples are from held-out policies in action and in scale."""
    device = valid.latents.device
    generator = torch.Generator(device).manual_seed(seed)
    count = min(len(valid.latents), 512)
    rows = torch.randperm(len(valid.latents), generator=generator, device=device)[:count]
    clean, condition, states = valid.draw(rows, config.demonstration_share, generator)
    scheduler = make_scheduler(config.diffusion)
    noisy, timesteps, noise = noise_latents(scheduler, clean, generator)
    prediction = denoiser(noisy, timesteps, condition)
    target = clean if config.diffusion.prediction == "sample" else noise
    samples = sample_latents(
        denoiser,
        scheduler,
        condition,
        autoencoder.latent_shape,
        config.diffusion.sample_steps,
        torch.Generator().manual_seed(seed),
    )
    return {
        "validation/loss": nn.functional.mse_loss(prediction, target),
        "validation/action_error": _action_error(autoencoder, data, samples, clean, states),
        "validation/sample_rms": samples.square().mean().sqrt(),
        "validation/data_rms": clean.square().mean().sqrt(),
    }
