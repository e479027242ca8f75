"""Guidance: pull generated policies towards what the demonstration shows, before they are decoded.

A latent is moved by gradient steps so that its policy gives the demonstration's actions on the
demonstration's states. Several starts from the generator are tried for each policy, since some get
stuck where actions saturate; the one that explains the demonstration best goes on. Departures from
what was generated are penalised: maximum a posteriori under a Gaussian around it. The autoencoder's
latents weigh parameters by the actions that they move, so that one unit means about as much in all
of their dimensions. A part of the demonstration is held back, and says when to stop. Where it is
known which observations are positions, each step is shown a second time at another place: one
demonstration shows one layout, and the policy is wanted on others. No weight of any network is
trained.

Not in the paper: its generator sees a demonstration through its embedding alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from makeanagent.errors import InputError
from makeanagent.models.autoencoder import ParameterAutoencoder
from makeanagent.models.basis import PolicyBasis
from makeanagent.policies.batch import PolicyBatch
from makeanagent.trajectories import Trajectory
from makeanagent.trajectories.scene import draw_moves, read_scene


@dataclass(frozen=True, kw_only=True)
class GuidanceConfig:
    """How far, and how, generated latents follow the demonstration."""

    num_starts: int = 4
    "Latents generated for each policy; the best one goes on."
    explore_steps: int = 20
    "Gradient steps of every start."
    explore_stride: int = 2
    """Starts follow every so many-th of the steps read of the demonstration: the best one shows
    itself soon, and on few."""
    num_steps: int = 60
    "Gradient steps after that, of the best start, at most."
    step_size: float = 0.03
    "First step in each dimension; Rprop lengthens and shortens it."
    prior_weight: float = 1e-4
    "Weight of the squared distance to the generated latent."
    condition_noise: float = 1.0
    """Noise on the conditions, whose scale is 1, of all starts but the first of each prompt:
    what begins alike ends alike."""
    min_gain: float = 0.25
    """Share by which the error on held-back steps must fall, or the policy stays as generated: what
    explains its demonstration already is not made better by following the noise in it. No more can
    be asked for, as the noise that is left counts for much of a noisy demonstration's error."""
    num_states: int = 96
    "Steps read of the demonstration, evenly over what they achieve."
    translation: float = 0.1
    "Metres: standard deviation of the moves by which steps are shown a second time; 0 for none."
    weight_after_success: float = 0.1
    """Share in which steps after the first success are read, beside 1 of those before: they achieve
    nothing more, and an agent that is still learning does there what it likes."""
    leak: float = 0.02
    "Share of the action before squashing that the loss sees: a saturated one must not be stuck."
    loss_beta: float = 0.3
    "Action error from which the loss grows linearly: demonstrations hold outliers."
    action_limit: float = 0.97
    "Actions are clipped to this, since tanh reaches 1 nowhere."
    block_steps: int = 4
    "One of eight blocks of so many steps is held back."
    check_steps: int = 10
    "Gradient steps between two looks at what is held back."

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("num_starts", "explore_stride", "num_steps", "block_steps", "check_steps"):
            if getattr(self, name) < 1:
                raise InputError(f"guidance: {name} {getattr(self, name)}: must be at least 1")
        for name in ("step_size", "loss_beta", "action_limit"):
            if not getattr(self, name) > 0:
                raise InputError(f"guidance: {name} {getattr(self, name)}: must be above 0")
        for name in (
            "explore_steps",
            "prior_weight",
            "condition_noise",
            "translation",
            "weight_after_success",
            "leak",
        ):
            if not getattr(self, name) >= 0:
                raise InputError(f"guidance: {name} {getattr(self, name)}: must not be below 0")
        if not self.min_gain < 1:
            raise InputError(f"guidance: min_gain {self.min_gain}: must be below 1")
        if self.explore_stride > self.block_steps:
            raise InputError(
                f"guidance: explore_stride {self.explore_stride}: must be at most block_steps,"
                f" {self.block_steps}, so that no block is left out"
            )
        if self.num_states < _BLOCKS * self.block_steps:
            raise InputError(
                f"guidance: num_states {self.num_states}: must be at least"
                f" {_BLOCKS * self.block_steps}, {_BLOCKS} blocks"
            )

    def in_unit(self, unit: float) -> "GuidanceConfig":
        """The same where positions are in another unit than metres (`Space.unit`)."""
        return replace(self, translation=unit * self.translation)


