"""Evidence about policies: they are told apart before any is played."""

import dataclasses
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from makeanagent.models import imagination
from makeanagent.models.evidence import (
    EVIDENCE_DIM,
    EvidenceConfig,
    gather_evidence,
    measure_errors,
)
from makeanagent.models.guidance import DemonstratedSteps, GuidanceConfig
from makeanagent.models.imagination import ImaginationConfig, imagine_rollouts
from makeanagent.policies import PolicySpec
from makeanagent.policies.batch import PolicyBatch
from makeanagent.trajectories import Trajectory
from makeanagent.trajectories.scene import MotionConfig, read_motion

HAND, BALL, TARGET, ABSENT = 0, 3, 6, 9
POSITIONS = (HAND, BALL, TARGET, ABSENT)
SPEC = PolicySpec(
    observation_dim=12,
    action_dim=3,
    hidden=(6,),
    activations=("relu",),
    heads=("mean",),
    squash="none",
)
END = np.array([0.5, 0.3, 0.1])


def follow(goal: int | None, follower: int = HAND, gain: float = 2.0) -> torch.Tensor:
    """A policy whose action is `gain` times the way from one position to another, or to `END`."""
    way = np.zeros((3, SPEC.observation_dim))
    way[:, follower : follower + 3] = -np.eye(3)
    bias = np.zeros(3)
    if goal is None:
        bias = END
    else:
        way[:, goal : goal + 3] += np.eye(3)
    # relu(x) - relu(-x) is x.
    parts = [np.vstack([way, -way]), np.hstack([bias, -bias])]
    parts += [gain * np.hstack([np.eye(3), -np.eye(3)]), np.zeros(3)]
    return torch.from_numpy(np.concatenate([part.ravel() for part in parts])).float()


def show(length: int = 80, carried: bool = False) -> Trajectory:
    """The hand goes to the target, with the ball or past it; a step is a twentieth of an action."""
    states = np.zeros((length + 1, SPEC.observation_dim))
    states[:, TARGET : TARGET + 3] = END
    states[:, BALL : BALL + 3] = (0.2, -0.2, 0.1)
    actions = np.zeros((length, 3))
    for step in range(length):
        hand = states[step, :3]
        actions[step] = 2 * (END - hand) + 0.01 * np.sin(step + np.arange(3))
        states[step + 1, :3] = hand + 0.05 * actions[step]
    if carried:
        states[:, BALL : BALL + 3] = states[:, :3]
    return Trajectory(observations=states, actions=actions, success=np.arange(length) == length - 1)


def imagine(*policies, demonstration=None, positions=POSITIONS, config=None):
    batch = PolicyBatch(torch.stack(policies), SPEC)
    return imagine_rollouts(batch, demonstration or show(), positions, config)


def test_a_policy_that_has_learnt_the_place_is_worse_than_one_that_has_learnt_the_way():
    """Both act alike in all that was shown."""
    missed, far = imagine(follow(TARGET), follow(None)).T
    assert far[0] < np.log(0.03)
    assert far[1] > np.log(0.08)
    assert missed[0] < 0.1


def test_one_that_goes_nowhere_misses_most():
    missed, far = imagine(follow(TARGET), follow(TARGET, gain=0.0)).T
    assert missed[1] > 0.8 > missed[0]
    assert far[1] > far[0]


def test_one_that_runs_away_has_finite_evidence():
    missed, far = imagine(follow(TARGET), follow(TARGET, gain=-1e6)).T
    assert far.isfinite().all()
    assert far[1] > far[0]


def test_what_the_body_carries_is_where_the_body_is():
    demonstration = show(carried=True)
    by_hand, by_ball = imagine(
        follow(TARGET), follow(TARGET, follower=BALL), demonstration=demonstration
    )
    torch.testing.assert_close(by_ball, by_hand)
    # What stands where it was shown tells nothing of where the body is.
    left_alone = imagine(follow(TARGET, follower=BALL))[0]
    assert left_alone[1] > by_ball[1] + 1


