"""Played candidates, of tasks new to their generator: what a success predictor learns from.

What tells good candidates from bad ones on a new task can only be learnt where tasks are new. The
tasks are split into folds; for each a small generator is trained on the other tasks, prompted with
demonstrations of the fold's, and what it generates is played on validation layouts.
"""

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import torch
from torch import Tensor

from makeanagent.artifacts import read_matching, read_tensors, write_json, write_tensors
from makeanagent.errors import InputError
from makeanagent.generator import MakeAnAgent
from makeanagent.models.evidence import gather_evidence
from makeanagent.models.guidance import GuidanceConfig
from makeanagent.policies.batch import PolicyBatch
from makeanagent.rollouts.scores import score_policies
from makeanagent.suites import Suite, layouts
from makeanagent.training.predictor import RankingData
from makeanagent.training.presets import TrainingConfig
from makeanagent.training.run import STAGES, TrainingRun
from makeanagent.trajectories import Trajectory
from makeanagent.zoo.store import Zoo


@dataclass(frozen=True, kw_only=True)
class CandidateConfig:
    """Sizes of the experiment that the success predictor learns from."""

    num_folds: int = 4
    "How many generators are trained, each without its own fold of the tasks."
    gradient_steps: int = 2_500
    "Gradient steps of their diffusion models, without the action error: guidance follows."
    max_policies: int = 120
    "How many policies of each task they are trained on at most."
    num_prompts: int = 4
    "How many demonstrations of each task prompt them."
    num_candidates: int = 12
    "How many guided policies are generated for each demonstration."
    num_layouts: int = 4
    "How many validation layouts each of them plays."


def split_tasks(tasks: Sequence[str], num_folds: int) -> list[tuple[str, ...]]:
    """Folds of tasks, dealt out in order of their names.

    Names that follow each other are kin (push, push-wall): dealt out, most tasks keep a relative
    among the others, as new tasks usually have one.

    Raises:
        InputError: there are fewer tasks than folds.
    """
    if len(tasks) < num_folds:
        raise InputError(f"candidates: {len(tasks)} tasks for {num_folds} folds; use fewer")
    ordered = sorted(tasks)
    return [tuple(ordered[fold::num_folds]) for fold in range(num_folds)]


def play_candidates(
    pool: Executor,
    suite: Suite,
    zoo: Zoo,
    tasks: Sequence[str],
    folder: Path,
    training: TrainingConfig,
    config: CandidateConfig,
    device: str,
    on_progress: Callable[[float, str], Any],
) -> None:
    """Fill the files of tasks that are missing in `folder`.

    Those of other settings are made again.

    Args:
        pool: worker processes.
        suite: the environments.
        zoo: policies and demonstrations of the tasks.
        tasks: full task names.
        folder: one file a task, and the folds' training runs.
        training: of the generator that the predictor is for; the folds' follow it.
        config: sizes.
        device: where to train.
        on_progress: called with parts of the whole that are done, and a few words.
    """
    small = replace(
        training,
        max_policies=config.max_policies,
        diffusion=replace(
            training.diffusion, gradient_steps=config.gradient_steps, action_weight=0.0
        ),
    )
    folds = split_tasks(tasks, config.num_folds)
    _forget_others(folder, {"candidates": asdict(config), "guidance": asdict(GuidanceConfig())})
    share = 1 / len(tasks)
    for number, fold in enumerate(folds):
        missing = [task for task in fold if not _path(folder, task).is_file()]
        on_progress(share * (len(fold) - len(missing)), f"fold {number + 1} of {len(folds)}")
        if not missing:
            continue
        others = [task for task in tasks if task not in fold]
        run = TrainingRun(folder / f"fold-{number}", zoo, small, others)
        for stage in STAGES:
            run.train(stage, device, lambda step, total, text: on_progress(0.0, text))
        generator = run.assemble_generator()
        del run
        for task in missing:
            prompts = pick_demonstrations(zoo, task, config.num_prompts, training)
            arrays = _play(pool, suite, task, generator, prompts, config)
            write_tensors(_path(folder, task), arrays)
            on_progress(share, f"candidates: {task}")


