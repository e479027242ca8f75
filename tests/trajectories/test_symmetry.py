"""Symmetries of the floor: what they do to positions, actions, trajectories and policies."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from makeanagent.errors import InputError
from makeanagent.policies.frames import reframe_policies
from makeanagent.policies.policy import Policy
from makeanagent.policies.spec import PolicySpec
from makeanagent.trajectories import Trajectory
from makeanagent.trajectories.space import SYMMETRIES, Space
from makeanagent.trajectories.symmetry import (
    IDENTITY,
    Symmetry,
    find_present,
    find_symmetries,
)

# What (1, 2, 3) becomes about the vertical axis through (10, 20): by hand.
IMAGES = {
    "identity": (1, 2, 3),
    "mirrored": (19, 2, 3),
    "turned90": (28, 11, 3),
    "turned180": (19, 38, 3),
    "turned270": (-8, 29, 3),
    "mirrored-turned90": (28, 29, 3),
    "mirrored-turned180": (1, 38, 3),
    "mirrored-turned270": (-8, 11, 3),
}
# What a push along (1, 2, 3) becomes.
PUSHES = {
    "identity": (1, 2, 3),
    "mirrored": (-1, 2, 3),
    "turned90": (-2, 1, 3),
    "turned180": (-1, -2, 3),
    "turned270": (2, -1, 3),
    "mirrored-turned90": (-2, -1, 3),
    "mirrored-turned180": (1, -2, 3),
    "mirrored-turned270": (2, 1, 3),
}
CENTRE = (10.0, 20.0, 30.0)
# A gripper before, between and after two positions; and in an action before the displacement.
SPACE = Space(
    observation_dim=9,
    action_dim=5,
    positions=(1, 5),
    displacement=1,
    symmetries=SYMMETRIES,
    centre=CENTRE,
)
ALL = find_symmetries(SPACE)
each_symmetry = pytest.mark.parametrize("symmetry", ALL, ids=lambda symmetry: symmetry.name)


def draw_observations(*shape, present=(True, True)):
    observations = np.random.default_rng(0).normal(size=(*shape, 9)).astype(np.float32)
    for start, there in zip(SPACE.positions, present, strict=True):
        observations[..., start : start + 3] *= there
    return observations


def test_a_space_gives_its_symmetries_about_its_centre():
    assert [symmetry.name for symmetry in ALL] == [IDENTITY, *SYMMETRIES] == list(IMAGES)
    assert {symmetry.centre for symmetry in ALL} == {CENTRE}
    assert find_symmetries(Space(observation_dim=3, action_dim=3)) == (Symmetry(),)


@each_symmetry
@pytest.mark.parametrize("make", [np.array, torch.tensor])
def test_positions_move_about_the_centre_and_all_else_stays(symmetry, make):
    observation = make([0.5, 1.0, 2.0, 3.0, 0.25, 1.0, 2.0, 3.0, -0.5])
    image = IMAGES[symmetry.name]
    moved = symmetry.move_observations(observation, SPACE)
    assert moved.tolist() == [0.5, *image, 0.25, *image, -0.5]
    assert observation.tolist() == [0.5, 1.0, 2.0, 3.0, 0.25, 1.0, 2.0, 3.0, -0.5]
    assert moved.dtype == observation.dtype


@each_symmetry
@pytest.mark.parametrize("make", [np.array, torch.tensor])
def test_displacements_turn_and_all_else_stays(symmetry, make):
    action = make([0.5, 1.0, 2.0, 3.0, 0.25])
    moved = symmetry.move_actions(action, SPACE)
    assert moved.tolist() == [0.5, *PUSHES[symmetry.name], 0.25]
    assert action.tolist() == [0.5, 1.0, 2.0, 3.0, 0.25]


@each_symmetry
@pytest.mark.parametrize("make", [np.array, torch.tensor])
def test_what_is_not_there_stays_away(symmetry, make):
    # The second position is there in the first row alone.
    rows = make([[0.5, 1, 2, 3, 0.25, 1, 2, 3, -0.5], [0.5, 1, 2, 3, 0.25, 0, 0, 0, -0.5]])
    moved = symmetry.move_observations(rows, SPACE)
    image = list(IMAGES[symmetry.name])
    assert moved[:, 5:8].tolist() == [image, [0, 0, 0]]
    assert moved[:, 1:4].tolist() == [image, image]


@each_symmetry
def test_rows_of_any_shape_move_one_by_one_in_numpy_and_torch(symmetry):
    rows = draw_observations(2, 3, present=(True, False))
    actions = np.random.default_rng(1).normal(size=(2, 3, 5)).astype(np.float32)
    for move, array in ((symmetry.move_observations, rows), (symmetry.move_actions, actions)):
        moved = move(array, SPACE)
        np.testing.assert_array_equal(moved[1, 2], move(array[1, 2], SPACE))
        np.testing.assert_array_equal(move(torch.from_numpy(array), SPACE).numpy(), moved)
        assert moved.dtype == np.float32


@each_symmetry
def test_an_inverse_undoes(symmetry):
    rows, actions = draw_observations(4), np.random.default_rng(1).normal(size=(4, 5))
    back = symmetry.inverse
    there_and_back = back.move_observations(symmetry.move_observations(rows, SPACE), SPACE)
    np.testing.assert_allclose(there_and_back, rows, atol=1e-5)
    there_and_back = back.move_actions(symmetry.move_actions(actions, SPACE), SPACE)
    np.testing.assert_array_equal(there_and_back, actions)
    assert symmetry.after(back).name == back.after(symmetry).name == IDENTITY


@each_symmetry
@pytest.mark.parametrize("first", ALL, ids=lambda symmetry: symmetry.name)
def test_one_after_another_is_a_symmetry(symmetry, first):
    rows = draw_observations(4).astype(np.float64)
    both = symmetry.after(first)
    assert both in ALL
    one_by_one = symmetry.move_observations(first.move_observations(rows, SPACE), SPACE)
    np.testing.assert_allclose(both.move_observations(rows, SPACE), one_by_one, atol=1e-12)


@each_symmetry
@pytest.mark.parametrize("present", [(True, True), (True, False), (False, False)])
def test_maps_do_what_moves_do(symmetry, present):
    rows = draw_observations(6, present=present).astype(np.float64)
    assert find_present(rows, SPACE) == find_present(torch.from_numpy(rows), SPACE) == present
    linear, shift = symmetry.map_observations(SPACE, present)
    np.testing.assert_allclose(
        rows @ linear.T + shift, symmetry.move_observations(rows, SPACE), atol=1e-12
    )
    actions = np.random.default_rng(1).normal(size=(6, 5))
    np.testing.assert_array_equal(
        actions @ symmetry.map_actions(SPACE).T, symmetry.move_actions(actions, SPACE)
    )


@each_symmetry
def test_a_trajectory_moves_whole(symmetry):
    trajectory = Trajectory(
        observations=draw_observations(4),
        actions=np.random.default_rng(1).normal(size=(3, 5)),
        success=[False, True, True],
        env_id="suite/task",
        source="expert",
    )
    moved = symmetry.move_trajectory(trajectory, SPACE)
    np.testing.assert_array_equal(
        moved.observations, symmetry.move_observations(trajectory.observations, SPACE)
    )
    np.testing.assert_array_equal(moved.actions, symmetry.move_actions(trajectory.actions, SPACE))
    np.testing.assert_array_equal(moved.success, trajectory.success)
    assert (moved.env_id, moved.source) == ("suite/task", "expert")


SPECS = {
    "sac": PolicySpec(observation_dim=9, action_dim=5, hidden=(16, 8)),
    "linear": PolicySpec(observation_dim=9, action_dim=5, hidden=(), activations=()),
    "plain": PolicySpec(observation_dim=9, action_dim=5, heads=("mean",), squash="none"),
}


@each_symmetry
@pytest.mark.parametrize("present", [(True, True), (True, False)])
@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_a_moved_policy_does_in_the_moved_world_what_it_did(symmetry, present, spec):
    rng = np.random.default_rng(2)
    parameters = 0.2 * rng.standard_normal((3, spec.num_parameters)).astype(np.float32)
    before = parameters.copy()
    maps = symmetry.map_policies(SPACE, present)
    moved = reframe_policies(parameters, spec, *maps)
    np.testing.assert_array_equal(parameters, before)
    assert moved.dtype == np.float32
    rows = draw_observations(20, present=present)
    for own, other in zip(parameters, moved, strict=True):
        expected = symmetry.move_actions(Policy(own, spec).act(rows), SPACE)
        seen = symmetry.move_observations(rows, SPACE)
        np.testing.assert_allclose(Policy(other, spec).act(seen), expected, atol=2e-5)
    in_torch = reframe_policies(torch.from_numpy(parameters), spec, *maps)
    np.testing.assert_allclose(in_torch.numpy(), moved, atol=1e-5)
    np.testing.assert_array_equal(
        reframe_policies(parameters[1], spec, *maps).shape, parameters[1].shape
    )


@each_symmetry
def test_a_moved_policys_noise_is_as_wide_along_what_was_swapped(symmetry):
    spec = PolicySpec(observation_dim=9, action_dim=5, squash="none")
    parameters = 0.1 * np.random.default_rng(3).standard_normal(spec.num_parameters)
    head = spec.layers[-1]
    parameters[head.bias] = [-5.0, -4.0, -1.0, 0.0, 1.0]
    moved = reframe_policies(parameters, spec, *symmetry.map_policies(SPACE, (True, True)))

    def spread(vector, row):
        policy = Policy(vector, spec)
        rows = np.broadcast_to(row, (4000, 9))
        return policy.act(rows, deterministic=False, rng=np.random.default_rng(4)).std(axis=0)

    row = draw_observations()
    unsigned = np.abs(symmetry.move_actions(spread(parameters, row), SPACE))
    there = spread(moved, symmetry.move_observations(row, SPACE))
    np.testing.assert_allclose(there, unsigned, rtol=0.1)


def test_presence_decides_what_is_shifted():
    """A policy that was moved for an object that is not there reads its zeros as a position."""
    spec = SPECS["plain"]
    parameters = 0.2 * np.random.default_rng(2).standard_normal(spec.num_parameters)
    symmetry, rows = ALL[1], draw_observations(20, present=(True, False))
    wrong = reframe_policies(parameters, spec, *symmetry.map_policies(SPACE, (True, True)))
    expected = symmetry.move_actions(Policy(parameters, spec).act(rows), SPACE)
    found = Policy(wrong, spec).act(symmetry.move_observations(rows, SPACE))
    assert np.abs(found - expected).max() > 0.1


def test_symmetries_pickle_and_are_told_apart():
    assert pickle.loads(pickle.dumps(ALL)) == ALL
    assert len({*ALL, Symmetry(name="mirrored")}) == 9


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: Symmetry(name="turned45"), "symmetry 'turned45': accepted are identity, mirrored"),
        (lambda: Symmetry(centre=(1.0, 2.0)), "centre .*: must be three finite numbers"),
        (lambda: Symmetry(centre=(1.0, np.nan, 2.0)), "must be three finite numbers"),
        (lambda: ALL[1].after(Symmetry(name="mirrored")), "centres differ"),
        (lambda: ALL[1].map_observations(SPACE, (True,)), "presence of 1 positions, but .* has 2"),
        (
            lambda: ALL[1].move_actions(
                np.zeros(5), replace(SPACE, displacement=None, symmetries=())
            ),
            "displacement is not given",
        ),
    ],
)
def test_what_cannot_be_is_refused(call, match):
    with pytest.raises(InputError, match=match):
        call()
