"""The success predictor learns a known teacher, and is judged on tasks that it never saw."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy.special import expit

from makeanagent.errors import InputError
from makeanagent.evaluation.ranking import expected_calibration_error
from makeanagent.models.predictor import PredictorConfig
from makeanagent.policies.spec import PolicySpec
from makeanagent.training.predictor import (
    PredictorTraining,
    RankingData,
    binomial_loss,
    fit_calibration,
    predict_out_of_task,
    train_predictor,
)

SPEC = PolicySpec(observation_dim=4, action_dim=2, hidden=(8, 8))
CONFIG = PredictorTraining(
    model=PredictorConfig(num_probes=12, hidden_dim=16, dropout=0.2),
    num_epochs=12,
    probe_epochs=4,
    learning_rate=1e-2,
    num_folds=3,
)
SMOKE = dataclasses.replace(CONFIG, num_epochs=1, probe_epochs=1)


def make_data(
    num_tasks: int, num_prompts: int = 5, num_candidates: int = 12, seed: int = 0
) -> RankingData:
    """Success depends on two independent kinds of evidence, and on the task."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    task = torch.arange(num_tasks).repeat_interleave(num_prompts * num_candidates)
    # Numbered within each task, so that only together with the task it names a prompt.
    prompt = torch.arange(num_prompts).repeat_interleave(num_candidates).repeat(num_tasks)
    centre = 0.4 * draw(num_tasks, SPEC.num_parameters)[task]
    parameters = centre + 0.15 * draw(len(task), SPEC.num_parameters)
    error, other = draw(len(task)), draw(len(task))
    logits = -2 * other - error + 0.5 * draw(num_tasks)[task]
    trials = torch.full_like(task, 5)
    return RankingData(
        spec=SPEC,
        parameters=parameters,
        condition=draw(num_tasks, 6)[task],
        evidence=torch.stack([error, error + other], dim=1),
        task=task,
        prompt=prompt,
        successes=torch.binomial(trials.float(), logits.sigmoid(), generator=generator).long(),
        trials=trials,
        states=draw(num_tasks * 10, 4),
        state_task=torch.arange(num_tasks).repeat_interleave(10),
    )


@pytest.fixture(scope="module")
def data():
    return make_data(12)


@pytest.fixture(scope="module")
def trained(data):
    return train_predictor(data, CONFIG, seed=0)


def test_it_beats_the_evidence_on_tasks_left_out(trained):
    _, report = trained
    assert (report.num_candidates, report.num_prompts) == (720, 60)
    assert report.spearman_within > report.spearman_within_error + 0.15
    assert report.success_mean + 0.15 < report.success_error < report.success_top - 0.05
    assert report.success_top <= report.success_oracle


def shuffle(data: RankingData) -> RankingData:
    """The same candidates, with outcomes dealt out anew."""
    order = torch.randperm(len(data.task), generator=torch.Generator().manual_seed(1))
    return dataclasses.replace(data, successes=data.successes[order])


def test_without_a_teacher_nothing_is_found(data):
    # Whoever lets outcomes leak out of the left-out tasks would rank them.
    shuffled = shuffle(data)
    _, report = train_predictor(shuffled, CONFIG, seed=0)
    # The mean of 60 correlations of 12 candidates has a standard deviation of 0.04.
    assert abs(report.spearman_within) < 0.12
    assert report.success_top == pytest.approx(report.success_mean, abs=0.15)


def test_the_predictor_returned_ranks_a_new_task(trained):
    model, _ = trained
    assert not model.training
    new = make_data(6, seed=1)
    group = new.number_prompts()
    probability = model.predict(new.parameters, new.condition, new.evidence, group)
    rates = new.successes / new.trials
    chosen = torch.stack(
        [rates[group == number][probability[group == number].argmax()] for number in range(30)]
    )
    assert chosen.mean() > rates.mean() + 0.2


def test_the_calibration_kept_is_that_of_tasks_left_out(data):
    model, _ = train_predictor(data, SMOKE, seed=0)
    logits, _ = predict_out_of_task(data, SMOKE, seed=0)
    expected = fit_calibration(logits, data.successes.numpy(), data.trials.numpy())
    assert (model.temperature.item(), model.bias.item()) == pytest.approx(expected)


def test_outcomes_of_a_task_do_not_reach_its_own_predictions(data):
    logits, calibrated = predict_out_of_task(data, SMOKE, seed=0)
    rows = data.task == 4
    flipped = torch.where(rows, data.trials - data.successes, data.successes)
    changed = predict_out_of_task(dataclasses.replace(data, successes=flipped), SMOKE, seed=0)
    assert np.array_equal(changed[0][rows], logits[rows])
    assert np.array_equal(changed[1][rows], calibrated[rows])
    # Those of other folds learned from it.
    assert not np.array_equal(changed[0], logits)


