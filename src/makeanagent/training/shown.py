"""Lessons of a suite's own tasks, shown by its experts and labelled by its teachers."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import torch

from makeanagent.artifacts import as_json
from makeanagent.errors import InputError
from makeanagent.generator import MakeAnAgent
from makeanagent.parallel import one_thread
from makeanagent.rollouts.episodes import play, record_episode
from makeanagent.suites import Act, Environment, Suite, layouts
from makeanagent.training.lessons import LessonShard, make_missing, note_settings
from makeanagent.trajectories.excerpt import excerpt_trajectories
from makeanagent.trajectories.trajectory import Trajectory


@dataclass(frozen=True, kw_only=True)
class ShownConfig:
    """What is recorded of each task."""

    num_demonstrations: int = 24
    "Expert episodes with noise on their actions: prompts, whose states are asked about as well."
    num_disturbed: int = 16
    "Episodes with bursts of random actions besides, for states off the expert's path."
    num_visited: int = 24
    "Episodes of policies that a generator makes of the demonstrations, if there is one yet."
    noise_scales: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3)
    "Standard deviations of the noise on the expert's actions; episodes take them in turn."
    burst_chance: float = 0.06
    "Chance that a burst begins in a step of a disturbed episode."
    burst_steps: tuple[int, int] = (3, 11)
    "Steps of the shortest burst and of the longest."
    horizon: int = 150
    "Steps of an episode at most."
    visited_horizon: int = 150
    "Steps of a generated policy's episode: what goes wrong has gone wrong by then."
    steps_after_success: int = 6
    "Steps that an episode goes on after its success."
    num_states: int = 6_000
    "States of each task that are kept."
    num_revisited_states: int = 3_000
    "States that each later turn of visits adds."
    num_knots: int = 32
    "K of the excerpts, as the reader has it."
    first_layout: int = 0
    "Of the zoo's layouts, the first that is used."
    seed: int = 0
    "Of noise and bursts."


class _Disturbed:
    """An expert with noise, and bursts of random actions; one for each episode."""

    def __init__(
        self, expert: Act, noise: float, config: ShownConfig, rng: np.random.Generator, bursts: bool
    ) -> None:
        self._expert, self._noise, self._config = expert, noise, config
        self._rng, self._bursts, self._left = rng, bursts, 0
        self._kick = np.zeros(0)

    def __call__(self, observation: np.ndarray) -> np.ndarray:
        action = np.asarray(self._expert(observation))
        action = np.clip(action + self._noise * self._rng.standard_normal(action.shape), -1, 1)
        if self._bursts and not self._left and self._rng.random() < self._config.burst_chance:
            shortest, longest = self._config.burst_steps
            self._left = int(self._rng.integers(shortest, longest + 1))
            self._kick = self._rng.uniform(-1, 1, action.shape)
        if not self._left:
            return action
        self._left -= 1
        return self._kick


def record_shown(
    suite: Suite, task: str, config: ShownConfig
) -> tuple[list[Trajectory], list[np.ndarray]]:
    """Demonstrations that succeed, and the states `[T, O]` of every other episode.

    Raises:
        InputError: the task has no expert, or it has not succeeded once.
    """
    expert = suite.expert(task)
    shown, strayed = [], []
    with closing(suite.make(task)) as environment:
        for number in range(config.num_demonstrations + config.num_disturbed):
            bursts = number >= config.num_demonstrations
            noise = config.noise_scales[number % len(config.noise_scales)]
            layout = layouts.ZOO[config.first_layout + number]
            rng = np.random.default_rng((config.seed, layout))
            episode = record_episode(
                environment,
                _Disturbed(expert, noise, config, rng, bursts),
                layout,
                steps_after_success=config.steps_after_success,
                max_steps=config.horizon,
            )
            if not bursts and episode.first_success is not None:
                shown.append(episode)
            else:
                strayed.append(episode.observations[:-1])
    if not shown:
        raise InputError(
            f"{suite.name}/{task}: the expert has not succeeded in {config.num_demonstrations}"
            " episodes; lessons need an expert that does"
        )
    return shown, strayed


def visit(
    environment: Environment, policies: Sequence[Act], config: ShownConfig, turn: int = 0
) -> list[np.ndarray]:
    """States `[T, O]` that policies see, each on a layout of its own; others with each turn."""
    first = config.first_layout + config.num_demonstrations + config.num_disturbed
    first += turn * config.num_visited
    found = []
    for number, policy in enumerate(policies):
        states, end = [], config.visited_horizon
        for observation, _, step in play(
            environment, policy, layouts.ZOO[first + number], config.visited_horizon
        ):
            states.append(observation)
            if step.success:
                end = min(end, len(states) + config.steps_after_success)
            if len(states) >= end:
                break
        found.append(np.array(states))
    return found


def label_lessons(
    suite: Suite,
    task: str,
    shown: Sequence[Trajectory],
    others: Sequence[np.ndarray],
    config: ShownConfig,
) -> LessonShard:
    """Lessons of one task, of demonstrations and of states `[T, O]` of other episodes."""
    teacher = suite.teacher(task)
    states = np.concatenate([*(item.observations[:-1] for item in shown), *others])
    rng = np.random.default_rng(config.seed)
    kept = rng.choice(len(states), config.num_states, replace=len(states) < config.num_states)
    asked, labels = _label(teacher, states[np.sort(kept)])
    excerpts = excerpt_trajectories(shown, config.num_knots)
    # As many of every task: those of tasks whose expert fails at times are shown again.
    again = np.arange(config.num_demonstrations) % len(excerpts)
    excerpts = excerpts.take(again)
    tensors = {name: torch.from_numpy(array[None]) for name, array in vars(excerpts).items()}
    nothing = torch.zeros(1, 0)
    return LessonShard(
        **tensors,
        states=asked,
        labels=labels,
        targets=nothing,
        masks=nothing,
    )


def _label(teacher: Act, states: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """States `[1, S, O]` as a task's lessons have them, and labels `[1, S, A]`."""
    states = states.astype(np.float32)
    labels = np.stack([teacher(state) for state in states]).astype(np.float32)
    return torch.from_numpy(states[None]), torch.from_numpy(labels[None])


