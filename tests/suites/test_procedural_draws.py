"""What is drawn: the family and its parts, tables, many episodes at once, targets, the page."""

import time
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from makeanagent.errors import InputError
from makeanagent.suites.procedural import (
    KINDS,
    Disturbances,
    FamilyConfig,
    HandDynamics,
    draw_tasks,
    find_tasks,
    program_targets,
    simulate,
)
from makeanagent.suites.procedural import tasks as module
from makeanagent.suites.procedural.family import ENTRIES
from makeanagent.suites.procedural.page import write_page
from makeanagent.suites.procedural.programs import APPROACH, COMMITTED, act
from makeanagent.suites.procedural.ranges import Chance, Choice, Range, Sheet, choose
from makeanagent.suites.procedural.scenes import (
    HOLE,
    SECOND_TRAVELLED,
    SLIDER,
    TOP,
    Layout,
    follow_mechanism,
    lay_out,
)
from makeanagent.suites.procedural.tasks import demonstrate, find_kinds

ROOT = Path(__file__).parents[2]
QUIET = Disturbances(noises=(0.0,), burst_share=0)


def draw(count=200, **config):
    return draw_tasks(count, family=FamilyConfig(**config))[0]


@pytest.fixture(scope="module")
def tasks():
    return draw_tasks(300)[0]


def test_every_range_has_a_reason_in_one_sentence():
    names = [entry.name for entry in ENTRIES]
    assert len(set(names)) == len(names)
    for entry in ENTRIES:
        assert entry.reason.endswith(".") and entry.reason.count(". ") == 0, entry.name
        if isinstance(entry, Choice):
            assert len(entry.values) == len(entry.weights)
            assert sum(entry.weights) == pytest.approx(1), entry.name
        elif isinstance(entry, Chance):
            assert 0 < entry.share < 1
        else:
            assert entry.low < entry.high


def test_the_page_is_what_the_table_says():
    assert (ROOT / "docs" / "procedural.md").read_text(encoding="utf-8") == write_page()
    for entry in ENTRIES:
        assert f"| {entry.name} | " in write_page() and entry.reason in write_page()


def test_a_sheet_reads_its_columns():
    entries = (
        Range(name="a", low=2, high=4, width=2, reason="."),
        Chance(name="b", share=0.25, reason="."),
        Choice(name="c", values=(5.0, 7.0), weights=(0.5, 0.5), reason="."),
    )
    sheet = Sheet(entries, np.array([[0, 0.5, 0.2, 0.4], [1, 0.25, 0.3, 0.6]]))
    np.testing.assert_array_equal(sheet.read("a"), [[2, 3], [4, 2.5]])
    np.testing.assert_array_equal(sheet.happens("b"), [True, False])
    np.testing.assert_array_equal(sheet.pick_number("c"), [5, 7])
    np.testing.assert_array_equal(sheet.pick("c", [False, True]), [1, 1])


def test_choices_follow_their_weights():
    numbers = np.linspace(0, 1, 1000, endpoint=False)
    counts = np.bincount(choose(np.array([0, 3, 1, 0]), numbers), minlength=4)
    np.testing.assert_array_equal(counts, [0, 750, 250, 0])
    assert choose(np.array([1, 0]), np.array([np.nextafter(1, 0)])) == 0


def test_kinds_come_by_weight_though_some_draws_are_dropped(tasks):
    weights = np.array(FamilyConfig().weights)
    counts = np.bincount(find_kinds(np.arange(4000)), minlength=6)
    np.testing.assert_allclose(counts / 4000, weights / weights.sum(), atol=0.03)
    np.testing.assert_array_equal(tasks.kinds, find_kinds(tasks.numbers))
    assert tasks.attempts.max() > 0


def test_what_is_kept_succeeds_and_nothing_is_solved_at_once(tasks):
    episodes = simulate(tasks, [0], disturbances=QUIET)
    assert (episodes.first_success >= 8).all()
    assert demonstrate(tasks, HandDynamics()).all()


