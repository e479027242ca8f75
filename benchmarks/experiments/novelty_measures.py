"""Whether generated policies are copies of training policies: arrays in, plain numbers out.

The audit of weight generators in arXiv 2506.07998, held over policies: distances to the nearest
training policy, in weights after alignment and in actions, beside the same among training policies;
layouts failed in common; the data-copying test of Meehan et al. (2020); and novelty, counted only
of policies that work.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike

from makeanagent.policies.alignment import align, canonical_scale
from makeanagent.policies.batch import PolicyBatch
from makeanagent.policies.spec import PolicySpec

NUM_CANDIDATES = 5
"""Training policies that are aligned to a policy: so many of the nearest in weights as they are,
and as many of the nearest in actions."""
_CHUNK = 64
"""Policies that act, or are compared with all training policies, at once."""


@dataclass(frozen=True, kw_only=True)
class PolicyTraits:
    """What N policies are compared by."""

    parameters: np.ndarray
    "float32 `[N, P]`, in canonical scale."
    actions: np.ndarray
    "float32 `[N, B * A]`: deterministic actions on the probe states."

    def __len__(self) -> int:
        """N, the number of policies."""
        return len(self.parameters)

    def __getitem__(self, rows: slice | np.ndarray) -> "PolicyTraits":
        """The traits of some of them."""
        return PolicyTraits(parameters=self.parameters[rows], actions=self.actions[rows])


class Nearest(NamedTuple):
    """For each of N policies, the training policies nearest in weights and in actions."""

    weight: np.ndarray
    "`[N]`: L2 distance in canonical scale after alignment; infinite where none was allowed."
    weight_index: np.ndarray
    "int `[N]`: which one it is."
    action: np.ndarray
    "`[N]`: mean absolute difference of actions; infinite where none was allowed."
    action_index: np.ndarray
    "int `[N]`: which one it is."


class CopyingTest(NamedTuple):
    """What `measure_copying` found."""

    z: float | None
    "Z_U; far below 0 means copying. None where a sample is empty."
    share_farther: float | None
    """Probability that a generated policy is farther from training than a held-out one (ties count
    half): 0.5 is neutral. Unlike z it does not grow with the samples."""
    num_generated: int
    num_held_out: int


def find_traits(parameters: np.ndarray, spec: PolicySpec, probes: np.ndarray) -> PolicyTraits:
    """What policies `[N, P]` are compared by, on a fixed bank of probe states `[B, O]`."""
    states = torch.from_numpy(np.asarray(probes, np.float32))
    actions = np.empty((len(parameters), len(probes) * spec.action_dim), np.float32)
    for rows in _chunks(len(parameters)):
        batch = PolicyBatch(torch.from_numpy(np.asarray(parameters[rows], np.float32)), spec)
        with torch.no_grad():
            actions[rows] = batch.act_all(states).flatten(1).numpy()
    return PolicyTraits(
        parameters=canonical_scale(np.asarray(parameters, np.float32), spec), actions=actions
    )


def find_nearest(
    policies: PolicyTraits,
    training: PolicyTraits,
    spec: PolicySpec,
    allowed: np.ndarray | None = None,
) -> Nearest:
    """The training policies nearest to each policy.

    To align every pair would take hours. Only `NUM_CANDIDATES` of the nearest in weights as they
    are, and as many of the nearest in actions, which no order or scale of hidden units alters, are
    aligned to a policy, and the smallest distance counts: an upper bound of the true one, and zero
    for a copy in whatever order.

    Args:
        policies: N policies.
        training: M policies, acting on the same probes.
        spec: layers of all.
        allowed: bool `[N, M]`: pairs that count; all by default.
    """
    num_policies, num_training = len(policies), len(training)
    found = Nearest(
        weight=np.full(num_policies, np.inf),
        weight_index=np.zeros(num_policies, int),
        action=np.full(num_policies, np.inf),
        action_index=np.zeros(num_policies, int),
    )
    width = policies.actions.shape[1]
    vectors, actions = map(torch.from_numpy, (training.parameters, training.actions))
    for rows in _chunks(num_policies):
        chunk = policies[rows]
        by_weight = torch.cdist(torch.from_numpy(chunk.parameters), vectors)
        by_action = torch.cdist(torch.from_numpy(chunk.actions), actions, p=1) / width
        if allowed is not None:
            forbidden = torch.from_numpy(~allowed[rows])
            by_weight[forbidden] = torch.inf
            by_action[forbidden] = torch.inf
        found.action[rows], found.action_index[rows] = map(np.asarray, by_action.min(dim=1))
        count = min(NUM_CANDIDATES, num_training)
        candidates = torch.cat(
            [table.topk(count, largest=False).indices for table in (by_weight, by_action)], dim=1
        )
        for row, near in enumerate(candidates.numpy(), start=rows.start):
            near = np.unique(near)
            near = near if allowed is None else near[allowed[row, near]]
            if len(near):
                own = policies.parameters[row]
                aligned = align(training.parameters[near], own, spec)
                distances = np.linalg.norm(aligned - own, axis=1)
                found.weight[row] = distances.min()
                found.weight_index[row] = near[distances.argmin()]
    return found


def find_reference_pairs(task: np.ndarray, run: np.ndarray, rows: np.ndarray) -> dict[str, Any]:
    """Which pairs of training policies a reference distribution is made of.

    Args:
        task: int `[M]`: task of each training policy.
        run: int `[M]`: its run, numbered over all tasks.
        rows: int `[N]`: the policies whose nearest others are sought.

    Returns:
        bool `[N, M]` by name: `checkpoint`, any other policy; `run`, one of another run of the
        same task; `task`, one of another task.
    """
    same_task = task[rows, None] == task
    return {
        "checkpoint": rows[:, None] != np.arange(len(task)),
        "run": same_task & (run[rows, None] != run),
        "task": ~same_task,
    }


def draw_rows(task: np.ndarray, mask: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Rows where `mask` holds, at most `count` of each task, at random."""
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(mask & (task == label)) for label in np.unique(task)]
    return np.concatenate([rng.permutation(rows)[:count] for rows in members])


