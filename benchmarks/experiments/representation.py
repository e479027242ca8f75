"""What autoencoder and embedding keep of policies and prompts that training held out.

Weight error, action error and success side by side; and how well prompts find their own outcome and
their own task.
"""

from collections.abc import Callable
from concurrent.futures import Executor
from itertools import product
from typing import Any

import torch

from makeanagent.artifacts import describe_provenance
from makeanagent.models.autoencoder import ParameterAutoencoder
from makeanagent.models.behavior import BehaviorEmbedding
from makeanagent.policies.batch import PolicyBatch
from makeanagent.rollouts.scores import score_policies
from makeanagent.suites import Suite, layouts
from makeanagent.training.data import TrainingData


def run_representation(
    pool: Executor,
    suite: Suite,
    data: TrainingData,
    autoencoder: ParameterAutoencoder,
    embedding: BehaviorEmbedding,
    num_policies: int,
    num_layouts: int,
    on_task: Callable[[str], Any] | None = None,
) -> dict[str, Any]:
    """Measure on held-out runs and on training runs, on validation layouts.

    Args:
        pool: worker processes.
        suite: the environments.
        data: a zoo's policies.
        autoencoder: trained on the other runs.
        embedding: likewise.
        num_policies: policies of each task, held-out ones and as many trained-on ones.
        num_layouts: layouts on which originals and decoded policies are run.
        on_task: called with each task when it is done.
    """
    rows: list[dict[str, Any]] = []
    where = layouts.VALIDATION[:num_layouts]
    splits = {"held-out": data.held_out, "training": ~data.held_out}
    for (label, task), (split, mask) in product(enumerate(data.tasks), splits.items()):
        members = torch.nonzero((data.task == label) & mask).flatten()
        picked = members[torch.linspace(0, len(members) - 1, num_policies).long()]
        original = data.parameters[picked]
        with torch.no_grad():
            decoded = autoencoder.decode(autoencoder.encode(original))
            states = data.rollouts.states[picked]
            before = PolicyBatch(original, data.spec).act(states)
            after = PolicyBatch(decoded, data.spec).act(states)
        success = [
            score_policies(pool, suite, task, vectors.numpy(), data.spec, where).success.mean()
            for vectors in (original, decoded)
        ]
        rows.append(
            {
                "task": task,
                "runs": split,
                "num_policies": len(picked),
                "num_layouts": num_layouts,
                "weight_rmse": (decoded - original).square().mean().sqrt().item(),
                "action_rmse": (after - before).square().mean().sqrt().item(),
                "success_original": float(success[0]),
                "success_decoded": float(success[1]),
            }
        )
        if on_task is not None and split == "training":
            on_task(task)
    return {
        "benchmark": "representation",
        "autoencoder": rows,
        "largest_success_loss": {
            split: max(
                row["success_original"] - row["success_decoded"]
                for row in rows
                if row["runs"] == split
            )
            for split in splits
        },
        "embedding": measure_retrieval(data, embedding),
        "provenance": describe_provenance(),
    }


@torch.no_grad()
def measure_retrieval(data: TrainingData, embedding: BehaviorEmbedding) -> dict[str, float]:
    """How often a held-out demonstration's h scores its own outcome, or its own task, highest.

    All held-out expert demonstrations are ranked against each other, over all tasks.
    """
    held_out = data.demonstrations_held_out
    prompts = data.demonstrations
    h, v = embedding(prompts.behavior[held_out, 0], prompts.outcome[held_out, 0])
    scores = embedding.similarity(h, v)
    task = prompts.task[held_out]
    best = scores.argmax(dim=1)
    own = torch.arange(len(scores))
    rank = (scores > scores.diagonal()[:, None]).sum(dim=1)
    return {
        "num_prompts": len(scores),
        "own_outcome_top_1": (best == own).float().mean().item(),
        "own_outcome_top_5": (rank < 5).float().mean().item(),
        "own_task_top_1": (task[best] == task).float().mean().item(),
        "chance_own_outcome_top_1": 1 / len(scores),
    }
