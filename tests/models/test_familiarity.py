"""Familiarity: each fault is named by its check, and tasks that a fit has not seen usually pass."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from makeanagent import Trajectory
from makeanagent.errors import InputError
from makeanagent.models.familiarity import Familiarity, FamiliarityConfig, Finding
from makeanagent.suites.procedural import Disturbances, ProceduralSuite, draw_tasks, simulate
from makeanagent.trajectories.excerpt import excerpt_trajectories
from makeanagent.trajectories.space import Space

SPACE = ProceduralSuite().space("0")
PROMPTS = Path(__file__).parents[2] / "src" / "makeanagent" / "prompts"
NUM_KNOTS = 32
PLACES = np.add.outer(SPACE.positions, range(3)).ravel()


def show(count, seed, layouts=2):
    """Demonstrations of drawn tasks that succeed, and the number of each one's task."""
    tasks, _ = draw_tasks(count, seed)
    disturbances = Disturbances(num_spared=layouts)
    episodes = simulate(tasks, range(layouts), disturbances=disturbances)
    found, labels = [], []
    for task, layout in np.argwhere(episodes.first_success > 0):
        first = episodes.first_success[task, layout]
        length = min(first + 6, episodes.actions.shape[2])
        found.append(
            Trajectory(
                observations=episodes.observations[task, layout, : length + 1],
                actions=episodes.actions[task, layout, :length],
                success=np.arange(1, length + 1) >= first,
            )
        )
        labels.append(task)
    return found, np.array(labels)


def fit(demonstrations, labels, space=SPACE, **options):
    familiarity = Familiarity(space, FamiliarityConfig(num_knots=NUM_KNOTS, **options))
    familiarity.fit(excerpt_trajectories(demonstrations, NUM_KNOTS), np.asarray(labels))
    return familiarity


def judge(familiarity, demonstrations):
    return familiarity.judge(excerpt_trajectories(demonstrations, NUM_KNOTS))


@pytest.fixture(scope="module")
def shown():
    return show(60, seed=1)


@pytest.fixture(scope="module")
def known(shown):
    return fit(*shown)


@pytest.fixture(scope="module")
def new():
    """Demonstrations of other tasks."""
    return show(16, seed=7, layouts=1)[0]


def test_training_and_new_tasks_pass(known, shown, new):
    assert np.mean([each.score > 1 for each in judge(known, shown[0])]) == 0
    judged = judge(known, new)
    assert np.mean([each.score > 1 for each in judged]) < 0.15
    assert all(each.findings == () for each in judged if each.score <= 1)


def test_it_is_a_few_kilobytes(known):
    size = sum(each.numel() * each.element_size() for each in known.state_dict().values())
    assert size < 10_000


def observe(change):
    def apply(demonstration):
        return replace(demonstration, observations=change(demonstration.observations.copy()))

    return apply


def push(change):
    def apply(demonstration):
        return replace(demonstration, actions=change(demonstration.actions.copy()))

    return apply


def fill(columns, value):
    def change(array):
        array[:, columns] = value
        return array

    return change


def scale(columns, factor):
    def change(array):
        array[:, columns] *= factor
        return array

    return change


def hold(columns):
    """The first value of the columns, all the time."""

    def change(array):
        array[:, columns] = array[0, columns]
        return array

    return change


def shuffle(array):
    return np.random.default_rng(0).permutation(array)


def stretch(demonstration, times=20):
    repeated = np.repeat(demonstration.observations[:-1], times, axis=0)
    return Trajectory(
        observations=np.concatenate([repeated, demonstration.observations[-1:]]),
        actions=np.repeat(demonstration.actions, times, axis=0),
        success=np.repeat(demonstration.success, times),
    )


def mirror(array):
    array[:, PLACES[::3]] *= -1
    return array


