"""Latent diffusion: the training loss and the sampler, apart from the networks."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

if TYPE_CHECKING:
    from diffusers import DDIMScheduler

Denoiser = Callable[[Tensor, Tensor, Tensor], Tensor]
"""`(latents [N, G, D], timesteps [N], condition [N, C]) -> prediction [N, G, D]`."""


@dataclass(frozen=True, kw_only=True)
class DiffusionConfig:
    """Noise schedule and sampler (paper, table 3)."""

    train_steps: int = 100
    "T: how many noise levels training draws from."
    sample_steps: int = 10
    "How many denoising steps DDIM takes."
    beta_schedule: Literal["squaredcos_cap_v2", "linear"] = "squaredcos_cap_v2"
    "Which of diffusers' noise schedules is used, by its name there."
    prediction: Literal["sample", "epsilon"] = "sample"
    "What the network predicts: the clean latent, or the noise (equation 8)."
    timestep_spacing: Literal["leading", "trailing"] = "leading"
    "Which times DDIM takes: leading ones end at the first; trailing ones begin at the last."


def make_scheduler(config: DiffusionConfig) -> "DDIMScheduler":
    """The DDIM scheduler of diffusers (Song et al. 2021).

    Differs from the paper: equation 8 predicts the noise; the clean latent is the default here (as
    in the paper's own code), since its error can be measured in actions.
    """
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        num_train_timesteps=config.train_steps,
        beta_schedule=config.beta_schedule,
        prediction_type=config.prediction,
        timestep_spacing=config.timestep_spacing,
        # Latents are not images: nothing bounds them.
        clip_sample=False,
        set_alpha_to_one=True,
    )


def noise_latents(
    scheduler: "DDIMScheduler", latents: Tensor, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Noisy latents `[N, G, D]` at random timesteps `[N]`, and the noise in them."""
    device = latents.device
    num_levels = scheduler.config["num_train_timesteps"]
    timesteps = torch.randint(num_levels, (len(latents),), generator=generator, device=device)
    noise = torch.randn(latents.shape, generator=generator, device=device)
    return scheduler.add_noise(latents, noise, timesteps), timesteps, noise


@torch.no_grad()
def sample_latents(
    denoiser: Denoiser,
    scheduler: "DDIMScheduler",
    condition: Tensor,
    latent_shape: tuple[int, int],
    num_steps: int,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Denoise Gaussian noise into latents `[N, G, D]` by DDIM with eta = 0.

    Args:
        denoiser: the network.
        scheduler: from `make_scheduler`; stays as it is.
        condition: `[N, C]`: one row a sample.
        latent_shape: G groups by D dimensions.
        num_steps: denoising steps.
        generator: source of the initial noise; on the CPU, so that seeds mean the same everywhere.
    """
    latents = torch.randn((len(condition), *latent_shape), generator=generator)
    latents = latents.to(condition.device)
    # Its steps are set on a copy: others may sample by the same one.
    scheduler = copy.copy(scheduler)
    scheduler.set_timesteps(num_steps)
    for timestep in scheduler.timesteps:
        steps = torch.full((len(latents),), int(timestep), device=latents.device)
        prediction = denoiser(latents, steps, condition)
        latents = scheduler.step(prediction, timestep, latents).prev_sample
    return latents
