"""Denoisers: networks from a noisy latent, its time and a condition to a prediction."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class DenoiserConfig:
    """Shape of the denoiser (paper, section 3 and table 3)."""

    kind: Literal["mlp", "trunk", "unet"] = "mlp"
    "Which network denoises: a residual MLP, a plain one that begins blind, or the paper's U-Net."
    widths: tuple[int, ...] = (256, 256, 256)
    "Width of each residual block, which is one for all, or channels of each level of the U-Net."
    time_dim: int = 128
    "Width of the embedding of diffusion steps."
    kernel_size: int = 3
    "How many positions a convolution of the U-Net spans."
    norm_groups: int = 8
    "How many groups of channels the U-Net normalises apart."


PAPER_DENOISER = DenoiserConfig(kind="unet", widths=(512, 1024, 2048))


def embed_time(timesteps: Tensor, dim: int) -> Tensor:
    """Sinusoidal embedding `[N, dim]` of timesteps `[N]` (Vaswani et al. 2017)."""
    half = dim // 2
    frequencies = torch.exp(
        -torch.arange(half, device=timesteps.device) * (9.2103 / max(half - 1, 1))  # ln 10,000
    )
    angles = timesteps.float()[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class _ModulatedBlock(nn.Module):
    """Residual MLP block, normalised and modulated by time and condition (FiLM)."""

    def __init__(self, dim: int, condition_dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim, elementwise_affine=False)
        self.modulation = nn.Linear(condition_dim, 2 * dim)
        self.expand = nn.Linear(dim, 2 * dim)
        self.contract = nn.Linear(2 * dim, dim)
        # A block begins as the identity.
        nn.init.zeros_(self.contract.weight)
        nn.init.zeros_(self.contract.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.modulation(condition).chunk(2, dim=1)
        y = self.norm(x) * (1 + scale) + shift
        return x + self.contract(nn.functional.silu(self.expand(y)))


_NEUTRAL = {"gate.weight": 0.0, "gate.bias": 1.0, "modulation.weight": 0.0, "modulation.bias": 0.0}
"""With these values, gate and modulation change nothing: training begins with them."""


class MLPDenoiser(nn.Module):
    """A residual MLP over the flattened latent.

    Policies of a task lie close together, so that the condition says nearly all and the noisy
    latent little. Time and condition therefore gate the latent on its way in, and modulate what
    the head reads: else the blocks have to cancel the noise that their shortcuts carry.

    Differs from the paper: a U-Net has nothing to slide over in a latent of two positions; this
    network samples some fifty times faster and trains in minutes on a CPU.
    """

    def __init__(
        self, latent_shape: tuple[int, int], condition_dim: int, config: DenoiserConfig
    ) -> None:
        super().__init__()
        width = config.widths[0]
        self.latent_shape = latent_shape
        self.time_dim = config.time_dim
        latent_dim = latent_shape[0] * latent_shape[1]
        self.embed = nn.Linear(latent_dim, width)
        self.gate = nn.Linear(width, width)
        self.time = nn.Linear(config.time_dim, width)
        self.condition = nn.Sequential(
            nn.Linear(condition_dim, width), nn.SiLU(), nn.Linear(width, width)
        )
        self.blocks = nn.ModuleList([_ModulatedBlock(width, width) for _ in config.widths])
        self.modulation = nn.Linear(width, 2 * width)
        self.head = nn.Linear(width, latent_dim)
        for name, value in _NEUTRAL.items():
            nn.init.constant_(self.get_parameter(name), value)

    def forward(self, latents: Tensor, timesteps: Tensor, condition: Tensor) -> Tensor:
        """Prediction `[N, G, D]` for latents `[N, G, D]` at timesteps `[N]`."""
        context = self.time(embed_time(timesteps, self.time_dim)) + self.condition(condition)
        context = nn.functional.silu(context)
        x = self.embed(latents.flatten(1)) * self.gate(context)
        for block in self.blocks:
            x = block(x, context)
        scale, shift = self.modulation(context).chunk(2, dim=1)
        return self.head(x * (1 + scale) + shift).unflatten(1, self.latent_shape)


class TrunkDenoiser(nn.Module):
    """A plain MLP from the condition, to which the noisy latent and its time are added.

    It begins blind to both: without them it is the one-step form, which gives one policy to a
    demonstration. Trained with them, in `training.sampling_phase`, it gives samples, and keeps the
    one-step form beside.

    Noisy latents, and predictions from them, are in units of `scale`, `[G, D]`, which is 1 until
    that training; the one-step form's latents are in the basis's own.
    """

    def __init__(
        self, latent_shape: tuple[int, int], condition_dim: int, config: DenoiserConfig
    ) -> None:
        super().__init__()
        self.config, self.latent_shape = config, latent_shape
        self.time_dim = config.time_dim
        latent_dim = latent_shape[0] * latent_shape[1]
        first = config.widths[0]
        self.condition = nn.Linear(condition_dim, first)
        self.latent, self.time = nn.Linear(latent_dim, first), nn.Linear(config.time_dim, first)
        for module in (self.latent, self.time):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)
        layers: list[nn.Module] = [nn.GELU(), nn.LayerNorm(first)]
        for fan_in, fan_out in pairwise(config.widths):
            layers += [nn.Linear(fan_in, fan_out), nn.GELU(), nn.LayerNorm(fan_out)]
        self.trunk = nn.Sequential(*layers)
        self.head = nn.Linear(config.widths[-1], latent_dim)
        self.register_buffer("scale", torch.ones(latent_shape))
        self.scale: Tensor

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Tensor],
        prefix: str,
        *args: Any,  # noqa: ANN401
    ) -> None:
        # Weights of before there was a scale are those of a one-step form.
        state_dict.setdefault(f"{prefix}scale", torch.ones_like(self.scale))
        super()._load_from_state_dict(state_dict, prefix, *args)

    def forward(self, latents: Tensor, timesteps: Tensor, condition: Tensor) -> Tensor:
        """Prediction `[N, G, D]` for latents `[N, G, D]` at timesteps `[N]`, of unit `scale`."""
        x = self.condition(condition) + self.latent(latents.flatten(1))
        x = x + self.time(embed_time(timesteps, self.time_dim).to(x.dtype))
        return self.head(self.trunk(x)).unflatten(1, self.latent_shape) / self.scale

    def predict(self, condition: Tensor) -> Tensor:
        """The one-step form: latents `[N, G, D]` from conditions `[N, C]` alone."""
        return self.head(self.trunk(self.condition(condition))).unflatten(1, self.latent_shape)


class _ConvolutionBlock(nn.Module):
    """Two convolutions with FiLM between them, and a shortcut."""

    def __init__(
        self, in_channels: int, out_channels: int, context_dim: int, config: DenoiserConfig
    ) -> None:
        super().__init__()

        def convolve(channels: int) -> nn.Sequential:
            return nn.Sequential(
                nn.Conv1d(
                    channels, out_channels, config.kernel_size, padding=config.kernel_size // 2
                ),
                nn.GroupNorm(config.norm_groups, out_channels),
                nn.Mish(),
            )

        self.first, self.second = convolve(in_channels), convolve(out_channels)
        self.film = nn.Sequential(nn.Mish(), nn.Linear(context_dim, 2 * out_channels))
        self.shortcut = (
            nn.Identity()
            if in_channels == out_channels
            else nn.Conv1d(in_channels, out_channels, 1)
        )

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        scale, shift = self.film(context)[:, :, None].chunk(2, dim=1)
        return self.second(self.first(x) * (1 + scale) + shift) + self.shortcut(x)


class _Level(nn.Module):
    """One level of the U-Net: two blocks, then a change of length or none."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        context_dim: int,
        config: DenoiserConfig,
        resample: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.first = _ConvolutionBlock(in_channels, out_channels, context_dim, config)
        self.second = _ConvolutionBlock(out_channels, out_channels, context_dim, config)
        self.resample = resample or nn.Identity()

    def forward(self, x: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Features before and after the change of length."""
        x = self.second(self.first(x, context), context)
        return x, self.resample(x)


class UNetDenoiser(nn.Module):
    """The paper's 1-D convolutional U-Net with the condition through FiLM (section 3, table 3).

    The latent's groups are the positions, its dimensions the channels. A latent of two positions
    cannot be halved more than once: a level halves the length only while it is even.
    """

    def __init__(
        self, latent_shape: tuple[int, int], condition_dim: int, config: DenoiserConfig
    ) -> None:
        super().__init__()
        length, channels = latent_shape
        widths, time_dim = config.widths, config.time_dim
        self.time_dim = time_dim
        self.time = nn.Sequential(
            nn.Linear(time_dim, 4 * time_dim), nn.Mish(), nn.Linear(4 * time_dim, time_dim)
        )
        context_dim = time_dim + condition_dim
        halves = []
        for _ in widths[1:]:
            halves.append(length % 2 == 0)
            length = length // 2 if halves[-1] else length
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for level, width in enumerate(widths):
            shrink = (
                nn.Conv1d(width, width, 3, 2, 1) if level < len(halves) and halves[level] else None
            )
            fan_in = widths[level - 1] if level > 0 else channels
            self.down.append(_Level(fan_in, width, context_dim, config, shrink))
        self.middle = _Level(widths[-1], widths[-1], context_dim, config)
        # From the deepest level up; each undoes what the level above it halved on the way down.
        for level in range(len(widths) - 1, 0, -1):
            width = widths[level - 1]
            grow = nn.ConvTranspose1d(width, width, 4, 2, 1) if halves[level - 1] else None
            self.up.append(_Level(2 * widths[level], width, context_dim, config, grow))
        self.head = nn.Sequential(
            nn.Conv1d(widths[0], widths[0], config.kernel_size, padding=config.kernel_size // 2),
            nn.GroupNorm(config.norm_groups, widths[0]),
            nn.Mish(),
            nn.Conv1d(widths[0], channels, 1),
        )

    def forward(self, latents: Tensor, timesteps: Tensor, condition: Tensor) -> Tensor:
        """Prediction `[N, G, D]` for latents `[N, G, D]` at timesteps `[N]`."""
        context = torch.cat([self.time(embed_time(timesteps, self.time_dim)), condition], dim=1)
        x = latents.transpose(1, 2)
        skips = []
        for level in self.down:
            skip, x = level(x, context)
            skips.append(skip)
        _, x = self.middle(x, context)
        for level in self.up:
            _, x = level(torch.cat([x, skips.pop()], dim=1), context)
        return self.head(x).transpose(1, 2)


def build_denoiser(
    latent_shape: tuple[int, int], condition_dim: int, config: DenoiserConfig
) -> MLPDenoiser | TrunkDenoiser | UNetDenoiser:
    """The denoiser that `config` describes."""
    kinds: dict[str, type[MLPDenoiser | TrunkDenoiser | UNetDenoiser]]
    kinds = {"mlp": MLPDenoiser, "trunk": TrunkDenoiser, "unet": UNetDenoiser}
    return kinds[config.kind](latent_shape, condition_dim, config)