HAND = [0, 1, 2]
FAULTS = {
    "hand hidden": (observe(fill(HAND, 0)), "hand", "presence"),
    "no step before": (observe(fill(slice(18, 36), 0)), "hand a step before", "presence"),
    "centimetres": (observe(scale(PLACES, 100)), "hand", "place"),
    "millimetres apart": (observe(scale(PLACES, 1000)), "hand and goal", "distance"),
    "hand stands": (observe(hold(HAND)), "hand", "movement"),
    "goal moves": (observe(lambda o: np.c_[o[:, :36], o[:, :3]]), "goal", "movement"),
    "gripper in percent": (observe(scale([3], 100)), "observation 3", "number"),
    "large actions": (push(scale(slice(None), 10)), "actions along x", "actions"),
    "small actions": (push(scale(slice(None), 0.1)), "actions", "actions"),
    "no action along x": (push(fill([0], 0)), "actions along x", "actions"),
    "actions shuffled": (push(shuffle), "hand", "dynamics"),
    "states shuffled": (observe(shuffle), "hand", "dynamics"),
    "mirrored states": (observe(mirror), "hand", "dynamics"),
    "other sign along z": (push(scale([2], -1)), "hand", "dynamics"),
    "slow": (stretch, "duration", "time"),
    "no success": (lambda d: replace(d, success=np.zeros(len(d))), "success", "time"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named(known, new, name):
    change, subject, check = FAULTS[name]
    names = [
        {(finding.subject, finding.check) for finding in each.findings}
        for each in judge(known, [change(demonstration) for demonstration in new])
    ]
    seen = np.mean([(subject, check) in each for each in names])
    # Goals are not there in every demonstration.
    there = np.mean([d.observations[:, 36:].any() for d in new])
    assert seen >= (0.9 * there if "goal" in subject else 0.75), names


def test_findings_are_plain_and_come_by_size(known, new):
    (judged,) = judge(known, [observe(scale(PLACES, 10))(new[0])])
    scores = [finding.score for finding in judged.findings]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == judged.score
    pairs = [(finding.subject, finding.check) for finding in judged.findings]
    assert len(set(pairs)) == len(pairs)


def test_findings_in_words():
    finding = Finding(
        subject="object",
        check="place",
        what="lowest x",
        value=1.234,
        low=-0.25,
        high=0.3,
        score=2.34,
    )
    words = "object: lowest x is 1.23, in training -0.25 to 0.3 (2.3 times the threshold)"
    assert str(finding) == words
    gone = replace(finding, check="presence", what="share of states that show it", value=0.0)
    assert str(gone) == "object: is not shown, but was in training"
    never = replace(finding, what="whether it varies", value=0.0, low=1.0, high=1.0)
    assert str(never) == "object: whether it varies: no, in training yes"


def with_goal(demonstrations):
    """Those that show a goal."""
    return [item for item in demonstrations if item.observations[:, 36:].any()]


@pytest.mark.parametrize("hides_goals", [False, True])
def test_a_hidden_goal_is_a_warning_or_a_note(shown, new, hides_goals):
    known = with_goal(shown[0])
    familiarity = fit(known, np.arange(len(known)), hides_goals=hides_goals)
    plain = with_goal(new)
    hidden = [observe(fill(slice(36, 39), 0))(item) for item in plain]
    for before, after in zip(judge(familiarity, plain), judge(familiarity, hidden), strict=True):
        found = {(each.subject, each.check) for each in after.findings}
        assert (("goal", "presence") in found) == (not hides_goals)
        assert [each.subject for each in after.notes] == ["goal"] * hides_goals
        assert all(each.hidden for each in after.notes)
        if hides_goals:
            assert after.score <= before.score
        assert before.notes == ()


def test_experts_of_a_simulator_pass_where_drawn_tasks_were_learned(known):
    """Drawn tasks stand for Meta-World's; positions in another unit do not."""
    for task in ("drawer-open-v3", "window-open-v3"):
        expert = Trajectory.load(PROMPTS / f"{task}.npz")
        plain, odd = judge(known, [expert, observe(scale(PLACES, 1000))(expert)])
        assert plain.findings == ()
        assert ("hand", "place") in {(each.subject, each.check) for each in odd.findings}


def test_experts_of_a_simulator_name_their_hidden_goal():
    experts = [Trajectory.load(path) for path in sorted(PROMPTS.glob("*.npz"))]
    familiarity = fit(experts, np.arange(len(experts)))
    (judged,) = judge(familiarity, [observe(fill(slice(36, 39), 0))(experts[0])])
    assert [(each.subject, each.check) for each in judged.findings] == [("goal", "presence")]


def test_nothing_is_unlike_training_before_a_fit(new):
    judged = judge(Familiarity(SPACE, FamiliarityConfig()), [push(scale([0], 99))(new[0])])
    assert judged[0].score == 0
    assert judged[0].findings == ()


def test_it_comes_back_from_its_buffers(known, new):
    copy = Familiarity(SPACE, known.config)
    copy.load_state_dict(known.state_dict())
    odd = [observe(scale(PLACES, 10))(item) for item in new[:3]]
    assert judge(copy, odd) == judge(known, odd)


def test_one_demonstration_is_too_few(new):
    with pytest.raises(InputError, match="1 demonstrations; at least 2"):
        fit(new[:1], [0])


def play(task, count=6):
    """A point that is pushed to a goal: its place, the goal, and two numbers that lie still."""
    rng = np.random.default_rng(task)
    goal, things = 0.3 * rng.standard_normal((2, 2))
    episodes = []
    for _ in range(count):
        hand, observations, actions = 0.1 * rng.standard_normal(2), [], []
        for _ in range(64):
            observations.append([*hand, *goal, *things])
            actions.append(np.clip(2 * (goal - hand) + 0.3 * rng.standard_normal(2), -1, 1))
            hand = hand + 0.05 * actions[-1]
        observations.append([*hand, *goal, *things])
        episodes.append(
            Trajectory(
                observations=np.array(observations),
                actions=np.array(actions),
                success=np.arange(64) >= 60,
            )
        )
    return episodes


def test_a_space_without_positions_has_numbers_actions_and_dynamics():
    space = Space(observation_dim=6, action_dim=2)
    groups = [play(task) for task in range(12)]
    labels = np.repeat(np.arange(12), 6)
    familiarity = fit(sum(groups, []), labels, space=space)
    assert torch.equal(familiarity.controlled > 0, torch.tensor([1, 1, 0, 0, 0, 0]) > 0)
    fresh = [play(task + 100, count=1)[0] for task in range(10)]
    assert np.mean([each.score > 1 for each in judge(familiarity, fresh)]) <= 0.2
    for change, subject, check in (
        (push(shuffle), "observation 0", "dynamics"),
        (observe(scale([2], 100)), "observation 2", "number"),
        (observe(hold([0])), "observation 0", "number"),
    ):
        for each in judge(familiarity, [change(groups[0][0]), change(groups[1][0])]):
            assert (subject, check) in {(f.subject, f.check) for f in each.findings}


def test_a_single_task_is_left_out_by_demonstrations():
    space = Space(observation_dim=6, action_dim=2)
    familiarity = fit(play(0, count=20), np.zeros(20), space=space)
    same, other = judge(familiarity, [play(0, count=21)[20], play(3)[0]])
    assert same.score < other.score
    assert other.score > 1
