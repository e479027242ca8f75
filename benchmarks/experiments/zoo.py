"""What a zoo holds: policies, runs, and how many are qualified on layouts outside training."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.pages.tables import describe, table
from benchmarks.results import Settings, read_optional, write_result
from makeanagent.artifacts import seconds_between
from makeanagent.rl.sac import config as sac
from makeanagent.zoo.recipes import distillation_config as distillation
from makeanagent.zoo.store import Zoo

_PRESETS: dict[str, Any] = {"distillation": distillation.PRESETS, "sac": sac.PRESETS}


@dataclass(frozen=True, kw_only=True)
class Command:
    """How many of a zoo's policies are qualified on layouts outside their training."""

    zoo: Path
    "The zoo's folder."
    note: str = ""
    "A sentence on this zoo, kept with its figures and shown with them."
    out: Path = Path("benchmarks/results/zoo.json")
    "The figures' file."

    def run(self) -> None:
        """Read the zoo's own scores, and write the figures."""
        zoo = Zoo.open(self.zoo)
        header = zoo.header
        settings = {
            "options": {
                "recipe": header["recipe"], "seed": header["seed"], "given": header.get("given"),
            },
            "recipe": header["config"],
        }  # fmt: skip
        write_result(self.out, "zoo", describe_zoo(zoo), settings, self.note)


def resolve_settings(*, recipe: str, seed: int, given: Mapping[str, Any] | None = None) -> Settings:
    """What today's code makes of the settings that whoever built the zoo chose.

    Older zoos do not tell these from the defaults of their day: that counts as a change.
    """
    chosen = dict(given or {})
    config = replace(_PRESETS[recipe][chosen.pop("preset", "fast")], **chosen)
    return {
        "options": {"recipe": recipe, "seed": seed, "given": dict(given or {})},
        "recipe": asdict(config),
    }


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
        "tasks": rows,
        "build_seconds": seconds_between(zoo.header["provenance"]["created"], max(ends)),
        "zoo_provenance": zoo.header["provenance"],
    }


def write_page() -> str:
    """The sections on the zoos of the paper's ten tasks and on the tasks that have a good zoo."""
    names = ("zoo_unseen", "zoo_training", "zoo_weak")
    breadth = [part for name in names if (part := read_optional(name)) is not None]
    return (
        _write_distilled(read_optional("zoo"))
        + _write_generators(read_optional("zoo_generators"))
        + _write_breadth(breadth)
        + _write_sac(read_optional("zoo_sac"), read_optional("zoo_sac_shared"))
    )


def _list_tasks(result: dict[str, Any]) -> str:
    """A row for each task of a zoo."""
    rows = [
        [
            row["task"].removesuffix("-v3"),
            str(row["num_policies"]),
            str(row["num_runs"]),
            f"{row['qualified_rate']:.3f}",
            f"{row['success_rate']:.3f}",
            "–" if row["expert_success"] is None else f"{row['expert_success']:.2f}",
        ]
        for row in result["tasks"]
    ]
    return table(["task", "policies", "runs", "qualified", "success", "expert"], rows)


def _write_generators(result: dict[str, Any] | None) -> str:
    if result is None:
        return ""
    return f"""### The zoo of the generators for unseen tasks

{len(result["tasks"])} tasks, built in {_minutes(result)} minutes.

{describe(result, resolve_settings)}

"""


def _write_distilled(result: dict[str, Any] | None) -> str:
    if result is None:
        return ""
    trained = read_optional("representation")
    training = (
        ""
        if trained is None
        else " A generator's three stages (`train all`) took"
        f" {trained['training_seconds'] / 60:.1f} minutes."
    )
    return f"""## The zoo

{_list_tasks(result)}

Built in {_minutes(result)} minutes.{training}
{describe(result, resolve_settings)}

"""


def _write_breadth(parts: list[dict[str, Any]]) -> str:
    """How many tasks have a good zoo, and which have not."""
    if not parts:
        return ""
    latest = {row["task"]: row for part in parts for row in part["tasks"]}
    rows = sorted(latest.values(), key=lambda row: row["task"])
    weak = [
        [
            row["task"].removesuffix("-v3"),
            str(row["num_policies"]),
            f"{row['qualified_rate']:.3f}",
            f"{row['success_rate']:.2f}",
            f"{row['expert_success']:.2f}",
        ]
        for row in rows
        if row["qualified_rate"] < 0.9
    ]
    builds = "\n".join(_describe_build(part) for part in parts)
    return f"""### All fifty tasks

Of {len(rows)} tasks with a zoo, {len(rows) - len(weak)} have 90% or more of their policies
qualified. The others:

{table(["task", "policies", "qualified", "success", "expert"], weak)}

Measured zoo by zoo; where two zoos hold a task, the later one counts:

{builds}

"""


def _describe_build(part: dict[str, Any]) -> str:
    """Which zoo a part's figures are of, by its size and its most rounds of DAgger."""
    rounds = part["settings"]["recipe"]["max_rounds"]
    told = describe(part, resolve_settings)
    return f"- {len(part['tasks'])} tasks, {rounds} rounds of DAgger at most: {told}"


def _write_sac(zoo: dict[str, Any] | None, shared: dict[str, Any] | None) -> str:
    text = ""
    if zoo is not None:
        text += f"""## The SAC zoo, and what limits it

Checkpoints of agents that have solved the one layout that they were trained on. On random layouts
{_mean_qualified(zoo)} of them are qualified: that is what a generator of them can learn.

{_list_tasks(zoo)}

Built in {_minutes(zoo)} minutes. {describe(zoo, resolve_settings)}

"""
    if shared is not None:
        fewest = min(row["num_policies"] for row in shared["tasks"])
        text += f"""A second one, whose agents share their initial actor, has {fewest} or more
policies of each of {len(shared["tasks"])} tasks, of which {_mean_qualified(shared)} are qualified.
Built in {_minutes(shared)} minutes. {describe(shared, resolve_settings)}

"""
    return text


def _mean_qualified(zoo: dict[str, Any]) -> str:
    return f"{np.mean([row['qualified_rate'] for row in zoo['tasks']]):.2f}"


def _minutes(zoo: dict[str, Any]) -> str:
    return f"{zoo['build_seconds'] / 60:.0f}"
