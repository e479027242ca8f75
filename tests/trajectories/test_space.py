"""Spaces: what is refused, and the way to JSON and back."""

import json

import numpy as np
import pytest

from makeanagent.errors import InputError
from makeanagent.trajectories.space import Space

PLAIN = Space(observation_dim=6, action_dim=2)
FULL = Space(
    observation_dim=6,
    action_dim=2,
    action_low=(-2, 0),
    action_high=(2, 5),
    positions=(0, 3),
    unit=1000,
)


@pytest.mark.parametrize("space", [PLAIN, FULL])
def test_a_space_survives_json(space):
    assert Space.from_dict(json.loads(json.dumps(space.to_dict()))) == space


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"action_low": (0.0,), "action_high": (1.0,)}, "expected 2 finite numbers each"),
        ({"action_low": (0.0, 0.0), "action_high": (1.0, 0.0)}, "the first ones below the second"),
        ({"action_low": (0.0, 0.0)}, "expected 2 finite numbers each"),
        ({"action_low": (-np.inf, 0.0), "action_high": (1.0, 1.0)}, "finite"),
        ({"action_low": ("a", 0.0)}, "action_low .*: must be numbers"),
        ({"positions": (4,)}, "positions: 4 must be 0 to 3"),
        ({"positions": (-1,)}, "positions: -1 must be 0 to 3"),
        ({"unit": 0}, "unit 0: must be a number above 0"),
        ({"unit": float("nan")}, "must be a number above 0"),
        ({"colour": 1}, "unexpected keyword argument 'colour'"),
    ],
)
def test_what_does_not_fit_is_refused(fields, match):
    with pytest.raises(InputError, match=match):
        Space.from_dict(PLAIN.to_dict() | fields)
