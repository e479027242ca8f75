"""Recipe: train and calibrate the success predictor on candidates that were played."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import torch
from scipy.optimize import minimize  # type: ignore[import-untyped]
from scipy.special import expit  # type: ignore[import-untyped]
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts

from makeanagent.errors import InputError
from makeanagent.evaluation.ranking import RankingReport, summarize_ranking
from makeanagent.models.predictor import PredictorConfig, SuccessPredictor
from makeanagent.policies.spec import PolicySpec

_CHUNK = 256
"""Policies that are fingerprinted at once."""


@dataclass(frozen=True, kw_only=True)
class PredictorTraining:
    """How the success predictor is trained."""

    model: PredictorConfig = field(default_factory=PredictorConfig)
    "Shape of the success predictor."
    num_epochs: int = 20
    "Passes over the candidates with the probes where they were placed, which costs little."
    probe_epochs: int = 3
    "Passes after that in which the probes move too."
    batch_prompts: int = 8
    "How many prompts a batch holds, with all their candidates."
    learning_rate: float = 2e-3
    "Highest learning rate of the MLP and of the regression."
    probe_learning_rate: float = 3e-2
    "Highest learning rate of the probes, in standard deviations of the training states."
    weight_decay: float = 1.0
    "Weight decay of the MLP; neither the regression nor the probes have one."
    num_folds: int = 5
    "How many parts cross-validation deals the tasks into."


@dataclass(frozen=True, kw_only=True)
class RankingData:
    """Candidates of prompts of known tasks, and how often each succeeded; on the CPU.

    Raises:
        InputError: the fields do not fit together.
    """

    spec: PolicySpec
    parameters: Tensor
    "`[N, P]`, of any float type."
    condition: Tensor
    "`[N, C]`: behaviour embedding of each candidate's prompt."
    evidence: Tensor
    "`[N, F]`: the first is the demonstration error, by which one would choose otherwise."
    task: Tensor
    "int `[N]`."
    prompt: Tensor
    "int `[N]`: number of the prompt, of the suite or within its task."
    successes: Tensor
    "int `[N]`."
    trials: Tensor
    "int `[N]`: layouts that each candidate was played on."
    states: Tensor
    "`[S, O]`: of demonstrations; probes begin at some of them."
    state_task: Tensor
    "int `[S]`: a task's states stay unseen where its candidates do."

    def __post_init__(self) -> None:
        """Check lengths, counts and numbers."""
        columns = ("condition", "evidence", "task", "prompt", "successes", "trials")
        for name in columns:
            found, expected = len(getattr(self, name)), len(self.parameters)
            if found != expected:
                raise InputError(f"ranking data: '{name}' has {found} rows; expected {expected}")
        if len(self.states) != len(self.state_task):
            raise InputError(
                f"ranking data: {len(self.states)} states, but 'state_task' has"
                f" {len(self.state_task)} rows"
            )
        if (self.trials < 1).any() or (self.successes < 0).any():
            raise InputError("ranking data: each candidate needs a trial, and no count below 0")
        if (self.successes > self.trials).any():
            raise InputError("ranking data: a candidate has more successes than trials")
        if not (self.evidence.isfinite().all() and self.condition.isfinite().all()):
            raise InputError("ranking data: evidence and condition must be finite numbers")

    def number_prompts(self) -> Tensor:
        """Int `[N]`: the prompts' numbers, no two tasks sharing one."""
        pairs = torch.stack([self.task, self.prompt], dim=1)
        return torch.unique(pairs, dim=0, return_inverse=True)[1]


def train_predictor(
    data: RankingData, config: PredictorTraining, seed: int
) -> tuple[SuccessPredictor, RankingReport]:
    """Train on all tasks; calibrate and judge on tasks left out.

    Args:
        data: candidates of at least three tasks.
        config: of the training.
        seed: the same seed gives the same predictor.

    Returns:
        The predictor, and what it is worth on new tasks: every number in the report comes from
        predictors and calibrations that never saw the task.

    Raises:
        InputError: there are fewer than three tasks or folds, or too few states.
    """
    logits, calibrated = predict_out_of_task(data, config, seed)
    model = _fit(data, data.task.unique(), config, seed)
    temperature, bias = fit_calibration(logits, data.successes.numpy(), data.trials.numpy())
    model.temperature.fill_(temperature)
    model.bias.fill_(bias)
    report = summarize_ranking(
        expit(logits),
        calibrated,
        data.evidence[:, 0].numpy(),
        data.successes.numpy(),
        data.trials.numpy(),
        data.number_prompts().numpy(),
    )
    return model, report