@one_thread()
def _write_lessons(
    suite: Suite, task: str, config: ShownConfig, generator: MakeAnAgent | None, path: Path
) -> None:
    """One task's lessons: recorded, visited and labelled."""
    shown, others = record_shown(suite, task, config)
    if generator is not None and config.num_visited:
        policies = generator.generate(shown, config.num_visited)
        with closing(suite.make(task)) as environment:
            others += visit(environment, list(policies), config)
    label_lessons(suite, task, shown, others, config).save(path)


def show_lessons(
    folder: Path,
    suite: Suite,
    tasks: Sequence[str],
    config: ShownConfig,
    generator: MakeAnAgent | None,
    pool: Executor,
    on_task: Callable[[int, int], Any],
) -> list[Path]:
    """Make the lessons of tasks that are missing in a folder.

    Args:
        folder: new, or begun with the same settings; it may hold other tasks besides.
        suite: has the experts.
        tasks: full names.
        config: what is recorded.
        generator: whose policies show where policies go astray, made by drawn tasks alone.
        pool: plays tasks side by side.
        on_task: called with the number of tasks that are there and that are wanted, before the
            first one too.

    Returns:
        One file for each task.

    Raises:
        InputError: the folder was begun with other settings, or an expert never succeeds.
    """
    paths = _open_folder(folder, suite, tasks, config)
    return make_missing(
        paths,
        lambda number: pool.submit(
            _write_lessons, suite, tasks[number], config, generator, paths[number]
        ),
        on_task,
    )


@one_thread()
def _revisit(
    suite: Suite,
    task: str,
    config: ShownConfig,
    generator: MakeAnAgent,
    turn: int,
    source: Path,
    path: Path,
) -> None:
    """One task's lessons with states added that the generator's policies see."""
    before = LessonShard.load(source)
    knots = before.prompts()
    conditions = generator.embedding(knots)[torch.arange(config.num_visited) % len(knots.success)]
    policies = list(generator.generate_from(conditions))
    with closing(suite.make(task)) as environment:
        visited = np.concatenate(visit(environment, policies, config, turn))
    rng = np.random.default_rng((config.seed, turn))
    count = config.num_revisited_states
    kept = rng.choice(len(visited), count, replace=len(visited) < count)
    states, labels = _label(suite.teacher(task), visited[np.sort(kept)])
    replace(
        before,
        states=torch.cat([before.states, states], dim=1),
        labels=torch.cat([before.labels, labels], dim=1),
    ).save(path)


def revisit_lessons(
    folder: Path,
    suite: Suite,
    tasks: Sequence[str],
    config: ShownConfig,
    generator: MakeAnAgent,
    turn: int,
    sources: Sequence[Path],
    pool: Executor,
    on_task: Callable[[int, int], Any],
) -> list[Path]:
    """Add states that policies see to the lessons of tasks (DAgger, Ross et al. 2011).

    Args:
        folder: for the new lessons.
        suite: has the teachers.
        tasks: full names.
        config: how many states.
        generator: of the phase before.
        turn: of visits, from 1 on: each has layouts of its own.
        sources: the lessons so far, by task.
        pool: plays tasks side by side.
        on_task: as in `show_lessons`.

    Returns:
        One file for each task.
    """
    paths = _open_folder(folder, suite, tasks, config)
    return make_missing(
        paths,
        lambda number: pool.submit(
            _revisit,
            suite,
            tasks[number],
            config,
            generator,
            turn,
            sources[number],
            paths[number],
        ),
        on_task,
    )


def _open_folder(
    folder: Path, suite: Suite, tasks: Sequence[str], config: ShownConfig
) -> list[Path]:
    """The tasks' files in a folder of lessons.

    Raises:
        InputError: it was begun with other settings.
    """
    note_settings(folder, {"config": as_json(asdict(config)), "suite": suite.name})
    return [folder / f"{quote(task, safe='')}.safetensors" for task in tasks]
