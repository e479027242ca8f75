"""Populations: good, of one initialisation, and each run on data of its own."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from tests.tiny_zoo import SUITE, TASKS, TINY, build

from makeanagent.policies.batch import PolicyBatch
from makeanagent.policies.initialization import initialize_actor
from makeanagent.policies.spec import PolicySpec
from makeanagent.suites import find_suite
from makeanagent.suites.gymnasium import GymnasiumSuite
from makeanagent.zoo.experts import record_demonstrations
from makeanagent.zoo.recipes.distillation import (
    _measure_units,
    _train_step,
    distill_population,
    label_states,
)
from makeanagent.zoo.recipes.distillation_config import DistillationConfig
from makeanagent.zoo.recipes.distillation_state import LabelledStates

SPEC = PolicySpec(observation_dim=10, action_dim=2)


def distill(config, seed=0, suite=None):
    suite = suite or find_suite(SUITE)
    environment = suite.make(TASKS[0])
    demonstrations = record_demonstrations(
        suite, TASKS[0], environment, range(6), config.noise_scales, seed, 60, 3
    )
    return distill_population(suite, TASKS[0], environment, demonstrations, SPEC, config, seed)


def train(config, start, inputs, labels, num_steps=5):
    """Parameters `[R, P]` after some steps on the same batch."""
    population = PolicyBatch(start.clone().requires_grad_(), SPEC)
    optimizer = torch.optim.Adam([population.parameters], lr=config.learning_rate, fused=True)
    for _ in range(num_steps):
        _train_step(population, optimizer, inputs, labels, torch.ones(2), config)
    return population.parameters.detach()


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn((3, 32, 10), generator=generator)
    labels = torch.rand((3, 32, 2), generator=generator) * 2 - 1
    return initialize_actor(SPEC, 7).repeat(3, 1), inputs, labels


def test_distilled_actors_succeed(tmp_path):
    config = DistillationConfig(
        num_runs=2,
        batch_size=128,
        num_demonstrations=60,
        round_steps=200,
        round_episodes=16,
        min_rounds=2,
        max_rounds=6,
        num_checkpoints=2,
        checkpoint_steps=100,
        num_score_layouts=20,
    )
    (shard,) = build(tmp_path / "zoo", config=config).load_task(TASKS[0])
    assert shard.expert_success == 1.0
    assert shard.success.mean() > 0.9


def test_the_actor_begins_as_the_papers():
    vector = initialize_actor(SPEC, 7)
    assert torch.equal(vector, initialize_actor(SPEC, 7))
    assert not torch.equal(vector, initialize_actor(SPEC, 8))
    for layer in SPEC.layers:
        bound = math.sqrt(6 / (layer.fan_in + layer.fan_out))
        weights = vector[layer.weight]
        assert 0.9 * bound < weights.abs().max() <= bound
        assert abs(weights.mean()) < 0.1 * bound
        assert not vector[layer.bias].any()


def test_all_runs_of_all_seeds_begin_at_one_actor():
    config = replace(TINY, learning_rate=1e-12, final_learning_rate=1e-12)
    start = initialize_actor(SPEC, config.init_seed).numpy()
    for seed in (0, 1):
        checkpoints = distill(config, seed)
        assert checkpoints.shape == (3, 3, SPEC.num_parameters)
        assert checkpoints.dtype == np.float32
        assert abs(checkpoints - start).max() < 1e-8


def test_a_population_follows_from_its_seed():
    assert distill(TINY).tobytes() == distill(TINY).tobytes()
    assert distill(TINY).tobytes() != distill(TINY, seed=1).tobytes()


def test_runs_differ_and_move_from_checkpoint_to_checkpoint():
    checkpoints = distill(TINY).reshape(9, -1)
    assert len({row.tobytes() for row in checkpoints}) == 9


def test_runs_do_not_feel_each_other_without_pull(batch):
    start, inputs, labels = batch
    config = replace(TINY, elastic_pull=0.0)
    together = train(config, start, inputs, labels)
    others = labels.clone()
    others[1:] *= -1
    changed = train(config, start, inputs, others)
    assert torch.equal(together[0], changed[0])
    assert not torch.equal(together[1], changed[1])
    # Alone as among others, but for the rounding of another batch size.
    alone = train(config, start[:1], inputs[:1], labels[:1])
    torch.testing.assert_close(alone[0], together[0], rtol=0, atol=1e-4)


def test_the_pull_draws_runs_to_their_mean_and_leaves_it_in_place(batch):
    start, inputs, labels = batch
    free, pulled, merged = (
        train(replace(TINY, elastic_pull=pull), start, inputs, labels, num_steps=1)
        for pull in (0.0, 100.0, 1_000.0)  # Times the learning rate: 0, a tenth, wholly.
    )
    for found, spread in ((pulled, 0.9), (merged, 0.0)):
        torch.testing.assert_close(found.mean(0), free.mean(0), rtol=0, atol=1e-6)
        expected = spread * (free - free.mean(0))
        torch.testing.assert_close(found - found.mean(0), expected, rtol=0, atol=1e-6)


def test_an_action_of_little_span_counts_as_much_as_others(batch):
    units = _measure_units(torch.tensor([[-1.0, 0.0, 0.3], [1.0, 0.1, 0.3]]))
    torch.testing.assert_close(units, torch.tensor([1.0, 0.1, 1.0]))
    start, inputs, _ = batch
    labels = torch.full((3, 32, 2), 0.9)  # Far off, where the loss is linear.
    rows = {}
    for name, second in (("plain", 1.0), ("measured", 0.1)):
        population = PolicyBatch(start.clone().requires_grad_(), SPEC)
        optimizer = torch.optim.SGD([population.parameters], lr=1e-9)
        _train_step(population, optimizer, inputs, labels, torch.tensor([1.0, second]), TINY)
        head = next(layer for layer in SPEC.layers if layer.name == "mean")
        rows[name] = population.parameters.grad[:, head.weight].unflatten(1, (2, -1))
    torch.testing.assert_close(rows["measured"][:, 0], rows["plain"][:, 0])
    torch.testing.assert_close(rows["measured"][:, 1], 10 * rows["plain"][:, 1])


def test_each_run_draws_from_its_own_episodes_alone():
    rng = np.random.default_rng(0)
    labelled = LabelledStates(num_runs=4, share=0.5, rng=rng)
    for episode in range(40):
        length = 1 + episode % 3
        labelled.add_episode(np.full((length, 2), episode), np.full((length, 1), -episode))
    states, labels, rows, counts = labelled.to_tensors(torch.device("cpu"))
    assert torch.equal(states[:, :1], -labels)
    owned = []
    for run in range(4):
        mine = states[rows[run, : counts[run]], 0].tolist()
        others = states[rows[run, counts[run] :], 0].tolist()
        assert not set(mine) & set(others), "an episode is drawn as a whole"
        assert len(mine) + len(others) == len(states)
        owned.append(set(mine))
    assert set.union(*owned) == set(range(40)), "every episode is some run's"
    assert len({frozenset(mine) for mine in owned}) == 4
    assert 10 < np.mean([len(mine) for mine in owned]) < 30


def test_a_run_that_drew_nothing_takes_everything():
    labelled = LabelledStates(num_runs=3, share=1e-9, rng=np.random.default_rng(0))
    labelled.add_episode(np.zeros((5, 2)), np.zeros((5, 1)))
    _, _, rows, counts = labelled.to_tensors(torch.device("cpu"))
    assert counts.tolist() == [5, 5, 5]
    assert rows.sort(dim=1).values.tolist() == [[0, 1, 2, 3, 4]] * 3


@dataclass(frozen=True)
class TaughtSuite(GymnasiumSuite):
    """Its experts demonstrate, but another teaches."""

    def teacher(self, task):
        self.check_task(task)
        return lambda observation: np.array([0.5, -0.25])


def test_a_suites_teacher_labels_what_its_expert_demonstrates():
    suite = TaughtSuite(task_configs=find_suite(SUITE).task_configs)
    config = replace(TINY, round_steps=100, max_rounds=TINY.min_rounds)
    actors = PolicyBatch(torch.from_numpy(distill(config, suite=suite)[-1]), SPEC)
    environment = suite.make(TASKS[0])
    states = torch.tensor(np.stack([environment.reset(layout) for layout in range(5)])).float()
    actions = actors.act_all(states)
    assert (actions - torch.tensor([0.5, -0.25])).abs().max() < 0.1


def test_labels_are_the_experts_actions():
    expert = find_suite(SUITE).expert(TASKS[0])
    states = np.random.default_rng(0).standard_normal((7, 10)).astype(np.float32)
    assert label_states(expert, states).tolist() == [expert(state).tolist() for state in states]
