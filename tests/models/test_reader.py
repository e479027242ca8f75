"""The reader: what a condition depends on, and what it does not."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.tiny_reader import GOAL, HAND, OBJECT, PAST, SPACE, TRAINING, make_demonstration

from makeanagent.models.reader import DemonstrationReader, Knots, ReaderConfig
from makeanagent.models.scaling import ObservationScale
from makeanagent.trajectories.excerpt import excerpt_trajectories
from makeanagent.trajectories.space import Space

CONFIG = TRAINING.reader
PLAIN = Space(observation_dim=14, action_dim=4)


def make_reader(space=SPACE, config=CONFIG, seed=0):
    torch.manual_seed(seed)
    reader = DemonstrationReader(space, config).eval().requires_grad_(False)
    states = np.concatenate([make_demonstration(seed=number).observations for number in range(5)])
    reader.scale.fit(states * space.scale.astype(np.float32))
    return reader


def change(demonstration, **columns):
    """A demonstration in which some numbers of all observations are other ones."""
    observations = demonstration.observations.copy()
    for start, values in columns.items():
        start = int(start.removeprefix("at"))
        observations[:, start : start + 3] = values(observations[:, start : start + 3])
    return replace(demonstration, observations=observations)


def tokenize(reader, *demonstrations):
    return reader.tokenize(Knots.from_excerpts(excerpt_trajectories(demonstrations, 6)))[:, 0]


DEMONSTRATIONS = [
    make_demonstration(steps, seed, success)
    for seed, (steps, success) in enumerate([(20, 12), (35, 30), (4, 2), (20, None), (50, 20)])
]


def test_a_condition_is_as_wide_as_the_config_says_and_tells_demonstrations_apart():
    conditions = make_reader().embed_groups([[each] for each in DEMONSTRATIONS])
    assert conditions.shape == (5, CONFIG.condition_dim) == (5, 4 * 8)
    for row in range(5):
        others = torch.cat([conditions[:row], conditions[row + 1 :]])
        assert (conditions[row] - others).abs().amax(dim=1).min() > 0.01


def test_a_condition_does_not_depend_on_what_else_is_in_the_batch():
    reader, (a, b, c, d, e) = make_reader(), DEMONSTRATIONS
    groups = [[a], [b, c], [d], [e, a, b], [c], [b, d]]
    together = reader.embed_groups(groups)
    for row, group in enumerate(groups):
        alone = reader.embed_groups([group])[0]
        torch.testing.assert_close(together[row], alone, atol=1e-5, rtol=1e-4)


def test_order_within_a_group_does_not_matter_but_its_members_do():
    reader, (a, b, c, *_) = make_reader(), DEMONSTRATIONS
    first, turned, pair, other = reader.embed_groups([[a, b, c], [c, a, b], [a, b], [a, c]])
    torch.testing.assert_close(first, turned, atol=1e-5, rtol=1e-4)
    assert (first - pair).abs().max() > 0.01
    assert (pair - other).abs().max() > 0.01


def test_a_group_is_attended_to_as_a_whole():
    """It is not the mean of its members, as of the paper's embeddings."""
    reader, (a, b, *_) = make_reader(), DEMONSTRATIONS
    both, *alone = reader.embed_groups([[a, b], [a], [b]])
    pooled = CONFIG.num_queries * CONFIG.width
    assert (both - torch.stack(alone).mean(dim=0))[:pooled].abs().max() > 1e-3
    # The same one twice says no more than once.
    twice, once = reader.embed_groups([[a, a], [a]])
    torch.testing.assert_close(twice, once, atol=1e-5, rtol=1e-4)


