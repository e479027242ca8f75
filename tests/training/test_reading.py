"""The reader's recipe: what it learns from at each step, where it goes on, and what is kept."""

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.tiny_reader import SHOWN, SPACE, SPEC, TRAINING, PointSuite
from tests.training.tracing import same, train, weights_of

from makeanagent.parallel import open_pool
from makeanagent.training.augment import Augmentation, AugmentConfig
from makeanagent.training.lessons import StoredLessons
from makeanagent.training.reading import train_reading
from makeanagent.training.reading_loss import Networks, measure_actions
from makeanagent.training.shown import show_lessons

AUGMENT = Augmentation(SPACE, AugmentConfig())


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """Lessons of two tasks."""
    with open_pool(1) as pool:
        return show_lessons(
            tmp_path_factory.mktemp("lessons"),
            PointSuite(),
            ("goal", "object"),
            SHOWN,
            None,
            pool,
            lambda *_: None,
        )


class Noted(StoredLessons):
    """Notes what is drawn."""

    def __init__(self, paths, seed=(0,)):
        super().__init__(paths, seed)
        self.draws = []

    def draw(self, first, count, num_demonstrations, num_states):
        batch = super().draw(first, count, num_demonstrations, num_states)
        self.draws.append((first, count, num_demonstrations, num_states, batch))
        return batch


@pytest.fixture
def fit(paths):
    def run(config=TRAINING, sources=None, **options):
        sources = sources or [(StoredLessons(paths, (0,)), 1.0, AUGMENT)]
        return train(train_reading, SPEC, SPACE, sources, config, **options)

    return run


def test_the_action_error_falls(fit, paths):
    config = replace(TRAINING, gradient_steps=150, learning_rate=1e-2)
    errors = fit(config, [(StoredLessons(paths, (0,)), 1.0, None)]).column("action_error")
    assert len(errors) == 150
    assert np.mean(errors[-15:]) < 0.5 * np.mean(errors[:15])


def test_a_killed_training_goes_on_bit_for_bit(paths, tmp_path):
    def run(name, stop=None):
        logged = []

        def log(step, total, values):
            logged.append((step, float(values["action_error"])))
            if step == stop:
                raise KeyboardInterrupt

        # Objects of their own: nothing in them may be needed to go on.
        sources = [(StoredLessons(paths, (0,)), 0.5, Augmentation(SPACE, AugmentConfig()))] * 2
        with nullcontext() if stop is None else pytest.raises(KeyboardInterrupt):
            networks = train_reading(
                SPEC,
                SPACE,
                sources,
                TRAINING,
                seed=3,
                device="cpu",
                state_path=tmp_path / name,
                checkpoint_seconds=0.0,
                log=log,
            )
        return None if stop is not None else networks, logged

    whole, expected = run("whole")
    _, first = run("broken", stop=4)
    broken, second = run("broken")
    # The state after step 4 was not written any more: that step is taken again.
    assert [step for step, _ in second] == [4, 5, 6, 7, 8]
    assert first[:3] + second == expected
    for name, tensor in whole.state_dict().items():
        assert torch.equal(broken.state_dict()[name], tensor), name


def test_what_is_kept_are_averaged_weights(fit):
    config = replace(TRAINING, gradient_steps=30, ema_decay=0.6, learning_rate=5e-3)
    trace = fit(config)
    count = len(weights_of(trace.model))
    means = trace.weights[0]
    for step, weights in enumerate(trace.weights[1:]):
        keep = min(0.6, (1 + step) / (10 + step))
        means = [keep * a + (1 - keep) * b for a, b in zip(means, weights, strict=True)]
    kept = weights_of(trace.model)

    def distance(others):
        return max((a - b).abs().max().item() for a, b in zip(kept, others[:count], strict=True))

    assert distance(means) < 1e-6
    assert distance(trace.weights[-1]) > 1e-4
    assert not trace.model.training


def test_sources_have_their_shares_and_go_on_from_step_to_step(fit, paths):
    config = replace(TRAINING, batch_size=8, demonstrations=(1, 1, 2), num_states=7)
    own, other = Noted(paths), Noted(paths, (1,))
    fit(config, [(own, 0.25, None), (other, 0.75, None)])
    for source, counts in ((own, (2, 2, 1)), (other, (6, 6, 3))):
        # The first is read for its width.
        draws = source.draws[1:]
        assert [draw[1] for draw in draws] == [counts[step % 3] for step in range(8)]
        assert [draw[2] for draw in draws] == [(1, 1, 2)[step % 3] for step in range(8)]
        assert {draw[3] for draw in draws} == {7}
        firsts = np.cumsum([0, *(draw[1] for draw in draws)])[:-1]
        assert [draw[0] for draw in draws] == firsts.tolist()


