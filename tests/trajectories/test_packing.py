import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from makeanagent.errors import InputError
from makeanagent.trajectories import Trajectory
from makeanagent.trajectories.packing import pack_trajectories, unpack_trajectories


@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=6), seed=st.integers(0, 99))
def test_what_is_packed_comes_back(lengths, seed):
    rng = np.random.default_rng(seed)
    trajectories = [
        Trajectory(
            observations=rng.standard_normal((length + 1, 3)),
            actions=rng.standard_normal((length, 2)),
            success=rng.random(length) < 0.5,
        )
        for length in lengths
    ]
    arrays = pack_trajectories(trajectories, "rollouts")
    total = sum(lengths)
    assert {name: array.shape for name, array in arrays.items()} == {
        "rollouts.observations": (total + len(lengths), 3),
        "rollouts.actions": (total, 2),
        "rollouts.success": (total,),
        "rollouts.lengths": (len(lengths),),
    }
    found = unpack_trajectories(arrays, "rollouts", "suite/task", "zoo")
    for ours, theirs in zip(found, trajectories, strict=True):
        assert (ours.env_id, ours.source) == ("suite/task", "zoo")
        for name in ("observations", "actions", "success"):
            assert getattr(ours, name).dtype == getattr(theirs, name).dtype
            assert getattr(ours, name).tobytes() == getattr(theirs, name).tobytes()


def test_lengths_that_do_not_fit_the_arrays_are_refused():
    rng = np.random.default_rng(0)
    trajectory = Trajectory(
        observations=rng.standard_normal((5, 3)),
        actions=rng.standard_normal((4, 2)),
        success=np.zeros(4, bool),
    )
    arrays = pack_trajectories([trajectory, trajectory], "x")
    for lengths in ([3, 4], [4], [4, 4, 1], [9, 4], []):
        with pytest.raises(InputError, match="x.lengths"):
            unpack_trajectories(arrays | {"x.lengths": np.array(lengths, int)}, "x", None, None)
