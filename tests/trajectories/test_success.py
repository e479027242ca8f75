"""What counts as success: one strict reader, wherever a value comes from."""

import numpy as np
import pytest

from makeanagent.errors import InputError
from makeanagent.trajectories import Trajectory
from makeanagent.trajectories.success import read_flags, read_success


@pytest.mark.parametrize("value", [True, np.True_, 1, 1.0, 0.25, np.float32(1), np.array([1.0])])
def test_success(value):
    assert read_success(value, "here") is True


@pytest.mark.parametrize("value", [False, np.False_, 0, 0.0, -1.0, -1, np.array([0])])
def test_no_success(value):
    assert read_success(value, "here") is False


@pytest.mark.parametrize(
    "value", [{"task": False}, float("nan"), float("inf"), "False", "True", None, [1, 0], [], b"1"]
)
def test_anything_else_is_refused_in_one_line(value):
    with pytest.raises(InputError, match="^here: success .*accepted is a bool, or one") as caught:
        read_success(value, "here")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("codes", [(-1, 0, 1), (-1, -1, 1), (0, 0, 0.25), (False, False, True)])
def test_codes_of_a_file_are_read_alike(codes):
    assert read_flags(codes, "here").tolist() == [False, False, True]
    found = Trajectory(observations=np.zeros((4, 2)), actions=np.zeros((3, 1)), success=codes)
    assert found.first_success == 3


def test_a_flag_that_is_no_number_is_named():
    with pytest.raises(InputError, match="holds NaN or infinity at step 1"):
        read_flags([0.0, np.nan], "here")
