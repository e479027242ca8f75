"""Meta-World's traps, each with the behaviour that the suite promises in its place."""

import pickle
from functools import cache
from importlib.metadata import version

import metaworld
import mujoco
import numpy as np
import pytest
from metaworld import policies
from metaworld.env_dict import ALL_V3_ENVIRONMENTS

from makeanagent.errors import InputError
from makeanagent.rollouts.episodes import run_episode
from makeanagent.suites import find_task
from makeanagent.suites import metaworld as suite_module
from makeanagent.suites.metaworld import SEEN_TASKS, UNSEEN_TASKS, MetaWorldSuite

# Meta-World's experts say so at nearly every step; `expert` clips their actions.
pytestmark = pytest.mark.filterwarnings("ignore:Constant.s. may be too high:UserWarning")

SUITE = MetaWorldSuite()
LAYOUT = 3
NUM_STEPS = 150
HANDLED = ("reach-v3", "door-open-v3", "window-close-v3", "coffee-push-v3")
STALE_AT_RESET = ("window-open-v3", "drawer-open-v3", "faucet-open-v3", "dial-turn-v3")
OBJECT = slice(4, 18)


@cache
def environment(task):
    return SUITE.make(task)


def noisy_actions(task, num_steps=NUM_STEPS):
    """Actions that reach the object: the expert's, disturbed so that they also leave its path."""
    rng, expert = np.random.default_rng(0), SUITE.expert(task)
    observation, actions = environment(task).reset(LAYOUT), []
    for _ in range(num_steps):
        action = np.clip(expert(observation) + 0.3 * rng.standard_normal(4), -1, 1)
        actions.append(action.astype(np.float32))
        observation = environment(task).step(actions[-1])[0]
    return actions


def play(env, layout, actions):
    """All observations and successes of an episode, in one array."""
    rows = [[*env.reset(layout), 0.0]]
    for action in actions:
        observation, _, success, *_ = env.step(action)
        rows.append([*observation, success])
    return np.array(rows)


def original(task, layout=LAYOUT):
    """Meta-World's own environment on a layout, and the first observation that it gives."""
    env = ALL_V3_ENVIRONMENTS[task]()
    seed, index = divmod(layout, 50)
    env.set_task(suite_module._tasks_of_seed(task, seed)[index])
    return env, env.reset()[0]


def test_the_physics_that_results_hold_for_is_installed():
    # MuJoCo 3.4 changed contacts of boxes and broke peg-insert-side.
    assert version("mujoco") == mujoco.__version__ == "3.3.0"


@pytest.mark.parametrize("task", [*STALE_AT_RESET, "lever-pull-v3", "window-close-v3"])
def test_first_observation_shows_the_present_object(task):
    env = environment(task)
    env.reset(LAYOUT + 1)
    first = env.reset(LAYOUT)
    after = env.step(np.zeros(4)).observation
    # Nothing here moves by itself; a stale position is off by up to 0.2 m.
    np.testing.assert_allclose(first[OBJECT], after[OBJECT], atol=1e-3)
    np.testing.assert_array_equal(first[18:36], first[0:18])
    np.testing.assert_array_equal(after[18:36], first[0:18])


def test_first_observation_corrects_window_close():
    env, stale = original("window-close-v3")
    assert np.abs(environment("window-close-v3").reset(LAYOUT) - stale)[OBJECT].max() > 0.1


def test_first_observation_of_hammer_is_where_it_lies():
    env, _ = original("hammer-v3")
    mujoco.mj_forward(env.model, env.data)
    # The hammer is already jumping at reset, so only positions of the same instant compare.
    now = env._get_curr_obs_combined_no_goal()
    np.testing.assert_allclose(environment("hammer-v3").reset(LAYOUT)[:18], now, atol=1e-9)


@pytest.mark.parametrize("task", HANDLED)
def test_restored_reset_equals_a_fresh_one(task):
    actions = noisy_actions(task)
    fresh = play(SUITE.make(task), LAYOUT, actions)
    env = environment(task)
    # Leave the scene in disorder: other layouts, and objects pushed about.
    play(env, LAYOUT + 50, actions[::-1])
    play(env, LAYOUT, actions[::2])
    np.testing.assert_array_equal(play(env, LAYOUT, actions), fresh)
    assert np.abs(fresh[-1] - fresh[0]).max() > 0.01


