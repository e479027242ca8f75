"""The two evaluation protocols, always reported together.

`paper`: five random layouts, and the best of the policies chosen on those very layouts (paper,
section 4 and appendix B.2). `held-out`: the first policy sampled from each prompt, without any
choice, on fifty layouts; then the best of N chosen on five layouts and scored on fifty others.
"""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from makeanagent.errors import InputError
from makeanagent.evaluation.metrics import summarize
from makeanagent.policies.spec import PolicySpec
from makeanagent.rollouts.actors import Actors
from makeanagent.rollouts.blocks import KeptBlocks
from makeanagent.rollouts.scores import Request, RolloutScores, score_requests
from makeanagent.suites import Suite, layouts

_BLOCK = 500
"""Layouts of each range that one `layout_seed` has for itself."""
_PAPER_PART = 250
"""Layouts of a scoring block that the paper's protocol may play; the held-out ones follow."""
_NUM_CHOSEN = 5
"""Policies chosen on the selection layouts and scored on others; the first is the best of N."""


@dataclass(frozen=True, kw_only=True)
class ProtocolConfig:
    """Sizes of the protocols."""

    paper_layouts: int = 5
    "Random layouts of the paper's protocol."
    held_out_layouts: int = 50
    "Layouts of a held-out score."
    layouts_per_policy: int = 50
    "How many of the held-out layouts each first sample plays; fewer are dealt out in turn."
    selection_layouts: int = 5
    "Layouts on which the best of N is chosen."
    best_of: int | None = None
    "N: how many policies, the first ones, the best is chosen among; by default all."
    layout_seed: int = 0
    "Which block of the layout ranges is used."
    score_on: Literal["scoring", "sealed"] = "scoring"
    "The range that scores are taken on; what plays on sealed layouts logs it."

    def __post_init__(self) -> None:
        """Refuse sizes that a block of layouts does not hold, and blocks that there are not.

        Raises:
            InputError: one field is out of its range.
        """
        num_blocks = min(len(layouts.SCORING), len(layouts.SELECTION)) // _BLOCK
        for name, lowest, highest in (
            ("paper_layouts", 1, _PAPER_PART),
            ("held_out_layouts", 1, _BLOCK - _PAPER_PART),
            ("layouts_per_policy", 1, self.held_out_layouts),
            ("selection_layouts", 1, _BLOCK),
            ("layout_seed", 0, num_blocks - 1),
        ):
            value = getattr(self, name)
            if not lowest <= value <= highest:
                raise InputError(f"{name} {value}: must be {lowest} to {highest}")
        if self.best_of is not None and self.best_of < 1:
            raise InputError(f"best_of {self.best_of}: must be 1 or more")

    @property
    def paper_range(self) -> range:
        """Layouts of the paper's protocol."""
        return self._cut(self._scoring, 0, self.paper_layouts)

    @property
    def held_out_range(self) -> range:
        """Layouts of the held-out scores."""
        return self._cut(self._scoring, _PAPER_PART, self.held_out_layouts)

    @property
    def selection_range(self) -> range:
        """Layouts of the choice among N."""
        return self._cut(layouts.SELECTION, 0, self.selection_layouts)

    @property
    def _scoring(self) -> range:
        return {"scoring": layouts.SCORING, "sealed": layouts.SEALED}[self.score_on]

    def _cut(self, whole: range, offset: int, count: int) -> range:
        start = whole.start + _BLOCK * self.layout_seed + offset
        return range(start, start + count)


def require_widths(what: object, spec: PolicySpec, suite: Suite, task: str) -> None:
    """Refuse policies that do not fit a task's observations and actions.

    Raises:
        InputError: they do not; `what` begins its line.
    """
    space = suite.space(task)
    observation_dim, action_dim = space.observation_dim, space.action_dim
    if (spec.observation_dim, spec.action_dim) != (observation_dim, action_dim):
        raise InputError(
            f"{what}: policies map {spec.observation_dim} numbers to {spec.action_dim}, but"
            f" {suite.name}/{task} has observations of {observation_dim} and actions of"
            f" {action_dim}"
        )


def deal_layouts(available: range, num_policies: int, per_policy: int) -> np.ndarray:
    """Layout numbers `[N, per_policy]`, dealt in turn so that each is played equally often."""
    per_policy = min(per_policy, len(available))
    places = np.arange(num_policies)[:, None] * per_policy + np.arange(per_policy)
    return np.array(available)[places % len(available)]


def count_rollouts(config: ProtocolConfig, num_policies: int, num_first_samples: int) -> int:
    """Rollouts that `evaluate_policies` will play, for a progress bar."""
    num_candidates = min(config.best_of or num_policies, num_policies)
    return (
        num_policies * config.paper_layouts
        + num_candidates * config.selection_layouts
        + num_first_samples * config.layouts_per_policy
        + min(_NUM_CHOSEN, num_candidates) * config.held_out_layouts
    )