def predict_out_of_task(
    data: RankingData, config: PredictorTraining, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Logits and calibrated probabilities, float64 `[N]` each, by nested cross-validation.

    The tasks are split into K folds. A fold's logits come from a predictor trained on the other
    folds. Its calibration is fitted on those folds' logits, each from a predictor that saw neither
    that fold nor this one: calibrating on the K predictors' own logits would let the fold's
    outcomes in, since all but one of them were trained on it.

    Arguments and errors are those of `train_predictor`.
    """
    tasks = data.task.unique()
    num_folds = min(config.num_folds, len(tasks))
    if num_folds < 3:
        raise InputError(
            f"predictor: {len(tasks)} tasks in {config.num_folds} folds; at least 3 of each are"
            " needed to calibrate on tasks that were left out"
        )
    generator = torch.Generator().manual_seed(seed)
    fold_of = torch.randperm(len(tasks), generator=generator) % num_folds
    folds = [tasks[fold_of == fold] for fold in range(num_folds)]
    rows = [torch.nonzero(torch.isin(data.task, fold)).flatten() for fold in folds]
    successes, trials = data.successes.numpy(), data.trials.numpy()

    def fit_without(*left_out: int) -> SuccessPredictor:
        kept = [tasks for fold, tasks in enumerate(folds) if fold not in left_out]
        return _fit(data, torch.cat(kept), config, seed)

    # inner[j, k]: logits of fold j by a predictor without j and k; one predictor serves both ways.
    inner: dict[tuple[int, int], np.ndarray] = {}
    for first, second in combinations(range(num_folds), 2):
        model = fit_without(first, second)
        inner[first, second] = _predict_logits(model, data, rows[first])
        inner[second, first] = _predict_logits(model, data, rows[second])

    logits, calibrated = np.empty((2, len(data.task)))
    for fold in range(num_folds):
        others = [other for other in range(num_folds) if other != fold]
        known = torch.cat([rows[other] for other in others]).numpy()
        temperature, bias = fit_calibration(
            np.concatenate([inner[other, fold] for other in others]),
            successes[known],
            trials[known],
        )
        place = rows[fold].numpy()
        logits[place] = _predict_logits(fit_without(fold), data, rows[fold])
        calibrated[place] = expit(logits[place] / temperature + bias)
    return logits, calibrated


def fit_calibration(
    logits: np.ndarray, successes: np.ndarray, trials: np.ndarray
) -> tuple[float, float]:
    """Temperature and bias under which the counts are likeliest (Platt 1999, Guo et al. 2017).

    Args:
        logits: `[N]`, of candidates that the predictor was not trained on.
        successes: counts `[N]`.
        trials: counts `[N]`.
    """
    total = trials.sum()

    def loss(x: np.ndarray) -> tuple[float, np.ndarray]:
        slope = np.exp(x[0])
        z = slope * logits + x[1]
        value = (trials * np.logaddexp(0, z) - successes * z).sum()
        surplus = trials * expit(z) - successes
        return value / total, np.array([(surplus * logits).sum() * slope, surplus.sum()]) / total

    # Bounds, as outcomes that are all alike or told without a fault ask for infinite logits.
    found = minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B", bounds=[(-5, 3), (-8, 8)]).x
    return float(np.exp(-found[0])), float(found[1])


def _fit(
    data: RankingData, tasks: Tensor, config: PredictorTraining, seed: int
) -> SuccessPredictor:
    """Train on the candidates and states of `tasks` alone."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = SuccessPredictor(
        data.spec, data.condition.shape[1], data.evidence.shape[1], config.model
    )
    rows = torch.nonzero(torch.isin(data.task, tasks)).flatten()
    group = data.number_prompts()
    model.place_probes(data.states[torch.isin(data.state_task, tasks)], generator)
    cache = torch.zeros(len(data.task), len(model.fingerprint_scale))
    cache[rows] = _fingerprint(model, data, rows)
    model.fit_normalizers(cache[rows], data.evidence[rows], group[rows])

    regression = list(model.regression.parameters())
    network = [*model.context.parameters(), *model.network.parameters(), *model.head.parameters()]
    optimizer = torch.optim.AdamW(
        [
            {"params": [model.probes], "lr": config.probe_learning_rate, "weight_decay": 0.0},
            {"params": regression, "weight_decay": 0.0},
            {"params": network, "weight_decay": config.weight_decay},
        ],
        lr=config.learning_rate,
    )
    for num_epochs, moving in ((config.num_epochs, False), (config.probe_epochs, True)):
        batches = list(_draw_batches(rows, group, config.batch_prompts, num_epochs, generator))
        schedule = CosineAnnealingWarmRestarts(optimizer, max(1, len(batches)))
        for batch in batches:
            prints = model.fingerprint(data.parameters[batch]) if moving else cache[batch]
            logits = model.score(prints, data.condition[batch], data.evidence[batch], group[batch])
            loss = binomial_loss(logits, data.successes[batch], data.trials[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.requires_grad_(False).eval()


def binomial_loss(logits: Tensor, successes: Tensor, trials: Tensor) -> Tensor:
    """Cross-entropy of counts, averaged over single trials; all `[N]`."""
    return (
        nn.functional.binary_cross_entropy_with_logits(
            logits, successes / trials, weight=trials.to(logits), reduction="sum"
        )
        / trials.sum()
    )


def _draw_batches(
    rows: Tensor, group: Tensor, batch_prompts: int, num_epochs: int, generator: torch.Generator
) -> Iterator[Tensor]:
    """Rows of random prompts, each prompt's candidates together."""
    ordered = rows[group[rows].argsort(stable=True)]
    sizes = torch.unique_consecutive(group[ordered], return_counts=True)[1]
    prompts = ordered.split(sizes.tolist())
    for _ in range(num_epochs):
        order = torch.randperm(len(prompts), generator=generator).split(batch_prompts)
        yield from (torch.cat([prompts[index] for index in chunk]) for chunk in order)


@torch.no_grad()
def _fingerprint(model: SuccessPredictor, data: RankingData, rows: Tensor) -> Tensor:
    return torch.cat([model.fingerprint(data.parameters[part]) for part in rows.split(_CHUNK)])


@torch.no_grad()
def _predict_logits(model: SuccessPredictor, data: RankingData, rows: Tensor) -> np.ndarray:
    """Logits, float64 `[N]`, of `rows`."""
    logits = model.score(
        _fingerprint(model, data, rows),
        data.condition[rows],
        data.evidence[rows],
        data.number_prompts()[rows],
    )
    return logits.double().numpy()