def test_layouts_that_left_the_cache_come_back_the_same(monkeypatch):
    monkeypatch.setattr(suite_module, "_CACHED_LAYOUTS", 2)
    env = SUITE.make("reach-v3")
    first = [env.reset(layout) for layout in range(4)]
    assert len(env._restores) == 2
    np.testing.assert_array_equal([env.reset(layout) for layout in range(4)], first)


@pytest.mark.parametrize("task", HANDLED)
def test_step_gives_the_numbers_of_metaworld(task):
    actions = noisy_actions(task)
    env, _ = original(task)
    # A forward pass moves the solver's warm start by a last bit, and `reset` makes two of them.
    for _ in range(2):
        mujoco.mj_forward(env.model, env.data)
    env._prev_obs = env._get_curr_obs_combined_no_goal()
    ours = play(environment(task), LAYOUT, actions)[1:]
    theirs = []
    for action in actions:
        observation, _, _, _, info = env.step(action)
        theirs.append([*observation, bool(info["success"])])
    np.testing.assert_array_equal(ours, theirs)


def test_success_is_of_this_instant():
    env, expert = environment("reach-v3"), SUITE.expert("reach-v3")
    observation, success, steps = env.reset(LAYOUT), False, 0
    while not success and steps < 200:
        observation, _, success, *_ = env.step(expert(observation))
        steps += 1
    assert success
    away = np.append(np.sign(observation[:3] - observation[36:39]), 0.0)
    assert not any([env.step(away).success for _ in range(30)][-5:])


def test_episode_is_over_at_500_and_nothing_raises():
    env = environment("reach-v3")
    env.reset(LAYOUT)
    overs = [env.step(np.zeros(4)).over for _ in range(env.horizon)]
    assert env.horizon == len(overs) == 500
    assert overs == [False] * 499 + [True]
    env.step(np.zeros(4))  # Meta-World's own `step` raises here.
    env.reset(LAYOUT)
    assert not env.step(np.zeros(4)).over


def test_all_fifty_tasks_have_an_expert():
    assert len(SUITE.tasks()) == 50
    assert set(SEEN_TASKS + UNSEEN_TASKS) <= set(SUITE.tasks())
    assert (len(SEEN_TASKS), len(UNSEEN_TASKS)) == (10, 9)
    for task in SUITE.tasks():
        action = SUITE.expert(task)(np.full(39, 0.5))
        assert action.shape == (4,), task
        assert np.abs(action).max() <= 1.0, task


def test_expert_of_peg_insert_side_has_a_name_of_its_own():
    observation = np.linspace(-0.1, 0.9, 39)
    theirs = policies.SawyerPegInsertionSideV3Policy().get_action(observation)
    ours = SUITE.expert("peg-insert-side-v3")(observation)
    np.testing.assert_array_equal(ours, np.clip(theirs, -1, 1))


def test_experts_leave_the_observation_alone():
    for task in SUITE.tasks():
        observation = np.linspace(0.1, 0.9, 39)
        kept = observation.copy()
        SUITE.expert(task)(observation)
        np.testing.assert_array_equal(observation, kept, err_msg=task)


def test_teacher_of_reach_takes_the_fingertips_to_the_goal():
    env, expert, teacher = environment("reach-v3"), *_acts("reach-v3")
    for layout in range(3):
        distances = []
        for act in (expert, teacher):
            observation = env.reset(layout)
            for _ in range(120):
                observation, _, success, *_ = env.step(act(observation))
            assert success
            fingertips = env._env.tcp_center
            distances.append(np.linalg.norm(fingertips - observation[-3:]))
        # Success ends at 50 mm.
        assert distances[0] > 0.04
        assert distances[1] < 0.015


