"""Actions in an environment's own units: scaled where its bounds are known, and always said."""

import numpy as np
import pytest

from makeanagent.trajectories import Trajectory
from makeanagent.trajectories.space import Space
from makeanagent.trajectories.units import bring_to_units

BOUNDED = Space(observation_dim=2, action_dim=2, action_low=(-5, 0), action_high=(5, 20))
PLAIN = Space(observation_dim=2, action_dim=2)


def demonstrate(actions):
    actions = np.array(actions, np.float32)
    return Trajectory(
        observations=np.zeros((len(actions) + 1, 2)),
        actions=actions,
        success=np.zeros(len(actions), bool),
        name="demo.npz",
    )


@pytest.mark.parametrize("space", [BOUNDED, PLAIN, None])
def test_actions_in_the_policies_units_stay(space):
    demonstration = demonstrate([[-1, 1], [0.5, 0]])
    assert bring_to_units(demonstration, space) == (demonstration, None)


def test_an_environments_own_units_are_scaled_by_its_bounds():
    demonstration = demonstrate([[-5, 0], [5, 20], [0, 15]])
    found, note = bring_to_units(demonstration, BOUNDED)
    np.testing.assert_allclose(found.actions, [[-1, -1], [1, 1], [0, 0.5]], atol=1e-6)
    assert "demo.npz: actions beyond [-1, 1], up to 20 in size" in note
    assert "scaled" in note and "clipped" not in note
    assert demonstration.actions.max() == 20


def test_what_is_beyond_these_bounds_too_is_clipped():
    found, note = bring_to_units(demonstrate([[0, 30], [0, 10]]), BOUNDED)
    np.testing.assert_allclose(found.actions, [[0, 1], [0, 0]], atol=1e-6)
    assert "beyond these bounds, and clipped" in note


@pytest.mark.parametrize("space", [PLAIN, None])
def test_where_no_bounds_are_known_actions_are_clipped(space):
    found, note = bring_to_units(demonstrate([[18.8, -0.5], [0, -2]]), space)
    np.testing.assert_allclose(found.actions, [[1, -0.5], [0, -1]], atol=1e-6)
    assert "up to 18.8 in size: clipped" in note
