"""The kinematic world: what fingers hold, what pushes what, and what success is read from."""

from dataclasses import replace

import numpy as np
import pytest

from makeanagent.suites.procedural import KINDS, FamilyConfig, HandDynamics, draw_tasks
from makeanagent.suites.procedural.contact import keep_in_hole, keep_out_of_box, push_along
from makeanagent.suites.procedural.programs import ACT, act, choose_slots
from makeanagent.suites.procedural.tasks import find_layouts
from makeanagent.suites.procedural.world import World

HAND = HandDynamics()
OPEN = -1.0


def draw(count=40, **weights):
    """Tasks of some kinds alone."""
    family = FamilyConfig(**(dict.fromkeys(KINDS, 0.0) | weights))
    return draw_tasks(count, family=family)[0]


def start(tasks, layout=3):
    world = World(tasks.scene, HAND)
    return world, world.reset(find_layouts(tasks, np.full(len(tasks), layout)))


def play(tasks, policy, num_steps=200, layout=3):
    """Which tasks are solved at any time by a policy of observations `[N, 39]`."""
    world, observations = start(tasks, layout)
    solved = np.zeros(len(tasks), bool)
    for _ in range(num_steps):
        observations, success = world.step(policy(observations))
        solved |= success
    return solved


def lift(tasks, height=0.06):
    """A world in which the programs have lifted their objects, and what is seen there."""
    world, observations = start(tasks)
    rest = observations[:, 6].copy()
    lifted = np.zeros(len(tasks), bool)
    hold = np.zeros((len(tasks), 4), np.float32)
    for _ in range(120):
        lifted |= world.held & (observations[:, 6] > rest + height)
        actions = np.where(lifted[:, None], hold + [0, 0, 0, 1], act(tasks.program, observations))
        observations, _ = world.step(actions)
    assert lifted.mean() > 0.9
    return world, observations, rest, lifted & world.held


@pytest.fixture(scope="module")
def grasped():
    """Objects that are carried into the air."""
    tasks = draw(120, grasped=1)
    rows = (tasks.scene.goal[:, 2] > 0.15) & (tasks.scene.wall[:, 1, 2] < 0)
    return tasks.take(rows)


def test_a_program_succeeds_and_others_mostly_fail():
    tasks = draw(150, reached=1, slides=1, hinges=1, pushed=1, grasped=1, two=1)
    others = tasks.program.take(np.roll(np.arange(len(tasks)), 1))
    assert play(tasks, lambda seen: act(tasks.program, seen)).mean() > 0.9
    assert play(tasks, lambda seen: act(others, seen)).mean() < 0.2


def test_chance_never_solves_a_task_that_asks_for_a_grasp():
    tasks, rng = draw(100, grasped=1, two=1), np.random.default_rng(0)
    assert not play(tasks, lambda seen: rng.uniform(-1, 1, (len(seen), 4))).any()


def test_success_is_of_the_state_alone(grasped):
    """Objects that are put at their goals count, though no program has run; and then do not."""
    world, _ = start(grasped)
    assert not world.judge().any()
    world.object = world.layout.goal.copy()
    assert world.judge().all()
    world.object = world.object + np.float32(0.1)
    assert not world.judge().any()


def test_an_open_gripper_does_not_lift(grasped):
    world, observations = start(grasped)
    rest = observations[:, 6].copy()
    for _ in range(150):
        actions = act(grasped.program, observations)
        actions[:, 3] = OPEN
        # Up from where the fingers would have closed.
        actions[:, 2] = np.where(observations[:, 2] < 0.07, 1, actions[:, 2])
        observations, _ = world.step(actions)
        assert not world.held.any()
        np.testing.assert_allclose(observations[:, 6], rest, atol=1e-6)


def test_fingers_that_close_elsewhere_hold_nothing(grasped):
    world, observations = start(grasped)
    rest = observations[:, 6].copy()
    world.object = world.object + np.array([0.05, 0, 0], np.float32)
    for step in range(150):
        # The program reads where the object would be, five centimetres beside it.
        seen = observations.copy()
        seen[:, 4] -= 0.05
        observations, _ = world.step(act(grasped.program, seen))
        if step < 60:
            continue
        assert not (world.held & (observations[:, 6] > rest + 0.02)).any()


def test_what_is_let_go_falls(grasped):
    world, observations, rest, held = lift(grasped)
    assert (observations[held, 6] > rest[held] + 0.04).all()
    for _ in range(40):
        observations, _ = world.step(np.tile([0, 0, 0, OPEN], (len(grasped), 1)))
    assert not world.held.any()
    np.testing.assert_allclose(observations[:, 6], rest, atol=1e-5)


