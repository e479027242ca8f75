"""What the training recipes read of a zoo, with its runs split into training and held-out ones."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from makeanagent.errors import InputError
from makeanagent.policies.alignment import align_runs
from makeanagent.policies.spec import PolicySpec
from makeanagent.trajectories import stack_prompts
from makeanagent.trajectories.space import Space
from makeanagent.trajectories.trajectory import Trajectory
from makeanagent.trajectories.windows import Window
from makeanagent.zoo.store import Zoo, ZooShard


@dataclass(frozen=True, kw_only=True)
class Prompts:
    """Prompts and, for each, states and actions of the demonstration that it was cut out of."""

    behavior: Tensor
    "`[M, K, behavior_dim]`, of K segments."
    outcome: Tensor
    "`[M, K, outcome_dim]`."
    task: Tensor
    "int `[M]`: index of the task."
    states: Tensor
    "`[M, S, O]`: S states drawn evenly from the demonstration."
    trajectories: tuple[Trajectory, ...] = ()
    "The demonstrations themselves, if they were to be kept."


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """A zoo's policies that serve for training, with their prompts."""

    spec: PolicySpec
    tasks: tuple[str, ...]
    parameters: Tensor
    "`[N, P]`."
    task: Tensor
    "int `[N]`: index of each policy's task."
    run: Tensor
    "int `[N]`: number of each policy's run; no two runs of the zoo share one."
    held_out: Tensor
    "bool `[N]`: policies of the runs that are kept for validation."
    rollouts: Prompts
    "One prompt by each policy, row by row."
    demonstrations: Prompts
    "The experts' prompts; where there was no expert, the rollouts' once more."
    demonstrations_held_out: Tensor
    "bool `[M]`: those of them that are kept for validation; rollouts, by their runs."
    scales: tuple[Tensor, Tensor] | None = None
    "What a metre is in each number of a segment's behaviour and outcome; 1 if none."


def find_serving(zoo: Zoo, shard: ZooShard) -> np.ndarray:
    """Which of a shard's policies serve to train a generator, bool `[N]`."""
    return shard.qualified if zoo.trains_on_qualified else np.ones(len(shard.run), bool)


def find_held_out(zoo: Zoo, shard: ZooShard, held_out_runs: int) -> np.ndarray:
    """Which of a shard's policies that serve are kept from training, bool `[N]`.

    They are those of the last runs: checkpoints of one run are so alike that a split over
    checkpoints would validate nothing. Three quarters of the runs at least stay for training.

    Args:
        zoo: where the shard is from.
        shard: one population.
        held_out_runs: how many runs are asked for.
    """
    serving = find_serving(zoo, shard)
    runs = np.unique(shard.run[serving])
    spare = min(len(runs) - 1, max(1, len(runs) // 4))
    return serving & np.isin(shard.run, runs[len(runs) - min(held_out_runs, spare) :])


def load_training_data(
    zoo: Zoo,
    tasks: tuple[str, ...],
    window: Window,
    *,
    held_out_runs: int = 2,
    num_states: int = 64,
    max_policies: int | None = None,
    align: bool = False,
    keep_trajectories: bool = False,
) -> TrainingData:
    """Read the zoo's policies that serve; see `find_serving`.

    Args:
        zoo: an opened zoo.
        tasks: tasks to read; all of the zoo's if empty.
        window: how prompts are cut.
        held_out_runs: runs of each population that are kept for validation; see `find_held_out`.
        num_states: states kept of each demonstration.
        max_policies: policies of each task at most, evenly over its checkpoints.
        align: whether runs are aligned first.
        keep_trajectories: whether prompts keep what they were cut out of, for a generator that
            reads it whole.

    Raises:
        InputError: a task has no policy that serves, or a file is damaged.
    """
    tasks = tasks or tuple(zoo.tasks())
    if not tasks:
        raise InputError(f"{zoo.folder}: the zoo holds no finished shard")
    parameters, labels, held_out = [], [], []
    run_numbers, num_runs = [], 0
    rollouts = list[Trajectory]()
    demonstrations = list[Trajectory]()
    demonstration_labels, demonstrations_held_out = [], []
    for label, task in enumerate(tasks):
        shards = zoo.load_task(task)
        for shard in shards:
            keep = np.flatnonzero(find_serving(zoo, shard))
            if max_policies is not None and len(keep) > max_policies // len(shards):
                picked = np.linspace(0, len(keep) - 1, max(1, max_policies // len(shards)))
                keep = keep[picked.astype(int)]
            parameters.append(shard.parameters[keep])
            labels += [label] * len(keep)
            run_numbers.append(shard.run[keep] + num_runs)
            num_runs += int(shard.run.max()) + 1
            held_out.append(find_held_out(zoo, shard, held_out_runs)[keep])
            played = [shard.rollouts[row] for row in keep]
            rollouts += played
            # Agents that learnt without an expert show the task themselves.
            shown = shard.demonstrations or played
            # Experts' noise scales take turns by four: every ninth episode has all of them.
            ninth = np.arange(len(demonstrations), len(demonstrations) + len(shown)) % 9 == 0
            demonstrations_held_out.append(ninth if shard.demonstrations else held_out[-1])
            demonstrations += shown
            demonstration_labels += [label] * len(shown)
        if label not in labels:
            raise InputError(f"{zoo.folder}: no policy of {task} is qualified; nothing to train on")
    vectors, runs_of = np.concatenate(parameters), np.concatenate(run_numbers)
    if align:
        vectors = align_runs(vectors, runs_of, zoo.spec)
    task_of = torch.tensor(labels)
    demonstration_task = torch.tensor(demonstration_labels)

    def cut(trajectories: list[Trajectory], task: Tensor) -> Prompts:
        prompts = _cut_prompts(trajectories, task, window, num_states)
        return replace(prompts, trajectories=tuple(trajectories)) if keep_trajectories else prompts

    return TrainingData(
        spec=zoo.spec,
        tasks=tasks,
        parameters=torch.from_numpy(vectors),
        task=task_of,
        run=torch.from_numpy(runs_of),
        held_out=torch.from_numpy(np.concatenate(held_out)),
        rollouts=cut(rollouts, task_of),
        demonstrations=cut(demonstrations, demonstration_task),
        demonstrations_held_out=torch.from_numpy(np.concatenate(demonstrations_held_out)),
        scales=_read_scales(window, zoo.space),
    )


def _read_scales(window: Window, space: Space) -> tuple[Tensor, Tensor]:
    behavior, outcome = window.scales(space)
    return torch.from_numpy(behavior), torch.from_numpy(outcome)


def _cut_prompts(
    trajectories: list[Trajectory], task: Tensor, window: Window, num_states: int
) -> Prompts:
    behavior, outcome = stack_prompts([window.read(item) for item in trajectories])
    states = np.stack(
        [
            item.observations[np.linspace(0, len(item) - 1, num_states).astype(int)]
            for item in trajectories
        ]
    )
    return Prompts(
        behavior=torch.from_numpy(behavior),
        outcome=torch.from_numpy(outcome),
        task=task,
        states=torch.from_numpy(states),
    )
