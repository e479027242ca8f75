"""What autoencoder and embedding keep of policies and prompts that training held out.

Weight error, action error and success side by side; and how well prompts find their own outcome and
their own task.
"""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, Literal

import torch

from benchmarks.origins import keep_known
from benchmarks.pages.tables import describe, table
from benchmarks.results import Settings, read_optional, write_result
from makeanagent.artifacts import hash_file
from makeanagent.cli.progress import show_progress
from makeanagent.models.autoencoder import ParameterAutoencoder
from makeanagent.models.behavior import BehaviorEmbedding
from makeanagent.parallel import open_pool
from makeanagent.policies.batch import PolicyBatch
from makeanagent.rollouts.scores import score_policies
from makeanagent.suites import Suite, layouts
from makeanagent.training.data import TrainingData
from makeanagent.training.presets import PRESETS
from makeanagent.training.run import TrainingRun
from makeanagent.zoo.store import Zoo

Preset = Literal["fast", "paper", "smoke"]


@dataclass(frozen=True, kw_only=True)
class Command:
    """What autoencoder and embedding keep of held-out runs and prompts."""

    zoo: Path
    "Zoo that the run was trained on."
    run_folder: Path
    "A training run's folder."
    preset: Preset = "fast"
    "Settings that it was trained with."
    seed: int = 0
    "Its training seed."
    num_policies: int = 20
    "Policies of each task, of held-out runs, and as many of training runs."
    num_layouts: int = 10
    "Validation layouts that each plays, before and after encoding and decoding."
    note: str = ""
    "A sentence on this run, kept with its figures and shown with them."
    out: Path = Path("benchmarks/results/representation.json")
    "The figures' file."

    def run(self) -> None:
        """Measure, and write the figures."""
        zoo = Zoo.open(self.zoo)
        run = TrainingRun(self.run_folder, zoo, replace(PRESETS[self.preset], seed=self.seed))
        total = len(run.tasks)
        with open_pool() as pool, show_progress("representation: tasks", total) as advance:
            result = run_representation(
                pool,
                zoo.find_suite(),
                run.data,
                run.load_autoencoder(),
                run.load_behavior(),
                self.num_policies,
                self.num_layouts,
                lambda task: advance(1, f"representation: {task}"),
            )
        settings = resolve_settings(
            preset=self.preset,
            seed=self.seed,
            num_policies=self.num_policies,
            num_layouts=self.num_layouts,
            run_sha256=hash_file(self.run_folder / "run.json"),
        )
        result |= {"training_seconds": run.training_seconds}
        write_result(self.out, "representation", result, settings, self.note)


def resolve_settings(
    *,
    preset: Preset,
    seed: int,
    num_policies: int,
    num_layouts: int,
    run_sha256: str | None = None,
) -> Settings:
    """What is measured by today's code: the training of autoencoder and embedding.

    The hash is of `run.json`, which names the shards that were trained on by theirs.
    """
    return {
        "options": {
            "preset": preset,
            "seed": seed,
            "num_policies": num_policies,
            "num_layouts": num_layouts,
            **keep_known(run_sha256=run_sha256),
        },
        "training": asdict(PRESETS[preset]),
    }


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
            score_policies(pool, suite, task, PolicyBatch(vectors, data.spec), where)
            .require_success()
            .mean()
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


def write_page() -> str:
    """The sections on autoencoder and embedding; empty without figures."""
    result = read_optional("representation")
    if result is None:
        return ""
    first, losses = result["autoencoder"][0], result["largest_success_loss"]
    retrieval, tasks = result["embedding"], {row["task"] for row in result["autoencoder"]}
    rows = [
        [
            row["task"].removesuffix("-v3"),
            row["runs"],
            f"{row['weight_rmse']:.4f}",
            f"{row['action_rmse']:.3f}",
            f"{row['success_original']:.3f}",
            f"{row['success_decoded']:.3f}",
        ]
        for row in result["autoencoder"]
    ]
    header = ["task", "runs", "weight RMSE", "action RMSE", "success", "success, decoded"]
    return f"""## What the autoencoder keeps

Policies before and after encoding and decoding: {first["num_policies"]} a
task of the runs that the autoencoder was trained on, and as many of the runs that were held out, on
{first["num_layouts"]} validation layouts. The largest loss of success is
{losses["training"]:.3f} on training runs and
{losses["held-out"]:.3f} on held-out ones.

{table(header, rows)}

{describe(result, resolve_settings)}

## What the behaviour embedding knows

Of {retrieval["num_prompts"]} held-out expert demonstrations of all {len(tasks)} tasks,
{retrieval["own_outcome_top_1"]:.0%} score their own outcome highest (chance:
{retrieval["chance_own_outcome_top_1"]:.1%}), {retrieval["own_outcome_top_5"]:.0%} have it among
their first five, and {retrieval["own_task_top_1"]:.0%} score an outcome of their own task highest.

"""
