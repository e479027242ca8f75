"""Lessons on disk: which tasks, demonstrations and states a step gets of them."""

import numpy as np
import pytest
import torch

from makeanagent.models.reader import Knots
from makeanagent.training.lessons import Batch, LessonShard, StoredLessons

SHOWN, NUM_STATES = 3, 10


def make_shard(tasks, num_targets=2):
    """Lessons whose numbers tell the task, and which demonstration or state they are of."""
    tasks = torch.tensor(tasks).float()
    count = len(tasks)
    demonstration = 100 * tasks[:, None] + torch.arange(SHOWN)
    state = 100 * tasks[:, None] + torch.arange(NUM_STATES)

    def spread(codes, *shape):
        return codes.reshape(*codes.shape, *[1] * len(shape)).expand(*codes.shape, *shape).clone()

    return LessonShard(
        observations=spread(demonstration, 5, 6),
        actions=spread(demonstration, 4, 2),
        mean_actions=spread(demonstration, 4, 2),
        steps=spread(demonstration, 5),
        success=demonstration,
        states=spread(state, 6),
        labels=spread(state, 2),
        targets=spread(tasks, num_targets),
        masks=torch.ones(count, num_targets).bool(),
    )


@pytest.fixture
def paths(tmp_path):
    """Three shards of four tasks."""
    found = [tmp_path / f"{number}.safetensors" for number in range(3)]
    for number, path in enumerate(found):
        make_shard(range(4 * number, 4 * number + 4)).save(path)
    return found