def evaluate_policies(
    pool: Executor,
    suite: Suite,
    task: str,
    actors: Actors,
    config: ProtocolConfig,
    first_samples: np.ndarray | None = None,
    on_progress: Callable[[int], Any] | None = None,
    kept: KeptBlocks | None = None,
) -> dict[str, Any]:
    """Score policies, or other actors, by both protocols.

    Args:
        pool: worker processes.
        suite: the environments.
        task: the task's full name.
        actors: N of them.
        config: sizes and layouts.
        first_samples: rows that are the first sample of their prompt; all of them by default.
        on_progress: called with numbers of finished rollouts.
        kept: what a stopped run of the same has scored, which is not played again; takes what is.

    Returns:
        Plain JSON values: what each protocol found, and the matrices of success and return behind
        it, with the layouts that were played. All intervals are of 95%. Of a task without a success
        signal there are returns alone, and they choose.
    """
    each = list(actors)
    rows = np.arange(len(each)) if first_samples is None else first_samples
    dealt = deal_layouts(config.held_out_range, len(rows), config.layouts_per_policy)
    # What does not wait for a choice goes out together.
    requests = [
        Request(each, config.paper_range),
        Request([each[row] for row in rows], dealt),
        Request(each[: config.best_of], config.selection_range),
    ]
    paper, first, selection = score_requests(pool, suite, task, requests, on_progress, kept)
    order = np.argsort(-_measure(selection).mean(axis=1), kind="stable")
    top = order[:_NUM_CHOSEN]
    after = Request([each[row] for row in top], config.held_out_range)
    (chosen,) = score_requests(pool, suite, task, [after], on_progress, kept)

    played = (paper, first, selection, chosen)
    result: dict[str, Any] = {
        "task": f"{suite.name}/{task}",
        "num_policies": len(each),
        "num_rollouts": sum(scores.layouts.size for scores in played),
        "num_steps": sum(int(scores.num_steps.sum()) for scores in played),
        "has_success": paper.success is not None,
        "paper": {
            "layouts": paper.layouts[0].tolist(),
            "mean_return": float(paper.returns.mean()),
            "returns": paper.returns.tolist(),
        },
        "held_out": {
            "layouts": [int(chosen.layouts.min()), int(chosen.layouts.max()) + 1],
            "layouts_per_policy": int(first.layouts.shape[1]),
            "first_sample_policies": rows.tolist(),
            "first_sample_layouts": first.layouts.tolist(),
            "first_sample_return": float(first.returns.mean()),
            "selection_layouts": selection.layouts[0].tolist(),
            "chosen_policies": top.tolist(),
            "best_of_n_return": float(chosen.returns[0].mean()),
        },
    }
    if result["has_success"]:
        result["paper"] |= _describe_paper(paper.require_success())
        result["held_out"] |= {
            "first_sample": rate_success(first.require_success()),
            "first_sample_success": first.require_success().astype(int).tolist(),
            "selection_success": selection.require_success().astype(int).tolist(),
            "best_of_n": rate_success(chosen.require_success()[:1]),
            "top_5_of_n": rate_success(chosen.require_success()),
            "chosen_success": chosen.require_success().astype(int).tolist(),
        }
    return result


def _measure(scores: RolloutScores) -> np.ndarray:
    """What chooses, `[N, L]`: success, or returns where there is no such signal."""
    return scores.returns if scores.success is None else scores.success


def _describe_paper(success: np.ndarray) -> dict[str, Any]:
    """The paper's measures of bool `[N, L]`."""
    summary = summarize(success)
    return {
        "qualified_rate": summary.qualified,
        "qualified_interval_95": list(summary.qualified_interval),
        "mean_success": summary.mean,
        "mean_interval_95": list(summary.mean_interval),
        "best": summary.best,
        "top_5": summary.top5,
        "top_10": summary.top10,
        "success": success.astype(int).tolist(),
    }


def count_held_out(result: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Successes and rollouts `[N]` of each policy on the held-out layouts, each layout once."""
    grid = held_out_grid(result)
    return (grid == 1).sum(axis=1), (grid >= 0).sum(axis=1)


def held_out_grid(result: dict[str, Any]) -> np.ndarray:
    """What each policy did on each held-out layout, `[N, L]`: 1 success, 0 failure, -1 not played.

    Deterministic policies end alike where a layout was dealt to one that was also chosen.
    """
    held_out = result["held_out"]
    start, stop = held_out["layouts"]
    grid = np.full((result["num_policies"], stop - start), -1)
    rows = np.array(held_out["first_sample_policies"])[:, None]
    columns = np.array(held_out["first_sample_layouts"]) - start
    grid[rows, columns] = held_out["first_sample_success"]
    grid[held_out["chosen_policies"]] = held_out["chosen_success"]
    return grid


def rate_success(success: np.ndarray) -> dict[str, Any]:
    """Mean of bool `[N, L]` and an interval that knows a policy's rollouts to be alike."""
    summary = summarize(success)
    return {
        "mean": summary.mean,
        "interval_95": list(summary.mean_interval),
        "num_rollouts": int(success.size),
    }
