"""Training a population: rounds of exploration and updates, tests, checkpoints, and going on.

A round is a few episodes of every agent, each from a reset, and then a block of updates. Nothing of
a simulator outlives a round, so episodes are independent jobs for any pool of processes, and a
killed run goes on from its networks, its buffer and a number.

Differs from the paper, which interleaves single steps and updates: here the actor that explores is
as old as the round (as with Stable-Baselines3's `train_freq=(1, "episode")`).
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from makeanagent.parallel import run_jobs
from makeanagent.policies.spec import PolicySpec
from makeanagent.rl.sac.collection import (
    Course,
    Episode,
    cut_trajectory,
    demonstrate,
    explore,
    try_actor,
)
from makeanagent.rl.sac.config import SACConfig
from makeanagent.rl.sac.history import Agent, Checkpoint, LivedEpisode, Record
from makeanagent.rl.sac.population import SACPopulation
from makeanagent.rl.sac.replay_buffer import ReplayBuffer
from makeanagent.rl.sac.run_store import RunStore
from makeanagent.suites import Suite
from makeanagent.trajectories.trajectory import Trajectory
from makeanagent.trajectories.windows import PromptWindow


def train_population(
    pool: Executor,
    suite: Suite,
    tasks: Sequence[str],
    spec: PolicySpec,
    config: SACConfig,
    window: PromptWindow,
    folder: Path,
    *,
    seed: int = 0,
    device: str = "cpu",
    on_progress: Callable[[float], Any] | None = None,
) -> tuple[Record, dict[str, list[Trajectory]]]:
    """Train `num_runs` agents of each task until it has its checkpoints or the steps are over.

    Args:
        pool: where agents explore.
        suite: the environments.
        tasks: full task names, with the spaces of `spec`.
        spec: the actors' layers.
        config: of the agents.
        window: prompts must be able to be cut out of every kept trajectory.
        folder: state, from which a killed run with the same arguments goes on; on this process's
            own disk.
        seed: of everything.
        device: where updates are computed.
        on_progress: called with the part of the steps that is done.

    Returns:
        What came out, and the demonstrations that each task's agents were given.
    """
    report = on_progress or (lambda share: None)
    course = Course(suite=suite, spec=spec, config=config, window=window)
    agents = [Agent(task, run) for task in tasks for run in range(config.num_runs)]
    keys = [(seed, agent.run, crc32(agent.task.encode())) for agent in agents]
    shown = run_jobs(pool, demonstrate, [(course, task, seed) for task in tasks])
    demonstrations = dict(zip(tasks, shown, strict=True))
    given = _pack_demonstrations(demonstrations, course)
    buffer = ReplayBuffer(
        spec,
        config.env_steps + config.round_steps,
        np.stack([given[agent.task] for agent in agents]),
        device,
    )
    seeds = [int(np.random.default_rng(key).integers(2**31)) for key in keys]
    population = SACPopulation(spec, config, seeds, seed, device)
    store = RunStore(folder, agents, suite.name)
    record = store.restore(population, buffer)

    while not _is_done(record, tasks, config):
        first_step = record.num_rounds * config.round_steps
        steps = first_step + config.round_steps
        actors: Sequence[np.ndarray | None] = [None] * len(agents)
        if first_step >= config.start_steps:
            actors = list(population.parameters())
        exploring = [
            (course, agent.task, actor, (*key, record.num_rounds))
            for agent, actor, key in zip(agents, actors, keys, strict=True)
        ]
        lives = run_jobs(pool, explore, exploring)
        rows = np.stack(
            [np.concatenate([e.transitions(config) for e in episodes]) for episodes in lives]
        )
        buffer.add(rows)
        _update(population, buffer, steps)
        record.curve.append(_summarize(lives))
        record.lived += _pick_lived(lives, agents, first_step, course)
        if steps % config.checkpoint_steps == 0:
            record.checkpoints += _test(pool, course, population, agents, steps, record)
        store.save_if_due(population, rows, record)
        report(min(1.0, steps / config.env_steps))
    store.save(population, record)
    return record, {
        task: [
            cut_trajectory(course, task, episode, "expert")
            for episode in episodes
            if episode.success.any() and len(episode.actions) >= window.num_steps
        ]
        for task, episodes in demonstrations.items()
    }


def _pack_demonstrations(
    demonstrations: dict[str, list[Episode]], course: Course
) -> dict[str, np.ndarray]:
    """Each task's transitions `[D, W]`; a task with fewer than another's has some of them twice."""
    width = 2 * course.spec.observation_dim + course.spec.action_dim + 2
    none = np.zeros((0, width), np.float32)
    rows = {
        task: np.concatenate([none, *(e.transitions(course.config) for e in episodes)])
        for task, episodes in demonstrations.items()
    }
    most = max(map(len, rows.values()))
    return {task: np.resize(own, (most, width)) for task, own in rows.items()}


def _update(population: SACPopulation, buffer: ReplayBuffer, steps: int) -> None:
    """All updates that are due after `steps` environment steps of each agent."""
    config = population.config
    if steps < config.start_steps:
        return
    if population.num_updates == 0 and config.standardize:
        population.standardize(buffer.rows())
    due = round((steps - config.start_steps) * config.updates_per_step)
    while population.num_updates < due:
        population.update(
            buffer.sample(config.batch_size, config.demonstration_share, population.generator)
        )


def _is_done(record: Record, tasks: Sequence[str], config: SACConfig) -> bool:
    if record.num_rounds * config.round_steps >= config.env_steps:
        return True
    return all(record.count(task) >= config.num_checkpoints for task in tasks)


def _summarize(lives: Sequence[Sequence[Episode]]) -> np.ndarray:
    returns = [np.mean([episode.rewards.sum() for episode in episodes]) for episodes in lives]
    solved = [any(episode.success.any() for episode in episodes) for episodes in lives]
    return np.array([returns, solved], np.float32)


def _pick_lived(
    lives: Sequence[Sequence[Episode]], agents: Sequence[Agent], step: int, course: Course
) -> list[LivedEpisode]:
    """Successful episodes before `replay_steps`, cut to what a prompt is made of."""
    picked = []
    for agent, episodes in zip(agents, lives, strict=True):
        begin = step
        for episode in episodes:
            is_long = len(episode.actions) >= course.window.num_steps
            if episode.success.any() and is_long and begin < course.config.replay_steps:
                trajectory = cut_trajectory(course, agent.task, episode, "replay")
                picked.append(LivedEpisode(agent=agent, step=begin, trajectory=trajectory))
            begin += len(episode.actions)
    return picked


def _test(
    pool: Executor,
    course: Course,
    population: SACPopulation,
    agents: Sequence[Agent],
    steps: int,
    record: Record,
) -> list[Checkpoint]:
    """Play the deterministic actors; those that solve their layout are new checkpoints."""
    actors = population.parameters()
    wanting = [
        row
        for row, agent in enumerate(agents)
        if record.count(agent.task) < course.config.num_checkpoints
    ]
    jobs = [(course, agents[row].task, actors[row]) for row in wanting]
    return [
        Checkpoint(agent=agents[row], step=steps, parameters=actors[row], rollout=rollout)
        for row, rollout in zip(wanting, run_jobs(pool, try_actor, jobs), strict=True)
        if rollout.first_success is not None and len(rollout) >= course.window.num_steps
    ]
