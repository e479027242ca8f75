"""Meta-World's fifty tasks in ten folds of five, each of which is left out of training once.

The test tasks of Meta-World's own splits ML45 and ML10 (Yu et al. 2019) are a fold each; the other
forty are dealt. The folds are written out, so that no library's shuffle can change them.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np

DEAL_SEED = 29
"""Of the shuffle by which the forty tasks of no split were dealt (`deal_folds`)."""

FOLDS: dict[str, tuple[str, ...]] = {
    "ml45": ("bin-picking", "box-close", "hand-insert", "door-lock", "door-unlock"),
    "ml10": ("drawer-open", "door-close", "shelf-place", "sweep-into", "lever-pull"),
    "a": ("faucet-close", "reach-wall", "stick-push", "handle-pull", "sweep"),
    "b": ("coffee-push", "basketball", "push", "coffee-button", "faucet-open"),
    "c": ("hammer", "stick-pull", "push-wall", "assembly", "handle-press"),
    "d": (
        "push-back",
        "plate-slide-back-side",
        "pick-place-wall",
        "peg-unplug-side",
        "window-open",
    ),
    "e": (
        "plate-slide",
        "button-press-wall",
        "window-close",
        "plate-slide-side",
        "button-press-topdown",
    ),
    "f": ("soccer", "coffee-pull", "reach", "pick-out-of-hole", "dial-turn"),
    "g": ("handle-pull-side", "drawer-close", "door-open", "pick-place", "disassemble"),
    "h": (
        "button-press-topdown-wall",
        "button-press",
        "plate-slide-back",
        "handle-press-side",
        "peg-insert-side",
    ),
}
"""Tasks of each fold, without the ending of their version."""
SPLITS = ("ml45", "ml10")
"""Folds that are the test tasks of one of Meta-World's splits."""
ENDING = "-v3"
"""Of the tasks' full names."""

Kinship = Literal["mirrored", "reversed", "turned", "wall"]


class Twins(NamedTuple):
    """Two tasks of which one prepares for the other more than a task at large does."""

    first: str
    second: str
    kinship: Kinship
    reason: str
    "Why, in a few words."


TWINS = (
    Twins(
        "window-open", "window-close", "mirrored", "the same handle, slid along x and against it"
    ),
    Twins("faucet-open", "faucet-close", "mirrored", "the same faucet, turned either way"),
    Twins("door-lock", "door-unlock", "reversed", "the same lock, turned either way"),
    Twins("door-open", "door-close", "reversed", "the same door, swung either way"),
    Twins("drawer-open", "drawer-close", "reversed", "the same drawer, pulled and pushed"),
    Twins("handle-press", "handle-pull", "reversed", "the same lever, pressed and raised"),
    Twins(
        "handle-press-side", "handle-pull-side", "reversed", "the same lever, pressed and raised"
    ),
    Twins("handle-press", "handle-press-side", "turned", "the same box, turned by a quarter"),
    Twins("handle-pull", "handle-pull-side", "turned", "the same box, turned by a quarter"),
    Twins("plate-slide", "plate-slide-back", "reversed", "the same puck, into the goal and out"),
    Twins("plate-slide-side", "plate-slide-back-side", "reversed", "the same puck, in and out"),
    Twins("plate-slide", "plate-slide-side", "turned", "the same goal, turned by a quarter"),
    Twins("plate-slide-back", "plate-slide-back-side", "turned", "the same goal, by a quarter"),
    Twins("coffee-push", "coffee-pull", "reversed", "the same mug, to the machine and away"),
    Twins("stick-push", "stick-pull", "reversed", "the same stick and thermos, either way"),
    Twins("push", "push-back", "reversed", "a puck pushed away and back"),
    Twins("assembly", "disassemble", "reversed", "the same ring, onto its peg and off"),
    Twins("button-press", "button-press-wall", "wall", "the same button, behind a wall"),
    Twins("button-press-topdown", "button-press-topdown-wall", "wall", "the same, by a wall"),
    Twins("reach", "reach-wall", "wall", "the same, past a wall"),
    Twins("push", "push-wall", "wall", "the same, past a wall"),
    Twins("pick-place", "pick-place-wall", "wall", "the same, over a wall"),
)
"""By what the tasks ask for, not by any measurement: a mirrored task is one that a symmetry of the
floor makes of the other, so that training on mirrored lessons shows it; a reversed one has the same
objects, moved the opposite way; a turned one stands at another angle; a wall is not observed."""


def deal_folds(tasks: Sequence[str]) -> list[tuple[str, ...]]:
    """Folds of five of the tasks that are in no split, as those of `FOLDS` were dealt.

    Args:
        tasks: all fifty, without endings.
    """
    in_splits = {task for name in SPLITS for task in FOLDS[name]}
    rest = sorted(set(tasks) - in_splits)
    order = np.random.default_rng(DEAL_SEED).permutation(len(rest))
    return [tuple(rest[i] for i in order[start : start + 5]) for start in range(0, len(rest), 5)]


def find_fold(task: str) -> str:
    """The fold of a task, whose name may have its ending."""
    name = task.removesuffix(ENDING)
    return next(fold for fold, tasks in FOLDS.items() if name in tasks)


def find_twins(task: str) -> Iterator[tuple[str, Twins]]:
    """Twins of a task that are outside its fold, and thus in training, each with the pair."""
    left_out = FOLDS[find_fold(task)]
    name = task.removesuffix(ENDING)
    for pair in TWINS:
        if name in (pair.first, pair.second):
            other = pair.second if name == pair.first else pair.first
            if other not in left_out:
                yield other, pair