def summarize_distances(distances: ArrayLike) -> dict[str, Any]:
    """Their number and quantiles, as plain JSON values; infinite ones are left out."""
    values = np.asarray(distances, float)
    values = values[np.isfinite(values)]
    shares = {"min": 0.0, "q10": 0.1, "median": 0.5, "q90": 0.9}
    quantiles = {
        name: float(np.quantile(values, share)) if len(values) else None
        for name, share in shares.items()
    }
    return {"num": len(values), **quantiles}


def measure_copying(generated: ArrayLike, held_out: ArrayLike) -> CopyingTest:
    """Z_U of Meehan et al. (2020), section 3: do generated samples lie nearer to training?

    The Mann-Whitney U of two samples' distances to the nearest training policy, as a z-score with
    ties at their mean rank. It takes samples for independent; checkpoints of one run are not, so it
    says which way and roughly how clearly, and is no p-value.

    Args:
        generated: distances of generated policies; infinite ones are left out.
        held_out: distances of policies from the same source that the generator was not trained on.
    """
    first, second = (np.asarray(values, float) for values in (generated, held_out))
    first, second = first[np.isfinite(first)], second[np.isfinite(second)]
    m, n = len(first), len(second)
    if m == 0 or n == 0:
        return CopyingTest(None, None, m, n)
    # U counts the pairs in which the generated one is farther.
    u = (np.sign(first[:, None] - second).sum() + m * n) / 2
    z = (u - m * n / 2) / np.sqrt(m * n * (m + n + 1) / 12)
    return CopyingTest(float(z), float(u / (m * n)), m, n)


def average_copying(tests: Sequence[CopyingTest]) -> CopyingTest:
    """C_T of Meehan et al. (2020): the mean over cells, here tasks, by their held-out samples."""
    tests = [test for test in tests if test.z is not None]
    num_generated = sum(test.num_generated for test in tests)
    num_held_out = sum(test.num_held_out for test in tests)
    if not tests:
        return CopyingTest(None, None, 0, 0)
    weights = [test.num_held_out for test in tests]
    z, share = np.average([[test.z, test.share_farther] for test in tests], axis=0, weights=weights)
    return CopyingTest(float(z), float(share), num_generated, num_held_out)


def failure_overlap(first: np.ndarray, second: np.ndarray) -> list[float | None]:
    """Layouts that both policies of a pair fail, over those that either fails.

    The overlap of wrong predictions in arXiv 2506.07998, for policies.

    Args:
        first: success, bool `[N, L]`.
        second: success of the other policy of each pair on the same layouts.

    Returns:
        N shares; None where neither fails.
    """
    both, either = (~first & ~second).sum(axis=1), (~first | ~second).sum(axis=1)
    return [float(b / e) if e else None for b, e in zip(both, either, strict=True)]


def summarize_overlap(overlaps: Sequence[float | None]) -> dict[str, Any]:
    """Their mean where one of a pair fails, and how many pairs that are."""
    defined = [overlap for overlap in overlaps if overlap is not None]
    return {
        "mean": float(np.mean(defined)) if defined else None,
        "num_pairs": len(overlaps),
        "num_defined": len(defined),
    }


def pool_overlaps(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Over the pairs of all tasks, as if they had been summed up at once."""
    pairs: list[float | None] = []
    for overlap in found:
        undefined = overlap["num_pairs"] - overlap["num_defined"]
        pairs += [overlap["mean"]] * overlap["num_defined"] + [None] * undefined
    return summarize_overlap(pairs)


def mean_of_known(values: Sequence[float | None]) -> float | None:
    """The mean of what is known; None where nothing is."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def finite_quantile(distances: np.ndarray, share: float) -> float | None:
    """A quantile of the finite ones; None where there is none."""
    finite = distances[np.isfinite(distances)]
    return float(np.quantile(finite, share)) if len(finite) else None


def novel_share(
    success: ArrayLike, distances: ArrayLike, *, bar: float, level: float | None
) -> float | None:
    """Share of policies that are both good and far from all training policies.

    Far alone is easy: noise is.

    Args:
        success: success rates `[N]`.
        distances: to the nearest training policy, `[N]`.
        bar: success from which a policy is good.
        level: distance beyond which it is new; without one nothing can be said.
    """
    if level is None:
        return None
    good = np.asarray(success, float) >= bar
    return float((good & (np.asarray(distances, float) > level)).mean())


def _chunks(count: int) -> list[slice]:
    return [slice(start, min(start + _CHUNK, count)) for start in range(0, count, _CHUNK)]