def test_a_source_without_a_share_is_left_out(fit, paths):
    other = Noted(paths)
    trace = fit(sources=[(StoredLessons(paths, (0,)), 1.0, None), (other, 0.0, None)])
    assert len(other.draws) == 1
    assert len(trace.log) == TRAINING.gradient_steps


def test_each_sources_error_is_told_by_itself(fit, paths):
    sources = [(StoredLessons(paths, (seed,)), share, None) for seed, share in ((0, 1), (1, 2))]
    trace = fit(replace(TRAINING, demonstrations=(1,)), [(a, b / 3, c) for a, b, c in sources])
    for row in trace.log:
        mean = (2 * row["action_error_0"] + 4 * row["action_error_1"]) / 6
        assert row["action_error"] == pytest.approx(mean, rel=1e-4)


def test_lessons_are_changed_anew_at_every_step(fit, paths):
    seen = []

    class Watched(Augmentation):
        def __call__(self, batch, rng):
            seen.append(rng.bit_generator.state["state"]["state"])
            return super().__call__(batch, rng)

    fit(sources=[(StoredLessons(paths, (0,)), 1.0, Watched(SPACE, AugmentConfig()))])
    assert len(set(seen)) == TRAINING.gradient_steps


def test_rates_rise_and_fall(fit):
    config = replace(TRAINING, gradient_steps=10, warmup_steps=4)
    trace = fit(config)
    high, low = config.learning_rate, config.final_learning_rate
    expected = [
        min(1, (step + 1) / 4) * (low + (high - low) * 0.5 * (1 + np.cos(np.pi * step / 10)))
        for step in range(10)
    ]
    np.testing.assert_allclose(trace.rates, expected, rtol=1e-6)
    assert trace.optimizer == "AdamW"
    assert trace.settings["weight_decay"] == config.weight_decay


def test_scales_are_those_of_the_lessons_or_of_the_start(fit, paths):
    config = replace(TRAINING, gradient_steps=1)
    model = fit(config).model
    states = StoredLessons(paths, (0,)).sample_states(4096)
    expected = states[:, [0, 4, 7, 10]].mean()
    for scale in (model.reader.scale, model.basis.scale):
        assert scale.mean[0] == pytest.approx(expected, abs=1e-4)
        assert scale.std[0] != 1
    torch.manual_seed(1)
    start = Networks(SPEC, SPACE, TRAINING)
    begun = fit(config, start=start)
    assert same(begun.weights[0][: len(weights_of(start))], weights_of(start))
    assert (begun.model.reader.scale.std == 1).all()


def test_seeds_decide(fit):
    config = replace(TRAINING, gradient_steps=2)
    first, again, other = (fit(config, seed=seed) for seed in (1, 1, 2))
    assert same(weights_of(first.model), weights_of(again.model))
    assert not same(weights_of(first.model), weights_of(other.model))


def test_actions_are_measured_after_the_squash_and_within_reach():
    config = replace(TRAINING, action_limit=0.9, leak=0.0, loss_beta=0.1)
    means, labels = torch.zeros(2, 3, 4), torch.zeros(2, 3, 4)
    means[0] = torch.atanh(torch.tensor(0.9))
    labels[0] = 1.0
    labels[1] = 0.5
    # At its limit an action is right; half an action away counts linearly.
    errors = measure_actions(means, labels, config)
    torch.testing.assert_close(errors, torch.tensor([0.0, 0.5 - 0.05]), atol=1e-6, rtol=0)


def test_programs_are_told_where_there_are_any(fit, paths):
    class Told(StoredLessons):
        def draw(self, *arguments):
            batch = super().draw(*arguments)
            count = len(batch.states)
            masks = torch.zeros(count, 3).bool()
            masks[:, 0] = True
            targets = torch.tensor([1.0, 100.0, 100.0]).expand(count, 3)
            return batch._replace(targets=targets, masks=masks)

    config = replace(TRAINING, gradient_steps=60, learning_rate=1e-2)
    programs = fit(config, [(Told(paths, (0,)), 1.0, None)]).column("program")
    assert programs[0] < 10
    assert np.mean(programs[-5:]) < 0.1 * programs[0]
    assert set(fit().column("program")) == {0.0}
