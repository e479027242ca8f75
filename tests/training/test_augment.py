"""Changes of lessons: what stays together, what moves apart, and what is hidden."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.tiny_reader import GOAL, HAND, OBJECT, SPACE, PointSuite

from makeanagent.errors import InputError
from makeanagent.models.reader import Knots
from makeanagent.training.augment import Augmentation, AugmentConfig
from makeanagent.training.lessons import Batch
from makeanagent.trajectories.space import Space
from makeanagent.trajectories.symmetry import find_symmetries

NOTHING = AugmentConfig(symmetric=0, moved=0, hidden_goals=0)
COUNT, SHOWN, KNOTS, STATES = 40, 2, 5, 7
EXPERT = PointSuite().expert("goal")


def make_batch(seed=0):
    """Prompts and states on which the expert of a task acts; the object is not always there."""
    rng = np.random.default_rng(seed)

    def draw(*shape):
        observations = np.zeros((*shape, 14))
        for start in SPACE.positions:
            observations[..., start : start + 3] = rng.uniform(0.1, 0.9, (*shape, 3))
        observations[..., 13] = rng.normal(size=shape)
        return observations

    seen, states = draw(COUNT, SHOWN, KNOTS + 1), draw(COUNT, STATES)
    for observations in (seen, states):
        observations[::3, ..., OBJECT : OBJECT + 3] = 0

    def act(observations):
        return torch.from_numpy(EXPERT(observations)).float()

    knots = Knots(
        torch.from_numpy(seen).float(),
        act(seen[:, :, :-1]),
        0.5 * act(seen[:, :, :-1]),
        torch.arange(KNOTS + 1.0).expand(COUNT, SHOWN, -1),
        torch.ones(COUNT, SHOWN),
    )
    return Batch(
        knots,
        torch.from_numpy(states).float(),
        act(states),
        torch.arange(COUNT)[:, None].float(),
        torch.ones(COUNT, 1).bool(),
    )


def change(seed=0, batch=None, space=SPACE, **shares):
    augment = Augmentation(space, replace(NOTHING, **shares))
    return augment(batch or make_batch(), np.random.default_rng(seed))


def place(observations, start):
    return observations[..., start : start + 3]


def same(first, second):
    return all(
        torch.equal(a, b)
        for a, b in zip((*first.knots, *first[1:]), (*second.knots, *second[1:]), strict=True)
    )


def test_nothing_is_changed_where_nothing_is_asked_for():
    assert same(change(), make_batch())


def test_the_given_batch_stays():
    batch = make_batch()
    for shares in (
        {"symmetric": 1.0},
        {"moved": 1.0},
        {"hidden_goals": 1.0},
        {"symmetric": 1.0, "moved": 1.0, "hidden_goals": 1.0},
    ):
        changed = change(batch=batch, **shares)
        assert not same(changed, batch)
        assert same(batch, make_batch())


def test_the_draws_decide():
    shares = {"symmetric": 0.5, "moved": 0.5, "hidden_goals": 0.5}
    assert same(change(3, **shares), change(3, **shares))
    assert not same(change(3, **shares), change(4, **shares))


def find_symmetry(batch, changed, row):
    """The one symmetry that has moved a task's states."""
    found = [
        symmetry
        for symmetry in find_symmetries(SPACE)
        if torch.allclose(
            symmetry.move_observations(batch.states[row], SPACE), changed.states[row], atol=1e-6
        )
    ]
    assert len(found) == 1
    return found[0]


def test_a_turned_task_is_turned_throughout():
    batch, changed = make_batch(), change(symmetric=1.0)
    names = set()
    for row in range(COUNT):
        symmetry = find_symmetry(batch, changed, row)
        names.add(symmetry.name)
        move, push = symmetry.move_observations, symmetry.move_actions
        knots, given = changed.knots, batch.knots
        torch.testing.assert_close(knots[0][row], move(given[0][row], SPACE))
        torch.testing.assert_close(knots[1][row], push(given[1][row], SPACE))
        torch.testing.assert_close(knots[2][row], push(given[2][row], SPACE))
        torch.testing.assert_close(changed.labels[row], push(batch.labels[row], SPACE))
        # What is right in a turned state is what the expert, who sees all alike, does there.
        acted = torch.from_numpy(EXPERT(changed.states[row].numpy()))
        torch.testing.assert_close(changed.labels[row], acted.float(), atol=1e-4, rtol=1e-4)
    assert names == set(SPACE.symmetries)
    assert torch.equal(changed.targets, batch.targets)


