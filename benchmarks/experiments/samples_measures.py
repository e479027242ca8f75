"""What samples do: success in the drawn tasks' world, and how far their actions differ."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from makeanagent.generator import MakeAnAgent
from makeanagent.models.diffusion import make_scheduler, sample_latents
from makeanagent.policies.batch import PolicyBatch
from makeanagent.suites.procedural import Disturbances, Episodes, Tasks, simulate
from makeanagent.suites.procedural.programs import choose_slots
from makeanagent.trajectories.trajectory import Trajectory

_UNDISTURBED = Disturbances(noises=(0.0,), burst_share=0.0)
_GOAL = slice(36, 39)
_NUM_STATES = 32
"""Of each task, on which actions are compared."""
_SHORTEST = 8
"""Steps that a demonstration which is cut has to have left."""
_MOST_NOISE = 4.0
_ROWS_AT_ONCE = 16_384


@dataclass(frozen=True, kw_only=True)
class Prompts:
    """Prompts of T tasks, one demonstration each, and where policies are compared."""

    tasks: Tasks
    trajectories: list[list[Trajectory]]
    "Of each task, demonstrations on as many layouts; the first one is the prompt."
    shown: np.ndarray
    "States of the prompt's demonstration that it shows, `[T, S, O]`."
    elsewhere: np.ndarray
    "States of episodes on other layouts, `[T, S, O]`."
    hides_goal: bool = False
    "Whether the goal is hidden from policies too."

    def take(self, rows: np.ndarray) -> "Prompts":
        """Some of the tasks, by int `[N]`."""
        return replace(
            self,
            tasks=self.tasks.take(rows),
            trajectories=[self.trajectories[row] for row in rows],
            shown=self.shown[rows],
            elsewhere=self.elsewhere[rows],
        )


def find_last_phases(tasks: Tasks, demonstrations: Episodes) -> np.ndarray:
    """Step of each task's first demonstration at which its last phase begins, int `[T]`.

    The last phase is the one that acts when the task is solved. It is 0 where the demonstration
    fails, or where too little would be left.
    """
    ends = demonstrations.first_success[:, 0]
    slots = np.stack(
        [
            choose_slots(tasks.program, demonstrations.observations[:, 0, step])
            for step in range(int(ends.max(initial=0)))
        ],
        axis=1,
    )
    begins = np.zeros(len(tasks), int)
    for row, end in enumerate(ends):
        if end > 0:
            begins[row] = (slots[row, :end] == slots[row, end - 1]).argmax()
    return np.where(begins >= _SHORTEST, begins, 0)


def make_prompts(tasks: Tasks, num_demonstrations: int) -> dict[str, Prompts]:
    """Prompts of three kinds: whole, with the goal hidden, and cut before the last phase.

    Tasks whose first demonstration fails, or cannot be cut, are left out.

    Args:
        tasks: drawn ones.
        num_demonstrations: of each task, on layouts 0, 1, 2, ...; noise on their actions is 0 to
            0.3.
    """
    layouts = np.arange(num_demonstrations + 3)
    episodes = simulate(tasks, layouts, disturbances=Disturbances(num_spared=num_demonstrations))
    begins = find_last_phases(tasks, episodes)
    kept = np.flatnonzero(begins)
    tasks, begins = tasks.take(kept), begins[kept]
    episodes = Episodes(*(array[kept] for array in episodes))
    whole = [
        [_as_trajectory(episodes, row, layout) for layout in range(num_demonstrations)]
        for row in range(len(tasks))
    ]
    ends = np.array([len(items[0].actions) for items in whole])
    # Others are cut at the same share of their lengths.
    cut = [
        [_cut(item, part) for item in items]
        for items, part in zip(whole, begins / ends, strict=True)
    ]
    others = episodes.observations[:, num_demonstrations:, :-1]
    elsewhere = _spread_out(others.reshape(len(tasks), -1, others.shape[-1]), None)
    first = episodes.observations[:, 0]
    prompts = Prompts(
        tasks=tasks,
        trajectories=whole,
        shown=_spread_out(first, ends),
        elsewhere=elsewhere,
    )
    hidden = replace(
        prompts,
        trajectories=[[replace(x, observations=_hide(x.observations)) for x in y] for y in whole],
        shown=_hide(prompts.shown),
        elsewhere=_hide(elsewhere),
        hides_goal=True,
    )
    shortened = replace(prompts, trajectories=cut, shown=_spread_out(first, begins))
    return {"whole": prompts, "goal hidden": hidden, "cut": shortened}


def _as_trajectory(episodes: Episodes, row: int, layout: int) -> Trajectory:
    """A demonstration up to shortly after its success."""
    steps, first = episodes.actions.shape[2], int(episodes.first_success[row, layout])
    end = min(first + 3, steps) if first > 0 else steps
    return Trajectory(
        observations=episodes.observations[row, layout, : end + 1],
        actions=episodes.actions[row, layout, :end],
        success=(np.arange(1, end + 1) >= first) & (first > 0),
    )


def _cut(item: Trajectory, part: float) -> Trajectory:
    end = max(_SHORTEST, round(part * len(item.actions)))
    return Trajectory(
        observations=item.observations[: end + 1],
        actions=item.actions[:end],
        success=np.zeros(len(item.actions[:end]), bool),
    )


def _hide(observations: np.ndarray) -> np.ndarray:
    hidden = observations.copy()
    hidden[..., _GOAL] = 0
    return hidden


def _spread_out(states: np.ndarray, ends: np.ndarray | None) -> np.ndarray:
    """States `[T, S, O]` evenly out of `[T, L, O]`, up to `ends`."""
    ends = np.full(len(states), states.shape[1]) if ends is None else ends
    times = (np.linspace(0, 1, _NUM_STATES)[None] * (ends - 1)[:, None]).astype(int)
    return states[np.arange(len(states))[:, None], times]


class Sampler:
    """Latents `[T, N, Z]` of T prompts, N each, in several ways.

    Args:
        generator: whose denoiser was trained to sample.
        sample_steps: of DDIM.
    """

    def __init__(self, generator: MakeAnAgent, sample_steps: int) -> None:
        self.generator, self.sample_steps = generator, sample_steps
        self._scheduler = make_scheduler(generator.config.diffusion)

    def read(self, prompts: Prompts, number: int = 0) -> Tensor:
        """Conditions `[T, C]` of the tasks' demonstrations of this number."""
        return self.generator.embed([items[number] for items in prompts.trajectories])

    def diffuse(self, conditions: Tensor, count: int, seed: int = 0) -> Tensor:
        """Samples of the diffusion."""
        shape = self.generator.autoencoder.latent_shape
        repeated = conditions.repeat_interleave(count, dim=0)
        denoiser: Any = self.generator.denoiser
        source = torch.Generator().manual_seed(seed)
        drawn = sample_latents(
            denoiser, self._scheduler, repeated, shape, self.sample_steps, source
        )
        return (drawn * denoiser.scale).unflatten(0, (-1, count)).flatten(2)

    def predict(self, conditions: Tensor) -> Tensor:
        """The one-step form's, `[T, N, Z]` from conditions `[T, N, C]`."""
        denoiser: Any = self.generator.denoiser
        return denoiser.predict(conditions.flatten(0, 1)).unflatten(0, conditions.shape[:2])[
            :, :, 0
        ]

    def jitter(self, conditions: Tensor, count: int, noise: float, seed: int = 1) -> Tensor:
        """The one-step form's with noise on all conditions but each prompt's first."""
        source = torch.Generator().manual_seed(seed)
        drawn = torch.randn((len(conditions), count, conditions.shape[1]), generator=source)
        drawn[:, 0] = 0
        return self.predict(conditions[:, None] + noise * drawn)

    def act(self, latents: Tensor, states: np.ndarray) -> Tensor:
        """Actions `[T, N, S, A]` of policies `[T, N, Z]` on states `[T, S, O]`."""
        basis: Any = self.generator.autoencoder
        repeated = torch.from_numpy(states).repeat_interleave(latents.shape[1], dim=0)
        means = basis.act(latents.flatten(0, 1)[:, None], repeated)
        return means.tanh().unflatten(0, latents.shape[:2])

    def spread(self, latents: Tensor, states: np.ndarray) -> np.ndarray:
        """How far actions of a prompt's policies differ: standard deviation over them, `[T]`."""
        return self.act(latents, states).std(dim=1).mean(dim=(1, 2)).numpy()

    def match_noise(self, conditions: Tensor, count: int, states: np.ndarray, goal: float) -> float:
        """Noise on conditions that makes actions differ by `goal` on the mean, by bisection."""
        low, high = 0.0, _MOST_NOISE
        for _ in range(12):
            middle = (low + high) / 2
            found = self.spread(self.jitter(conditions, count, middle), states).mean()
            low, high = (middle, high) if found < goal else (low, middle)
        return (low + high) / 2


