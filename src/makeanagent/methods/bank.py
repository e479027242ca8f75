"""What baselines keep of a zoo: the training policies, and where their prompts lie."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from makeanagent.errors import InputError
from makeanagent.generator import MakeAnAgent
from makeanagent.models.behavior import BehaviorEmbedding
from makeanagent.policies.codec import check_parameters
from makeanagent.trajectories import Trajectory


class PromptArrays(Protocol):
    """Prompts of M demonstrations."""

    @property
    def behavior(self) -> Tensor:
        """`[M, K, behavior_dim]`."""

    @property
    def outcome(self) -> Tensor:
        """`[M, K, outcome_dim]`."""

    @property
    def task(self) -> Tensor:
        """Int `[M]`: index of the task."""

    @property
    def trajectories(self) -> Sequence[Trajectory]:
        """What they were cut out of; empty unless it was kept."""


class ZooArrays(Protocol):
    """What is read of training data, to which this room must not reach up."""

    @property
    def parameters(self) -> Tensor:
        """`[N, P]`."""

    @property
    def task(self) -> Tensor:
        """Int `[N]`: index of each policy's task."""

    @property
    def run(self) -> Tensor:
        """Int `[N]`: number of each policy's run, no two of which share a number."""

    @property
    def held_out(self) -> Tensor:
        """Bool `[N]`: policies of the runs that are kept for validation."""

    @property
    def rollouts(self) -> PromptArrays:
        """One prompt by each policy, row by row."""

    @property
    def demonstrations(self) -> PromptArrays:
        """The experts' prompts."""

    @property
    def demonstrations_held_out(self) -> Tensor:
        """Bool `[M]`: expert prompts that are kept for validation."""


@dataclass(frozen=True, kw_only=True)
class PolicyBank:
    """The training policies and prompts, as a generator's autoencoder and embedding see them.

    Nothing of it is held out: a baseline reads what the generator was trained on. All is on the
    CPU.
    """

    parameters: Tensor
    "`[N, P]`."
    latents: Tensor
    "`[N, G, D]`."
    task: Tensor
    "int `[N]`."
    run: Tensor
    "int `[N]`: checkpoints of one run are near duplicates."
    conditions: Tensor
    "`[N, C]`: of each policy's own rollout."
    demonstration_conditions: Tensor
    "`[M, C]`: of the experts' demonstrations, sorted by task."
    demonstration_task: Tensor
    "int `[M]`."

    def find_tasks(self, conditions: Tensor) -> Tensor:
        """Task of the training prompt that is nearest to each of `[B, C]`, int `[B]`.

        Rollouts and demonstrations count alike.
        """
        known = torch.cat([self.conditions, self.demonstration_conditions])
        nearest = measure_distances(conditions, known).argmin(dim=1)
        return torch.cat([self.task, self.demonstration_task])[nearest]


@torch.no_grad()
def make_bank(data: ZooArrays, generator: MakeAnAgent) -> PolicyBank:
    """Encode and embed the policies and prompts of training data that are not held out.

    Args:
        data: what the generator was trained on.
        generator: its autoencoder and embedding say where policies and prompts lie.

    Raises:
        InputError: policies or prompts are of another size than the generator's, all are held out,
            or the generator reads whole demonstrations, and they were not kept.
    """
    check_parameters(data.parameters, generator.config.spec)
    _check_prompts(data.rollouts, generator)
    rows = torch.nonzero(~data.held_out).flatten()
    if len(rows) == 0:
        raise InputError("bank: all policies are held out; at least 1 is needed")
    experts = torch.nonzero(~data.demonstrations_held_out).flatten()
    experts = experts[data.demonstrations.task[experts].argsort(stable=True)]
    device = generator.device

    def embed(prompts: PromptArrays, rows: Tensor) -> Tensor:
        if generator.config.reads_whole:
            shown = [prompts.trajectories[row] for row in rows.tolist()]
            parts = [generator.embed(shown[n : n + 1024]) for n in range(0, len(shown), 1024)]
            return torch.cat(parts).cpu()
        behavior, outcome = prompts.behavior[rows].to(device), prompts.outcome[rows].to(device)
        assert isinstance(generator.embedding, BehaviorEmbedding)
        return generator.embedding.condition(behavior, outcome, generator.config.condition).cpu()

    parameters = data.parameters[rows]
    parts = [generator.autoencoder.encode(part.to(device)) for part in parameters.split(1024)]
    return PolicyBank(
        parameters=parameters,
        latents=torch.cat(parts).cpu(),
        task=data.task[rows],
        run=data.run[rows],
        conditions=embed(data.rollouts, rows),
        demonstration_conditions=embed(data.demonstrations, experts),
        demonstration_task=data.demonstrations.task[experts],
    )


def _check_prompts(prompts: PromptArrays, generator: MakeAnAgent) -> None:
    spec, window = generator.config.spec, generator.config.window
    if generator.config.reads_whole:
        if not prompts.trajectories:
            raise InputError(
                "bank: this generator reads whole demonstrations, and of these prompts none are"
                " kept; load_training_data(..., keep_trajectories=True) keeps them"
            )
        return
    width = window.num_segments, window.behavior_dim(spec.observation_dim, spec.action_dim)
    found = tuple(prompts.behavior.shape[1:])
    if found != width:
        raise InputError(
            f"bank: prompts are {found[0]} x {found[1]} wide; this generator reads"
            f" {width[0]} x {width[1]}"
        )


def embed_behaviors(generator: MakeAnAgent, groups: Sequence[Sequence[Trajectory]]) -> Tensor:
    """Condition of each group of demonstrations, `[M, C]` on the CPU, as generating has it.

    Raises:
        InputError: a demonstration has another width, or is too short.
    """
    return generator.embed_groups(groups).cpu()


def measure_distances(conditions: Tensor, known: Tensor) -> Tensor:
    """Euclidean distances `[B, N]` of conditions `[B, C]` to `[N, C]`."""
    # As differences: through products, a distance of zero is lost in rounding.
    return torch.cdist(conditions, known, compute_mode="donot_use_mm_for_euclid_dist")
