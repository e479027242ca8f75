"""Three questions that a published zoo answers: success from weights, which task, new policies."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr  # type: ignore[import-untyped]

from benchmarks.pages.tables import describe, share, table
from benchmarks.results import Settings, read_optional, write_result
from makeanagent.errors import InputError
from makeanagent.methods.gaussian import sample_gaussian
from makeanagent.parallel import Pool, open_pool
from makeanagent.policies.policy import Policy
from makeanagent.rollouts.scores import score_policies
from makeanagent.suites import Suite, find_suite, layouts
from makeanagent.zoo.publish import publish_zoo
from makeanagent.zoo.published import SPLIT_COLUMNS, PublishedZoo, load_published
from makeanagent.zoo.splits import SPLITS
from makeanagent.zoo.store import Zoo

_PENALTIES = tuple(10.0**power for power in range(-5, 3))
"""Of ridge regression, as parts of the mean squared norm of a row; validation chooses."""
_QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Of each layer's numbers, which its statistics hold beside their mean and variance."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """Baselines of a published zoo: predict success from weights, tell the task, generate."""

    zoo: str
    "Folder of a zoo or of a published one, or the hub id of such."
    num_samples: int = 10
    "New policies of each task."
    num_layouts: int = 10
    "Layouts that each of these plays, from the first of those for scores on."
    seed: int = 0
    "Of the samples."
    workers: int | None = None
    "How many processes play; by default one for each processor."
    note: str = ""
    "A sentence on this run, kept with its figures and shown with them."
    out: Path = Path("benchmarks/results/dataset.json")
    "The figures' file."

    def run(self) -> None:
        """Answer the questions, and write the figures."""
        settings = resolve_settings(
            num_samples=self.num_samples, num_layouts=self.num_layouts, seed=self.seed
        )
        with _open(self.zoo) as (published, suite), open_pool(self.workers) as pool:
            figures = {
                "zoo": _describe_zoo(published),
                "success": [_predict_success(published, column) for column in SPLIT_COLUMNS],
                "task": _tell_task(published),
                "generate": _generate(published, suite, pool, self),
            }
        write_result(self.out, "dataset", figures, settings, self.note)


def resolve_settings(*, num_samples: int, num_layouts: int, seed: int) -> Settings:
    """What today's code measures with."""
    return {
        "options": {"num_samples": num_samples, "num_layouts": num_layouts, "seed": seed},
        "penalties": list(_PENALTIES),
        "quantiles": list(_QUANTILES),
    }


@contextmanager
def _open(source: str) -> Iterator[tuple[PublishedZoo, Suite]]:
    """A published zoo and its suite; one that is not is published for as long as it is needed."""
    if not (Path(source) / "zoo.json").is_file():
        published = load_published(source)
        yield published, find_suite(published.header["suite"])
        return
    zoo = Zoo.open(source)
    with TemporaryDirectory() as temporary:
        yield load_published(publish_zoo(zoo, Path(temporary) / "published")), zoo.find_suite()


def _describe_zoo(published: PublishedZoo) -> dict[str, Any]:
    header, index = published.header, published.index
    return {
        **{name: header.get(name) for name in ("suite", "recipe", "seed", "given", "provenance")},
        "index_sha256": header["index_sha256"],
        "num_score_layouts": len(header["score_layouts"]),
        "tasks": [
            {
                "task": task,
                "num_policies": len(rows),
                "num_runs": len(set(zip(index["shard"][rows], index["run"][rows], strict=True))),
                "success_rate": float(index["success_rate"][rows].mean()),
                "success_std": float(index["success_rate"][rows].std()),
                "qualified_rate": float(index["qualified"][rows].mean()),
            }
            for task in np.unique(index["task"]).tolist()
            for rows in [published.select(task=task)]
        ],
    }


