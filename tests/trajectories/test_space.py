"""Spaces: what is refused, and the way to JSON and back."""

import json

import numpy as np
import pytest

from makeanagent.errors import InputError
from makeanagent.trajectories.space import Space

PLAIN = Space(observation_dim=6, action_dim=2)
NAMED = Space(observation_dim=6, action_dim=2, positions=(0, 3), names=("hand", "goal"))
FULL = Space(
    observation_dim=6,
    action_dim=2,
    action_low=(-2, 0),
    action_high=(2, 5),
    positions=(0, 3),
    unit=1000,
)
TABLE = Space(
    observation_dim=6,
    action_dim=4,
    action_low=(0, -2, -2, -1),
    action_high=(1, 2, 2, 5),
    positions=(0, 3),
    past=(3,),
    displacement=1,
    symmetries=("mirrored", "turned180"),
    centre=(0, 0.5, 0),
)


@pytest.mark.parametrize("space", [PLAIN, NAMED, FULL, TABLE])
def test_a_space_survives_json(space):
    assert Space.from_dict(json.loads(json.dumps(space.to_dict()))) == space


def test_names_are_for_people():
    assert NAMED.name_position(3) == "goal"
    assert Space.from_dict(json.loads(json.dumps(NAMED.to_dict()))).names == ("hand", "goal")
    plain = Space(observation_dim=6, action_dim=2, positions=(0, 3))
    assert plain.name_position(3) == "position at 3:6"
    assert plain == NAMED
    for names in (("hand",), ("hand", "hand"), ("hand", "hand", "goal")):
        with pytest.raises(InputError, match="must be 2 different ones"):
            Space(observation_dim=6, action_dim=2, positions=(0, 3), names=names)


def test_a_space_from_before_symmetries_states_none():
    names = ("observation_dim", "action_dim", "action_low", "action_high", "positions", "unit")
    content = FULL.to_dict()
    space = Space.from_dict({name: content[name] for name in names})
    assert space == FULL
    assert (space.past, space.displacement, space.symmetries, space.centre) == ((), None, (), ())


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"past": (4,)}, r"past: 4 is none of positions \(0, 3\)"),
        ({"displacement": 2}, "displacement 2 must be 0 to 1"),
        ({"displacement": -1}, "displacement -1 must be 0 to 1"),
        ({"symmetries": ("turned45",)}, "symmetries: 'turned45' is none of mirrored, turned90"),
        ({"displacement": None}, "symmetries need positions, a displacement and a centre"),
        ({"positions": (), "past": ()}, "symmetries need positions, a displacement and a centre"),
        ({"centre": ()}, "symmetries need positions, a displacement and a centre"),
        ({"centre": (0, 1)}, "centre .*: must be three finite numbers"),
        ({"centre": (0, 1, np.inf)}, "centre .*: must be three finite numbers"),
        ({"centre": ("a", 1, 1)}, "centre .*: must be numbers"),
        ({"action_low": (0, -3, -2, -1)}, "along x and y must reach as far to either side"),
        (
            {"action_low": (0, -2, -3, -1), "action_high": (1, 2, 3, 5)},
            "along x and y must reach as far to either side",
        ),
    ],
)
def test_symmetries_that_do_not_fit_are_refused(fields, match):
    with pytest.raises(InputError, match=match):
        Space.from_dict(TABLE.to_dict() | fields)


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
