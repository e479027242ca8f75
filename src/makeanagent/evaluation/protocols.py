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
from makeanagent.rollouts.scores import score_policies
from makeanagent.suites import Suite, layouts

_BLOCK = 500
"""Layouts of each range for one `layout_seed`; held-out scores have the second half of theirs."""
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
        """Check that all layouts lie in this seed's block.

        Raises:
            InputError: some do not.
        """
        last = len(layouts.SCORING) // _BLOCK - 1
        if not 0 <= self.layout_seed <= last:
            raise InputError(f"layout_seed {self.layout_seed}: must be 0 to {last}")
        most = _BLOCK // 2
        for name in ("paper_layouts", "held_out_layouts", "selection_layouts"):
            if not 1 <= getattr(self, name) <= most:
                raise InputError(f"{name} {getattr(self, name)}: must be 1 to {most}")

    @property
    def paper_range(self) -> range:
        """Layouts of the paper's protocol."""
        return self._cut(self._scoring, 0, self.paper_layouts)

    @property
    def held_out_range(self) -> range:
        """Layouts of the held-out scores."""
        return self._cut(self._scoring, _BLOCK // 2, self.held_out_layouts)

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
        + num_first_samples * min(config.layouts_per_policy, config.held_out_layouts)
        + min(_NUM_CHOSEN, num_candidates) * config.held_out_layouts
    )


def evaluate_policies(
    pool: Executor,
    suite: Suite,
    task: str,
    parameters: np.ndarray,
    spec: PolicySpec,
    config: ProtocolConfig,
    first_samples: np.ndarray | None = None,
    on_progress: Callable[[int], Any] | None = None,
) -> dict[str, Any]:
    """Score policies by both protocols.

    Args:
        pool: worker processes.
        suite: the environments.
        task: the task's full name.
        parameters: float32 `[N, P]`.
        spec: the policies' layers.
        config: sizes and layouts.
        first_samples: rows that are the first sample of their prompt; all of them by default.
        on_progress: called with numbers of finished rollouts.

    Returns:
        Plain JSON values: what each protocol found, and the success matrices behind it. All
        intervals are of 95%.
    """
    rows = np.arange(len(parameters)) if first_samples is None else first_samples

    def score(chosen: np.ndarray, where: np.ndarray | range) -> tuple[np.ndarray, int]:
        scores = score_policies(pool, suite, task, parameters[chosen], spec, where, on_progress)
        return scores.success, int(scores.num_steps.sum())

    everyone = np.arange(len(parameters))
    paper, paper_steps = score(everyone, config.paper_range)
    dealt = deal_layouts(config.held_out_range, len(rows), config.layouts_per_policy)
    held_out, held_out_steps = score(rows, dealt)
    selection, selection_steps = score(everyone[: config.best_of], config.selection_range)
    order = np.argsort(-selection.mean(axis=1), kind="stable")
    top = order[:_NUM_CHOSEN]
    chosen, chosen_steps = score(top, config.held_out_range)

    summary = summarize(paper)
    return {
        "task": f"{suite.name}/{task}",
        "num_policies": len(parameters),
        "num_rollouts": paper.size + held_out.size + selection.size + chosen.size,
        "num_steps": paper_steps + held_out_steps + selection_steps + chosen_steps,
        "paper": {
            "layouts": list(config.paper_range),
            "qualified_rate": summary.qualified,
            "qualified_interval_95": list(summary.qualified_interval),
            "mean_success": summary.mean,
            "mean_interval_95": list(summary.mean_interval),
            "best": summary.best,
            "top_5": summary.top5,
            "top_10": summary.top10,
            "success": paper.astype(int).tolist(),
        },
        "held_out": {
            "layouts": [config.held_out_range.start, config.held_out_range.stop],
            "layouts_per_policy": int(dealt.shape[1]),
            "first_sample": _rate(held_out),
            "first_sample_policies": rows.tolist(),
            "first_sample_layouts": dealt.tolist(),
            "first_sample_success": held_out.astype(int).tolist(),
            "selection_layouts": list(config.selection_range),
            "selection_success": selection.astype(int).tolist(),
            "best_of_n": _rate(chosen[:1]),
            "top_5_of_n": _rate(chosen),
            "chosen_policies": top.tolist(),
            "chosen_success": chosen.astype(int).tolist(),
        },
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


def _rate(success: np.ndarray) -> dict[str, Any]:
    """Mean of bool `[N, L]` and an interval that knows a policy's rollouts to be alike."""
    summary = summarize(success)
    return {
        "mean": summary.mean,
        "interval_95": list(summary.mean_interval),
        "num_rollouts": int(success.size),
    }
