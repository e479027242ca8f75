"""What a generator of drawn tasks alone is worth: on drawn tasks, and on a suite's."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, as_completed
from typing import Any

import numpy as np
import torch

from benchmarks.prompts import EXPERT_NOISE, record_expert_prompts
from makeanagent.evaluation.protocols import deal_layouts
from makeanagent.generator import MakeAnAgent
from makeanagent.models.basis import PolicyBasis
from makeanagent.models.denoisers import TrunkDenoiser
from makeanagent.models.reader import DemonstrationReader, Knots
from makeanagent.parallel import open_pool
from makeanagent.policies.policy import Policy
from makeanagent.rollouts.scores import score_policies
from makeanagent.suites import Suite, layouts
from makeanagent.training.drawn import DrawnConfig, make_lessons
from makeanagent.training.lessons import LessonShard
from makeanagent.training.reading_loss import ReadingTraining, measure_actions
from makeanagent.trajectories import PromptWindow, Trajectory

FIRST_LAYOUT = 9_000
"""Where in their ranges this experiment's layouts begin."""
LAYOUTS_PER_POLICY = 3
HELD_OUT_SEED = 3
"""Of drawn tasks that nothing else draws: seed 1 is training's."""


def draw_held_out(generator: MakeAnAgent, num_tasks: int = 1_000) -> LessonShard:
    """Lessons of drawn tasks that no training sees, for a generator that reads."""
    assert isinstance(generator.embedding, DemonstrationReader)
    num_knots = generator.embedding.config.num_knots
    config = DrawnConfig(seed=HELD_OUT_SEED, tasks_per_shard=num_tasks, num_knots=num_knots)
    return make_lessons(config, 0)


@torch.no_grad()
def measure_error(generator: MakeAnAgent, lessons: LessonShard) -> float:
    """Mean action error of policies made of the tasks' first demonstrations."""
    reader, basis, denoiser = generator.embedding, generator.autoencoder, generator.denoiser
    assert isinstance(reader, DemonstrationReader)
    assert isinstance(basis, PolicyBasis) and isinstance(denoiser, TrunkDenoiser)
    errors = []
    for rows in torch.arange(len(lessons.states)).split(200):
        knots = Knots(*(getattr(lessons, name)[rows, :1] for name in Knots._fields))
        means = basis.act(denoiser.predict(reader(knots)), lessons.states[rows])
        errors.append(measure_actions(means, lessons.labels[rows], ReadingTraining()))
    return float(torch.cat(errors).mean())


def record(pool: Executor, suite: Suite, num_prompts: int) -> dict[str, list[Trajectory]]:
    """Expert demonstrations of each of the suite's tasks."""
    return {
        task: record_expert_prompts(
            pool, suite, task, num_prompts, PromptWindow(), EXPERT_NOISE, FIRST_LAYOUT
        )
        for task in suite.tasks()
    }


def play(
    pool: Executor,
    suite: Suite,
    generator: MakeAnAgent,
    prompts: Mapping[str, Sequence[Trajectory]],
) -> dict[str, list[list[int]]]:
    """Success `[N, L]` by task, of the first sample for each of N prompts on layouts of its own."""
    jobs = {}
    for task, shown in prompts.items():
        policies = list(generator.generate(shown, seed=0))
        where = layouts.VALIDATION[FIRST_LAYOUT:][: len(shown) * LAYOUTS_PER_POLICY]
        dealt = deal_layouts(where, len(shown), LAYOUTS_PER_POLICY)
        jobs[pool.submit(_play, suite, task, policies, dealt)] = task
    found = {jobs[job]: job.result() for job in as_completed(jobs)}
    return {task: found[task] for task in prompts}


def _play(suite: Suite, task: str, policies: list[Policy], where: np.ndarray) -> list[list[int]]:
    with open_pool(1) as here:
        scores = score_policies(here, suite, task, policies, where)
    return scores.require_success().astype(int).tolist()


def summarize(
    success: Mapping[str, Sequence[Sequence[int]]], unseen: Sequence[str]
) -> dict[str, Any]:
    """Mean over tasks and its standard error, the paper's unseen nine, and who never succeeds."""
    means = {task: float(np.mean(rows)) for task, rows in success.items()}
    values = np.array([*means.values()])
    return {
        "mean": float(values.mean()),
        "standard_error": float(values.std(ddof=1) / len(values) ** 0.5),
        "nine": float(np.mean([means[task] for task in unseen if task in means])),
        "never": sorted(task for task, mean in means.items() if mean == 0),
    }