_BLOCKS = 8
"""Blocks of steps, of which the last one is held back, by turns."""
_TOGETHER = 32
"""Policies that are guided at once: more would leave the cache."""


@dataclass(frozen=True, kw_only=True)
class DemonstratedSteps:
    """Steps of the demonstrations behind N policies, and which of them are held back."""

    states: Tensor
    "`[N, S, O]`."
    actions: Tensor
    "`[N, S, A]`."
    held_back: Tensor
    "bool `[S]`."

    def __getitem__(self, rows: Tensor) -> "DemonstratedSteps":
        """Those of some policies, `rows` int `[M]`."""
        return DemonstratedSteps(
            states=self.states[rows], actions=self.actions[rows], held_back=self.held_back
        )

    def pick(self, rows: Tensor) -> "DemonstratedSteps":
        """The steps picked by `rows`, bool `[S]`."""
        return DemonstratedSteps(
            states=self.states[:, rows],
            actions=self.actions[:, rows],
            held_back=self.held_back[rows],
        )

    def measure_errors(self, policies: PolicyBatch, beta: float, leak: float = 0.0) -> Tensor:
        """Mean smooth L1 error `[N]` of N policies' actions.

        Args:
            policies: N of them.
            beta: error from which it grows linearly.
            leak: share of the action before squashing that is added.
        """
        mean, _ = policies.forward(self.states)
        actions = mean.tanh() if policies.spec.squash == "tanh" else mean
        error = nn.functional.smooth_l1_loss(
            actions + leak * mean, self.actions, reduction="none", beta=beta
        )
        return error.mean(dim=(1, 2))


def gather_steps(
    groups: Sequence[Sequence[Trajectory]],
    config: GuidanceConfig,
    device: torch.device,
    positions: Sequence[int] = (),
) -> DemonstratedSteps:
    """Read steps of each policy's demonstrations, as many of each.

    Moved copies follow the steps as they were shown. Of these alone some are held back: they ask
    whether what was learnt about a step elsewhere holds where it was shown.

    Args:
        groups: the demonstrations of each policy, `N` groups.
        config: how many steps, and which are held back.
        device: where to put them.
        positions: where in an observation positions begin; without any, nothing is moved.
    """
    limit = config.action_limit
    states, actions = [], []
    for group in groups:
        rows = [
            _pick_steps(trajectory, count, config.weight_after_success)
            for trajectory, count in zip(group, _share(config.num_states, len(group)), strict=True)
        ]
        states.append(np.concatenate([t.observations[r] for t, r in zip(group, rows, strict=True)]))
        actions.append(np.concatenate([t.actions[r] for t, r in zip(group, rows, strict=True)]))
    # Whole blocks, since neighbouring steps are all but equal: one alone would be known by them.
    block = torch.arange(config.num_states) // config.block_steps
    shown = torch.from_numpy(np.stack(states)).float()
    labels = torch.from_numpy(np.stack(actions)).float().clamp(-limit, limit)
    held_back = block % _BLOCKS == _BLOCKS - 1
    if positions and config.translation > 0:
        # The same for every policy: none depends on what else is made with it.
        moves = draw_moves(shown.shape[1], config.translation, torch.Generator().manual_seed(0))
        moved = [
            read_scene(group, positions, config.translation).move(steps, moves)
            for group, steps in zip(groups, shown, strict=True)
        ]
        shown = torch.cat([shown, torch.stack(moved)], dim=1)
        labels = labels.repeat(1, 2, 1)
        held_back = torch.cat([held_back, torch.zeros_like(held_back)])
    return DemonstratedSteps(
        states=shown.to(device), actions=labels.to(device), held_back=held_back.to(device)
    )


def _pick_steps(trajectory: Trajectory, count: int, weight_after_success: float) -> np.ndarray:
    """Numbers of `count` steps in their order, each as often as its weight says."""
    weights = np.ones(len(trajectory))
    if trajectory.first_success is not None:
        weights[trajectory.first_success :] = weight_after_success
    reached = weights.cumsum() / weights.sum()
    return np.searchsorted(reached, (np.arange(count) + 0.5) / count)