def test_teachers_are_the_experts_but_for_seven_tasks():
    own = set()
    for task in SUITE.tasks():
        expert, teacher = _acts(task)
        observation = np.full(39, 0.5)
        if not np.array_equal(expert(observation), teacher(observation)):
            own.add(task)
    assert own == {
        "peg-insert-side-v3",
        "peg-unplug-side-v3",
        "pick-out-of-hole-v3",
        "push-back-v3",
        "reach-v3",
        "reach-wall-v3",
        "stick-pull-v3",
    }


def _acts(task):
    return SUITE.expert(task), SUITE.teacher(task)


@pytest.mark.parametrize("task", ["reach-v3", "window-close-v3"])
def test_experts_succeed(task):
    expert = SUITE.expert(task)
    results = [run_episode(environment(task), expert, layout) for layout in range(5)]
    assert all(played.success for played in results)


@pytest.mark.parametrize("task", ["reach-v3", "window-close-v3"])
def test_layouts_are_the_same_in_two_environments_and_differ_by_number(task):
    numbers = [0, 1, 2, 49, 50, 51]  # A second seed begins at 50.
    one = np.array([environment(task).reset(number) for number in numbers])
    second = SUITE.make(task)
    other = np.array([second.reset(number) for number in reversed(numbers)])[::-1]
    np.testing.assert_array_equal(one, other)
    gaps = np.abs(one[:, None] - one[None]).max(axis=-1)
    assert gaps[~np.eye(len(numbers), dtype=bool)].min() > 1e-6


# Three stand for all fifty.
@pytest.mark.parametrize("task", ["box-close-v3", "lever-pull-v3", "reach-v3"])
def test_tasks_are_drawn_as_by_metaworld_itself(task):
    drawn = suite_module._tasks_of_seed.__wrapped__(task, 4)
    original = metaworld.MT1(task, seed=4).train_tasks
    assert [each.data for each in drawn] == [each.data for each in original]


def test_layouts_do_not_follow_numpys_global_generator():
    draw_tasks = suite_module._tasks_of_seed.__wrapped__
    drawn, resets = [], []
    for seed in (0, 1):
        np.random.seed(seed)
        state = np.random.get_state()[1].copy()
        drawn.append(draw_tasks("reach-v3", 0)[LAYOUT].data)
        resets.append(SUITE.make("reach-v3").reset(LAYOUT))
        np.testing.assert_array_equal(np.random.get_state()[1], state)
    assert drawn[0] == drawn[1]
    np.testing.assert_array_equal(*resets)


def test_task_names():
    assert SUITE.check_task("reach") == SUITE.check_task("reach-v3") == "reach-v3"
    space = SUITE.space("reach")
    assert (space.observation_dim, space.action_dim) == (39, 4)
    assert find_task("metaworld/window-close") == (SUITE, "window-close-v3")


@pytest.mark.parametrize("method", ["check_task", "make", "expert", "space"])
def test_unknown_task_is_answered_by_near_names(method):
    with pytest.raises(InputError, match="metaworld/windw-close: no such task.*window-close-v3"):
        getattr(SUITE, method)("windw-close")


def test_suite_is_a_value():
    copy = pickle.loads(pickle.dumps(SUITE))
    assert copy == SUITE
    assert hash(copy) == hash(SUITE)
    assert copy.name == "metaworld"
    assert copy.groups["seen"] == SEEN_TASKS


def test_traces_show_hand_object_and_goal():
    first = environment("reach-v3").reset(LAYOUT)
    traces = SUITE.traces("reach-v3", first[None])
    assert list(traces) == ["hand", "object", "goal"]
    target = environment("reach-v3")._env._target_pos
    np.testing.assert_allclose(traces["goal"][0], target)
    np.testing.assert_allclose(traces["hand"][0], first[:3])


def test_no_picture_without_opengl(monkeypatch):
    def fail():
        raise RuntimeError("invalid value for environment variable MUJOCO_GL")

    monkeypatch.setattr(environment("reach-v3")._env, "render", fail)
    with pytest.raises(InputError, match="OpenGL is not at hand .invalid value"):
        environment("reach-v3").render()