def test_a_share_of_the_tasks_is_turned():
    batch, changed = make_batch(), change(symmetric=0.4)
    turned = [find_symmetry(batch, changed, row).name != "identity" for row in range(COUNT)]
    assert 8 <= sum(turned) <= 24


def test_without_symmetries_nothing_is_turned():
    batch = make_batch()
    assert same(change(batch=batch, space=replace(SPACE, symmetries=()), symmetric=1.0), batch)


def shifts(before, after):
    """How far the hand has moved, and every other position with it but those not there."""
    shift = place(after, HAND) - place(before, HAND)
    for start in SPACE.positions:
        there = place(before, start).any(dim=-1, keepdim=True)
        moved = place(after, start) - place(before, start)
        torch.testing.assert_close(moved, shift * there, atol=1e-5, rtol=0)
    flat = shift.flatten(1, -2)
    torch.testing.assert_close(flat, flat[:, :1].expand_as(flat), atol=1e-5, rtol=0)
    assert torch.equal(after[..., 13], before[..., 13])
    return flat[:, 0]


def test_prompt_and_states_move_each_by_its_own_but_alike_within():
    batch, changed = make_batch(), change(moved=1.0)
    prompts = shifts(batch.knots.observations, changed.knots.observations)
    states = shifts(batch.states, changed.states)
    for found in (prompts, states):
        assert (found[:, :2].abs() > 1e-5).all()
        assert (found[:, 2].abs() < 1e-6).all()
        assert 0.03 < found[:, :2].std() < 0.07
    assert ((prompts - states)[:, :2].abs() > 1e-4).all()
    assert torch.equal(changed.labels, batch.labels)
    assert torch.equal(changed.knots.actions, batch.knots.actions)


def test_moves_are_in_metres_and_of_a_share():
    batch = make_batch()
    changed = change(moved=0.5, space=replace(SPACE, unit=100.0))
    found = shifts(batch.states, changed.states)[:, :2]
    moved = found.abs().amax(dim=1) > 1e-5
    assert 10 <= moved.sum() <= 30
    assert 3 < found[moved].std() < 7
    other = shifts(batch.knots.observations, changed.knots.observations)[:, :2]
    assert ((other.abs().amax(dim=1) > 1e-5) != moved).any()


def test_goals_are_hidden_in_prompt_and_states_at_once():
    batch, changed = make_batch(), change(hidden_goals=0.5)
    hidden = ~place(changed.states, GOAL).flatten(1).any(dim=1)
    assert 10 <= hidden.sum() <= 30
    assert (place(changed.knots.observations, GOAL).flatten(1).any(dim=1) == ~hidden).all()
    others = [number for number in range(14) if not GOAL <= number < GOAL + 3]
    assert torch.equal(changed.states[..., others], batch.states[..., others])
    assert torch.equal(changed.states[~hidden], batch.states[~hidden])
    seen = changed.knots.observations
    assert torch.equal(seen[..., others], batch.knots.observations[..., others])
    assert torch.equal(changed.labels, batch.labels)


def test_hidden_goals_stay_hidden_when_all_is_moved():
    changed = change(symmetric=1.0, moved=1.0, hidden_goals=1.0)
    assert (place(changed.states, GOAL) == 0).all()
    assert (place(changed.knots.observations, GOAL) == 0).all()


def test_a_space_of_numbers_alone_is_left_as_it_is():
    plain = Space(observation_dim=14, action_dim=4)
    changed = change(space=plain, symmetric=1.0, moved=1.0, hidden_goals=1.0)
    assert same(changed, make_batch())


@pytest.mark.parametrize("name", ["symmetric", "moved", "hidden_goals"])
def test_shares_are_shares(name):
    with pytest.raises(InputError, match=f"{name} 1.5: must be 0 to 1"):
        AugmentConfig(**{name: 1.5})