def _share(total: int, parts: int) -> list[int]:
    """`total` in `parts` as equal as can be."""
    return [total * (part + 1) // parts - total * part // parts for part in range(parts)]


def guide_latents(
    autoencoder: ParameterAutoencoder | PolicyBasis,
    starts: Tensor,
    steps: DemonstratedSteps,
    config: GuidanceConfig,
) -> Tensor:
    """Latents `[N, G, D]` whose policies act as demonstrated, near those that were generated.

    Args:
        autoencoder: decodes latents.
        starts: `[N, K, G, D]`: K generated latents for each policy.
        steps: what was demonstrated to each policy.
        config: rates and weights.
    """
    parts = torch.arange(len(starts), device=starts.device).split(_TOGETHER)
    return torch.cat(
        [_guide_together(autoencoder, starts[part], steps[part], config) for part in parts]
    )


def _guide_together(
    autoencoder: ParameterAutoencoder | PolicyBasis,
    starts: Tensor,
    steps: DemonstratedSteps,
    config: GuidanceConfig,
) -> Tensor:
    """As `guide_latents`, all at once."""
    num_policies, num_starts = starts.shape[:2]
    latents = starts.flatten(0, 1)
    if num_starts > 1:
        owner = torch.arange(num_policies).repeat_interleave(num_starts)
        every = torch.arange(steps.states.shape[1], device=latents.device)
        tried = steps.pick(every % config.explore_stride == 0)[owner.to(latents.device)]
        latents = _descend(autoencoder, latents, tried, config.explore_steps, config)
        policies = PolicyBatch(autoencoder.decode(latents), autoencoder.spec)
        error = tried.measure_errors(policies, config.loss_beta)
        best = error.view(num_policies, num_starts).argmin(dim=1)
        latents = latents.unflatten(0, (num_policies, num_starts))[range(num_policies), best]
    latents = _descend(autoencoder, latents, steps, config.num_steps, config)
    generated, held_back = starts[:, 0], steps.pick(steps.held_back)
    before, after = (
        held_back.measure_errors(
            PolicyBatch(autoencoder.decode(each), autoencoder.spec), config.loss_beta
        )
        for each in (generated, latents)
    )
    gained = after <= (1 - config.min_gain) * before
    return torch.where(gained[:, None, None], latents, generated)


def _descend(
    autoencoder: ParameterAutoencoder | PolicyBasis,
    latents: Tensor,
    steps: DemonstratedSteps,
    num_steps: int,
    config: GuidanceConfig,
) -> Tensor:
    """Follow the gradient from latents `[N, G, D]`.

    Of the iterates that are looked at, the first one included, each policy keeps the one with the
    smallest error on the steps that were held back.
    """
    spec, beta = autoencoder.spec, config.loss_beta
    shown, held_back = steps.pick(~steps.held_back), steps.pick(steps.held_back)
    best, best_error = latents, torch.full((len(latents),), torch.inf, device=latents.device)
    with torch.enable_grad():
        shift = torch.zeros_like(latents).requires_grad_()
        # The objective has no noise, and each dimension a curvature of its own: steps by the sign
        # of the gradient (Riedmiller and Braun 1993) get in 100 as far as Adam's in 300.
        optimizer = torch.optim.Rprop([shift], lr=config.step_size, step_sizes=(1e-6, 1.0))
        for step in range(num_steps + 1):
            moved = latents + shift
            policies = PolicyBatch(autoencoder.decode(moved), spec)
            if step % config.check_steps == 0 or step == num_steps:
                with torch.no_grad():
                    error = held_back.measure_errors(policies, beta)
                    better = error < best_error
                    best_error = torch.where(better, error, best_error)
                    best = torch.where(better[:, None, None], moved, best)
            if step == num_steps:
                break
            error = shown.measure_errors(policies, beta, config.leak)
            departure = shift.square().sum(dim=(1, 2))
            # Summed over policies: each one's gradient is its own, whatever their number.
            loss = (error + config.prior_weight * departure).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return best.detach()