def tasks_of(batch):
    return (batch.states[:, 0, 0] // 100).int().tolist()


def equal(first, second):
    return all(
        torch.equal(one, other)
        for one, other in zip((*first.knots, *first[1:]), (*second.knots, *second[1:]), strict=True)
    )


def test_a_shard_comes_back_as_it_was(tmp_path):
    shard = make_shard([4, 9])
    shard.save(tmp_path / "shard.safetensors")
    loaded = LessonShard.load(tmp_path / "shard.safetensors")
    for name, tensor in vars(shard).items():
        assert torch.equal(getattr(loaded, name), tensor), name
        assert getattr(loaded, name).dtype == tensor.dtype, name


def test_each_task_comes_once_before_any_comes_again(paths):
    source = StoredLessons(paths, (0,))
    drawn = [tasks_of(source.draw(first, 5, 1, 2)) for first in range(0, 60, 5)]
    order = np.concatenate(drawn)
    assert all(len(each) == 5 for each in drawn)
    # Within a batch tasks are in the order of the shards: a round ends within one.
    assert np.bincount(order).tolist() == [5] * 12
    for end in range(1, 5):
        counts = np.bincount(order[: 12 * end // 5 * 5], minlength=12)
        assert counts.max() - counts.min() <= 1
    rounds = [[tasks_of(source.draw(number, 1, 1, 1))[0] for number in range(12)] for _ in "ab"]
    assert sorted(rounds[0]) == list(range(12)) != rounds[0]
    assert rounds[0] == rounds[1]
    following = [tasks_of(source.draw(number, 1, 1, 1))[0] for number in range(12, 24)]
    assert sorted(following) == list(range(12))
    assert following != rounds[0]


def test_only_the_first_tasks_are_used_where_so_many_are_asked_for(paths):
    source = StoredLessons(paths, (0,), num_tasks=6)
    assert source.num_tasks == 6
    assert sorted(tasks_of(source.draw(0, 6, 1, 1))) == list(range(6))
    assert StoredLessons(paths, (0,), num_tasks=99).num_tasks == 12


def test_more_tasks_than_there_are_come_again(paths):
    source = StoredLessons(paths, (0,), num_tasks=3)
    drawn = tasks_of(source.draw(0, 7, 1, 1))
    assert sorted(np.bincount(drawn).tolist()) == [2, 2, 3]


def test_rows_of_a_batch_belong_together(paths):
    batch = StoredLessons(paths, (0,)).draw(0, 12, 2, 7)
    assert batch.knots.observations.shape == (12, 2, 5, 6)
    assert batch.states.shape == (12, 7, 6)
    for row, task in enumerate(tasks_of(batch)):
        assert (batch.states[row] // 100 == task).all()
        assert (batch.labels[row, :, 0] == batch.states[row, :, 0]).all()
        assert (batch.targets[row] == task).all()
        assert batch.masks[row].all()
        for part in batch.knots:
            assert (part[row] // 100 == task).all()
            # Each demonstration is of one piece.
            codes = part[row].reshape(2, -1)
            assert (codes == batch.knots.success[row][:, None]).all()


def test_demonstrations_of_a_prompt_are_different_ones(paths):
    batch = StoredLessons(paths, (0,)).draw(0, 12, SHOWN, 1)
    orders = batch.knots.success.long() % 100
    assert (orders.sort(dim=1).values == torch.arange(SHOWN)).all()
    assert len(orders.unique(dim=0)) > 1
    pairs = StoredLessons(paths, (0,)).draw(0, 12, 2, 1).knots.success
    assert (pairs[:, 0] != pairs[:, 1]).all()


def test_with_fewer_demonstrations_than_asked_for_some_come_twice(paths):
    batch = StoredLessons(paths, (0,)).draw(0, 12, 5, 1)
    assert batch.knots.success.shape == (12, 5)
    assert (batch.knots.success // 100 == batch.states[:, 0, :1] // 100).all()


def test_demonstrations_and_states_vary_from_draw_to_draw(paths):
    source = StoredLessons(paths, (0,), num_tasks=1)
    batches = [source.draw(number, 1, 1, 4) for number in range(40)]
    shown = {int(batch.knots.success) for batch in batches}
    assert shown == {0, 1, 2}
    asked = torch.cat([batch.states[0, :, 0] for batch in batches])
    assert set(asked.int().tolist()) == set(range(NUM_STATES))


def test_a_draw_depends_on_its_place_and_seed_alone(paths):
    source, other = StoredLessons(paths, (0, 1)), StoredLessons(paths, (0, 1))
    for first in (0, 4, 8, 30):
        source.draw(first, 4, 1, 3)
    assert equal(source.draw(13, 4, 2, 3), other.draw(13, 4, 2, 3))
    assert not equal(other.draw(13, 4, 2, 3), other.draw(14, 4, 2, 3))
    assert not equal(other.draw(13, 4, 2, 3), StoredLessons(paths, (0, 2)).draw(13, 4, 2, 3))


def test_batches_of_different_targets_are_joined(paths, tmp_path):
    bare = make_shard([50, 51], num_targets=0)
    bare.save(tmp_path / "bare.safetensors")
    one = StoredLessons([tmp_path / "bare.safetensors"], (0,)).draw(0, 2, 1, 3)
    other = StoredLessons(paths, (0,)).draw(0, 3, 1, 3)
    for parts in ((one, other), (other, one)):
        batch = Batch.join(parts)
        rows = [tasks_of(part) for part in parts]
        assert tasks_of(batch) == rows[0] + rows[1]
        assert batch.targets.shape == batch.masks.shape == (5, 2)
        known = torch.tensor([task < 50 for task in rows[0] + rows[1]])
        assert batch.masks.dtype == torch.bool
        assert (batch.masks == known[:, None]).all()
        assert (batch.targets[~known] == 0).all()
        assert (batch.targets[known, 0] == batch.states[known, 0, 0] // 100).all()
    assert isinstance(Batch.join([one]).knots, Knots)


def test_states_for_scales_are_spread_over_the_first_shard(paths):
    source = StoredLessons(paths, (0,))
    states = source.sample_states(8)
    assert states.shape == (8, 6)
    assert len(set((states[:, 0] // 100).tolist())) == 4
    assert source.sample_states(1000).shape == (40, 6)
