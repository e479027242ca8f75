"""Recipe: from the one-step form to samples, with reader and basis as they are.

A demonstration that leaves something open is answered by the one-step form with what is best on
the mean. Here the same denoiser learns latent diffusion besides: a teacher that sees the program
says which latent each drawn task has, and the denoiser learns to find it from noise.

Differs from the paper (section 3): its latents are those of a zoo's policies alone, and the error
of their noise is all that is learned (equation 8). Here they are a teacher's, or a zoo's, and
decoded predictions are judged by their actions on other layouts too.
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from makeanagent.models.denoisers import TrunkDenoiser
from makeanagent.models.diffusion import DiffusionConfig, make_scheduler, noise_latents
from makeanagent.models.reader import Knots
from makeanagent.training.checkpoint import TrainingState
from makeanagent.training.diffusion import average_weights
from makeanagent.training.lessons import Batch
from makeanagent.training.reading_loss import Networks, ReadingTraining, measure_actions
from makeanagent.training.schedules import warm_up_and_decay
from makeanagent.trajectories.space import Space

_LEAST_SCALE = 1e-3
"""Of a dimension in which the latents hardly differ."""
_READ_AT_ONCE = 256
_SHORTEST_CUT = 0.2
"""Share of a demonstration that is left of it at least."""


@dataclass(frozen=True, kw_only=True)
class SamplingTraining:
    """How the denoiser learns to sample (paper, table 3, where it says something)."""

    diffusion: DiffusionConfig = field(
        default_factory=lambda: DiffusionConfig(timestep_spacing="trailing")
    )
    "Noise schedule and sampler."
    noise_scale: float = 8.0
    """Standard deviation of the last time's noise, in those of a latent's dimensions: these go
    together, so that noise of their own size hides nothing before the last times (Chen 2023)."""
    num_states: int = 32
    "States of other layouts that each prompt's policy is asked about."
    num_prompts: int = 32_768
    "Prompts that are read, once, before the training."
    cut: float = 0.25
    "Share of the prompts that are cut off somewhere, which leaves open how the task goes on."
    teacher_steps: int = 2_000
    "Gradient steps of the teacher."
    gradient_steps: int = 5_000
    "Gradient steps of the denoiser."
    batch_size: int = 128
    "Prompts of a batch; half of them are learned in the one-step form."
    learning_rate: float = 5e-4
    "Highest learning rate of AdamW, before its cosine decay."
    warmup_steps: int = 100
    "Gradient steps in which the learning rate rises from 0."
    weight_decay: float = 0.01
    "Weight decay of AdamW."
    ema_decay: float = 0.998
    "Share of the averaged weights, which are used in the end, that a gradient step keeps."
    latent_error_weight: float = 0.05
    "Weight of the latent error, in standard deviations, beside the action error."
    near_weight: float = 0.02
    "Weight of how far the teacher's latents are from the one-step form's, which guide it."


@dataclass(frozen=True, kw_only=True, eq=False)
class FrozenLessons:
    """Lessons of M prompts that the reader has read."""

    conditions: Tensor
    "float16 `[M, C]`."
    states: Tensor
    "`[M, S, O]`."
    labels: Tensor
    "`[M, S, A]`."
    programs: Tensor
    "`[M, F]`: what the teacher sees; see `describe_programs`."
    taught: Tensor
    "bool `[M]`: which prompts have a program."
    latents: Tensor
    "`[M, 1, Z]`: what the diffusion learns."

    def __len__(self) -> int:
        """M."""
        return len(self.conditions)

    def take(self, rows: Tensor) -> "FrozenLessons":
        """Some of the prompts, by int or bool `[N]`."""
        return FrozenLessons(**{name: part[rows] for name, part in vars(self).items()})

    def to(self, device: str) -> "FrozenLessons":
        """The lessons on a device."""
        return FrozenLessons(**{name: part.to(device) for name, part in vars(self).items()})

    @classmethod
    def join(cls, parts: Sequence["FrozenLessons"]) -> "FrozenLessons":
        """Several sets as one; programs get the width of the widest."""
        width = max(part.programs.shape[1] for part in parts)
        joined = {
            each.name: torch.cat([getattr(part, each.name) for part in parts])
            for each in fields(cls)
            if each.name != "programs"
        }
        programs = [
            nn.functional.pad(part.programs, (width - part.programs.shape[1], 0)) for part in parts
        ]
        return cls(**joined, programs=torch.cat(programs))


def describe_programs(batch: Batch, space: Space) -> Tensor:
    """What a teacher sees of B tasks, `[B, 2 T + 1]`.

    The programs' numbers, which of them there are, and whether the goal is shown.
    """
    goals = [start + axis for start in space.goals for axis in range(3)]
    shown = (batch.states[..., goals] != 0).flatten(1).any(dim=1, keepdim=True)
    masks = batch.masks.float()
    return torch.cat([batch.targets * masks, masks, shown.float()], dim=1)


def cut_prompts(knots: Knots, rng: np.random.Generator) -> Knots:
    """Prompts that end before their demonstrations do, as excerpts of what is left.

    Args:
        knots: of M prompts.
        rng: of where they are cut, evenly from a fifth of their knots on.
    """
    count, shown, num_knots = knots.actions.shape[:3]
    left = (rng.uniform(_SHORTEST_CUT, 1, count) * num_knots).astype(int)
    left = np.clip(left, 1, num_knots - 1)
    # As `cut_excerpts`: knots repeat steps, and each mean action is that of the knot's own span.
    first = np.round(np.linspace(0, 1, num_knots) * (left[:, None] - 1)).astype(int)
    ends = torch.from_numpy(np.concatenate([first, left[:, None]], axis=1))[:, None]
    starts = torch.from_numpy(first)[:, None]
    prompts, items = torch.arange(count)[:, None, None], torch.arange(shown)[:, None]
    return Knots(
        observations=knots.observations[prompts, items, ends],
        actions=knots.actions[prompts, items, starts],
        mean_actions=knots.mean_actions[prompts, items, starts],
        steps=knots.steps[prompts, items, ends],
        success=torch.zeros_like(knots.success),
    )


@torch.no_grad()
def freeze_lessons(
    networks: Networks,
    batches: Iterable[Batch],
    cut: float,
    rng: np.random.Generator,
    latents: Tensor | None = None,
) -> FrozenLessons:
    """Read prompts, each once; their latents are the one-step form's of the whole prompts.

    Args:
        networks: whose reader reads.
        batches: lessons, changed as they are to be.
        cut: share of the prompts that are cut off.
        rng: of the cuts.
        latents: known ones in the place of the one-step form's, `[M, 1, Z]` for M prompts of all
            batches: such as `basis.encode` gives for policies of the prompts' tasks.
    """
    device = str(networks.denoiser.scale.device)
    parts = []
    for batch in (part for whole in batches for part in _split(whole)):
        conditions, found = networks.predict(batch.to(device).knots)
        picked = torch.from_numpy(np.flatnonzero(rng.random(len(conditions)) < cut))
        if len(picked):
            short = cut_prompts(Knots(*(part[picked] for part in batch.knots)), rng)
            conditions[picked.to(device)] = networks.reader(
                Knots(*(part.to(device) for part in short))
            )
        lessons = FrozenLessons(
            conditions=conditions.half(),
            states=batch.states,
            labels=batch.labels,
            programs=describe_programs(batch, networks.reader.space),
            taught=batch.masks.any(dim=1),
            latents=found,
        )
        parts.append(lessons.to(device))
    lessons = FrozenLessons.join(parts)
    if latents is None:
        return lessons
    latents = latents.to(lessons.latents)
    values = vars(lessons) | {"latents": latents, "taught": torch.zeros_like(lessons.taught)}
    return FrozenLessons(**values)


def _split(whole: Batch) -> Iterator[Batch]:
    """Batches that are small enough to be read at once."""
    for first in range(0, len(whole.states), _READ_AT_ONCE):
        span = slice(first, first + _READ_AT_ONCE)
        yield Batch(
            Knots(*(part[span] for part in whole.knots)), *(part[span] for part in whole[1:])
        )


Log = Callable[[int, int, dict[str, Tensor]], Any]
"""Called with step, number of steps and measurements."""


def teach(
    networks: Networks,
    lessons: FrozenLessons,
    reading: ReadingTraining,
    config: SamplingTraining,
    *,
    seed: int,
    state_path: Path,
    checkpoint_seconds: float,
    log: Log,
) -> FrozenLessons:
    """The lessons with latents of a teacher that sees the program, where there is one.

    It is a network as the denoiser is, whose trunk it begins with, and learns by its policies'
    action error.

    Args:
        networks: whose basis decodes.
        lessons: from `freeze_lessons`, on the networks' device.
        reading: says how actions are measured.
        config: sizes and rates.
        seed: of initialisation and batches.
        state_path: file of the state from which a killed training goes on.
        checkpoint_seconds: time between two writes of it.
        log: of the action error.
    """
    rows = lessons.taught.nonzero()[:, 0]
    if not len(rows):
        return lessons
    torch.manual_seed(seed)
    teacher = TrunkDenoiser(
        networks.basis.latent_shape, lessons.programs.shape[1], networks.denoiser.config
    )
    for part in ("trunk", "head"):
        learned = getattr(networks.denoiser, part)
        getattr(teacher, part).load_state_dict(learned.state_dict())
    basis = copy.deepcopy(networks.basis).requires_grad_(False)
    spread = lessons.latents[rows].std(dim=0).clamp(min=_LEAST_SCALE)

    def measure(model: TrunkDenoiser, generator: torch.Generator) -> dict[str, Tensor]:
        batch = lessons.take(rows[_draw(len(rows), config.batch_size, generator)])
        latents = model.predict(batch.programs)
        error = measure_actions(basis.act(latents, batch.states), batch.labels, reading).mean()
        away = ((latents - batch.latents) / spread).square().mean()
        return {"loss": error + config.near_weight * away, "action_error": error, "away": away}

    trained = _optimize(
        teacher.to(lessons.states.device),
        measure,
        config.teacher_steps,
        config,
        seed,
        state_path,
        checkpoint_seconds,
        log,
    )
    latents = lessons.latents.clone()
    with torch.no_grad():
        for some in rows.split(4096):
            latents[some] = trained.predict(lessons.programs[some])
    return FrozenLessons(**vars(lessons) | {"latents": latents})


def train_sampling(
    networks: Networks,
    lessons: FrozenLessons,
    reading: ReadingTraining,
    config: SamplingTraining,
    *,
    seed: int,
    state_path: Path,
    checkpoint_seconds: float,
    log: Log,
) -> Networks:
    """Networks whose denoiser samples too; reader, basis and the one-step form's use stay.

    Args:
        networks: trained in the one-step form, on the lessons' device; they stay as they are.
        lessons: with the latents that are learned.
        reading: says how actions are measured.
        config: sizes and rates.
        seed: of batches and noise.
        state_path: file of the state from which a killed training goes on.
        checkpoint_seconds: time between two writes of it.
        log: of the action errors of both forms and the latent error.
    """
    denoiser = copy.deepcopy(networks.denoiser)
    spread = lessons.latents.std(dim=0)
    denoiser.scale.copy_(config.noise_scale * spread.clamp(min=_LEAST_SCALE))
    denoiser.requires_grad_(True)
    basis = copy.deepcopy(networks.basis).requires_grad_(False)
    scheduler = make_scheduler(config.diffusion)

    def measure(model: TrunkDenoiser, generator: torch.Generator) -> dict[str, Tensor]:
        batch = lessons.take(_draw(len(lessons), config.batch_size, generator))
        half = len(batch) // 2
        conditions = batch.conditions.float()
        wanted = batch.latents[half:] / model.scale
        noisy, timesteps, _ = noise_latents(scheduler, wanted, generator)
        predicted = model(noisy, timesteps, conditions[half:])
        at_once = model.predict(conditions[:half])
        latents = torch.cat([at_once, predicted * model.scale])
        each = measure_actions(basis.act(latents, batch.states), batch.labels, reading)
        latent_error = config.noise_scale**2 * (predicted - wanted).square().mean()
        return {
            "loss": each.mean()
            + config.latent_error_weight * latent_error
            + reading.latent_weight * at_once.square().mean(),
            "action_error": each[half:].mean(),
            "one_step": each[:half].mean(),
            "latent_error": latent_error,
        }

    trained = _optimize(
        denoiser,
        measure,
        config.gradient_steps,
        config,
        seed,
        state_path,
        checkpoint_seconds,
        log,
    )
    result = copy.deepcopy(networks)
    result.denoiser = trained
    return result.requires_grad_(False).eval()


def _draw(total: int, count: int, generator: torch.Generator) -> Tensor:
    return torch.randint(total, (count,), generator=generator, device=generator.device)


def _optimize(
    model: TrunkDenoiser,
    measure: Callable[[TrunkDenoiser, torch.Generator], dict[str, Tensor]],
    total: int,
    config: SamplingTraining,
    seed: int,
    state_path: Path,
    checkpoint_seconds: float,
    log: Log,
) -> TrunkDenoiser:
    """Averaged weights of a model, after steps by the `loss` of what `measure` finds."""
    averaged = average_weights(model, config.ema_decay)
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(
        parameters, lr=config.learning_rate, weight_decay=config.weight_decay, betas=(0.9, 0.98)
    )
    generator = torch.Generator(model.scale.device).manual_seed(seed)
    modules = {"model": model, "averaged": averaged}
    state = TrainingState(state_path, modules, optimizer, generator, checkpoint_seconds)
    begun = state.restore()
    schedule = warm_up_and_decay(optimizer, total, config.warmup_steps, begun)
    for step in range(begun, total):
        values = measure(model, generator)
        optimizer.zero_grad()
        values["loss"].backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        averaged.update_parameters(model)
        log(step + 1, total, {name: value.detach() for name, value in values.items()})
        state.save_if_due(step + 1)
    assert isinstance(averaged.module, TrunkDenoiser)
    return averaged.module.eval()
