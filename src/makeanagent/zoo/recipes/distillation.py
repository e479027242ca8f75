"""A zoo without reinforcement learning: populations of actors distilled from an expert.

All runs of a task are trained side by side as stacked matrices, from one shared initialisation
(so that their weights share a basin and a generator can learn their distribution), on the
teacher's actions in noisy expert episodes and in states that the actors themselves reach (DAgger,
Ross et al. 2011). The expert teaches, unless the suite knows a better teacher. Checkpoints of the
second half of training make the zoo.

Differs from the paper: its zoo is SAC checkpoints on one fixed layout, some 300 GPU-hours for
ten tasks (section 4); this one takes minutes and holds on random layouts.
"""

import math
from contextlib import closing
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from makeanagent.errors import InputError
from makeanagent.parallel import one_thread
from makeanagent.policies.batch import PolicyBatch
from makeanagent.policies.initialization import initialize_actor
from makeanagent.policies.spec import PolicySpec
from makeanagent.rollouts.episodes import record_episode
from makeanagent.suites import Act, Environment, Suite
from makeanagent.trajectories.packing import pack_trajectories
from makeanagent.trajectories.trajectory import Trajectory
from makeanagent.zoo.experts import measure_expert, record_demonstrations
from makeanagent.zoo.plan import ShardPlan
from makeanagent.zoo.population_layouts import episode_layouts, round_layouts
from makeanagent.zoo.recipes.distillation_config import DistillationConfig
from makeanagent.zoo.recipes.distillation_state import DistillationStore, LabelledStates
from makeanagent.zoo.recipes.recipe import Arrays, Recipe, Report

_ROUNDS_SHARE = 0.7
"""Part of the work that is done after the most rounds that there may be, as progress bars count."""


def label_states(teacher: Act, states: np.ndarray) -> np.ndarray:
    """The teacher's actions `[T, A]` on states `[T, O]`."""
    return np.stack([teacher(state) for state in states])


@one_thread()
def distill_population(
    suite: Suite,
    task: str,
    environment: Environment,
    demonstrations: list[Trajectory],
    spec: PolicySpec,
    config: DistillationConfig,
    seed: int,
    device: str = "cpu",
    folder: Path | None = None,
    report: Report = lambda share: None,
) -> np.ndarray:
    """Train a population and return its checkpoints.

    Labels are the actions of the suite's `teacher`.

    Args:
        suite: the environments.
        task: the task's full name.
        environment: the task's simulator.
        demonstrations: expert episodes.
        spec: the actors' layers.
        config: sizes and rates.
        seed: of data order, of shares, and of DAgger's layouts.
        device: where to train.
        folder: where the state is saved between rounds, to go on from there after a stop.
        report: called with the part that is done, of as many rounds as there may be.

    Returns:
        float32 `[C, R, P]`: C checkpoints of R runs.
    """
    rng = np.random.default_rng(seed)
    generator = torch.Generator(device).manual_seed(seed)
    states = LabelledStates(config.num_runs, config.run_share, rng)
    teacher = suite.teacher(task)
    for trajectory in demonstrations:
        visited = trajectory.observations[:-1]
        states.add_episode(visited, label_states(teacher, visited))

    units = _measure_units(states.to_tensors(torch.device(device))[1])
    start = initialize_actor(spec, config.init_seed).repeat(config.num_runs, 1).to(device)
    population = PolicyBatch(start.requires_grad_(), spec)
    optimizer = torch.optim.Adam([population.parameters], lr=config.learning_rate, fused=True)
    store = DistillationStore(folder, population, optimizer, states, generator)
    history = store.restore()
    while len(history) < config.max_rounds and not _is_good(history, config):
        data = states.to_tensors(torch.device(device))
        for _ in range(config.round_steps):
            batch = _draw_batch(data, config.batch_size, generator)
            _train_step(population, optimizer, *batch, units, config)
        first = len(history) * config.round_episodes
        layouts = round_layouts(seed)[first : first + config.round_episodes]
        history.append(_play_and_label(teacher, environment, population, states, layouts, config))
        store.save_if_due(history)
        report(_ROUNDS_SHARE * len(history) / config.max_rounds)

    data = states.to_tensors(torch.device(device))
    checkpoints = []
    decay_steps = config.num_checkpoints * config.checkpoint_steps
    for step in range(1, decay_steps + 1):
        share = 0.5 * (1 + math.cos(math.pi * step / decay_steps))
        span = config.learning_rate - config.final_learning_rate
        optimizer.param_groups[0]["lr"] = config.final_learning_rate + span * share
        batch = _draw_batch(data, config.batch_size, generator)
        _train_step(population, optimizer, *batch, units, config)
        if step % config.checkpoint_steps == 0:
            checkpoints.append(population.parameters.detach().cpu().numpy().copy())
            report(_ROUNDS_SHARE + (1 - _ROUNDS_SHARE) * step / decay_steps)
    return np.stack(checkpoints)