def test_a_share_of_failures_can_be_kept():
    kept, succeeds = draw_tasks(150, failures=1.0)
    assert (kept.attempts == 0).all() and 0.02 < 1 - succeeds.mean() < 0.3
    np.testing.assert_array_equal(demonstrate(kept, HandDynamics()), succeeds)
    _, outcomes = draw_tasks(150, failures=0.5)
    assert 0 < (~outcomes).sum() < (~succeeds).sum()
    assert draw_tasks(30)[1].all()


def test_seeds_own_their_numbers():
    tasks, _ = draw_tasks(3, seed=2)
    np.testing.assert_array_equal(tasks.numbers, 2 * 10**9 + np.arange(3))
    np.testing.assert_array_equal(find_tasks(tasks.numbers)[0].scene.object, tasks.scene.object)


def test_a_hand_that_cannot_is_named(monkeypatch):
    monkeypatch.setattr(module, "_MOST_ATTEMPTS", 2)
    with pytest.raises(InputError, match="procedural/0: no program of kind .* succeeds"):
        find_tasks(np.array([0]), hand=HandDynamics(action_scale=0.0))


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_without_weight_is_not_drawn(kind):
    left = draw(200, **{kind: 0.0})
    assert KINDS.index(kind) not in left.kinds
    assert set(left.kinds) == set(range(6)) - {KINDS.index(kind)}


def find_sides(tasks):
    """Whether mechanisms are approached from other sides than above."""
    return tasks.program.present[:, APPROACH] & (tasks.program.line[:, 3, 2] < 0.99)


PARTS = {
    "walls": lambda t: t.scene.wall[:, 1, 2] > 0,
    "gripped": lambda t: t.scene.held_only,
    "caged": lambda t: (t.kinds == 3) & (t.scene.width < 1),
    "oblique": lambda t: np.isin(t.kinds, (1, 2)) & (np.abs(t.scene.tangent).max(axis=1) < 0.99),
    "sideways": find_sides,
    "habits": lambda t: t.program.gain[:, 0] != 10,
    "stacks": lambda t: t.scene.other == TOP,
    "inserts": lambda t: (t.scene.other == HOLE) & ~t.scene.starts_inside,
    "extractions": lambda t: t.scene.starts_inside,
    "sticks": lambda t: (t.scene.other == SLIDER) & (t.scene.aim == SECOND_TRAVELLED),
}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_is_off_is_not_drawn(part, tasks):
    assert PARTS[part](tasks).any()
    assert not PARTS[part](draw(250, **{part: False})).any()


def test_every_switch_is_tested():
    assert {field.name for field in fields(FamilyConfig) if field.type is bool} == PARTS.keys()


@pytest.mark.parametrize(
    ("config", "match"),
    [
        ({"slides": -1.0}, "slides -1.0: must be a number of at least 0"),
        (dict.fromkeys(KINDS, 0.0), "all weights are 0; raise one of reached"),
        (dict.fromkeys(("stacks", "inserts", "extractions", "sticks"), False), "turn one on"),
    ],
)
def test_families_that_are_empty_are_refused(config, match):
    with pytest.raises(InputError, match=match):
        FamilyConfig(**config)


def test_episodes_are_what_the_world_gives(tasks):
    some = tasks.take(np.arange(6))
    episodes = simulate(some, [5, 7], num_steps=40, disturbances=QUIET)
    assert episodes.observations.shape == (6, 2, 41, 39)
    np.testing.assert_array_equal(episodes.actions, episodes.labels)
    for step in (0, 17, 39):
        np.testing.assert_array_equal(
            act(some.program, episodes.observations[:, 1, step]), episodes.labels[:, 1, step]
        )


def test_an_episode_is_the_same_in_any_company(tasks):
    together = simulate(tasks.take(np.arange(20)), [0, 3, 9], seed=4, num_steps=60)
    alone = simulate(tasks.take(np.array([13])), [0, 3, 9], seed=4, num_steps=60)
    for one, many in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one[0], many[13])
    other = simulate(tasks.take(np.array([13])), [0, 3, 9], seed=5, num_steps=60)
    assert np.abs(other.actions - alone.actions).max() > 0.01