@torch.no_grad()
def play(sampler: Sampler, prompts: Prompts, latents: Tensor, layouts: np.ndarray) -> np.ndarray:
    """Success of policies `[T, N, Z]` on layouts `[L]`: bool `[T, N, L]`."""
    basis: Any = sampler.generator.autoencoder
    count, each = latents.shape[1], len(layouts)
    parts = []
    at_once = max(1, _ROWS_AT_ONCE // (count * each))
    for first in range(0, len(prompts.tasks), at_once):
        rows = np.arange(first, min(first + at_once, len(prompts.tasks)))
        parameters = basis.decode(latents[rows].flatten(0, 1)[:, None])
        policies = PolicyBatch(parameters, sampler.generator.config.spec)
        episodes = simulate(
            prompts.tasks.take(np.repeat(rows, count)),
            layouts,
            disturbances=_UNDISTURBED,
            actor=_blind(policies.act) if prompts.hides_goal else policies.act,
        )
        solved = episodes.first_success > 0
        parts.append(solved.reshape(len(rows), count, each))
    return np.concatenate(parts)


def _blind(actor: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    return lambda observations: actor(_hide(observations))


def choose_best(success: np.ndarray, num: int, num_choosing: int) -> np.ndarray:
    """Success of the best of `num` policies, on layouts that did not choose it: `[T]`.

    Policies are taken in groups of `num`, over which the mean is taken; of equals, the first is
    chosen.

    Args:
        success: bool `[T, N, L]`.
        num: at most N.
        num_choosing: layouts, the first ones, that choose.
    """
    count = success.shape[1] // num * num
    groups = success[:, :count].reshape(len(success), -1, num, success.shape[2])
    best = groups[..., :num_choosing].mean(axis=3).argmax(axis=2)
    scores = groups[..., num_choosing:].mean(axis=3)
    return np.take_along_axis(scores, best[..., None], axis=2)[..., 0].mean(axis=1)