def test_the_order_of_steps_matters():
    reader, demonstration = make_reader(), DEMONSTRATIONS[0]
    knots = Knots.from_excerpts(excerpt_trajectories([demonstration], 6))
    turned = Knots(
        torch.cat([knots.observations[:, :, :6].flip(2), knots.observations[:, :, 6:]], dim=2),
        knots.actions.flip(2),
        knots.mean_actions.flip(2),
        knots.steps,
        knots.success,
    )
    assert (reader(knots) - reader(turned)).abs().max() > 0.01


def test_moving_all_positions_alike_changes_only_where_they_are_in_the_world():
    reader, plain = make_reader(), DEMONSTRATIONS[0]
    by = np.array([0.05, -0.03, 0.0], np.float32)
    moved = change(plain, **{f"at{start}": lambda places: places + by for start in SPACE.positions})
    before, after = tokenize(reader, plain, moved)
    differs = (before - after).abs().amax(dim=0) > 1e-4
    # Two other numbers and their changes; then of each position ten, of which x and y come first.
    expected = [4 + 10 * place + axis for place in range(3) for axis in (0, 1)]
    assert differs.nonzero()[:, 0].tolist() == expected


def test_relative_positions_are_features_where_they_are_asked_for():
    by = np.array([0.01, 0.0, 0.0], np.float32)
    plain = DEMONSTRATIONS[0]
    moved = change(plain, **{f"at{OBJECT}": lambda places: places + by})
    reader = make_reader()
    before, after = tokenize(reader, plain, moved)
    differs = (before - after).abs().amax(dim=0) > 1e-4
    # Both pairs that the object is of, but not the third; and the object's own x.
    pairs = differs[-3 * 12 - 11 : -11].unflatten(0, (3, 12))
    assert pairs.any(dim=1).tolist() == [True, False, True]
    without = make_reader(config=replace(CONFIG, relative=False))
    assert without.num_features == reader.num_features - 36
    before, after = tokenize(without, plain, moved)
    assert ((before - after).abs().amax(dim=0) > 1e-4).sum() == 1


def test_near_and_far_are_told_apart_at_several_scales():
    """Half a centimetre beside an object, and half a centimetre far from it."""
    reader, plain = make_reader(), DEMONSTRATIONS[0]

    def put(apart):
        def beside(places):
            return plain.observations[:, :3] + np.array([apart, 0, 0], np.float32)

        return change(plain, **{f"at{OBJECT}": beside})

    tokens = tokenize(reader, *map(put, (0.0, 0.005, 0.3, 0.305)))
    pair = tokens[:, 0, 4 + 30 : 4 + 30 + 12]
    near, far = (pair[1] - pair[0]).abs().tolist(), (pair[3] - pair[2]).abs().tolist()
    # Linear as far as it goes, then by the scales of a grasp and of an approach.
    assert near[0] == pytest.approx(0.05, rel=0.01)
    assert far[0] == pytest.approx(0.05, rel=0.01)
    assert near[3] > 0.2 and far[3] < 1e-3
    assert near[6] > 0.08 and far[6] < 1e-3


def test_what_is_not_there_gives_zeros():
    reader, plain = make_reader(), DEMONSTRATIONS[0]
    absent = change(plain, **{f"at{OBJECT}": np.zeros_like})
    tokens = tokenize(reader, absent)[0]
    pairs = tokens[:, 4 + 30 : 4 + 30 + 36].unflatten(1, (3, 12))
    assert (tokens[:, 4 + 10 : 4 + 20] == 0).all()
    assert (pairs[:, [0, 2]] == 0).all()
    # Hand and goal are there, and so is what lies between them.
    for found in (tokens[:, 4:14], tokens[:, 24:34], pairs[:, 1]):
        assert (found != 0).any(dim=1).all()


def test_positions_a_step_before_are_not_read():
    reader, plain = make_reader(), DEMONSTRATIONS[0]
    other = change(plain, **{f"at{PAST}": lambda places: places + 0.5})
    assert torch.equal(*tokenize(reader, plain, other))


