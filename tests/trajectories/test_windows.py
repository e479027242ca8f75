"""Prompt windows against an arithmetic written out by hand."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makeanagent.errors import InputError
from makeanagent.trajectories import (
    Prompt,
    PromptWindow,
    SegmentWindow,
    Trajectory,
    make_prompt,
    stack_prompts,
)
from makeanagent.trajectories.windows import read_window

QUICK = settings(deadline=None, max_examples=100)


def make_trajectory(num_steps, observation_dim=39, action_dim=4, success=(), **texts):
    """A trajectory whose numbers all differ: observation i of step t is 1000 t + i."""
    rows, columns = np.arange(num_steps + 1)[:, None], np.arange(observation_dim)
    return Trajectory(
        observations=1000 * rows + columns,
        actions=-(1000 * rows[:-1] + np.arange(action_dim) + 1),
        success=np.isin(np.arange(num_steps), list(success)),
        **texts,
    )


def test_the_papers_prompt_of_metaworld():
    window = PromptWindow()
    assert (window.num_steps, window.group_steps, window.num_outcome_states) == (60, 3, 3)
    assert window.behavior_dim(39, 4) == 1020
    assert window.outcome_dim(39) == 117
    trajectory = make_trajectory(100, success=range(70, 100))
    prompt = make_prompt(trajectory)
    assert prompt.behavior.shape == (1, 1020)
    assert prompt.outcome.shape == (1, 117)
    assert prompt.behavior.dtype == prompt.outcome.dtype == np.float32
    # The second group: s_3, then a_3, a_4, a_5.
    assert prompt.behavior[0, 51:55].tolist() == [3000, 3001, 3002, 3003]
    assert prompt.behavior[0, 51 + 39 : 102].tolist() == [
        *(-3001, -3002, -3003, -3004),
        *(-4001, -4002, -4003, -4004),
        *(-5001, -5002, -5003, -5004),
    ]
    # Success after action 70 is success in s_71.
    assert prompt.has_success
    assert prompt.outcome[0, ::39].tolist() == [71_000, 72_000, 73_000]


def test_without_a_success_the_outcome_is_the_last_states():
    prompt = make_prompt(make_trajectory(100))
    assert not prompt.has_success
    assert prompt.outcome[0, ::39].tolist() == [98_000, 99_000, 100_000]


def test_only_the_first_success_counts():
    prompt = make_prompt(make_trajectory(100, success=[20, 21, 50, 99]))
    assert prompt.outcome[0, ::39].tolist() == [21_000, 22_000, 23_000]


@pytest.mark.parametrize(
    ("first", "expected"),
    [(97, [98, 99, 100]), (98, [99, 100, 100]), (99, [100, 100, 100])],
)
def test_a_recording_that_ends_early_repeats_its_last_state(first, expected):
    prompt = make_prompt(make_trajectory(100, success=[first]))
    assert prompt.outcome[0, ::39].tolist() == [1000 * step for step in expected]


@QUICK
@given(
    num_groups=st.integers(1, 5),
    group_steps=st.integers(1, 4),
    num_outcome_states=st.integers(1, 6),
    extra_steps=st.integers(0, 8),
    observation_dim=st.integers(1, 3),
    action_dim=st.integers(1, 3),
    successes=st.sets(st.integers(0, 30)),
)
def test_any_window_of_any_trajectory(
    num_groups, group_steps, num_outcome_states, extra_steps, observation_dim, action_dim, successes
):
    num_steps = num_groups * group_steps
    window = PromptWindow(
        num_steps=num_steps, group_steps=group_steps, num_outcome_states=num_outcome_states
    )
    trajectory = make_trajectory(num_steps + extra_steps, observation_dim, action_dim, successes)
    prompt = make_prompt(trajectory, window)

    behavior = []
    for step in range(num_steps):
        if step % group_steps == 0:
            behavior += [1000 * step + i for i in range(observation_dim)]
            for later in range(step, step + group_steps):
                behavior += [-(1000 * later + i + 1) for i in range(action_dim)]
    last = num_steps + extra_steps
    solved = sorted(step for step in successes if step < last)
    steps = (
        [solved[0] + 1 + i for i in range(num_outcome_states)]
        if solved
        else [max(last - num_outcome_states + 1, 0) + i for i in range(num_outcome_states)]
    )
    outcome = [1000 * min(step, last) + i for step in steps for i in range(observation_dim)]

    assert prompt.behavior.tolist() == [behavior]
    assert prompt.outcome.tolist() == [outcome]
    assert prompt.has_success == bool(solved)
    assert len(behavior) == window.behavior_dim(observation_dim, action_dim)
    assert len(outcome) == window.outcome_dim(observation_dim)


def test_a_prompt_does_not_share_memory_with_its_trajectory():
    trajectory = make_trajectory(3, 1, 1)
    window = PromptWindow(num_steps=3, num_outcome_states=1)
    make_prompt(trajectory, window).behavior[:] = 7
    make_prompt(trajectory, window).outcome[:] = 7
    assert trajectory.observations.ravel().tolist() == [0, 1000, 2000, 3000]


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        ({}, "trajectory"),
        ({"source": "expert"}, "expert"),
        ({"source": "expert", "name": "demo.npz"}, "demo.npz"),
    ],
)
def test_too_few_steps_are_named(texts, name):
    make_prompt(make_trajectory(60))
    with pytest.raises(InputError, match=f"^{name}: 59 steps are too few; .* the first 60$"):
        make_prompt(make_trajectory(59, **texts))


@pytest.mark.parametrize(
    "fields",
    [
        {"num_steps": 0},
        {"group_steps": 0},
        {"num_outcome_states": 0},
        {"num_steps": 61},
        {"num_steps": 3, "group_steps": 6},
    ],
)
def test_windows_that_do_not_add_up_are_refused(fields):
    with pytest.raises(InputError, match="PromptWindow"):
        PromptWindow(**fields)


def test_prompts_stack():
    prompts = [make_prompt(make_trajectory(60 + count)) for count in range(4)]
    behavior, outcome = stack_prompts(prompts)
    assert behavior.shape == (4, 1, 1020)
    assert outcome.shape == (4, 1, 117)
    assert behavior[2].tobytes() == prompts[2].behavior.tobytes()
    assert outcome[2].tobytes() == prompts[2].outcome.tobytes()


def test_prompts_that_do_not_stack_are_refused():
    other = Prompt(behavior=np.zeros((1, 2)), outcome=np.zeros((1, 1)), has_success=False)
    for prompts in ([], [make_prompt(make_trajectory(60)), other]):
        with pytest.raises(InputError, match="prompts: expected one or more of one width"):
            stack_prompts(prompts)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"observations": np.zeros((4, 2))}, "4 observations, 4 actions and 4 success flags"),
        ({"observations": np.zeros(5)}, r"must be \[T \+ 1, O\], \[T, A\] and \[T\]"),
        ({"success": np.zeros((4, 1))}, r"must be \[T \+ 1, O\], \[T, A\] and \[T\]"),
        ({"actions": np.full((4, 1), np.nan)}, "'actions' holds NaN or infinity at step 0"),
        ({"success": [0, 0, np.nan, 1]}, "'success' holds NaN or infinity at step 2"),
        ({"observations": np.full((5, 2), 1e300)}, "'observations' holds NaN or infinity"),
        ({"observations": [[1, 2], [3]]}, "'observations' does not hold numbers"),
        ({"actions": [["a"]] * 4}, "'actions' does not hold numbers"),
        ({"actions": np.zeros((4, 1), complex)}, "'actions' does not hold numbers"),
        ({"actions": None}, "'actions' does not hold numbers"),
        ({"actions": np.zeros((4, 0))}, "'actions' holds no numbers"),
        (
            {"observations": np.zeros((1, 2)), "actions": np.zeros((0, 1)), "success": []},
            "holds no step",
        ),
    ],
)
def test_trajectories_that_cannot_be_are_refused(fields, message):
    valid = {"observations": np.zeros((5, 2)), "actions": np.zeros((4, 1)), "success": [0, 0, 1, 1]}
    assert Trajectory(**valid).first_success == 3
    with pytest.raises(InputError, match=f"^demo.npz: .*{message}"):
        Trajectory(**(valid | fields), name="demo.npz")


def test_segments_by_hand():
    """Ten steps in three segments: 0 to 3, 3 to 6 and 6 to 10."""
    window = SegmentWindow(num_segments=3, num_steps=2, group_steps=1, num_outcome_states=2)
    trajectory = make_trajectory(10, 1, 1, success=[4])
    prompt = window.read(trajectory)
    # Of each: state and action of its first two steps; then its last state and the one before.
    assert prompt.behavior.tolist() == [
        [0, -1, 1000, -1001],
        [3000, -3001, 4000, -4001],
        [6000, -6001, 7000, -7001],
    ]
    assert prompt.outcome.tolist() == [[2000, 3000], [5000, 6000], [9000, 10_000]]
    assert not prompt.has_success
    assert (window.behavior_dim(1, 1), window.outcome_dim(1)) == (4, 2)


@QUICK
@given(
    num_segments=st.integers(1, 5),
    num_groups=st.integers(1, 3),
    group_steps=st.integers(1, 3),
    num_outcome_states=st.integers(1, 8),
    extra_steps=st.integers(0, 9),
)
def test_segments_of_any_trajectory_lie_within_it(
    num_segments, num_groups, group_steps, num_outcome_states, extra_steps
):
    window = SegmentWindow(
        num_segments=num_segments,
        num_steps=num_groups * group_steps,
        group_steps=group_steps,
        num_outcome_states=num_outcome_states,
    )
    total = window.min_steps + extra_steps
    prompt = window.read(make_trajectory(total, 2, 1))
    assert prompt.behavior.shape == (num_segments, window.behavior_dim(2, 1))
    assert prompt.outcome.shape == (num_segments, window.outcome_dim(2))
    first, last = prompt.behavior[:, 0] / 1000, prompt.outcome[:, -2] / 1000
    assert first.tolist() == [0, *last[:-1]], "each begins where the one before ends"
    assert last[-1] == total
    assert np.ptp(last - first) <= 1, "all are as long, as near as can be"
    assert (prompt.outcome[:, 0] / 1000 >= first).all(), "an outcome lies in its own segment"
    if window.min_steps > 1:
        with pytest.raises(InputError, match="too few; a prompt of"):
            window.read(make_trajectory(window.min_steps - 1, 2, 1))


@pytest.mark.parametrize(
    "window", [PromptWindow(num_steps=12), SegmentWindow(num_segments=3, num_outcome_states=5)]
)
def test_a_window_survives_json(window):
    content = json.loads(json.dumps(dataclasses.asdict(window)))
    assert read_window(content) == window
    assert window.min_steps == {"success": 12, "segments": 180}[content["kind"]]


def test_a_window_without_a_kind_is_that_of_a_success():
    assert read_window({"num_steps": 9}) == PromptWindow(num_steps=9)
    with pytest.raises(InputError, match="window: kind 'whole'; accepted are success, segments"):
        read_window({"kind": "whole"})


def test_no_segment_at_all_is_refused():
    with pytest.raises(InputError, match="SegmentWindow: all fields must be at least 1"):
        SegmentWindow(num_segments=0)
