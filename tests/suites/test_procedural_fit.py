"""A hand's constants, measured in the world of drawn tasks and in Meta-World."""

from dataclasses import replace

import numpy as np
import pytest

from makeanagent.errors import InputError
from makeanagent.suites import find_suite
from makeanagent.suites.procedural import HandDynamics, ProceduralSuite, fit_hand
from makeanagent.suites.procedural import fit as module

HAND = HandDynamics(
    action_scale=0.013, inertia=0.5, pull=0.12, low=(-0.4, 0.45, 0.08), high=(0.45, 0.95, 0.4)
)


def find_open_task(suite):
    """A task in which nothing is in the hand's way."""
    for task in suite.groups["reached"]:
        if suite.find(task).scene.wall[0, 1, 2] < 0:
            return task
    raise AssertionError


@pytest.mark.parametrize("hand", [HandDynamics(), HAND])
def test_a_fit_finds_the_constants_again(hand):
    suite = ProceduralSuite(hand=hand)
    fitted = fit_hand(suite, find_open_task(suite))
    for name in ("action_scale", "inertia", "pull"):
        assert getattr(fitted, name) == pytest.approx(getattr(hand, name), rel=1e-3), name
    assert fitted.low == pytest.approx(hand.low, abs=1e-3)
    assert fitted.high == pytest.approx(hand.high, abs=1e-3)


def test_metaworlds_hand_is_predicted_to_two_millimetres():
    suite = find_suite("metaworld")
    fitted = fit_hand(suite, "reach-v3")
    environment, rng = suite.make("reach-v3"), np.random.default_rng(7)
    bounds = np.array([fitted.low, fitted.high])
    places, actions = module._wander(environment, 100, 0, 1.0, 4, bounds, rng)
    point = motion = None
    errors = []
    for before, after, action in zip(places[:-1], places[1:], actions, strict=True):
        if point is None:
            point, motion = before.copy(), np.zeros(3)
        predicted, point = fitted.move(before, point, motion, action)
        motion = after - before
        errors.append(np.linalg.norm(predicted - motion))
    assert len(errors) > 100 and np.abs(np.diff(places, axis=0)).max() > 0.005
    assert np.sqrt(np.mean(np.square(errors))) < 0.002
    # The defaults are Meta-World's.
    for name in ("action_scale", "inertia", "pull"):
        assert getattr(fitted, name) == pytest.approx(getattr(HandDynamics(), name), rel=0.1)


def test_a_suite_without_positions_has_no_hand():
    with pytest.raises(InputError, match="no hand to fit: observations need a position"):
        fit_hand(find_suite("gymnasium"), "Reacher-v5")


class Deaf(ProceduralSuite):
    """A suite whose hands do not answer."""

    def make(self, task, *, render=False):
        environment = super().make(task)
        step = environment.step
        environment.step = lambda action: step(0 * action)
        return environment


def test_a_hand_that_does_not_answer_is_refused():
    with pytest.raises(InputError, match="does not follow a point that actions move"):
        fit_hand(Deaf(), find_open_task(ProceduralSuite()))


def test_a_step_is_what_the_formulas_say():
    hand = replace(HandDynamics(), high=(0.5, 1.0, 0.205))
    zeros = np.zeros((1, 3))
    place = zeros + [0, 0.6, 0.2]
    moved, point = hand.move(place, place, zeros + [0.01, 0, 0], zeros + [1, -1, 1])
    # The point goes 1 cm along x and y; upwards, only to the bound.
    np.testing.assert_allclose(point, [[0.01, 0.59, 0.205]])
    np.testing.assert_allclose(moved, [[0.0058 + 0.00095, -0.00095, 0.095 * 0.005]])


def test_fingers_close_as_far_as_there_is_room():
    hand, one = HandDynamics(), np.ones(1)
    reading, speed = hand.turn_fingers(one, 0 * one, one, 0.3 * one)
    np.testing.assert_allclose((reading, speed), [[0.991], [-0.009]])
    reading, speed = hand.turn_fingers(0.305 * one, -0.05 * one, one, 0.3 * one)
    np.testing.assert_allclose((reading, speed), [[0.3], [0]])
    reading, speed = hand.turn_fingers(0.999 * one, 0 * one, -one, 0.3 * one)
    np.testing.assert_allclose((reading, speed), [[1], [0]])