def test_success_is_read():
    reader, plain = make_reader(), DEMONSTRATIONS[0]
    excerpt = excerpt_trajectories([plain], 6)
    failed = replace(excerpt, success=np.zeros(1, np.float32))
    one, other = (reader(Knots.from_excerpts(each)) for each in (excerpt, failed))
    assert (one - other).abs().max() > 1e-3


def test_in_another_unit_the_same_is_read():
    plain = DEMONSTRATIONS[:3]
    space = replace(SPACE, unit=100.0)
    scaled = [
        replace(each, observations=(each.observations * space.scale).astype(np.float32))
        for each in plain
    ]
    before, after = tokenize(make_reader(), *plain), tokenize(make_reader(space), *scaled)
    torch.testing.assert_close(before, after, atol=1e-3, rtol=1e-3)


def test_features_are_bounded():
    reader, plain = make_reader(), DEMONSTRATIONS[0]
    odd = change(plain, **{f"at{GOAL}": lambda places: places + 1e4})
    assert tokenize(reader, odd).abs().max() == 6


def test_without_positions_all_numbers_are_read_as_they_are():
    reader, plain = make_reader(PLAIN), DEMONSTRATIONS[0]
    tokens = tokenize(reader, plain)[0]
    assert tokens.shape == (6, 2 * 14 + 2 * 4 + 3) == (6, reader.num_features)
    now = excerpt_trajectories([plain], 6).observations[0, :-1]
    expected = reader.scale(torch.from_numpy(now))
    torch.testing.assert_close(tokens[:, :14], expected)
    assert reader.embed_groups([[plain]]).isfinite().all()


def test_without_layers_each_token_is_read_by_itself():
    reader = make_reader(config=ReaderConfig(num_knots=6, width=8, num_layers=0, num_queries=1))
    knots = Knots.from_excerpts(excerpt_trajectories(DEMONSTRATIONS[:1], 6))
    tokens = reader.norm(reader.embed(reader.tokenize(knots)) + reader.time)[0, 0]
    torch.testing.assert_close(reader(knots)[0, 8:16], tokens.mean(dim=0), atol=1e-6, rtol=1e-5)


def test_gradients_reach_every_weight():
    reader = make_reader().requires_grad_(True)
    knots = Knots.from_excerpts(excerpt_trajectories(DEMONSTRATIONS, 6))
    reader(knots).square().sum().backward()
    for name, weight in reader.named_parameters():
        assert weight.grad.abs().max() > 0, name


def test_a_scale_reads_positions_together_and_leaves_out_what_is_not_there():
    states = np.random.default_rng(0).normal(size=(300, 14)).astype(np.float32)
    states[:, HAND] += 2
    states[:200, OBJECT : OBJECT + 3] = 0
    states[:, 13] *= 1e-3
    scale = ObservationScale(SPACE)
    scale.fit(states)
    places = [states[:, start : start + 3] for start in (HAND, PAST, GOAL)]
    places = np.concatenate([*places, states[200:, OBJECT : OBJECT + 3]])
    for start in SPACE.positions:
        span = slice(start, start + 3)
        np.testing.assert_allclose(scale.mean[span], places.mean(axis=0), atol=1e-4)
        np.testing.assert_allclose(scale.std[span], places.std(axis=0).mean(), rtol=1e-4)
    np.testing.assert_allclose(scale.mean[3], states[:, 3].mean(), atol=1e-5)
    # What hardly moves is not blown up.
    assert scale.std[13] == pytest.approx(0.05)
    given = torch.from_numpy(states[:4])
    torch.testing.assert_close(scale(given) * scale.std + scale.mean, given)


def test_positions_that_hardly_move_have_the_floor_in_their_unit():
    states = np.full((50, 14), 30.0, np.float32)
    scale = ObservationScale(replace(SPACE, unit=100.0))
    scale.fit(states)
    assert scale.std[HAND] == pytest.approx(5.0)
    assert scale.std[3] == pytest.approx(0.05)