def test_states_of_a_task_do_not_reach_its_own_predictions(data):
    logits, _ = predict_out_of_task(data, SMOKE, seed=0)
    states = torch.where((data.state_task == 4)[:, None], 9.0, data.states)
    changed, _ = predict_out_of_task(dataclasses.replace(data, states=states), SMOKE, seed=0)
    rows = data.task == 4
    assert np.array_equal(changed[rows], logits[rows])
    assert not np.array_equal(changed, logits)


def test_the_seed_decides(data):
    first, report = train_predictor(data, SMOKE, seed=3)
    again, same = train_predictor(data, SMOKE, seed=3)
    other, _ = train_predictor(data, SMOKE, seed=4)
    assert report == same
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    assert not torch.equal(first.probes, other.probes)


def test_probes_move_in_their_epochs_alone(data):
    def farthest_from_a_state(config: PredictorTraining) -> float:
        model, _ = train_predictor(data, config, seed=0)
        probes = model.probes * model.probe_std + model.probe_mean
        gaps = (probes[:, None] - data.states).abs().amax(dim=2)
        return gaps.min(dim=1).values.max().item()

    assert farthest_from_a_state(dataclasses.replace(SMOKE, probe_epochs=0)) < 1e-5
    assert farthest_from_a_state(SMOKE) > 1e-3


def test_calibration_undoes_overconfidence():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=4000)
    trials = rng.integers(1, 6, size=4000)
    successes = rng.binomial(trials, expit(logits - 0.5))
    # Three times too sure: the temperature to find is 3, the bias -0.5.
    temperature, bias = fit_calibration(3 * logits, successes, trials)
    assert temperature == pytest.approx(3, rel=0.1)
    assert bias == pytest.approx(-0.5, abs=0.1)
    before = expected_calibration_error(expit(3 * logits), successes, trials)
    after = expected_calibration_error(expit(3 * logits / temperature + bias), successes, trials)
    assert after < 0.03 < 0.1 < before


def test_calibration_of_new_tasks_improves(data):
    # Far too long a training on few tasks is overconfident on new ones, where nothing can be known.
    eager = dataclasses.replace(
        CONFIG,
        model=PredictorConfig(num_probes=12, hidden_dim=64, dropout=0.0),
        num_epochs=30,
        probe_epochs=0,
        weight_decay=0.0,
    )
    model, report = train_predictor(shuffle(data), eager, seed=0)
    assert model.temperature > 1.5
    assert report.ece < 0.6 * report.ece_raw
    assert report.brier < report.brier_raw


@pytest.mark.parametrize("successes", [0, 4])
def test_calibration_stays_finite_where_all_ends_alike(successes):
    temperature, bias = fit_calibration(
        np.linspace(-1, 1, 50), np.full(50, successes), np.full(50, 4)
    )
    assert np.isfinite([temperature, bias]).all()
    assert temperature > 0
    assert (bias > 0) == (successes == 4)


def test_binomial_loss_by_hand():
    # sigmoid(0) = 1/2 on two trials, sigmoid(log 3) = 3/4 with one success of two.
    logits = torch.tensor([0.0, np.log(3)], dtype=torch.float64)
    loss = binomial_loss(logits, torch.tensor([2, 1]), torch.tensor([2, 2]))
    expected = -(2 * np.log(1 / 2) + np.log(3 / 4) + np.log(1 / 4)) / 4
    assert loss.item() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompt": torch.zeros(3, dtype=torch.long)}, "'prompt' has 3 rows; expected 720"),
        ({"state_task": torch.zeros(3, dtype=torch.long)}, "'state_task' has 3 rows"),
        ({"trials": torch.zeros(720, dtype=torch.long)}, "needs a trial"),
        ({"successes": torch.full((720,), 6)}, "more successes than trials"),
        ({"evidence": torch.full((720, 2), torch.inf)}, "finite"),
    ],
)
def test_data_that_does_not_fit_is_refused(data, change, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(data, **change)


def test_two_tasks_are_too_few():
    with pytest.raises(InputError, match="2 tasks in 3 folds"):
        train_predictor(make_data(2), SMOKE, seed=0)


def test_prompts_of_two_tasks_never_share_a_number():
    data = make_data(3, num_prompts=2, num_candidates=4)
    assert data.number_prompts().tolist() == torch.arange(6).repeat_interleave(4).tolist()