def test_what_is_held_weakly_slips(grasped):
    """Half the effort that its weight asks for: fingers stay closed, and the object sinks."""
    world, observations, rest, held = lift(grasped)
    weak = np.zeros((len(grasped), 4), np.float32)
    weak[:, 3] = np.maximum(0.5 * grasped.scene.weight, 0.06)
    rows = held & (weak[:, 3] < 0.8 * grasped.scene.weight)
    before = observations.copy()
    for _ in range(60):
        observations, _ = world.step(weak)
    assert rows.sum() > 10
    np.testing.assert_allclose(observations[rows, 2], before[rows, 2], atol=0.03)
    np.testing.assert_allclose(observations[rows, 6], rest[rows], atol=1e-5)


def test_speed_asks_for_a_firmer_grip(grasped):
    """A little more than the weight asks for holds an object still, and not in a moving hand."""
    world, observations, _, held = lift(grasped)
    steady = np.zeros((len(grasped), 4), np.float32)
    steady[:, 3] = grasped.scene.weight * 1.1 + 0.01
    for _ in range(25):
        world.step(steady)
    kept = held & world.held
    assert kept.sum() > 0.8 * held.sum()
    moving = steady.copy()
    moving[:, 0] = np.where(world.hand[:, 0] > 0, -1, 1)
    for _ in range(30):
        world.step(moving)
    assert (world.held & kept).sum() < 0.3 * kept.sum()


def test_a_held_object_follows_the_hand(grasped):
    world, before, _, held = lift(grasped)
    side = np.where(before[:, 0] > 0, -1, 1)
    for _ in range(10):
        after, _ = world.step(np.stack([side, 0 * side, 0 * side, 1 + 0 * side], axis=1))
    moved = after - before
    assert (np.abs(moved[held, 0]) > 0.03).all()
    np.testing.assert_allclose(moved[held, 4:7], moved[held, 0:3], atol=0.001)


def test_mechanisms_that_have_to_be_held_stay_when_pushed():
    tasks = draw(120, slides=1)
    tasks = tasks.take(tasks.scene.held_only)
    world, observations = start(tasks)
    for _ in range(120):
        actions = act(tasks.program, observations)
        actions[:, 3] = OPEN
        observations, _ = world.step(actions)
    assert len(tasks) > 10 and (world.travelled == 0).all()
    assert play(tasks, lambda seen: act(tasks.program, seen)).mean() > 0.9


def test_a_mechanism_moves_on_its_path_and_no_further():
    tasks = draw(60, slides=1, hinges=1)
    world, observations = start(tasks)
    for _ in range(150):
        observations, _ = world.step(act(tasks.program, observations))
    scene, away = tasks.scene, world.object - world.layout.object
    assert ((world.travelled >= 0) & (world.travelled <= scene.travel)).all()
    slides = tasks.kinds == 1
    np.testing.assert_allclose(
        away[slides], (world.travelled[:, None] * scene.tangent)[slides], atol=1e-5
    )
    pivot = world.layout.object - scene.radius[:, None] * scene.arm
    np.testing.assert_allclose(
        np.linalg.norm(world.object - pivot, axis=1)[~slides], scene.radius[~slides], atol=1e-5
    )


def test_springs_bring_mechanisms_back():
    tasks = draw(150, slides=1)
    tasks = tasks.take((tasks.scene.spring > 0) & ~tasks.scene.held_only)
    world, observations = start(tasks)
    for _ in range(150):
        observations, _ = world.step(act(tasks.program, observations))
    gone = world.travelled.copy()
    away = np.zeros((len(tasks), 4), np.float32)
    away[:, :3] = -5 * tasks.scene.tangent
    for _ in range(80):
        world.step(away)
    assert gone.mean() > 0.03 and world.travelled.mean() < 0.3 * gone.mean()


def test_walls_stop_hands():
    tasks = draw(400, reached=1)
    tasks = tasks.take(tasks.scene.wall[:, 1, 2] > 0)
    without = replace(tasks, program=replace(tasks.program, present=tasks.program.present.copy()))
    without.program.present[:, :ACT] = False
    world, observations = start(tasks)
    low, high = tasks.scene.wall[:, 0], tasks.scene.wall[:, 1]
    assert len(tasks) > 10
    for _ in range(120):
        observations, _ = world.step(act(without.program, observations))
        assert not ((world.hand > low) & (world.hand < high)).all(axis=1).any()
    over = play(tasks, lambda seen: act(tasks.program, seen)).mean()
    assert over > 0.9