def test_noise_comes_by_turns_and_bursts_spare_the_demonstration(tasks):
    episodes = simulate(tasks, [0, 1], num_steps=60)
    off = episodes.actions - episodes.labels
    # Where the clean action is small, nothing is clipped.
    free = np.where(np.abs(episodes.labels) < 0.1, off, np.nan)
    demonstrations = np.nanstd(free[:, 0].reshape(300, -1), axis=1)
    assert np.abs(off[:, 0]).max() < 1.9
    nearest = np.abs(demonstrations[:, None] - [0, 0.1, 0.2, 0.3]).argmin(axis=1)
    assert (np.bincount(nearest, minlength=4) > 40).all()
    assert np.mean(np.abs(demonstrations - np.array([0, 0.1, 0.2, 0.3])[nearest])) < 0.02
    # Uniform actions, the same for some steps on end.
    steady = (np.diff(episodes.actions, axis=2) == 0).all(axis=3)
    away = np.abs(off[:, :, 1:]).max(axis=3) > 0.05
    runs = (steady & away).mean(axis=(0, 2))
    assert runs[0] == 0 and runs[1] > 0.05


def test_layouts_lie_within_their_spread(tasks):
    low = lay_out(tasks.scene, np.zeros((300, 12)))
    high = lay_out(tasks.scene, np.full((300, 12), np.nextafter(1, 0)))
    free = ~tasks.scene.starts_inside
    np.testing.assert_allclose(
        (high.object - low.object)[free], 2 * tasks.scene.object_spread[free], atol=1e-6
    )
    assert isinstance(low, Layout)


def test_goals_of_mechanisms_are_where_they_end(tasks):
    rows = np.isin(tasks.kinds, (1, 2))
    layout = lay_out(tasks.scene, np.full((300, 12), 0.25))
    end, _ = follow_mechanism(tasks.scene, layout.object, tasks.scene.travel)
    np.testing.assert_allclose(layout.goal[rows], (end + tasks.scene.goal_shift)[rows], atol=1e-6)


def test_targets_say_what_a_program_is(tasks):
    targets = program_targets(tasks)
    column = {name: number for number, name in enumerate(targets.names)}
    assert targets.values.shape == targets.masks.shape == (300, len(targets.names))
    assert len(column) == len(targets.names)
    assert np.isfinite(targets.values).all() and np.abs(targets.values).max() < 10
    assert (targets.values[~targets.masks] == 0).all()
    np.testing.assert_array_equal(targets.values[:, :6].argmax(axis=1), tasks.kinds)
    present = tasks.program.present[:, APPROACH]
    np.testing.assert_array_equal(targets.masks[:, column["approach offset z"]], present)
    np.testing.assert_allclose(
        targets.values[present, column["approach offset z"]],
        tasks.program.offset[present, APPROACH, 2] / 0.1,
    )
    lined_up = targets.masks[:, column["lined up within"]]
    np.testing.assert_array_equal(lined_up, tasks.program.wanted[:, COMMITTED])
    # Every column tells some programs apart.
    same = targets.values.std(axis=0) == 0
    assert not same.any(), np.array(targets.names)[same]


def test_targets_do_not_depend_on_the_company(tasks):
    whole = program_targets(tasks).values
    np.testing.assert_array_equal(program_targets(tasks.take(np.array([7]))).values[0], whole[7])


def test_records_join_as_they_were_taken(tasks):
    parts = [tasks.take(np.arange(0, 100)), tasks.take(np.arange(100, 300))]
    joined = type(tasks).join(parts)
    np.testing.assert_array_equal(joined.numbers, tasks.numbers)
    np.testing.assert_array_equal(joined.program.shift, tasks.program.shift)
    np.testing.assert_array_equal(joined.scene.wall, tasks.scene.wall)
    assert len(joined) == 300 and replace(joined, kinds=joined.kinds) is not joined


@pytest.mark.slow
def test_thousands_of_tasks_a_minute():
    begin = time.process_time()
    simulate(draw_tasks(2000, seed=9)[0], [0])
    assert (time.process_time() - begin) / 2000 < 60 / 5000