def _is_good(history: list[float], config: DistillationConfig) -> bool:
    last = history[-config.min_rounds :]
    return len(last) == config.min_rounds and float(np.mean(last)) >= config.good_success


def _measure_units(labels: Tensor) -> Tensor:
    """In what the error of each action `[A]` is measured: one, or the labels' span below that.

    An expert that opens its gripper at 0 and closes it at 0.1 means as much by it as one that
    does so at -1 and 1.
    """
    span = labels.amax(dim=0) - labels.amin(dim=0)
    return torch.where(span > 0, span.clamp(max=1.0), torch.ones_like(span))


def _train_step(
    population: PolicyBatch,
    optimizer: torch.optim.Optimizer,
    inputs: Tensor,
    labels: Tensor,
    units: Tensor,
    config: DistillationConfig,
) -> None:
    """One regression step of all runs to the expert's actions."""
    mean, log_std = population.forward(inputs)
    action = torch.tanh(mean) if population.spec.squash == "tanh" else mean
    target = labels.clamp(-config.action_limit, config.action_limit)
    # Experts are close to bang-bang: a squared error blurs their switches, an absolute one keeps
    # them. Summed over runs: each run's gradient is its own, whatever their number.
    loss = torch.nn.functional.smooth_l1_loss(
        action / units, target / units, reduction="none", beta=config.loss_beta
    )
    loss = loss.mean(dim=(1, 2)).sum()
    if log_std is not None:
        loss = loss + 1e-3 * (log_std - config.log_std).square().mean(dim=(1, 2)).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    # Elastic averaging (Zhang et al. 2015): without it the runs drift apart in directions that no
    # action feels, their mean fails, and a generator has to learn each run by heart.
    with torch.no_grad():
        parameters = population.parameters
        pull = min(1.0, config.elastic_pull * optimizer.param_groups[0]["lr"])
        parameters.lerp_(parameters.mean(dim=0, keepdim=True).expand_as(parameters), pull)


def _draw_batch(
    data: tuple[Tensor, Tensor, Tensor, Tensor], batch_size: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """States `[R, B, O]` and labels `[R, B, A]`, each run's from its own share."""
    states, labels, rows, counts = data
    draws = torch.rand((len(rows), batch_size), generator=generator, device=states.device)
    picked = rows.gather(1, (draws * counts[:, None]).long())
    return states[picked], labels[picked]


def _play_and_label(
    teacher: Act,
    environment: Environment,
    population: PolicyBatch,
    states: LabelledStates,
    layouts: range,
    config: DistillationConfig,
) -> float:
    """One round of DAgger: the runs play by turns, and the teacher labels what they saw.

    Returns:
        The share of the episodes that succeeded.
    """
    actors = list(population)
    successes = 0
    for episode, layout in enumerate(layouts):
        trajectory = record_episode(
            environment,
            actors[episode % len(actors)],
            layout,
            min_steps=1,
            max_steps=config.round_horizon,
        )
        visited = trajectory.observations[:-1]
        states.add_episode(visited, label_states(teacher, visited))
        successes += trajectory.first_success is not None
    return successes / len(layouts)


def distill_shard(plan: ShardPlan[DistillationConfig], folder: Path, report: Report) -> Arrays:
    """Record demonstrations and distil them; one that was stopped goes on from its last rounds.

    Raises:
        InputError: episodes are too short for prompts or tell no success, or the expert never
            succeeds.
    """
    config = plan.config
    with closing(plan.suite.make(plan.task)) as environment:
        if fault := plan.find_fault(environment):
            raise InputError(fault)
        expert_success = measure_expert(environment, plan.suite.expert(plan.task))
        demonstrations = record_demonstrations(
            plan.suite,
            plan.task,
            environment,
            episode_layouts(plan.seed)[: config.num_demonstrations],
            config.noise_scales,
            plan.seed,
            plan.window.num_steps,
            config.steps_after_success,
        )
        checkpoints = distill_population(
            plan.suite,
            plan.task,
            environment,
            demonstrations,
            plan.spec,
            config,
            plan.seed,
            plan.device,
            folder,
            report,
        )
    num_checkpoints, num_runs, _ = checkpoints.shape
    steps = np.arange(1, num_checkpoints + 1) * config.checkpoint_steps
    arrays = {
        "parameters": checkpoints.reshape(num_checkpoints * num_runs, -1),
        "run": np.tile(np.arange(num_runs), num_checkpoints),
        "step": np.repeat(steps, num_runs),
        "expert_success": np.array([expert_success]),
    }
    return arrays | pack_trajectories(demonstrations, "demonstrations")


def _needs_experts(config: DistillationConfig) -> bool:
    return True


RECIPE = Recipe(
    name="distillation",
    config=DistillationConfig,
    train=distill_shard,
    needs_experts=_needs_experts,
    trains_on_qualified=True,
)
