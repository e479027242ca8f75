"""How a population is distilled: whose labels, which layouts, at what rate, and until when."""

import math
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tests.tiny_sac import SPEC, SUITE

from makeanagent.policies.batch import PolicyBatch
from makeanagent.policies.initialization import initialize_actor
from makeanagent.policies.policy import Policy
from makeanagent.suites import find_suite
from makeanagent.suites.gymnasium import GymnasiumSuite
from makeanagent.trajectories.windows import PromptWindow
from makeanagent.zoo.experts import record_demonstrations
from makeanagent.zoo.plan import ShardPlan
from makeanagent.zoo.population_layouts import episode_layouts, round_layouts
from makeanagent.zoo.recipes import distillation, distillation_state
from makeanagent.zoo.recipes.distillation import distill_population, distill_shard
from makeanagent.zoo.recipes.distillation_config import DistillationConfig
from makeanagent.zoo.recipes.distillation_state import LabelledStates

TASK = "reach-v1"
CONFIG = DistillationConfig(
    num_runs=3,
    batch_size=16,
    learning_rate=0.02,
    final_learning_rate=0.005,
    num_demonstrations=5,
    noise_scales=(0.0, 0.3),
    round_steps=6,
    round_episodes=5,
    round_horizon=9,
    min_rounds=2,
    max_rounds=2,
    num_checkpoints=3,
    checkpoint_steps=4,
    run_share=0.6,
    num_score_layouts=2,
)


@dataclass(frozen=True)
class WeakHandSuite(GymnasiumSuite):
    """Its teacher hardly uses the second action."""

    def teacher(self, task):
        expert = self.expert(task)
        return lambda observation: expert(observation) * np.array([1.0, 0.05])


class Spy:
    """What a distillation does, seen from outside its loops."""

    def __init__(self, patch, suite=None):
        self.suite = suite or find_suite(SUITE)
        self.environment = self.suite.make(TASK)
        self.episodes, self.states, self.steps, self.batches = [], [], [], []
        self.reset, self.step = self.environment.reset, self.environment.step
        patch.setattr(self.environment, "reset", self._reset)
        patch.setattr(self.environment, "step", self._step)
        self._patch, spy = patch, self

        class Noted(LabelledStates):
            def __init__(self, num_runs, share, rng):
                spy.shares = (num_runs, share, rng.bit_generator.state)
                super().__init__(num_runs, share, rng)

            def add_episode(self, states, labels):
                spy.states.append((states, labels))
                super().add_episode(states, labels)

        patch.setattr(distillation, "LabelledStates", Noted)
        self._train, self._draw = distillation._train_step, distillation._draw_batch
        patch.setattr(distillation, "_train_step", self._train_step)
        patch.setattr(distillation, "_draw_batch", self._draw_batch)

    def distill(self, config=CONFIG, seed=0, folder=None, report=lambda share: None):
        demonstrations = record_demonstrations(
            self.suite, TASK, self.environment, range(5), config.noise_scales, seed, 12, 3
        )
        self.demonstrations, self.episodes = demonstrations, []
        self.checkpoints = distill_population(
            self.suite, TASK, self.environment, demonstrations, SPEC, config, seed, "cpu", folder,
            report,
        )  # fmt: skip
        return self

    def _reset(self, layout):
        observation = self.reset(layout)
        self.episodes.append(SimpleNamespace(layout=layout, actions=[]))
        self.seen = observation
        return observation

    def _step(self, action):
        episode = self.episodes[-1]
        if not episode.actions and self.steps:
            episode.first = np.asarray(self.seen, np.float32)
            episode.actors = self.steps[-1].after
        episode.actions.append(action)
        return self.step(action)

    def _train_step(self, population, optimizer, inputs, labels, units, config):
        rate = optimizer.param_groups[0]["lr"]
        self._train(population, optimizer, inputs, labels, units, config)
        after = population.parameters.detach().numpy().copy()
        self.steps.append(SimpleNamespace(rate=rate, units=units, after=after))

    def _draw_batch(self, data, batch_size, generator):
        self.batches.append((len(data[0]), batch_size, generator.initial_seed()))
        return self._draw(data, batch_size, generator)


@pytest.fixture(scope="module")
def spy():
    with pytest.MonkeyPatch.context() as patch:
        yield Spy(patch).distill()


def test_the_teacher_labels_whatever_was_seen(spy):
    expert = spy.suite.expert(TASK)
    assert len(spy.states) == len(spy.demonstrations) + 2 * CONFIG.round_episodes
    for states, labels in spy.states:
        np.testing.assert_array_equal(labels, [expert(state) for state in states])
    for (states, _), shown in zip(spy.states, spy.demonstrations, strict=False):
        assert np.array_equal(states, shown.observations[:-1])
    for (states, _), episode in zip(spy.states[-10:], spy.episodes, strict=True):
        assert len(states) == len(episode.actions)
        assert np.array_equal(states[0], episode.first)


