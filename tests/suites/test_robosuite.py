"""Robosuite's worlds: its own states, bit by bit the same after a reset, and experts that succeed.

Without the extra robosuite these tests skip.
"""

from functools import cache

import mujoco
import numpy as np
import pytest

pytest.importorskip("robosuite", reason="needs the extra robosuite", exc_type=ImportError)

from makeanagent.errors import InputError
from makeanagent.rollouts.episodes import as_function, record_episode, run_episode
from makeanagent.suites import find_suite, layouts
from makeanagent.suites.robosuite.experts.acting import Hand
from makeanagent.suites.robosuite.experts.joints import Joints
from makeanagent.suites.robosuite.experts.motion import UP, turn_about
from makeanagent.suites.robosuite.ids import ARMS, JOINT, TASKS, TaskId, read_id
from makeanagent.suites.robosuite.judges import HOLD_STEPS
from makeanagent.suites.robosuite.observations import find_fit
from makeanagent.suites.robosuite.retargeting import JointActor, Retargeting

SUITE = find_suite("robosuite")
LAYOUT = layouts.PROMPTS[3]
QUICK = ("lift-panda", "door-sawyer-joint")
EVERY = tuple(
    str(TaskId(task=task, arm=arm, form=form))
    for task in TASKS
    for arm in ARMS
    for form in ("end-effector", JOINT)
)
STATE = mujoco.mjtState.mjSTATE_INTEGRATION


@cache
def environment(name):
    return SUITE.make(name)


def draw_actions(count, seed=0):
    actions = np.random.default_rng(seed).uniform(-1, 1, (count, 8))
    actions[:, -1] = np.sign(actions[:, -1])
    return actions


def play(env, layout, actions):
    first = env.reset(layout)
    return np.array([first, *(env.step(action).observation for action in actions)])


def find_difference(name, num_steps=10):
    """Largest difference of positions within some steps, here and by robosuite's own `step`.

    Robosuite's first step after a reset is left out: its mass matrix is of the fingers before they
    were opened.
    """
    env = environment(name)
    env.reset(LAYOUT)
    stepper, own = env.stepper, env.stepper.robosuite
    moved = len(stepper.joints) if read_id(name).form == JOINT else 6
    gripper = own.robots[0].gripper["right"]
    controller = own.robots[0].composite_controller.part_controllers["right"]
    state = np.empty(mujoco.mj_stateSize(stepper.model, STATE))
    first, *actions = draw_actions(num_steps + 1)

    def step_theirs(action):
        own.step(np.append(action[:moved], action[-1]))
        return stepper.data.qpos.copy()

    def step_ours(action):
        stepper.step(action)
        return stepper.data.qpos.copy()

    step_theirs(first)
    mujoco.mj_getState(stepper.model, stepper.data, state, STATE)
    closing = gripper.current_action.copy()
    ours = [step_ours(action) for action in actions]
    mujoco.mj_setState(stepper.model, stepper.data, state, STATE)
    mujoco.mj_forward(stepper.model, stepper.data)
    gripper.current_action, controller.new_update = closing, True
    return np.abs(np.array(ours) - [step_theirs(action) for action in actions]).max()


@pytest.mark.parametrize("name", QUICK)
def test_states_are_robosuites_own(name):
    assert find_difference(name) < 1e-6


@pytest.mark.slow
# Robosuite's IIWA takes the hand's motion along a frame that turns with its first joint; here it is
# the world's, as of every other arm.
@pytest.mark.parametrize("name", [n for n in EVERY if "iiwa" not in n or n.endswith("joint")])
def test_states_are_robosuites_own_everywhere(name):
    assert find_difference(name) < 1e-6
    environment.cache_clear()


def test_a_layout_comes_back_bit_by_bit():
    name, actions = "lift-panda-randomized", draw_actions(12)
    fresh = play(SUITE.make(name), LAYOUT, actions)
    env = environment(name)
    # Leave the world in disorder: another layout, other actions.
    play(env, LAYOUT + 1, draw_actions(20, seed=1))
    np.testing.assert_array_equal(play(env, LAYOUT, actions), fresh)
    assert not np.array_equal(env.reset(LAYOUT + 1), fresh[0])


def test_layouts_place_things_differently():
    env = environment("lift-panda")
    cubes = np.array([env.reset(LAYOUT + index)[16:18] for index in range(8)])
    assert (np.ptp(cubes, axis=0) > 0.02).all()


def test_a_reset_leaves_the_random_generator_alone():
    np.random.seed(5)
    expected = np.random.rand()
    np.random.seed(5)
    environment(QUICK[0]).reset(LAYOUT)
    assert np.random.rand() == expected


def test_randomised_worlds_begin_elsewhere_and_open_less():
    plain, varied = environment("lift-panda"), environment("lift-panda-randomized")
    hands, gaps = np.zeros((2, 8, 3)), np.zeros((2, 8))
    for row, env in enumerate((plain, varied)):
        for index in range(8):
            hands[row, index] = env.reset(LAYOUT + index)[:3]
            for _ in range(12):
                step = env.step(np.array([0, 0, 0, 0, 0, 0, 0, -1.0]))
            gaps[row, index] = step.observation[9]
    assert hands[0].std(axis=0).max() < 0.04 < 0.1 < hands[1].std(axis=0).max()
    assert gaps[0].min() > 0.97
    assert gaps[1].min() < 0.9
    assert np.ptp(gaps[1]) > 0.05


