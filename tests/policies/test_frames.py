"""Policies in another frame; `tests/trajectories/test_symmetry.py` has what it is for."""

import numpy as np
import pytest

from makeanagent.errors import InputError
from makeanagent.policies.frames import reframe_policies
from makeanagent.policies.policy import Policy
from makeanagent.policies.spec import PolicySpec

SPEC = PolicySpec(observation_dim=4, action_dim=3, hidden=(6,), activations=("relu",))


def test_any_affine_map_of_observations_is_taken_up():
    rng = np.random.default_rng(0)
    parameters = rng.standard_normal(SPEC.num_parameters).astype(np.float32)
    linear, shift = rng.standard_normal((4, 4)), rng.standard_normal(4)
    swap = np.array([[0, -1, 0], [0, 0, 1], [1, 0, 0]])
    moved = reframe_policies(parameters, SPEC, linear, shift, swap)
    rows = rng.standard_normal((20, 4))
    expected = Policy(parameters, SPEC).act(rows @ linear.T + shift) @ swap.T
    np.testing.assert_allclose(Policy(moved, SPEC).act(rows), expected, atol=1e-5)


@pytest.mark.parametrize("actions", [2 * np.eye(3), np.ones((3, 3)), np.diag([1, 1, 0])])
def test_actions_may_not_be_mixed_or_scaled(actions):
    """Squashing by tanh would come in between."""
    with pytest.raises(InputError, match="may swap and flip, and no more"):
        reframe_policies(np.zeros(SPEC.num_parameters), SPEC, np.eye(4), np.zeros(4), actions)


def test_parameters_of_another_spec_are_refused():
    with pytest.raises(InputError, match="expected"):
        reframe_policies(np.zeros(5), SPEC, np.eye(4), np.zeros(4), np.eye(3))
