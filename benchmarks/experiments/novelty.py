"""Are generated policies copies of training policies, and are the new ones any good?

Every measure stands beside what the zoo itself shows: how near policies of other runs and of other
tasks come to the training policies. The nearest ones are played on the same layouts, since a small
step away from a training policy may be all that a task asks for, or nothing at all.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.experiments.novelty_measures import (
    Nearest,
    PolicyTraits,
    draw_rows,
    failure_overlap,
    find_nearest,
    find_reference_pairs,
    find_traits,
    finite_quantile,
    measure_copying,
    novel_share,
    summarize_distances,
    summarize_overlap,
)
from benchmarks.experiments.novelty_page import draw_novelty, write_novelty
from benchmarks.experiments.novelty_summary import DISTANCES, summarize_group
from benchmarks.origins import hash_zoo, keep_known
from benchmarks.prompts import EXPERT_NOISE, record_expert_prompts
from benchmarks.results import Settings, describe_training, read_optional, write_result
from makeanagent.cli.checks import require_at_least, require_picture
from makeanagent.cli.progress import show_progress
from makeanagent.errors import InputError
from makeanagent.evaluation.figures import write_figure
from makeanagent.generator import MakeAnAgent
from makeanagent.parallel import open_pool
from makeanagent.policies.policy import Policy
from makeanagent.policies.spec import PolicySpec
from makeanagent.rollouts.scores import score_policies
from makeanagent.suites import Suite, layouts
from makeanagent.suites.tasks import expand_tasks
from makeanagent.training.data import load_training_data
from makeanagent.training.presets import FAST
from makeanagent.trajectories import Trajectory
from makeanagent.zoo.store import Zoo


@dataclass(frozen=True, kw_only=True)
class NoveltyConfig:
    """Sizes of the experiment."""

    num_prompts: int = 20
    "Expert prompts, and first samples, for each task."
    num_layouts: int = 20
    "Scoring layouts that every policy plays."
    num_references: int = 32
    "Training policies, and held-out ones, of each task that reference distances are taken of."
    num_probes: int = 512
    "Probe states, evenly from the prompts of all tasks."
    num_runs: int = 8
    "Training runs whose failed layouts are compared with each other."
    held_out_runs: int = 2
    "The last runs of each task, which training held out."
    success_bar: float = 0.8
    "Success from which a policy counts as good."
    level_quantile: float = 0.5
    "Of the distances to the nearest other run; beyond it a policy counts as new."
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Command:
    """Whether generated policies are copies of training policies, and what the new ones achieve."""

    zoo: Path
    "Zoo that the generator was trained on."
    generator: str
    """What was trained on it: a run's folder `generator`, a bundled generator's name, or a Hugging
    Face hub id."""
    tasks: tuple[str, ...] = ("seen", "unseen")
    "Tasks to generate for, or groups of them."
    num_prompts: int = 20
    "Expert prompts, and first samples, for each task."
    num_layouts: int = 20
    "Scoring layouts that every policy plays."
    note: str = ""
    "A sentence on this run, kept with its figures and shown with them."
    out: Path = Path("benchmarks/results/novelty.json")
    "The figures' file."
    figure: Path = Path("docs/images/novelty.png")
    "Picture of performance against novelty, `.png` or `.svg`."

    def run(self) -> None:
        """Generate, compare, play, and write the figures and their picture."""
        require_at_least("--num-prompts", self.num_prompts, 1)
        require_at_least("--num-layouts", self.num_layouts, 1)
        require_picture("--figure", self.figure)
        zoo = Zoo.open(self.zoo)
        suite = zoo.find_suite()
        tasks = expand_tasks(suite, self.tasks)
        generator = MakeAnAgent.from_pretrained(self.generator)
        sizes = {"num_prompts": self.num_prompts, "num_layouts": self.num_layouts}
        config = NoveltyConfig(**sizes)
        settings = resolve_settings(
            **sizes, generator=self.generator, tasks=tasks, zoo_sha256=hash_zoo(zoo)
        )
        # Each task counts twice: when its prompts are recorded, and when its policies have played.
        with open_pool() as pool, show_progress("novelty: tasks", 2 * len(tasks)) as advance:
            result = run_novelty(
                pool, suite, zoo, generator, tasks, config,
                lambda task: advance(1, f"novelty: {task}"),
            )  # fmt: skip
        settings["training"] = describe_training(generator)
        write_result(self.out, "novelty", result, settings, self.note)
        write_figure(draw_novelty(result, settings), self.figure)
        print(f"written: {self.figure}")


def resolve_settings(
    *,
    num_prompts: int,
    num_layouts: int,
    generator: str | None = None,
    tasks: Sequence[str] | None = None,
    zoo_sha256: str | None = None,
) -> Settings:
    """What today's code makes of these sizes, for a generator of today's recipe."""
    config = NoveltyConfig(num_prompts=num_prompts, num_layouts=num_layouts)
    return {
        "options": {
            "num_prompts": num_prompts,
            "num_layouts": num_layouts,
            **keep_known(generator=generator, tasks=tasks, zoo_sha256=zoo_sha256),
        },
        "sizes": asdict(config),
        "expert_noise": list(EXPERT_NOISE),
        "training": asdict(FAST),
    }


def write_page() -> str:
    """The section; empty without figures."""
    result = read_optional("novelty")
    return "" if result is None else write_novelty(result, resolve_settings)


@dataclass(frozen=True, kw_only=True)
class _TrainingSet:
    """What the generator was trained on, and what was held out."""

    spec: PolicySpec
    tasks: tuple[str, ...]
    parameters: np.ndarray
    "`[M, P]` of the training runs, as they are."
    traits: PolicyTraits
    task: np.ndarray
    "int `[M]`, and of the held-out ones `[H]`."
    run: np.ndarray
    held_out: PolicyTraits
    held_out_task: np.ndarray


def run_novelty(
    pool: Executor,
    suite: Suite,
    zoo: Zoo,
    generator: MakeAnAgent,
    tasks: Sequence[str],
    config: NoveltyConfig,
    on_task: Callable[[str], Any] | None = None,
) -> dict[str, Any]:
    """Generate first samples, find and play their nearest training policies, and compare.

    Args:
        pool: worker processes.
        suite: the environments.
        zoo: what the generator was trained on.
        generator: it.
        tasks: full names of tasks to generate for, seen and unseen.
        config: sizes.
        on_task: called with each task when its prompts are there, and again when it is done.

    Returns:
        Plain JSON values: reference distances, a row a task with each policy's own numbers, and the
        means of seen and unseen tasks.

    Raises:
        InputError: the zoo is not what the generator was trained on.
    """
    trained_on = generator.config.tasks
    if zoo.spec != generator.config.spec or not trained_on or set(trained_on) - set(zoo.tasks()):
        raise InputError(f"{zoo.folder}: not the zoo that the generator was trained on")
    report = on_task or (lambda task: None)
    prompts: dict[str, list[Trajectory]] = {}
    for task in tasks:
        prompts[task] = record_expert_prompts(
            pool, suite, task, config.num_prompts, generator.config.window
        )
        report(task)
    probes = _pick_probes(prompts, config.num_probes)
    training = _load_training_set(zoo, generator, probes, config)
    references, held_out = _measure_references(training, config)
    levels = {
        kind: finite_quantile(getattr(references["run"], kind), config.level_quantile)
        for kind in DISTANCES
    }
    rows = []
    for task in tasks:
        policies = generator.generate(prompts[task], seed=config.seed).parameters.cpu().numpy()
        nearest = find_nearest(
            find_traits(policies, training.spec, probes), training.traits, training.spec
        )
        played = _play(pool, suite, task, policies, nearest, training, config)
        row = {"task": task, "seen": task in training.tasks, "num_policies": len(policies)}
        row |= _describe_task(task, nearest, played, training, held_out, levels, config)
        rows.append(row)
        report(task)
    return {
        "layouts": [layouts.SCORING.start, layouts.SCORING.start + config.num_layouts],
        "num_training_policies": len(training.task),
        "num_training_runs": len(np.unique(training.run)),
        "num_held_out_policies": len(training.held_out_task),
        "references": {
            name: {kind: summarize_distances(getattr(found, kind)) for kind in DISTANCES}
            for name, found in (references | held_out).items()
        },
        "novelty_level": levels,
        "groups": [
            summarize_group(group, seen)
            for seen in (True, False)
            if (group := [row for row in rows if row["seen"] == seen])
        ],
        "tasks": rows,
        "generator_sha256": generator.fingerprint,
    }


def _pick_probes(prompts: dict[str, list[Trajectory]], num_probes: int) -> np.ndarray:
    """States `[B, O]`, evenly over tasks and, within one, over its demonstrations' steps."""
    per_task = max(1, num_probes // len(prompts))
    banks = [np.concatenate([item.observations for item in items]) for items in prompts.values()]
    places = [np.linspace(0, len(bank) - 1, per_task).astype(int) for bank in banks]
    return np.concatenate([bank[rows] for bank, rows in zip(banks, places, strict=True)])


def _load_training_set(
    zoo: Zoo, generator: MakeAnAgent, probes: np.ndarray, config: NoveltyConfig
) -> _TrainingSet:
    tasks = generator.config.tasks
    data = load_training_data(
        zoo, tasks, generator.config.window, held_out_runs=config.held_out_runs, num_states=1
    )
    task, held_out = data.task.numpy(), data.held_out.numpy()
    parameters = data.parameters.numpy()
    trained_on = parameters[~held_out]
    sample = draw_rows(task, held_out, config.num_references, config.seed)
    return _TrainingSet(
        spec=zoo.spec,
        tasks=tasks,
        parameters=trained_on,
        traits=find_traits(trained_on, zoo.spec, probes),
        task=task[~held_out],
        run=data.run.numpy()[~held_out],
        held_out=find_traits(parameters[sample], zoo.spec, probes),
        held_out_task=task[sample],
    )


def _measure_references(
    training: _TrainingSet, config: NoveltyConfig
) -> tuple[dict[str, Nearest], dict[str, Nearest]]:
    """Nearest distances among training policies, and of held-out policies to training policies.

    A held-out run is compared with all training policies; a held-out task is the same policies
    compared with those of other tasks alone, as if theirs had never been trained on.
    """
    task = training.task
    rows = draw_rows(task, task >= 0, config.num_references, config.seed)
    pairs = find_reference_pairs(task, training.run, rows)
    among = {
        name: find_nearest(training.traits[rows], training.traits, training.spec, allowed)
        for name, allowed in pairs.items()
    }
    other_tasks = training.held_out_task[:, None] != training.task
    held_out = {
        name: find_nearest(training.held_out, training.traits, training.spec, allowed)
        for name, allowed in (("held_out_runs", None), ("held_out_tasks", other_tasks))
    }
    return among, held_out


@dataclass(frozen=True, kw_only=True)
class _Played:
    """Success, bool `[n, L]`, all on the same layouts."""

    generated: np.ndarray
    nearest: np.ndarray
    "Of the training policy nearest in actions to each."
    training: np.ndarray
    "One policy each of several training runs of the task that most of the nearest ones are of."


def _play(
    pool: Executor,
    suite: Suite,
    task: str,
    policies: np.ndarray,
    nearest: Nearest,
    training: _TrainingSet,
    config: NoveltyConfig,
) -> _Played:
    where = layouts.SCORING[: config.num_layouts]
    near, back = np.unique(nearest.action_index, return_inverse=True)
    likeliest = np.bincount(training.task[nearest.action_index]).argmax()
    members = np.flatnonzero(training.task == likeliest)
    # The last checkpoint of each run, since a shard is in the order of training.
    lasts = {run: row for row, run in zip(members, training.run[members], strict=True)}
    runs = np.array(list(lasts.values())[: config.num_runs])
    together = np.concatenate([policies, training.parameters[near], training.parameters[runs]])
    actors = [Policy(vector, training.spec) for vector in together]
    success = score_policies(pool, suite, task, actors, where).require_success()
    generated, found, others = np.split(success, [len(policies), len(policies) + len(near)])
    return _Played(generated=generated, nearest=found[back], training=others)


def _describe_task(
    task: str,
    nearest: Nearest,
    played: _Played,
    training: _TrainingSet,
    held_out: dict[str, Nearest],
    levels: dict[str, float | None],
    config: NoveltyConfig,
) -> dict[str, Any]:
    # A task that was never trained on has no held-out policies: it gets those of all tasks.
    label = training.tasks.index(task) if task in training.tasks else None
    cell = slice(None) if label is None else training.held_out_task == label
    rates, nearest_rates = played.generated.mean(axis=1), played.nearest.mean(axis=1)
    good = rates >= config.success_bar
    pairs = list(combinations(range(len(played.training)), 2))
    first, second = np.array(pairs, int).reshape(-1, 2).T
    names = [training.tasks[index] for index in training.task[nearest.action_index]]
    return {
        "success": float(rates.mean()),
        "nearest_success": float(nearest_rates.mean()),
        "nearest_tasks": dict(Counter(names).most_common()),
        "distances": {kind: summarize_distances(getattr(nearest, kind)) for kind in DISTANCES},
        "copying": {
            name: {
                kind: measure_copying(getattr(nearest, kind), getattr(found, kind)[cell])._asdict()
                for kind in DISTANCES
            }
            for name, found in held_out.items()
        },
        "failure_overlap": {
            "nearest": summarize_overlap(failure_overlap(played.generated, played.nearest)),
            "training_runs": summarize_overlap(
                failure_overlap(played.training[first], played.training[second])
            ),
        },
        "good": float(good.mean()),
        # What retrieval of the nearest training policy could not have given.
        "good_where_nearest_is_not": float((good & (nearest_rates < config.success_bar)).mean()),
        "good_and_novel": {
            kind: novel_share(
                rates, getattr(nearest, kind), bar=config.success_bar, level=levels[kind]
            )
            for kind in DISTANCES
        },
        "policies": {
            "success": rates.tolist(),
            "nearest_success": nearest_rates.tolist(),
            **{kind: np.asarray(getattr(nearest, kind), float).tolist() for kind in DISTANCES},
        },
    }
