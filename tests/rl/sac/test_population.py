"""Stacked agents: each learns as it would by itself, and goes on from its state exactly."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from makeanagent.artifacts import read_tensors, write_tensors
from makeanagent.policies.codec import unflatten_policy
from makeanagent.policies.policy import Policy
from makeanagent.policies.spec import PolicySpec
from makeanagent.rl.sac.config import SACConfig
from makeanagent.rl.sac.population import SACPopulation
from makeanagent.rl.sac.replay_buffer import ReplayBuffer

SPEC = PolicySpec(observation_dim=3, action_dim=2, hidden=(12, 8))
CONFIG = SACConfig(actor_period=1, tau=0.1)
NETWORKS = ("actors", "critics", "targets", "log_temperature")


def make_population(config=CONFIG, seeds=(1, 2, 3), seed=0):
    return SACPopulation(SPEC, config, seeds, seed)


def make_batch(num_agents=3, seed=0, size=16):
    batch = torch.randn((num_agents, size, 10), generator=torch.Generator().manual_seed(seed))
    batch[..., 3:5].tanh_()
    batch[..., 6] = 0.9
    return batch


def train(population, num_updates, first=0):
    for seed in range(first, first + num_updates):
        population.update(make_batch(len(population), seed))
    return population


def networks_of(population):
    return {name: getattr(population, name).detach().clone() for name in NETWORKS}


def bytes_of(population):
    return {name: array.tobytes() for name, array in population.state_dict().items()}


def changed(before, population):
    after = networks_of(population)
    return {name for name in NETWORKS if not torch.equal(before[name], after[name])}


def test_an_update_changes_every_network_of_every_agent():
    population = make_population()
    before = networks_of(population)
    train(population, 1)
    after = networks_of(population)
    for name in ("actors", "log_temperature"):
        assert (before[name] != after[name]).view(3, -1).any(dim=1).all()
    for name in ("critics", "targets"):
        assert (before[name] != after[name]).any(dim=2).all()


def test_agents_learn_nothing_from_the_others_batches():
    one, other = make_population(), make_population()
    for seed in range(5):
        batch, foreign = make_batch(seed=seed), make_batch(seed=100 + seed)
        foreign[0] = batch[0]
        one.update(batch)
        other.update(foreign)
    for name in NETWORKS:
        axis = 1 if name in ("critics", "targets") else 0
        ours = getattr(one, name).detach().movedim(axis, 0)
        theirs = getattr(other, name).detach().movedim(axis, 0)
        assert torch.equal(ours[0], theirs[0]), name
        assert not torch.equal(ours[1], theirs[1]), name


def test_actor_and_targets_have_their_periods():
    population = make_population(replace(CONFIG, actor_period=3, target_period=2))
    actor, targets = {"actors", "log_temperature"}, {"targets"}
    for number, expected in enumerate([set(), targets, actor, targets, set(), actor | targets]):
        before = networks_of(population)
        train(population, 1, number)
        assert changed(before, population) == expected | {"critics"}, number + 1


def test_targets_follow_the_critics_by_tau():
    population = make_population()
    before = networks_of(population)["targets"]
    train(population, 1)
    expected = 0.9 * before + 0.1 * population.critics
    torch.testing.assert_close(population.targets, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("rate", [1e-3, 0.02])
def test_all_networks_learn_at_the_rate_of_the_settings(rate):
    population = make_population(replace(CONFIG, learning_rate=rate))
    before = networks_of(population)
    train(population, 1)
    # Adam's first step is as long as its rate wherever the gradient is not tiny.
    for name in ("actors", "critics", "log_temperature"):
        longest = (before[name] - getattr(population, name)).abs().max().item()
        assert longest == pytest.approx(rate, rel=0.01)


def test_twins_and_agents_begin_apart():
    population = make_population()
    critics = population.critics.flatten(0, 1).detach().numpy()
    assert len(np.unique(critics, axis=0)) == 6
    assert len(np.unique(population.parameters(), axis=0)) == 3
    assert torch.equal(population.critics, population.targets)
    assert torch.allclose(population.log_temperature.exp(), torch.tensor(0.1))


def test_agents_may_share_their_initial_actor():
    population = make_population(replace(CONFIG, init_seed=5))
    assert len(np.unique(population.parameters(), axis=0)) == 1
    assert len(np.unique(population.critics[0].detach().numpy(), axis=0)) == 3
    assert len(np.unique(train(population, 1).parameters(), axis=0)) == 3


def test_an_agents_beginning_is_of_its_own_seed():
    alone = make_population(seeds=(2,))
    assert np.array_equal(alone.parameters()[0], make_population().parameters()[1])
    assert torch.equal(alone.critics[:, 0], make_population().critics[:, 1])


def test_parameters_are_a_copy():
    population = make_population()
    before = population.parameters()
    population.parameters()[:] = 0
    assert np.array_equal(population.parameters(), before)


def test_the_same_seed_gives_the_same_bytes():
    contents = bytes_of(train(make_population(), 3))
    assert bytes_of(train(make_population(), 3)) == contents
    other = bytes_of(train(make_population(seed=1), 3))
    assert {name for name in other if other[name] == contents[name]} >= {"num_updates", "center"}
    assert other["actors"] != contents["actors"]
    assert other["rng"] != contents["rng"]


@pytest.mark.parametrize("num_updates", [0, 1, 3])
def test_a_state_goes_on_exactly(tmp_path, num_updates):
    config = replace(CONFIG, actor_period=2, target_period=3)
    population = make_population(config)
    population.standardize(make_batch(seed=50))
    train(population, num_updates)
    write_tensors(tmp_path / "state.safetensors", population.state_dict())
    train(population, 5, num_updates)

    found = make_population(config, seeds=(7, 8, 9), seed=4)
    found.load_state_dict(read_tensors(tmp_path / "state.safetensors"))
    assert found.num_updates == num_updates
    train(found, 5, num_updates)
    assert bytes_of(found) == bytes_of(population)


def test_a_state_is_no_longer_the_populations():
    population = train(make_population(), 2)
    state = {name: array.copy() for name, array in population.state_dict().items()}
    other = make_population()
    other.load_state_dict(state)
    train(other, 2)
    assert bytes_of(population) == {name: array.tobytes() for name, array in state.items()}


def test_standardised_inputs_have_mean_0_and_deviation_1():
    population = make_population()
    rows = make_batch(seed=9, size=200)
    rows[1, :, :3] = 5 + 0.2 * rows[1, :, :3]
    rows[2, :, 1] = 7.0
    assert not population.standardized
    population.standardize(rows)
    assert population.standardized
    seen = (rows[..., :5] - population.center) * population.inverse_scale
    torch.testing.assert_close(seen[..., :3].mean(dim=1), torch.zeros(3, 3), atol=1e-4, rtol=0)
    deviations = torch.ones(3, 3)
    deviations[2, 1] = 0  # A constant is only moved to 0.
    torch.testing.assert_close(seen[..., :3].std(dim=1), deviations, atol=1e-4, rtol=0)
    assert torch.equal(seen[..., 3:], rows[..., 3:5]), "actions stay as they are"


def test_only_the_critics_inputs_are_standardised():
    batch = make_batch()
    batch[..., :3] *= 10
    plain, scaled = make_population(), make_population()
    scaled.standardize(batch)
    assert np.array_equal(plain.parameters(), scaled.parameters())
    assert plain.generator.get_state().equal(scaled.generator.get_state())
    for population in (plain, scaled):
        population.update(batch)
    assert not torch.equal(plain.critics, scaled.critics)


def leaf(vector):
    return vector.detach().double().requires_grad_()


def assert_close(found, expected):
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-5)


def arrays_of(vector, spec):
    """W and b of each layer as views, in which a gradient finds back to the vector."""
    arrays = {}
    for layer in spec.layers:
        weight = vector[layer.weight].reshape(layer.fan_out, layer.fan_in)
        arrays[layer.name] = weight, vector[layer.bias]
    expected = unflatten_policy(vector.detach().numpy(), spec)
    assert np.array_equal(arrays["mean"][0].detach().numpy(), expected["mean.weight"])
    return arrays


def reference_sample(actor, observations, noise):
    arrays = arrays_of(actor, SPEC)
    x = functional.elu(functional.linear(observations, *arrays["linear1"]))
    x = functional.relu(functional.linear(x, *arrays["linear2"]))
    mean = functional.linear(x, *arrays["mean"])
    log_std = functional.linear(x, *arrays["log_std"]).clamp(-20, 2)
    normal = torch.distributions.Normal(mean, log_std.exp())
    raw = mean + log_std.exp() * noise
    # 1 - tanh(u)^2 = 4 sigmoid(2 u) sigmoid(-2 u), which does not round to 0.
    squash = np.log(4) + functional.logsigmoid(2 * raw) + functional.logsigmoid(-2 * raw)
    return torch.tanh(raw), (normal.log_prob(raw) - squash).sum(dim=1)


def reference_value(critic, spec, observations, actions):
    arrays = arrays_of(critic, spec)
    x = torch.cat([observations, actions], dim=1)
    x = functional.relu(functional.linear(x, *arrays["linear1"]))
    x = functional.relu(functional.linear(x, *arrays["linear2"]))
    return functional.linear(x, *arrays["mean"])[:, 0]


@pytest.mark.parametrize("standardized", [False, True])
def test_one_update_is_that_of_plain_networks(standardized):
    population = make_population(seeds=(3,))
    with torch.no_grad():  # Critics and targets differ, as later in training.
        population.targets.add_(0.05 * torch.randn(population.targets.shape))
    batch = make_batch(1, size=32)
    batch[..., :3] = 2 + 3 * batch[..., :3]
    (rows,) = batch.double()
    observations, actions, then = rows[:, :3], rows[:, 3:5], rows[:, 7:]
    center, scale = torch.zeros(3), torch.ones(3)
    if standardized:
        population.standardize(batch)
        center, scale = observations.mean(dim=0), observations.std(dim=0)

    spec = population.critic_spec
    targets = [leaf(population.targets[twin, 0]) for twin in (0, 1)]
    critics = [leaf(population.critics[twin, 0]) for twin in (0, 1)]
    actor, log_temperature = leaf(population.actors[0]), leaf(population.log_temperature)
    generator = torch.Generator()
    generator.set_state(population.generator.get_state())
    noises = [torch.randn((1, 32, 2), generator=generator)[0] for _ in range(2)]
    population.update(batch)

    def value_of(networks, states, actions):
        states = (states - center) / scale
        return torch.stack([reference_value(each, spec, states, actions) for each in networks])

    with torch.no_grad():
        action, log_prob = reference_sample(actor, then, noises[0])
        soft = value_of(targets, then, action).amin(dim=0) - 0.1 * log_prob
        goal = rows[:, 5] + 0.9 * soft
    loss = functional.mse_loss(value_of(critics, observations, actions), goal.expand(2, -1))
    (2 * loss).backward()
    for twin, critic in enumerate(critics):
        assert_close(population.critics.grad[twin, 0], critic.grad)

    # Actor and temperature follow the critics as they are after their step.
    critics = [leaf(population.critics[twin, 0]) for twin in (0, 1)]
    action, log_prob = reference_sample(actor, observations, noises[1])
    value = value_of(critics, observations, action).amin(dim=0)
    (0.1 * log_prob - value).mean().backward()
    assert_close(population.actors.grad[0], actor.grad)
    target_entropy = -SPEC.action_dim
    (-log_temperature * (log_prob.detach() + target_entropy)).mean().backward()
    assert_close(population.log_temperature.grad, log_temperature.grad)


def test_agents_find_their_own_optimum():
    spec = PolicySpec(observation_dim=2, action_dim=1, hidden=(16, 16))
    config = SACConfig(learning_rate=1e-2, initial_temperature=0.01, actor_period=1)
    rng = np.random.default_rng(0)
    optima = np.array([0.5, -0.4])
    states, actions = rng.standard_normal((2, 500, 2)), rng.uniform(-1, 1, (2, 500, 1))
    rewards = -((actions - optima[:, None, None]) ** 2)
    nothing_follows = np.zeros((2, 500, 1))
    rows = np.concatenate([states, actions, rewards, nothing_follows, states], axis=2)
    buffer = ReplayBuffer(spec, 500, np.zeros((2, 0, 7)))
    buffer.add(rows)
    population = SACPopulation(spec, config, (0, 1))
    for _ in range(600):
        population.update(buffer.sample(64, 0.0, population.generator))
    for parameters, optimum, own in zip(population.parameters(), optima, states, strict=True):
        action = Policy(parameters, spec).act(own)
        np.testing.assert_allclose(action.mean(), optimum, atol=0.1)
