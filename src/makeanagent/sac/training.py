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

from makeanagent.environments import Suite
from makeanagent.environments.layouts import ZOO
from makeanagent.evaluation.rollouts import add_action_noise, open_environment
from makeanagent.parallel import run_jobs
from makeanagent.policies.spec import PolicySpec
from makeanagent.sac.collection import Episode, explore, play_episode, try_actor
from makeanagent.sac.config import SACConfig
from makeanagent.sac.population import SACPopulation
from makeanagent.sac.record import Agent, Checkpoint, LivedEpisode, Record
from makeanagent.sac.replay import ReplayBuffer
from makeanagent.sac.store import RunStore
from makeanagent.trajectories.prompt import PromptWindow
from makeanagent.trajectories.trajectory import Trajectory


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
        folder: state, from which a killed run with the same arguments goes on.
        seed: of everything.
        device: where updates are computed.
        on_progress: called with the part of the steps that is done.

    Returns:
        What came out, and the demonstrations that each task's agents were given.
    """
    report = on_progress or (lambda share: None)
    layout = ZOO[config.layout]
    agents = [Agent(task, run) for task in tasks for run in range(config.num_runs)]
    keys = [(seed, agent.run, crc32(agent.task.encode())) for agent in agents]
    shown = dict(
        zip(
            tasks,
            run_jobs(pool, _show, [(suite, task, config, layout, seed) for task in tasks]),
            strict=True,
        )
    )
    demonstrations = [[e.transitions(config) for e in shown[agent.task]] for agent in agents]
    width = 2 * spec.observation_dim + spec.action_dim + 2
    buffer = ReplayBuffer(
        spec,
        config.num_steps + config.round_steps,
        np.array([np.concatenate([np.zeros((0, width)), *rows]) for rows in demonstrations]),
        device,
    )
    seeds = [int(np.random.default_rng(key).integers(2**31)) for key in keys]
    population = SACPopulation(spec, config, seeds, seed, device)
    store = RunStore(folder, agents, suite.name)
    record = store.restore(population, buffer)

    while not _is_done(record, tasks, config):
        first_step = record.num_rounds * config.round_steps
        actors = population.parameters()
        exploring = [
            (
                suite,
                agent.task,
                actors[row] if first_step >= config.start_steps else None,
                spec,
                config,
                layout,
                (*keys[row], record.num_rounds),
            )
            for row, agent in enumerate(agents)
        ]
        lives = run_jobs(pool, explore, exploring)
        rows = np.stack(
            [np.concatenate([e.transitions(config) for e in episodes]) for episodes in lives]
        )
        buffer.add(rows)
        steps = first_step + config.round_steps
        if steps >= config.start_steps:
            if population.num_updates == 0 and config.standardize:
                population.standardize(buffer.rows())
            due = round((steps - config.start_steps) * config.updates_per_step)
            while population.num_updates < due:
                population.update(
                    buffer.sample(
                        config.batch_size, config.demonstration_share, population.generator
                    )
                )
        record.num_rounds += 1
        record.curve.append(_summarize(lives))
        if first_step < config.replay_steps:
            record.lived += _pick_lived(lives, agents, first_step, suite.name, window)
        if steps % config.checkpoint_steps == 0:
            _test(pool, suite, population, agents, steps, spec, config, layout, window, record)
        store.save_if_due(population, rows, record)
        report(min(1.0, steps / config.num_steps))
    store.save(population, record)
    trajectories = {
        task: [_as_trajectory(e, suite.name, task, "expert", window) for e in shown[task]]
        for task in tasks
    }
    return record, trajectories


def _is_done(record: Record, tasks: Sequence[str], config: SACConfig) -> bool:
    if record.num_rounds * config.round_steps >= config.num_steps:
        return True
    return all(record.count(task) >= config.num_checkpoints for task in tasks)


def _show(suite: Suite, task: str, config: SACConfig, layout: int, seed: int) -> list[Episode]:
    """The expert's episodes on the training layout, which agents find in their buffers."""
    if config.num_demonstrations == 0:
        return []
    environment, expert = open_environment(suite, task), suite.expert(task)
    episodes = []
    for number in range(config.num_demonstrations):
        scale = config.noise_scales[number % len(config.noise_scales)]
        act = add_action_noise(expert, scale, np.random.default_rng((seed, number)))
        episodes.append(play_episode(environment, act, layout, config.horizon))
    return episodes


def _summarize(lives: Sequence[Sequence[Episode]]) -> np.ndarray:
    returns = [np.mean([episode.rewards.sum() for episode in episodes]) for episodes in lives]
    solved = [any(episode.success.any() for episode in episodes) for episodes in lives]
    return np.array([returns, solved], np.float32)


def _pick_lived(
    lives: Sequence[Sequence[Episode]],
    agents: Sequence[Agent],
    step: int,
    suite: str,
    window: PromptWindow,
) -> list[LivedEpisode]:
    """Successful episodes, cut to what a prompt is made of."""
    picked = []
    for agent, episodes in zip(agents, lives, strict=True):
        begin = step
        for episode in episodes:
            if episode.success.any() and len(episode.actions) >= window.num_steps:
                trajectory = _as_trajectory(episode, suite, agent.task, "replay", window)
                picked.append(LivedEpisode(agent=agent, step=begin, trajectory=trajectory))
            begin += len(episode.actions)
    return picked


def _as_trajectory(
    episode: Episode, suite: str, task: str, source: str, window: PromptWindow
) -> Trajectory:
    end = len(episode.actions)
    if episode.success.any():
        first = int(np.argmax(episode.success))
        end = min(end, max(window.num_steps, first + 1 + window.num_outcome_states))
    return Trajectory(
        observations=episode.observations[: end + 1],
        actions=episode.actions[:end],
        success=episode.success[:end],
        env_id=f"{suite}/{task}",
        source=source,
    )


def _test(
    pool: Executor,
    suite: Suite,
    population: SACPopulation,
    agents: Sequence[Agent],
    steps: int,
    spec: PolicySpec,
    config: SACConfig,
    layout: int,
    window: PromptWindow,
    record: Record,
) -> None:
    """Play the deterministic actors, and keep those that solve their layout as checkpoints."""
    actors = population.parameters()
    wanting = [
        row for row, agent in enumerate(agents) if record.count(agent.task) < config.num_checkpoints
    ]
    jobs = [(suite, agents[row].task, actors[row], spec, config, layout, window) for row in wanting]
    for row, rollout in zip(wanting, run_jobs(pool, try_actor, jobs), strict=True):
        if rollout.first_success is not None:
            record.checkpoints.append(
                Checkpoint(agent=agents[row], step=steps, parameters=actors[row], rollout=rollout)
            )
