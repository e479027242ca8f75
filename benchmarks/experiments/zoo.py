"""What a zoo holds: policies, runs, and how many are qualified on layouts outside training."""

from typing import Any

import numpy as np

from makeanagent.artifacts import describe_provenance, seconds_between
from makeanagent.zoo.store import Zoo


def describe_zoo(zoo: Zoo) -> dict[str, Any]:
    """One row a task, from the shards' own scores; the time is right if it was built in one go."""
    rows, ends = [], []
    for task in zoo.tasks():
        indices = list(zoo.read_indices(task).values())
        ends += [index["provenance"]["created"] for index in indices]
        asked = (index["expert_success"] for index in indices)
        experts = [rate for rate in asked if rate is not None]
        success = np.concatenate([np.array(index["success"], bool) for index in indices])
        rows.append(
            {
                "task": task,
                "num_policies": sum(index["num_policies"] for index in indices),
                "num_runs": sum(len(set(index["run"])) for index in indices),
                "num_score_layouts": success.shape[1],
                "qualified_rate": float(success.all(axis=1).mean()),
                "success_rate": float(success.mean()),
                "expert_success": float(np.mean(experts)) if experts else None,
            }
        )
    return {
        "benchmark": "zoo",
        "recipe": zoo.header["recipe"],
        "config": zoo.header["config"],
        "seed": zoo.header["seed"],
        "tasks": rows,
        "build_seconds": seconds_between(zoo.header["provenance"]["created"], max(ends)),
        "zoo_provenance": zoo.header["provenance"],
        "provenance": describe_provenance(),
    }