def test_objects_are_taken_over_and_round_walls():
    tasks = draw(300, grasped=1, pushed=1)
    tasks = tasks.take(tasks.scene.wall[:, 1, 2] > 0)
    world, observations = start(tasks)
    low, high = tasks.scene.wall[:, 0], tasks.scene.wall[:, 1]
    solved = np.zeros(len(tasks), bool)
    for _ in range(200):
        observations, success = world.step(act(tasks.program, observations))
        solved |= success
        assert not ((world.object > low) & (world.object < high)).all(axis=1).any()
    for kind in (3, 4):
        assert solved[tasks.kinds == kind].mean() > 0.9


def test_phases_follow_each_other_as_a_grasp_does(grasped):
    world, observations = start(grasped)
    seen = []
    for _ in range(150):
        seen.append(choose_slots(grasped.program, observations))
        observations, _ = world.step(act(grasped.program, observations))
    order = np.array(seen)
    for column in order.T:
        first = [np.flatnonzero(column == slot)[:1] for slot in (3, 4, 5, 9)]
        assert all(len(each) for each in first)
        assert (np.diff(np.concatenate(first)) > 0).all()


def test_a_push_moves_what_gives_way():
    """A ball of size 0.04 that has come 0.01 too near moves a slider by as much."""
    pusher, contact = np.array([[-0.03, 0, 0]]), np.zeros((1, 3))
    tangent, one = np.array([[1.0, 0, 0]]), np.ones(1)
    gone, left = push_along(pusher, contact, tangent, 0.04 * one, 0 * one, 0.2 * one, one)
    np.testing.assert_allclose(gone, 0.01)
    np.testing.assert_allclose(left, pusher)
    # One that has gone as far as it can keeps the pusher out.
    gone, left = push_along(pusher, contact, tangent, 0.04 * one, 0.2 * one, 0.2 * one, one)
    np.testing.assert_allclose(gone, 0.2)
    np.testing.assert_allclose(left, [[-0.04, 0, 0]])
    # From the other side it is pushed back.
    gone, _ = push_along(-pusher, contact, tangent, 0.04 * one, 0.1 * one, 0.2 * one, one)
    np.testing.assert_allclose(gone, 0.09)
    # Reluctantly, half as far; and beside it, not at all.
    gone, left = push_along(pusher, contact, tangent, 0.04 * one, 0 * one, 0.2 * one, 0.5 * one)
    np.testing.assert_allclose(gone, 0.005)
    np.testing.assert_allclose(left, [[-0.035, 0, 0]])
    beside = np.array([[-0.001, 0.039, 0]])
    gone, _ = push_along(beside, contact, tangent, 0.04 * one, 0 * one, 0.2 * one, one)
    np.testing.assert_allclose(gone, 0)


def test_a_tip_goes_in_where_it_is_lined_up():
    mouth, axis = np.zeros((1, 3)), np.array([[1.0, 0, 0]])
    clearance, depth = np.array([0.02]), np.array([0.05])

    def go(tip, before):
        kept = keep_in_hole(np.array([tip]), np.array([before]), mouth, axis, clearance, depth)
        return kept[0].round(6).tolist()

    assert go([0.01, 0.01, 0], [-0.01, 0.01, 0]) == [0.01, 0.01, 0]
    # Too far off the axis, it stops at the face.
    assert go([0.01, 0.03, 0], [-0.01, 0.03, 0]) == [0, 0.03, 0]
    # Within, neither through the side nor through the bottom.
    assert go([0.02, 0.03, 0], [0.02, 0.01, 0]) == [0.02, 0.02, 0]
    assert go([0.06, 0, 0], [0.049, 0, 0]) == [0.05, 0, 0]
    # From the side, the solid around the hole keeps it out; in the open, nothing does.
    assert go([0.02, 0.07, 0], [0.02, 0.09, 0]) == [0.02, 0.08, 0]
    assert go([0.02, 0.09, 0], [0.02, 0.1, 0]) == [0.02, 0.09, 0]


def test_boxes_let_nothing_in_but_by_the_nearest_side():
    box = np.array([[[0, 0, 0], [0.4, 0.2, 0.1]]])
    inside = np.array([[0.2, 0.02, 0.05]])
    np.testing.assert_allclose(keep_out_of_box(inside, box, 0), [[0.2, 0, 0.05]])
    above = np.array([[0.2, 0.1, 0.09]])
    np.testing.assert_allclose(keep_out_of_box(above, box, 0), [[0.2, 0.1, 0.1]])
    outside = np.array([[0.5, 0.1, 0.05]])
    np.testing.assert_allclose(keep_out_of_box(outside, box, 0.01), outside)