def test_actors_play_by_turns_on_layouts_of_their_own_round(spy):
    assert [episode.layout for episode in spy.episodes] == list(round_layouts(0)[:10])
    players = []
    for episode in spy.episodes:
        acts = [Policy(actor, SPEC).act(episode.first) for actor in episode.actors]
        assert len({act.tobytes() for act in acts}) == 3
        players += [run for run in range(3) if np.allclose(acts[run], episode.actions[0])]
        assert len(episode.actions) <= CONFIG.round_horizon
    assert players == [0, 1, 2, 0, 1] * 2
    assert max(len(episode.actions) for episode in spy.episodes) == CONFIG.round_horizon


def test_each_round_adds_to_what_is_learned(spy):
    sizes = [size for size, batch_size, _ in spy.batches]
    before = sum(len(states) for states, _ in spy.states[:-10])
    after = before + sum(len(states) for states, _ in spy.states[-10:-5])
    whole = after + sum(len(states) for states, _ in spy.states[-5:])
    assert sizes == [before] * 6 + [after] * 6 + [whole] * 12
    assert {batch_size for _, batch_size, _ in spy.batches} == {CONFIG.batch_size}


def test_the_rate_falls_over_the_checkpoints_alone(spy):
    rates = [step.rate for step in spy.steps]
    assert rates[:12] == [0.02] * 12
    cosine = [0.005 + 0.015 * (1 + math.cos(math.pi * step / 12)) / 2 for step in range(1, 13)]
    assert rates[12:] == pytest.approx(cosine)
    assert rates[-1] == pytest.approx(0.005)


def test_checkpoints_are_the_actors_after_every_few_steps(spy):
    assert np.array_equal(spy.checkpoints, [spy.steps[12 + step].after for step in (3, 7, 11)])


def test_runs_take_their_share_of_the_episodes_by_the_seed(spy, monkeypatch):
    assert spy.shares == (3, 0.6, np.random.default_rng(0).bit_generator.state)
    assert {seed for _, _, seed in spy.batches} == {0}
    other = Spy(monkeypatch).distill(seed=4)
    assert other.shares[2] == np.random.default_rng(4).bit_generator.state
    assert {seed for _, _, seed in other.batches} == {4}
    assert [episode.layout for episode in other.episodes] == list(round_layouts(4)[:10])


def test_actors_begin_at_the_seed_of_the_settings(monkeypatch):
    config = replace(CONFIG, init_seed=8, learning_rate=1e-12, final_learning_rate=1e-12)
    first = Spy(monkeypatch).distill(config).steps[0].after
    np.testing.assert_allclose(first, [initialize_actor(SPEC, 8).numpy()] * 3, atol=1e-8)


def test_errors_are_in_units_of_what_the_teacher_does(spy, monkeypatch):
    weak = Spy(monkeypatch, WeakHandSuite(spy.suite.task_configs, name=SUITE)).distill()
    shown = np.concatenate([labels for _, labels in weak.states[: len(weak.demonstrations)]])
    span = shown.max(axis=0) - shown.min(axis=0)
    assert span[0] > 1 > 0.2 > span[1]
    for step in weak.steps:
        np.testing.assert_allclose(step.units, [1.0, span[1]], rtol=1e-5)


@pytest.mark.parametrize(
    ("successes", "expected"),
    [
        ((1.0, 1.0, 1.0), 2),
        ((1.0, 0.5, 0.9, 0.95), 4),
        ((0.0, 1.0, 0.8, 0.9, 1.0), 3),
        ((0.0, 1.0, 0.7, 1.0, 0.7), 5),
    ],
)
def test_checkpoints_begin_when_the_last_rounds_are_good_together(monkeypatch, successes, expected):
    spy, rounds = Spy(monkeypatch), iter(successes)
    monkeypatch.setattr(distillation, "_play_and_label", lambda *_: next(rounds))
    spy.distill(replace(CONFIG, min_rounds=2, max_rounds=5, good_success=0.9))
    assert len(spy.steps) == 6 * expected + 12
    assert len(list(rounds)) == len(successes) - expected


