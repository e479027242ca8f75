"""Episodes of many tasks on many layouts, with the clean actions that training asks for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from makeanagent.suites.procedural.hand import HandDynamics
from makeanagent.suites.procedural.programs import act
from makeanagent.suites.procedural.tasks import (
    DEMONSTRATION_STEPS,
    Tasks,
    find_layouts,
    make_episode_stream,
)
from makeanagent.suites.procedural.world import ACTION_DIM, OBSERVATION_DIM, World


@dataclass(frozen=True, kw_only=True)
class Disturbances:
    """What is added to the programs' actions, so that episodes leave their paths."""

    noises: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3)
    "Standard deviations of Gaussian noise on the actions; each episode draws one of them."
    num_spared: int = 1
    "Layouts, the first ones, whose episodes are demonstrations, which bursts leave alone."
    burst_share: float = 0.6
    "Share of the other episodes with bursts of random actions."
    burst_chance: float = 0.06
    "Chance that a burst begins in a step of such an episode."
    burst_steps: tuple[int, int] = (3, 11)
    "Steps of the shortest burst and of the longest."


class Episodes(NamedTuple):
    """Episodes of N tasks on L layouts each, of T steps."""

    observations: np.ndarray
    "Float32 `[N, L, T + 1, 39]`."
    actions: np.ndarray
    "Those that were taken, float32 `[N, L, T, 4]`."
    labels: np.ndarray
    "The programs' own actions on the same observations, float32 `[N, L, T, 4]`."
    first_success: np.ndarray
    "Index of the first observation in which the task stood solved, int `[N, L]`; -1 for none."


def simulate(
    tasks: Tasks,
    layouts: Sequence[int] | np.ndarray,
    *,
    seed: int = 0,
    num_steps: int = DEMONSTRATION_STEPS,
    disturbances: Disturbances | None = None,
    hand: HandDynamics | None = None,
    actor: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Episodes:
    """Play the programs of N tasks on L layouts each, all at once.

    Each episode is the same in any company. With 150 steps it takes 35 kB: draw thousands of tasks
    at a time, not millions.

    Args:
        tasks: from `draw_tasks`.
        layouts: their numbers, `[L]`; the first ones are the demonstrations'.
        seed: of the disturbances.
        num_steps: T.
        disturbances: by default noise of 0 to 0.3, and bursts.
        hand: how the hand answers actions.
        actor: who acts in the programs' place, from observations `[N * L, 39]`, the first L of
            which are the first task's; labels stay the programs'.
    """
    disturbances = disturbances or Disturbances()
    grid = (len(tasks), len(layouts))
    rows = np.repeat(np.arange(len(tasks)), len(layouts))
    played, numbers = tasks.take(rows), np.tile(np.asarray(layouts, int), len(tasks))
    may_burst = np.tile(np.arange(len(layouts)) >= disturbances.num_spared, len(tasks))
    noise, bursts = _draw_disturbances(played, numbers, may_burst, seed, num_steps, disturbances)
    world = World(played.scene, hand or HandDynamics())
    observations = np.empty((len(rows), num_steps + 1, OBSERVATION_DIM), np.float32)
    actions = np.empty((len(rows), num_steps, ACTION_DIM), np.float32)
    labels = np.empty_like(actions)
    first = np.full(len(rows), -1)
    observations[:, 0] = world.reset(find_layouts(played, numbers))
    for step in range(num_steps):
        labels[:, step] = act(played.program, observations[:, step])
        meant = labels[:, step] if actor is None else actor(observations[:, step])
        disturbed = np.clip(meant + noise[:, step], -1, 1)
        actions[:, step] = np.where(np.isnan(bursts[:, step]), disturbed, bursts[:, step])
        observations[:, step + 1], success = world.step(actions[:, step])
        first = np.where((first < 0) & success, step + 1, first)
    shaped = [array.reshape(*grid, *array.shape[1:]) for array in (observations, actions, labels)]
    return Episodes(shaped[0], shaped[1], shaped[2], first.reshape(grid))


def _draw_disturbances(
    tasks: Tasks,
    layouts: np.ndarray,
    may_burst: np.ndarray,
    seed: int,
    num_steps: int,
    config: Disturbances,
) -> tuple[np.ndarray, np.ndarray]:
    """Noise `[W, T, 4]`, and random actions `[W, T, 4]` that are NaN where no burst is."""
    noise = np.empty((len(tasks), num_steps, ACTION_DIM), np.float32)
    drawn = np.empty((len(tasks), num_steps, 2 + ACTION_DIM), np.float32)
    chosen = np.empty((len(tasks), 2))
    for row, layout in enumerate(layouts):
        rng = make_episode_stream(tasks, row, int(layout), seed)
        chosen[row] = rng.random(2)
        rng.standard_normal(out=noise[row], dtype=np.float32)
        rng.random(out=drawn[row], dtype=np.float32)
    scales = np.array(config.noises, np.float32)
    noise *= scales[(chosen[:, 0] * len(scales)).astype(int), None, None]
    bursts = np.full_like(noise, np.nan)
    may_burst = may_burst & (chosen[:, 1] < config.burst_share)
    shortest, longest = config.burst_steps
    left = np.zeros(len(tasks), int)
    action = np.zeros((len(tasks), ACTION_DIM), np.float32)
    for step in range(num_steps):
        begins = may_burst & (left == 0) & (drawn[:, step, 0] < config.burst_chance)
        steps = shortest + (drawn[:, step, 1] * (longest + 1 - shortest)).astype(int)
        left = np.where(begins, steps, np.maximum(left - 1, 0))
        action = np.where(begins[:, None], 2 * drawn[:, step, 2:] - 1, action)
        bursts[:, step] = np.where((left > 0)[:, None], action, np.nan)
    return noise, bursts
