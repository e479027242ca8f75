"""Cells: the unit of the paper's experiments, shared among them and filled once.

A cell is one generator (zoo and training seed) prompted for one task by one source of prompts, with
noise added to the prompts' actions or not. Each is one JSON file that holds every success: what an
experiment reports is worked out from its cells without another rollout, and a killed run goes on
with the cells that are missing. A cell of another generator, of other prompts or of other sizes is
made again.
"""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from makeanagent.artifacts import describe_provenance, read_json, read_matching, write_json
from makeanagent.evaluation.protocols import ProtocolConfig, evaluate_policies
from makeanagent.generator import MakeAnAgent
from makeanagent.suites import Suite
from makeanagent.trajectories import Trajectory

ZooKind = Literal["distilled", "distilled-paper", "sac", "sac-aligned", "sac-shared"]
"""What a generator was trained on: the distilled zoo, with the preset asked for or the paper's; SAC
agents as they are, with independent beginnings; the same agents brought into one order of hidden
units; agents that share their initial actor."""
Source = Literal["expert", "zoo", "replay"]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Which generator, and what prompts it."""

    zoo: ZooKind
    "What the generator was trained on."
    source: Source
    "Who made the prompts."
    task: str
    seed: int
    "Of the generator's training."
    noise: float = 0.0
    "Standard deviation of the Gaussian noise on the prompts' actions."

    @property
    def name(self) -> str:
        """File name without its ending."""
        noise = f"-noise{self.noise:g}" if self.noise else ""
        return f"{self.zoo}-{self.source}{noise}-{self.task}-{self.seed}"


def list_replay_cells(
    zoos: Sequence[ZooKind], tasks: Sequence[str], seeds: int, noise: float = 0.0
) -> list[Cell]:
    """Cells with the paper's own prompts: every zoo, task and training seed."""
    return [
        Cell(zoo=zoo, source="replay", task=task, seed=seed, noise=noise)
        for zoo in zoos
        for task in tasks
        for seed in range(seeds)
    ]


@dataclass(frozen=True, kw_only=True)
class CellConfig:
    """Sizes of a cell."""

    num_prompts: int = 100
    "Prompts, and policies."
    layouts_per_policy: int = 2
    "Held-out layouts that each policy plays; all fifty are dealt out in turn."
    best_of: int = 20
    "Policies among which the best of N is chosen."

    def protocol(self, seed: int) -> ProtocolConfig:
        """How a cell of this training seed is scored: each seed has layouts of its own."""
        return ProtocolConfig(
            layouts_per_policy=self.layouts_per_policy, best_of=self.best_of, layout_seed=seed
        )


def fill_cells(
    pool: Executor,
    suite: Suite,
    cells: Sequence[Cell],
    generators: Callable[[ZooKind, int], MakeAnAgent],
    prompts: Callable[[MakeAnAgent, Source, str], list[Trajectory]],
    folder: Path,
    config: CellConfig,
    on_cell: Callable[[str], Any] | None = None,
) -> None:
    """Fill the cells that are missing in `folder`.

    Args:
        pool: worker processes.
        suite: the environments.
        cells: which ones.
        generators: gives the generator of a zoo and training seed.
        prompts: gives `num_prompts` prompts of a source for a task, long enough for a generator.
        folder: one JSON file a cell.
        config: sizes.
        on_cell: called with each cell's name when it is there.
    """
    report = on_cell or (lambda name: None)
    given: tuple[tuple[Source, str], list[Trajectory]] | None = None
    # Cells with the same prompts follow each other, so that these are made once.
    for cell in sorted(cells, key=lambda cell: (cell.source, cell.task, cell.name)):
        path = folder / f"{cell.name}.json"
        generator = generators(cell.zoo, cell.seed)
        key = cell.source, cell.task
        # Also where the cell is there, since only the prompts tell whether they are its own.
        if given is None or given[0] != key:
            given = key, prompts(generator, *key)
        disturbed, protocol = disturb(given[1], cell.noise), config.protocol(cell.seed)
        origin = {
            "config": asdict(config),
            "protocol": asdict(protocol),
            # What it generates follows from its config too: segments, diffusion steps.
            "generator": asdict(generator.config),
            "generator_sha256": generator.fingerprint,
            "prompts_sha256": hash_prompts(disturbed),
        }
        if read_matching(path, origin) is None:
            policies = generator.generate(disturbed, seed=cell.seed)
            result = evaluate_policies(pool, suite, cell.task, policies, protocol)
            result |= asdict(cell) | origin
            result |= {
                "seen": cell.task in generator.config.tasks,
                "provenance": describe_provenance(),
            }
            write_json(path, result)
        report(cell.name)


def hash_prompts(prompts: Sequence[Trajectory]) -> str:
    """SHA-256 of what prompts hold, whoever made them and however."""
    digest = hashlib.sha256()
    for prompt in prompts:
        for array in (prompt.observations, prompt.actions, prompt.success):
            digest.update(f"{array.dtype}{array.shape}".encode() + array.tobytes())
    return digest.hexdigest()


def disturb(prompts: Sequence[Trajectory], scale: float) -> list[Trajectory]:
    """Prompts whose actions carry Gaussian noise, each with its own, the same every time.

    Observations stay as they were recorded: what was seen no longer follows from what is said to
    have been done (paper, section 4, figure 7).
    """
    if scale == 0:
        return list(prompts)
    disturbed = []
    for number, prompt in enumerate(prompts):
        noise = np.random.default_rng(number).standard_normal(prompt.actions.shape)
        disturbed.append(replace(prompt, actions=np.clip(prompt.actions + scale * noise, -1, 1)))
    return disturbed


def read_cells(folder: Path, cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """The results of cells that are there."""
    paths = (folder / f"{cell.name}.json" for cell in cells)
    return [read_json(path) for path in paths if path.is_file()]


def describe_cells(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Where an experiment's cells came from."""
    return {
        "generators_sha256": {
            f"{cell['zoo']}-{cell['seed']}": cell["generator_sha256"] for cell in results
        },
        "cell_commits": sorted({str(cell["provenance"]["git_commit"]) for cell in results}),
        "num_rollouts": sum(cell["num_rollouts"] for cell in results),
    }


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Mean and standard deviation over training seeds."""
    return {"mean": float(np.mean(values)), "std": float(np.std(values)), "seeds": list(values)}