def test_one_that_is_stopped_goes_on_from_its_last_round(spy, monkeypatch, tmp_path):
    monkeypatch.setattr(distillation_state, "_SAVE_SECONDS", -1)
    rounds = []

    def stop(share):
        rounds.append(share)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        Spy(patch).distill(folder=tmp_path, report=stop)
    assert rounds == [distillation._ROUNDS_SHARE / 2]
    again = Spy(monkeypatch)
    again.distill(folder=tmp_path, report=rounds.append)
    assert len(again.steps) == 6 + 12, "the first round was repeated"
    assert [episode.layout for episode in again.episodes] == list(round_layouts(0)[5:10])
    assert np.array_equal(again.checkpoints, spy.checkpoints)
    assert rounds[1:] == sorted(rounds[1:]) and rounds[-1] == 1


def make_data(num_runs=4, num_episodes=30):
    states = LabelledStates(num_runs, 0.5, np.random.default_rng(0))
    for episode in range(num_episodes):
        states.add_episode(np.full((3, 2), episode), np.full((3, 1), -episode))
    return states.to_tensors(torch.device("cpu"))


def test_batches_are_drawn_from_each_runs_own_share():
    data = make_data()
    rows, counts = data[2:]
    states, labels = distillation._draw_batch(data, 2_000, torch.Generator().manual_seed(0))
    assert torch.equal(states[..., :1], -labels)
    for run in range(4):
        own = data[0][rows[run, : counts[run]], 0]
        assert set(states[run, :, 0].tolist()) == set(own.tolist())
        assert counts[run] < len(data[0])


def test_runs_draw_in_an_order_of_their_own():
    _, labels, rows, counts = make_data(num_episodes=1)
    data = torch.arange(3.0)[:, None], labels, rows, counts
    states, _ = distillation._draw_batch(data, 50, torch.Generator().manual_seed(0))
    assert counts.tolist() == [3] * 4
    assert len({tuple(row.tolist()) for row in states[..., 0]}) == 4


def test_a_step_descends_the_loss_as_it_is_written():
    generator = torch.Generator().manual_seed(0)
    config = replace(CONFIG, action_limit=0.8, loss_beta=0.3, log_std=-1.0, elastic_pull=0.0)
    start = torch.stack([initialize_actor(SPEC, seed) for seed in range(3)])
    inputs = torch.randn((3, 40, 4), generator=generator)
    labels = torch.rand((3, 40, 2), generator=generator) * 2 - 1
    units = torch.tensor([1.0, 0.2])
    population = PolicyBatch(start.clone().requires_grad_(), SPEC)
    optimizer = torch.optim.SGD([population.parameters], lr=0.1)
    distillation._train_step(population, optimizer, inputs, labels, units, config)

    plain = start.clone().requires_grad_()
    mean, log_std = PolicyBatch(plain, SPEC).forward(inputs)
    error = ((torch.tanh(mean) - labels.clip(-0.8, 0.8)) / units).abs()
    huber = torch.where(error < 0.3, error**2 / (2 * 0.3), error - 0.3 / 2)
    assert 0.1 < (error < 0.3).float().mean() < 0.9, "both branches count"
    loss = huber.mean(dim=(1, 2)) + 1e-3 * ((log_std + 1.0) ** 2).mean(dim=(1, 2))
    loss.sum().backward()
    torch.testing.assert_close(population.parameters, start - 0.1 * plain.grad)


def make_plan(seed=2, window=20, **changes):
    return ShardPlan(
        suite=find_suite(SUITE),
        task=TASK,
        block=0,
        spec=SPEC,
        config=replace(CONFIG, **changes),
        window=PromptWindow(num_steps=window, group_steps=1),
        seed=seed,
        device="cpu",
    )


def test_a_shard_is_distilled_from_its_own_seeds_demonstrations(tmp_path, monkeypatch):
    given = []

    def distill(*arguments):
        given.append(arguments)
        return np.arange(6 * 5, dtype=np.float32).reshape(2, 3, 5)

    monkeypatch.setattr(distillation, "distill_population", distill)
    plan = make_plan(steps_after_success=7)
    report = print
    arrays = distill_shard(plan, tmp_path, report)
    ((_, task, environment, demonstrations, *rest),) = given
    assert (task, rest) == (TASK, [SPEC, plan.config, 2, "cpu", tmp_path, report])
    starts = {environment.reset(layout).astype("f4").tobytes() for layout in episode_layouts(2)[:5]}
    assert len(demonstrations) == 5
    assert {item.observations[0].tobytes() for item in demonstrations} == starts
    for item in demonstrations:
        assert len(item) == max(20, item.first_success + 7)
    assert arrays["parameters"].tolist() == np.arange(30.0).reshape(6, 5).tolist()
    assert arrays["run"].tolist() == [0, 1, 2] * 2
    assert arrays["step"].tolist() == [4] * 3 + [8] * 3
    assert arrays["demonstrations.lengths"].tolist() == [len(item) for item in demonstrations]
    assert not list(tmp_path.iterdir())