def test_forms_show_the_same_world():
    """The joints' kinematics give the hand that the end-effector form observes."""
    hand = Hand().see(SUITE.make("door-sawyer").reset(LAYOUT))
    scene = Joints(read_id("door-sawyer-joint")).see(environment("door-sawyer-joint").reset(LAYOUT))
    for part in ("position", "rotation", "gap", "objects"):
        np.testing.assert_allclose(getattr(scene, part), getattr(hand, part), atol=1e-9)


@pytest.mark.parametrize("name", QUICK)
def test_experts_succeed_and_remember_nothing(name):
    env, expert = environment(name), SUITE.expert(name)
    outcome = run_episode(env, expert, LAYOUT)
    assert outcome.success
    # What is observed decides, not what came before.
    first = expert(env.reset(LAYOUT))
    expert(env.reset(LAYOUT + 1))
    np.testing.assert_array_equal(expert(env.reset(LAYOUT)), first)


def test_an_arm_without_an_expert_says_so():
    with pytest.raises(InputError, match="robosuite/door-ur5e-randomized: has no expert"):
        SUITE.expert("door-ur5e-randomized")


def test_success_and_reward_are_robosuites_own():
    env = environment("lift-panda")
    env.reset(LAYOUT)
    assert env.step(np.zeros(8)).success is False
    body = env.stepper.model.body("cube_main")
    address = env.stepper.model.jnt_qposadr[body.jntadr[0]]
    env.stepper.data.qpos[address + 2] = 1.2
    step = env.step(np.zeros(8))
    assert step.success is True
    assert step.reward == 1.0


@pytest.mark.parametrize(
    ("asked", "other"), [("lift-8cm", "lift-20cm"), ("door-10deg", "door-16deg")]
)
def test_an_amount_is_met_by_its_own_expert_alone(asked, other):
    env = environment(f"{asked}-panda")
    assert run_episode(env, SUITE.expert(f"{asked}-panda"), LAYOUT).success
    assert not run_episode(env, SUITE.expert(f"{other}-panda"), LAYOUT).success


def test_an_amount_is_to_be_held():
    """Success comes in the last of ten steps in a row that are worth 1, and no step before."""
    name = "lift-8cm-panda"
    env, expert = environment(name), SUITE.expert(name)
    observation, rewards = env.reset(LAYOUT), []
    while True:
        step = env.step(expert(observation))
        rewards.append(step.reward)
        observation = step.observation
        if step.success:
            break
    assert rewards[-HOLD_STEPS:] == [1.0] * HOLD_STEPS
    assert rewards[-HOLD_STEPS - 1] == 0.0
    # An episode that follows has held nothing yet.
    env.reset(LAYOUT)
    assert not env.step(np.zeros(8)).success


def test_amounts_are_not_observed():
    low, high = (SUITE.make(f"lift-{amount}cm-panda").reset(LAYOUT) for amount in (8, 20))
    np.testing.assert_array_equal(low, high)


def test_turns_are_alike_where_the_gripper_and_the_nut_are():
    """By half a turn of the hand, and by a quarter of the nut."""
    env = SUITE.make("nut-square-panda")
    env.reset(LAYOUT)
    hand = env.stepper.rotation
    half, quarter = turn_about(UP, np.pi), turn_about(UP, np.pi / 2)
    rotation, zeros = turn_about(UP, 0.3), np.zeros(3)
    before = find_fit(rotation, hand, zeros, zeros)
    np.testing.assert_allclose(find_fit(rotation, half @ hand, zeros, zeros), before, atol=1e-9)
    turned = find_fit(quarter @ rotation, quarter @ hand, zeros, zeros)
    np.testing.assert_allclose(turned[[0, 1, 4, 5]], before[[0, 1, 4, 5]], atol=1e-6)
    assert abs(turned[2:4] - before[2:4]).max() > 0.5
    np.testing.assert_array_equal(before[6:], 0)


def test_a_joint_demonstration_is_seen_as_the_hand_moves():
    task = read_id("nut-square-sawyer-joint")
    joints, hand = SUITE.make(str(task)), SUITE.make("nut-square-sawyer")
    retargeting = Retargeting(task)
    np.testing.assert_allclose(
        retargeting.observe(joints.reset(LAYOUT)), hand.reset(LAYOUT), atol=1e-9
    )
    shown = record_episode(joints, SUITE.expert(str(task)), LAYOUT, max_steps=30)
    found = retargeting.convert(shown)
    assert found.env_id == "robosuite/nut-square-sawyer"
    # What the joints are told to do is what the hand then does, as far as they follow.
    moved = np.diff(found.observations[:, :3], axis=0)
    told = found.actions[:, :3]
    assert (moved * told).sum() > 0.9 * np.linalg.norm(moved) * np.linalg.norm(told)


def test_an_end_effector_policy_acts_by_joints():
    task = read_id("lift-sawyer-joint")
    actor = as_function(JointActor(SUITE.expert("lift-sawyer"), task))
    assert run_episode(environment(str(task)), actor, LAYOUT).success
    with pytest.raises(InputError, match="lift-sawyer: is of the end-effector form"):
        Retargeting(read_id("lift-sawyer"))


def test_the_nuts_expert_lets_go_of_nothing():
    """Made to close too early, it opens again: a teacher must know the way back."""
    env, expert = environment("nut-square-panda"), SUITE.expert("nut-square-panda")
    observation, gaps = env.reset(LAYOUT), []
    for number in range(env.horizon):
        action = expert(observation)
        if 10 <= number < 30:
            action[-1] = 1.0
        step = env.step(action)
        observation = step.observation
        gaps.append(observation[9])
        if step.success:
            break
    assert gaps[29] < 0.1
    assert step.success