def summarize_layers(published: PublishedZoo, vectors: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Mean, variance and quantiles of each layer's weights and biases (Unterthiner et al. 2020).

    Args:
        published: says where layers lie.
        vectors: `[N, P]`.
        train: bool `[N]`, the rows that may be learned from.

    Returns:
        Statistics `[N, 7 * number of weights and biases]`, in units of their deviation in training.
    """
    parts = []
    for place in published.header["index_dict"].values():
        layer = vectors[:, place["start"] : place["stop"]]
        parts += [layer.mean(axis=1), layer.var(axis=1), *np.quantile(layer, _QUANTILES, axis=1)]
    statistics = np.stack(parts, axis=1)
    deviation = statistics[train].std(axis=0)
    return statistics / np.where(deviation > 0, deviation, 1)


def fit_ridge(
    inputs: np.ndarray, targets: np.ndarray, split: np.ndarray
) -> tuple[np.ndarray, float]:
    """Ridge regression, fitted on the training split with the penalty that validation prefers.

    Args:
        inputs: `[N, D]`, of all splits; there may be more columns than rows.
        targets: `[N, K]`.
        split: of each row.

    Returns:
        Predictions `[N, K]` for all rows, and the penalty.
    """
    train, validation = split == "train", split == "validation"
    means = inputs[train].mean(axis=0), targets[train].mean(axis=0)
    centred = (inputs - means[0]).astype(np.float64)
    products = centred @ centred[train].T
    own = products[train]
    best: tuple[float, np.ndarray, float] | None = None
    for penalty in _PENALTIES:
        ridge = penalty * np.trace(own) / len(own) * np.eye(len(own))
        weights = np.linalg.solve(own + ridge + 1e-12 * np.eye(len(own)), targets[train] - means[1])
        predicted = means[1] + products @ weights
        error = float(((predicted - targets)[validation] ** 2).mean())
        if best is None or error < best[0]:
            best = error, predicted, penalty
    assert best is not None
    return best[1], best[2]


def _predict_success(published: PublishedZoo, column: str) -> dict[str, Any]:
    """How well success follows from weights, on the test split."""
    index, vectors = published.index, published.read_parameters()
    split, success = index[column], index["success_rate"]
    if set(split) != set(SPLITS):
        return {"split": column, "methods": None}
    train, test = split == "train", split == "test"
    methods = {}
    for name, inputs in (
        ("weights", vectors),
        ("layer statistics", summarize_layers(published, vectors, split == "train")),
    ):
        predicted, penalty = fit_ridge(inputs, success[:, None], split)
        methods[name] = _rate(predicted[:, 0], success, index["task"], test) | {"penalty": penalty}
    means = np.full(len(success), success[train].mean())
    for task in set(index["task"][train]):
        own = index["task"] == task
        means[own] = success[own & train].mean()
    methods["mean of the task"] = _rate(means, success, index["task"], test)
    return {"split": column, "num_test": int(test.sum()), "methods": methods}


def _rate(
    predicted: np.ndarray, success: np.ndarray, task: np.ndarray, test: np.ndarray
) -> dict[str, Any]:
    """Error, share of the variance explained, and mean rank correlation within tasks.

    The last is null where nothing varies within any task.
    """
    found, expected = predicted[test], success[test]
    error = float(((found - expected) ** 2).mean())
    correlations = [
        spearmanr(found[own], expected[own]).statistic
        for name in np.unique(task[test])
        if (own := task[test] == name).any()
        and np.ptp(found[own]) > 1e-9
        and np.ptp(expected[own]) > 0
    ]
    return {
        "rmse": error**0.5,
        "r2": 1 - error / float(expected.var()) if expected.std() > 0 else None,
        "rank_correlation": float(np.mean(correlations)) if correlations else None,
    }


def _tell_task(published: PublishedZoo) -> dict[str, Any]:
    """How often least squares name the task of a run's policies that they have not seen."""
    index, vectors = published.index, published.read_parameters()
    tasks, labels = np.unique(index["task"], return_inverse=True)
    if len(tasks) < 2:
        raise InputError(f"{published.folder}: holds one task alone; there is none to tell it from")
    split = index["split_by_run"]
    test, accuracy = split == "test", {}
    for name, inputs in (
        ("weights", vectors),
        ("layer statistics", summarize_layers(published, vectors, split == "train")),
    ):
        predicted, _ = fit_ridge(inputs, np.eye(len(tasks))[labels], split)
        accuracy[name] = float((predicted.argmax(axis=1) == labels)[test].mean())
    most = np.bincount(labels[split == "train"]).argmax()
    accuracy["most frequent task"] = float((labels[test] == most).mean())
    return {"num_test": int(test.sum()), "accuracy": accuracy}


def _generate(
    published: PublishedZoo, suite: Suite, pool: Pool, command: Command
) -> list[dict[str, Any]]:
    """A Gaussian of each task's qualified training policies, against the test's on new layouts."""
    where = layouts.SCORING[: command.num_layouts]
    source = torch.Generator().manual_seed(command.seed)
    rows = []
    for task in np.unique(published.index["task"]).tolist():
        train = published.select(task=task, split_by_run="train", qualified=True)
        test = published.select(task=task, split_by_run="test", qualified=True)
        if len(train) < 2 or len(test) == 0:
            continue
        known = published.read_parameters(train)
        data = torch.from_numpy(known)
        sampled = sample_gaussian(data, command.num_samples, source).numpy()
        held_out = published.read_parameters(test)
        row: dict[str, Any] = {"task": task, "num_train": len(train)}
        for name, vectors in (
            ("gaussian", sampled),
            ("mean", known.mean(axis=0, keepdims=True)),
            ("test policies", held_out),
        ):
            policies = [Policy(vector, published.spec) for vector in vectors]
            scores = score_policies(pool, suite, task, policies, where).require_success()
            row[name] = {
                "num_policies": len(vectors),
                "success": float(scores.mean()),
                "distance": _measure_distance(vectors, known),
            }
        rows.append(row)
        print(row, flush=True)
    return rows


def _measure_distance(vectors: np.ndarray, known: np.ndarray) -> float:
    """Mean distance to the nearest training policy, in root mean squares of a parameter."""
    nearest = [np.sqrt(((known - vector) ** 2).mean(axis=1)).min() for vector in vectors]
    return float(np.mean(nearest))


def write_page() -> str:
    """The section; empty without figures."""
    result = read_optional("dataset")
    if result is None:
        return ""
    tasks = [
        [
            row["task"].removesuffix("-v3"),
            str(row["num_policies"]),
            str(row["num_runs"]),
            f"{row['success_rate']:.2f} ± {row['success_std']:.2f}",
            share(row["qualified_rate"]),
        ]
        for row in result["zoo"]["tasks"]
    ]
    success = [
        [
            part["split"].removeprefix("split_by_"),
            name,
            *(share(scores[key]) for key in ("rmse", "r2", "rank_correlation")),
        ]
        for part in result["success"]
        for name, scores in (part["methods"] or {}).items()
    ]
    told = [[name, share(value)] for name, value in result["task"]["accuracy"].items()]
    made = [
        [
            row["task"].removesuffix("-v3"),
            str(row["num_train"]),
            *(
                f"{row[name]['success']:.2f} ({row[name]['distance']:.4f})"
                for name in ("gaussian", "mean", "test policies")
            ),
        ]
        for row in result["generate"]
    ]
    return f"""## A published zoo

Three questions that a zoo answers once it is [published](dataset.md), asked of a small one: tasks
of {result["zoo"]["suite"]}, {result["zoo"]["num_score_layouts"]} layouts a score.

{table(["task", "policies", "runs", "success, with its deviation", "qualified"], tasks)}

Success from weights, by ridge regression, on the test split (of task: tasks that training lacks):

{table(["split by", "from", "RMSE", "R²", "rank correlation within tasks"], success)}

Which task a policy is for, on runs that training lacks:

{table(["from", "accuracy"], told)}

New policies: success on {result["settings"]["options"]["num_layouts"]} new layouts, and in brackets
the distance to the nearest qualified training policy, RMS of a parameter; *learned from* counts
these:

{table(["task", "learned from", "Gaussian of the task", "its mean", "test runs' policies"], made)}

A Gaussian of few policies gives copies: near ones, which succeed as these do.

{describe(result, resolve_settings)}

"""