def test_a_body_moves_by_what_was_read_of_it(monkeypatch):
    """A policy that always does the same, against the sum written out."""
    shown = show()
    motion = replace(
        read_motion(shown, POSITIONS, MotionConfig()),
        inertia=np.array([0.5, 0.0, 0.9]),
        effect=0.002 * np.eye(3),
    )
    monkeypatch.setattr(imagination, "read_motion", lambda *_: motion)
    always = torch.zeros(SPEC.num_parameters)
    always[SPEC.layers[-1].bias] = torch.tensor([1.0, 2.0, -1.0])
    config = ImaginationConfig(num_layouts=1, scale=1e-9, slack=0.5)
    ((_, far),) = imagine(always, demonstration=shown, config=config)
    place, speed = np.zeros(3), np.zeros(3)
    for _ in range(40):
        speed = [0.5, 0.0, 0.9] * speed + 0.002 * np.array([1.0, 2.0, -1.0])
        place = place + speed
    expected = np.log(np.linalg.norm(place - motion.states[-1, :3]) + 0.02)
    assert far.item() == pytest.approx(expected, rel=1e-4)


def test_the_slow_are_given_time():
    slow = follow(TARGET, gain=1.2)
    short, long = (imagine(slow, config=ImaginationConfig(slack=slack))[0] for slack in (1.0, 2.0))
    assert (long < short - 0.1).any()
    assert (long <= short + 1e-6).all()


def test_errors_by_hand():
    """A policy that does nothing, on eight blocks of four steps; the last one is held back."""
    config = GuidanceConfig(num_states=32, block_steps=4, loss_beta=0.5)
    actions = torch.zeros(1, 32, 3)
    actions[:, 8:12], actions[:, 28:] = 0.4, 0.2
    steps = DemonstratedSteps(
        states=torch.randn(1, 32, 12), actions=actions, held_back=torch.arange(32) >= 28
    )
    nothing = PolicyBatch(torch.zeros(1, SPEC.num_parameters), SPEC)
    # Smooth L1: 0.4^2 / (2 x 0.5) = 0.16 in one block of eight, 0.04 in another.
    expected = torch.tensor([[0.2 / 8, 0.04, 0.16]]).log()
    torch.testing.assert_close(measure_errors(nothing, steps, config), expected)


def test_policies_do_not_touch_each_other():
    both = imagine(follow(TARGET), follow(None))
    torch.testing.assert_close(imagine(follow(None))[0], both[1])


@pytest.mark.parametrize("positions", [(), (TARGET,), (ABSENT,)])
def test_without_a_body_nothing_is_imagined(positions):
    assert imagine(follow(TARGET), positions=positions).tolist() == [[0, 0]]


def test_evidence_is_lowest_for_the_policy_that_was_demonstrated():
    policies = torch.stack([follow(BALL), follow(TARGET), follow(TARGET, gain=0.5)])
    evidence = gather_evidence(
        PolicyBatch(policies, SPEC), [[show()]], torch.zeros(3, dtype=torch.long), POSITIONS
    )
    assert evidence.shape == (3, EVIDENCE_DIM)
    assert (evidence.argmin(dim=0) == 1).all()


def test_each_policy_is_asked_about_its_own_demonstrations():
    policies = PolicyBatch(torch.stack([follow(TARGET)] * 3), SPEC)
    first, second = show(), show(length=60, carried=True)
    rows = torch.tensor([0, 1, 0])
    evidence = gather_evidence(policies, [[first], [first, second]], rows, POSITIONS)
    assert torch.equal(evidence[0], evidence[2])
    alone = gather_evidence(policies, [[second]], torch.zeros(3, dtype=torch.long), POSITIONS)
    mean = (evidence[0, 3:] + alone[0, 3:]) / 2
    torch.testing.assert_close(evidence[1, 3:], mean)


def test_evidence_is_gathered_as_its_config_says():
    policies = PolicyBatch(torch.stack([follow(BALL), follow(TARGET), follow(None)]), SPEC)
    rows = torch.zeros(3, dtype=torch.long)
    plain = gather_evidence(policies, [[show()]], rows, POSITIONS)
    asked = EvidenceConfig(guidance=GuidanceConfig(loss_beta=0.01))
    found = gather_evidence(policies, [[show()]], rows, POSITIONS, asked)
    assert (found - plain)[0, :3].abs().min() > 0.1
    assert torch.equal(found[:, 3:], plain[:, 3:])
    asked = EvidenceConfig(imagination=ImaginationConfig(min_distance=0.5, slack=0.5))
    found = gather_evidence(policies, [[show()]], rows, POSITIONS, asked)
    assert torch.equal(found[:, :3], plain[:, :3])
    assert (found - plain)[:, 3:].abs().amin(dim=0).max() > 0.1


def test_an_evidence_config_survives_json():
    asked = EvidenceConfig(
        guidance=GuidanceConfig(num_states=64), imagination=ImaginationConfig(window=3)
    )
    content = json.loads(json.dumps(dataclasses.asdict(asked)))
    assert EvidenceConfig.from_dict(content) == asked
