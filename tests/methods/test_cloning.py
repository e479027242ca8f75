"""Cloned policies act as demonstrated, whatever else is cloned beside them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from makeanagent.errors import InputError
from makeanagent.methods.cloning import Cloning, CloningConfig
from makeanagent.policies.spec import PolicySpec
from makeanagent.trajectories import Trajectory
from makeanagent.trajectories.space import Space

SPEC = PolicySpec(observation_dim=5, action_dim=2, hidden=(32, 32))
SPACE = Space(observation_dim=5, action_dim=2, positions=(0,))
CONFIG = CloningConfig(num_steps=400, batch_size=32, learning_rate=3e-3)


def make_demonstration(sign: float, steps: int, seed: int = 0) -> Trajectory:
    observations = np.random.default_rng(seed).normal(size=(steps + 1, 5))
    return Trajectory(
        observations=observations,
        actions=np.tanh(sign * observations[:-1, :2]),
        success=np.zeros(steps),
        name="mine.npz",
    )


FIRST, SECOND = make_demonstration(1.0, 80), make_demonstration(-1.0, 50, seed=1)


def measure_error(policies, row: int, demonstration: Trajectory) -> float:
    actions = policies[row].act(demonstration.observations[:-1])
    return float(np.abs(actions - demonstration.actions).mean())


def test_each_policy_acts_as_its_own_demonstration():
    untrained = Cloning(SPEC, replace(CONFIG, num_steps=0)).generate([FIRST, SECOND])
    cloned = Cloning(SPEC, CONFIG).generate([FIRST, SECOND], 3)
    assert min(measure_error(untrained, row, FIRST) for row in range(2)) > 0.3
    assert measure_error(cloned, 0, FIRST) < 0.05
    assert measure_error(cloned, 1, SECOND) < 0.05
    assert measure_error(cloned, 2, FIRST) < 0.05
    assert measure_error(cloned, 0, SECOND) > 0.3


def test_all_demonstrations_of_a_group_are_learnt():
    """The two cover different halves of the states, and want the opposite there."""
    halves = [
        Trajectory(
            observations=np.concatenate([half.observations, np.full((len(half) + 1, 1), side)], 1),
            actions=half.actions,
            success=half.success,
        )
        for half, side in ((FIRST, 1.0), (SECOND, -1.0))
    ]
    spec = replace(SPEC, observation_dim=6)
    both, one = (
        Cloning(spec, replace(CONFIG, num_steps=1000)).clone([group])
        for group in (halves, halves[:1])
    )
    assert max(measure_error(both, 0, half) for half in halves) < 0.08
    assert measure_error(one, 0, halves[0]) < 0.08 < 0.3 < measure_error(one, 0, halves[1])


def test_groups_are_cloned_as_groups():
    short = Cloning(SPEC, replace(CONFIG, num_steps=5))
    found = short.generate([[FIRST, SECOND], FIRST], 3).parameters
    assert torch.equal(found, short.clone([[FIRST, SECOND], [FIRST], [FIRST, SECOND]]).parameters)


def test_what_is_cloned_beside_makes_no_difference():
    short = Cloning(SPEC, replace(CONFIG, num_steps=50, input_noise=0.1))
    alone = short.clone([[FIRST]]).parameters
    beside = short.clone([[FIRST], [SECOND]]).parameters
    changed = short.clone([[SECOND, FIRST], [SECOND]]).parameters
    assert torch.allclose(alone[0], beside[0], atol=1e-4)
    assert torch.allclose(beside[1], changed[1], atol=1e-4)
    assert not torch.allclose(beside[0], changed[0], atol=1e-2)


def test_seeds_decide_the_policies():
    short = Cloning(SPEC, replace(CONFIG, num_steps=20))
    first, again = (short.generate(FIRST, 2, seed=1).parameters for _ in range(2))
    assert torch.equal(first, again)
    # They share an initialisation, yet not the order of their batches.
    assert not torch.equal(first[0], first[1])
    assert torch.equal(*Cloning(SPEC, replace(CONFIG, num_steps=0)).generate(FIRST, 2).parameters)
    assert not torch.allclose(first, short.generate(FIRST, 2, seed=2).parameters, atol=1e-2)


def test_the_log_std_is_the_same_in_every_state():
    policies = Cloning(SPEC, replace(CONFIG, num_steps=5)).generate(FIRST)
    _, log_std = policies.forward(torch.randn(1, 9, 5))
    assert (log_std == CONFIG.log_std).all()
    bare = replace(SPEC, heads=("mean",))
    assert len(Cloning(bare, replace(CONFIG, num_steps=5)).generate(FIRST)) == 1


def test_noise_on_inputs_smooths_the_policy():
    def roughness(noise: float) -> float:
        cloned = Cloning(SPEC, replace(CONFIG, input_noise=noise)).generate(FIRST)
        states = torch.randn((1, 200, 5), generator=torch.Generator().manual_seed(0))
        return float((cloned.act(states + 0.05) - cloned.act(states)).abs().mean())

    assert roughness(1.0) < 0.8 * roughness(0.0)


def test_moved_states_teach_what_holds_elsewhere():
    rng = np.random.default_rng(0)
    states = 0.1 * rng.normal(size=(200, 5))
    states[:, 4] = 0.0
    actions = np.tanh(10 * states[:-1, :2])
    states[:, 2] = 1.0
    shown = Trajectory(observations=states, actions=actions, success=np.zeros(199))
    there = np.array(states[:-1], np.float32)
    there[:, :2] += 1.0
    config = replace(CONFIG, input_noise=0.05)
    still = Cloning(SPEC, config).generate(shown)
    moved = Cloning(SPEC, config, space=SPACE, translation=1.0).generate(shown)
    # What moves alone says nothing about the action any more, so the mean is what is left.
    assert np.abs(moved[0].act(there)).mean() < 0.7 * np.abs(still[0].act(there)).mean()


def test_lengths_follow_the_unit_of_positions():
    """The same scene in millimetres: noise and moves are as large, and so is what is learnt."""
    metres = replace(SPACE, positions=(0, 2))
    millimetres = replace(metres, unit=1000.0)
    scale = millimetres.scale.astype(np.float32)
    shown = replace(FIRST, observations=FIRST.observations * scale)
    plain, scaled = (
        Cloning(SPEC, replace(CONFIG, num_steps=0, input_noise=0.1), space=space, translation=0.2)
        for space in (metres, millimetres)
    )
    assert scaled._translation == 1000 * plain._translation
    torch.testing.assert_close(scaled._noise_scale, 1000 * plain._noise_scale)
    assert shown.observations.max() > 1000


def test_labels_end_where_tanh_is_still_to_be_had():
    """Actions at their bound would ask for infinite weights."""
    extreme = replace(FIRST, actions=np.sign(FIRST.actions))
    cloned = Cloning(SPEC, replace(CONFIG, action_limit=0.8, num_steps=1000)).generate(extreme)
    actions = np.abs(cloned[0].act(FIRST.observations[:-1]))
    assert np.median(actions) == pytest.approx(0.8, abs=0.03)


def test_weight_decay_shrinks_weights():
    norms = [
        Cloning(SPEC, replace(CONFIG, weight_decay=decay)).generate(FIRST).parameters.norm()
        for decay in (0.0, 1.0)
    ]
    assert norms[1] < 0.9 * norms[0]


def test_what_cannot_be_cloned_is_refused():
    cloning = Cloning(SPEC, CONFIG)
    for groups in ([], [[FIRST], []]):
        with pytest.raises(InputError, match="without a demonstration"):
            cloning.clone(groups)
    wide = Trajectory(
        observations=np.zeros((4, 6)), actions=np.zeros((3, 2)), success=np.zeros(3), name="w.npz"
    )
    with pytest.raises(InputError, match="w.npz: 'observations' are 6 wide; accepted are ."):
        cloning.generate(wide)