def _path(folder: Path, task: str) -> Path:
    """Where a task's candidates lie."""
    return folder / f"{quote(task, safe='')}.safetensors"  # Gymnasium's ids may hold a slash.


def _forget_others(folder: Path, settings: dict[str, Any]) -> None:
    """Remove candidates, and what generated them, that were made with other settings than these."""
    path = folder / "settings.json"
    if read_matching(path, settings) is None:
        for candidates in folder.glob("*.safetensors"):
            candidates.unlink()
        for run in folder.glob("fold-*"):
            shutil.rmtree(run)
        write_json(path, settings)


def pick_demonstrations(
    zoo: Zoo, task: str, count: int, training: TrainingConfig
) -> list[Trajectory]:
    """Demonstrations of the zoo, evenly, long enough for a prompt.

    Raises:
        InputError: there are too few.
    """
    found = [
        trajectory
        for shard in zoo.load_task(task)
        for trajectory in shard.demonstrations
        if len(trajectory) >= training.window.min_steps
    ]
    if len(found) < count:
        raise InputError(f"{zoo.folder}: {len(found)} demonstrations of {task}; {count} are needed")
    # Not in step with the noise scales, which take turns.
    return [found[index] for index in np.linspace(0, len(found) - 1, count).astype(int)]


def _play(
    pool: Executor,
    suite: Suite,
    task: str,
    generator: MakeAnAgent,
    prompts: list[Trajectory],
    config: CandidateConfig,
) -> dict[str, np.ndarray]:
    count = len(prompts) * config.num_candidates
    policies = generator.generate(prompts, count, guidance=GuidanceConfig())
    where = layouts.VALIDATION[: config.num_layouts]
    parameters = policies.parameters.cpu().numpy()
    success = score_policies(pool, suite, task, policies, where).require_success()
    return {
        "parameters": parameters.astype(np.float16),
        "prompt": np.arange(count) % len(prompts),
        "successes": success.sum(axis=1),
        "trials": np.full(count, success.shape[1]),
    }


def load_candidates(
    folder: Path,
    zoo: Zoo,
    tasks: Sequence[str],
    generator: MakeAnAgent,
    training: TrainingConfig,
    config: CandidateConfig,
) -> RankingData:
    """What `play_candidates` wrote, with prompts as the final generator embeds them.

    The evidence is gathered here: other evidence asks for no other rollouts.
    """
    columns: dict[str, list[Tensor]] = {
        name: []
        for name in ("parameters", "evidence", "prompt", "successes", "trials", "task")
        + ("condition", "states", "state_task")
    }
    for label, task in enumerate(tasks):
        prompts = pick_demonstrations(zoo, task, config.num_prompts, training)
        arrays = read_tensors(_path(folder, task))
        states = np.concatenate([item.observations for item in prompts])
        columns["task"].append(torch.full((len(arrays["prompt"]),), label))
        columns["states"].append(torch.from_numpy(states))
        columns["state_task"].append(torch.full((len(states),), label))
        columns["condition"].append(generator.embed(prompts).cpu()[arrays["prompt"]])
        for name in ("parameters", "prompt", "successes", "trials"):
            columns[name].append(torch.from_numpy(arrays[name]))
        policies = PolicyBatch(columns["parameters"][-1].float(), zoo.spec)
        groups, rows = [[item] for item in prompts], columns["prompt"][-1]
        columns["evidence"].append(
            gather_evidence(
                policies,
                groups,
                rows,
                generator.config.positions,
                generator.config.evidence.in_unit(generator.config.unit),
            )
        )
    return RankingData(spec=zoo.spec, **{name: torch.cat(parts) for name, parts in columns.items()})
