"""Gymnasium as a suite."""

import base64
import json
import pickle
import sys
import zipfile

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box

from makeanagent.errors import InputError
from makeanagent.rollouts.episodes import record_episode
from makeanagent.suites import find_suite, find_task
from makeanagent.suites.gymnasium import GymnasiumSuite, GymnasiumTask

LOW, HIGH = np.array([-1.0, 0.0], np.float32), np.array([3.0, 10.0], np.float32)


class Ramp(gymnasium.Env):
    """Shows the step, the last action and a random number, always in the same buffer."""

    def __init__(self, key="success", low=LOW, high=HIGH, end=3):
        self.observation_space = Box(-np.inf, np.inf, (4,), np.float32)
        self.action_space = Box(np.asarray(low), np.asarray(high))
        self._key, self._end, self._buffer = key, end, np.zeros(4, np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._buffer[:] = 0
        self._buffer[3] = self.np_random.random()
        return self._buffer, {}

    def step(self, action):
        assert action.dtype == np.float32
        self._buffer[0] += 1
        self._buffer[1:3] = action
        self._buffer[3] = self.np_random.random()
        info = {self._key: self._buffer[0] == 2} if self._key else {}
        return self._buffer, 0.0, self._buffer[0] >= self._end, False, info


@pytest.fixture(autouse=True, scope="module")
def ramp():
    gymnasium.register("Ramp-v0", Ramp, max_episode_steps=5)
    gymnasium.register("Endless-v0", Ramp)
    yield
    del gymnasium.registry["Ramp-v0"], gymnasium.registry["Endless-v0"]


def centre(observation):
    return (LOW + HIGH) / 2


def write_into(observation):
    observation[:] = 7
    return np.array([3.0, 2.5])


def near_end(observation, info):
    assert set(info) <= {"success", "is_success"}
    return observation[0] >= 3


def ramp_suite(**fields):
    fields.setdefault("env_id", "Ramp-v0")
    return GymnasiumSuite((GymnasiumTask(name="ramp", **fields),))


def play(env, layout, actions):
    rows = [env.reset(layout)]
    for action in actions:
        rows.append(env.step(action)[0])
    return np.array(rows)


def fails(match, function, *args):
    with pytest.raises(InputError, match=match) as caught:
        function(*args)
    assert "\n" not in str(caught.value)


# Tasks and suites


def test_registered_task_needs_no_configuration():
    suite, task = find_task("gymnasium/Reacher-v5")
    assert (suite, task) == (GymnasiumSuite(), "Reacher-v5")
    assert suite.name == "gymnasium"
    assert suite.tasks() == ()
    space = suite.space(task)
    assert (space.observation_dim, space.action_dim) == (10, 2)
    assert suite.traces(task, np.zeros((5, 10))) == {}
    env = suite.make(task)
    assert env.horizon == 50
    assert env.reset(0).shape == (10,)
    env.close()


def test_suites_are_values():
    suite = ramp_suite(expert=centre, make_kwargs=(("end", 2),))
    copy = pickle.loads(pickle.dumps(suite))
    assert copy == suite
    assert hash(copy) == hash(suite)
    assert {suite: 1}[copy] == 1
    assert suite != ramp_suite(expert=centre, make_kwargs=(("end", 3),))
    assert GymnasiumSuite(list(suite.task_configs)) == suite


def test_name_is_the_environment_by_default():
    assert GymnasiumTask(env_id="Ramp-v0").name == "Ramp-v0"
    assert ramp_suite().tasks() == ("ramp",)
    twins = (GymnasiumTask(env_id="Ramp-v0"), GymnasiumTask(env_id="Ramp-v0"))
    fails("Ramp-v0: two tasks have this name", GymnasiumSuite, twins)


def test_bad_fields():
    with pytest.raises(InputError, match="horizon must be at least 1, got 0"):
        ramp_suite(horizon=0)
    with pytest.raises(InputError, match="ramp: fields must be hashable.*list"):
        ramp_suite(make_kwargs=(("low", [0.0]),))


def test_unknown_tasks_are_answered_by_near_names():
    fails("gymnasium/Reachr-v5: no such task; .*Reacher-v5", find_task, "gymnasium/Reachr-v5")
    fails("gymnasium/rampp: no such task; there are ramp", ramp_suite().check_task, "rampp")
    fails("no such task", GymnasiumSuite().make, "zzz")


def test_what_gymnasium_cannot_make():
    fails("ramp: cannot be made: .*wrong", ramp_suite(make_kwargs=(("wrong", 1),)).make, "ramp")


@pytest.mark.parametrize(
    ("task", "match"),
    [
        (GymnasiumTask(env_id="CartPole-v1"), "its action space is a Discrete; only a Box"),
        (GymnasiumTask(env_id="Blackjack-v1"), "its observation space is a Tuple; only a Box"),
        (
            GymnasiumTask(env_id="Ramp-v0", make_kwargs=(("low", ((0, 0),)), ("high", ((1, 1),)))),
            "its action space is a Box of shape .1, 2.; only a Box of one dimension",
        ),
        (
            GymnasiumTask(env_id="Ramp-v0", make_kwargs=(("high", (np.inf, 1.0)),)),
            "floats between finite bounds",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:.*precision lowered by casting:UserWarning")
def test_spaces_that_do_not_serve(task, match):
    suite = GymnasiumSuite((task,))
    fails(match, suite.space, task.name)
    if task.env_id != "Blackjack-v1":  # It has no horizon either.
        fails(match, suite.make, task.name)


# Episodes


def test_actions_are_scaled_to_the_bounds_and_clipped():
    env = ramp_suite().make("ramp")
    env.reset(0)
    for action, expected in [([0, 0], [1, 5]), ([-1, 1], [-1, 10]), ([9, -9], [3, 0])]:
        np.testing.assert_allclose(env.step(np.array(action, np.float32))[0][1:3], expected)


def test_actions_of_experts_are_scaled_back():
    np.testing.assert_allclose(ramp_suite(expert=centre).expert("ramp")(np.zeros(4)), [0, 0])
    observation = np.zeros(4)
    action = ramp_suite(expert=write_into).expert("ramp")(observation)
    np.testing.assert_allclose(action, [1, -0.5])
    assert not observation.any()
    env = ramp_suite().make("ramp")
    env.reset(0)
    np.testing.assert_allclose(env.step(action)[0][1:3], [3.0, 2.5])


def test_task_without_expert():
    fails("ramp: has no expert", ramp_suite().expert, "ramp")
    fails("Reacher-v5: has no expert", GymnasiumSuite().expert, "Reacher-v5")


def test_observations_are_copies():
    trajectory = record_episode(ramp_suite().make("ramp"), lambda _: np.zeros(2), 0)
    np.testing.assert_array_equal(trajectory.observations[:, 0], [0, 1, 2, 3])


@pytest.mark.parametrize("key", ["success", "is_success"])
def test_success_by_info(key):
    env = ramp_suite(make_kwargs=(("key", key),)).make("ramp")
    env.reset(0)
    assert [env.step(np.zeros(2)).success for _ in range(3)] == [False, True, False]


def test_success_by_function():
    env = ramp_suite(success=near_end).make("ramp")
    env.reset(0)
    assert [env.step(np.zeros(2)).success for _ in range(3)] == [False, False, True]


def test_success_by_nothing():
    env = ramp_suite(make_kwargs=(("key", None),)).make("ramp")
    env.reset(0)
    fails("ramp: its info holds neither 'success' nor 'is_success'", env.step, np.zeros(2))


def test_terminated_episodes_are_over():
    env = ramp_suite().make("ramp")
    for layout in (0, 1):
        env.reset(layout)
        assert [env.step(np.zeros(2)).over for _ in range(3)] == [False, False, True]


@pytest.mark.parametrize("horizon", [None, 3, 8])
def test_horizon(horizon):
    env = ramp_suite(horizon=horizon, make_kwargs=(("end", 100),)).make("ramp")
    assert env.horizon == (horizon or 5)
    env.reset(0)
    overs = [env.step(np.zeros(2)).over for _ in range(env.horizon)]
    assert overs == [False] * (env.horizon - 1) + [True]


def test_horizon_must_come_from_somewhere():
    fails("Endless-v0 has no max_episode_steps", ramp_suite(env_id="Endless-v0").make, "ramp")
    assert ramp_suite(env_id="Endless-v0", horizon=9).make("ramp").horizon == 9


@pytest.mark.parametrize(
    "make", [lambda: ramp_suite().make("ramp"), lambda: GymnasiumSuite().make("Pusher-v5")]
)
def test_same_layout_same_episode(make):
    width = 2 if make().reset(0).size == 4 else 7
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1, 1, (3, width))
    one, other = make(), make()
    one._is_success = other._is_success = lambda *_: False
    first = play(one, 3, actions)
    play(one, 4, actions[:2])
    np.testing.assert_array_equal(play(one, np.int64(3), actions), first)
    np.testing.assert_array_equal(play(other, 3, actions), first)
    assert np.abs(play(one, 4, actions) - first).max() > 1e-3


def test_no_picture_without_a_library(monkeypatch):
    def fail():
        raise RuntimeError("no\ndisplay")

    env = GymnasiumSuite().make("Reacher-v5", render=True)
    assert env._env.render_mode == "rgb_array"
    monkeypatch.setattr(env._env, "render", fail)
    fails("no picture: no display", env.render)
    monkeypatch.setattr(env._env, "render", lambda: np.zeros((4, 4, 3), np.uint8))
    assert env.render().shape == (4, 4, 3)


# Experts of Stable-Baselines3


@pytest.fixture(scope="module")
def sb3():
    return pytest.importorskip("stable_baselines3")


@pytest.mark.parametrize("algorithm", ["SAC", "TD3", "PPO", "A2C"])
def test_expert_of_stable_baselines3(sb3, algorithm, tmp_path):
    import torch

    options = {"net_arch": [8, 8], "activation_fn": torch.nn.ELU}
    if algorithm == "A2C":
        options = {}
    model = getattr(sb3, algorithm)(
        "MlpPolicy", gymnasium.make("Ramp-v0"), seed=0, device="cpu", policy_kwargs=options
    )
    path = tmp_path / "model.zip"
    model.save(path)
    expert = ramp_suite(expert=str(path)).expert("ramp")
    for observation in np.random.default_rng(0).standard_normal((5, 4)):
        theirs, _ = model.predict(observation.astype(np.float32), deterministic=True)
        expected = (theirs - (LOW + HIGH) / 2) / ((HIGH - LOW) / 2)
        np.testing.assert_allclose(expert(observation), expected, atol=1e-6)


def test_nothing_in_an_experts_file_is_unpickled(sb3, tmp_path):
    path, trace = tmp_path / "model.zip", tmp_path / "executed"

    class Trap:
        def __reduce__(self):
            return open, (str(trace), "w")

    sb3.PPO("MlpPolicy", gymnasium.make("Ramp-v0"), device="cpu").save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    data = json.loads(members["data"])
    trapped = base64.b64encode(pickle.dumps(Trap())).decode()
    for value in data.values():
        if isinstance(value, dict) and ":serialized:" in value:
            value[":serialized:"] = trapped
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (members | {"data": json.dumps(data).encode()}).items():
            archive.writestr(name, content)
    ramp_suite(expert=str(path)).expert("ramp")(np.zeros(4))
    assert not trace.exists()


def test_experts_file_that_cannot_be_read(sb3, tmp_path):
    missing, text = tmp_path / "none.zip", tmp_path / "text.zip"
    text.write_text("no model")
    fails("none.zip: no such file", ramp_suite(expert=str(missing)).expert, "ramp")
    fails("text.zip: not readable as a SAC", ramp_suite(expert=str(text)).expert, "ramp")
    other = tmp_path / "other.zip"
    sb3.PPO("MlpPolicy", "Pendulum-v1", device="cpu").save(other)
    fails("other.zip: not readable.*size mismatch", ramp_suite(expert=str(other)).expert, "ramp")


def test_stable_baselines3_is_an_extra(monkeypatch, tmp_path):
    path = tmp_path / "model.zip"
    path.touch()
    monkeypatch.setitem(sys.modules, "stable_baselines3.common.policies", None)
    suite = ramp_suite(expert=str(path))
    assert suite.make("ramp").horizon == 5  # Only the expert asks for the file.
    fails(r"model.zip: .*pip install 'makeanagent\[sb3\]'", suite.expert, "ramp")


def test_a_space_has_bounds_positions_and_unit():
    task = GymnasiumTask(env_id="Pendulum-v1", success=False)
    space = GymnasiumSuite((task,), positions=(0,), unit=100.0).space("Pendulum-v1")
    assert (space.action_low, space.action_high) == ((-2.0,), (2.0,))
    assert (space.positions, space.unit) == ((0,), 100.0)
    # -1 and 1 need no words.
    assert GymnasiumSuite().space("Reacher-v5").action_low == ()
    fails("positions: 1 must be 0 to 0", GymnasiumSuite((task,), positions=(1,)).space, task.name)
    fails("unit 0.0: must be a number above 0", GymnasiumSuite((task,), unit=0.0).space, task.name)


def test_a_task_may_have_no_success_signal():
    env = GymnasiumSuite((GymnasiumTask(env_id="Pendulum-v1", success=False),)).make("Pendulum-v1")
    env.reset(0)
    step = env.step(np.zeros(1))
    assert step.success is None
    assert step.reward < 0


class Restless(gymnasium.Env):
    """Draws where it begins from a generator of its own, or from an episode before."""

    observation_space = Box(-1, 1, (2,), np.float64)
    action_space = Box(-1, 1, (1,), np.float32)

    def __init__(self, memory=False):
        self._memory, self._count = memory, 0
        self._chance = np.random.default_rng(0)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        chance = self._count / 10 if self._memory else self._chance.uniform()
        return np.array([0.5, chance]), {}

    def step(self, action):
        self._count += 1
        return np.zeros(2), 0.0, False, False, {"success": False}


gymnasium.register("Restless-v0", Restless, max_episode_steps=5)


@pytest.mark.parametrize("memory", [False, True])
def test_a_task_whose_layouts_do_not_come_again_is_refused(memory):
    task = GymnasiumTask(env_id="Restless-v0", make_kwargs=(("memory", memory),))
    fails(
        r"Restless-v0.*not the same after reset\(seed=0\) twice: observation 1 .*np_random",
        GymnasiumSuite((task,)).make,
        "Restless-v0",
    )


@pytest.mark.parametrize("value", [{"ramp": True}, float("nan"), "False"])
def test_success_that_cannot_be_read_is_refused(value):
    env = ramp_suite(success=lambda observation, info: value).make("ramp")
    env.reset(0)
    fails("ramp: its success function: success", env.step, np.zeros(2))


def test_an_expert_of_other_bounds_is_refused(sb3, tmp_path):
    path = tmp_path / "model.zip"
    lowest = np.float32(-1)
    behind = gymnasium.wrappers.RescaleAction(gymnasium.make("Ramp-v0"), lowest, -lowest)
    sb3.PPO("MlpPolicy", behind, device="cpu").save(path)
    fails(
        "model.zip: was trained with actions whose low is",
        ramp_suite(expert=str(path)).expert,
        "ramp",
    )


def test_an_expert_of_normalised_observations_needs_their_statistics(sb3, tmp_path):
    path = tmp_path / "model.zip"
    model = sb3.PPO("MlpPolicy", gymnasium.make("Ramp-v0"), device="cpu", seed=0)
    model.save(path)
    suite = ramp_suite(expert=str(path))
    plain = suite.expert("ramp")(np.ones(4))
    (tmp_path / "vecnormalize.pkl").touch()
    fails(r"model.zip: vecnormalize.pkl lies beside.*model.vecnormalize.npz", suite.expert, "ramp")
    statistics = tmp_path / "model.vecnormalize.npz"
    mean, var = np.arange(4.0), np.array([1.0, 4, 9, 0.25])
    np.savez(statistics, mean=mean, var=var)
    seen = (np.ones(4) - mean) / np.sqrt(var)
    theirs, _ = model.predict(seen.astype(np.float32), deterministic=True)
    expected = np.clip((theirs - (LOW + HIGH) / 2) / ((HIGH - LOW) / 2), -1, 1)
    found = suite.expert("ramp")(np.ones(4))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert not np.allclose(found, plain, atol=1e-3)
    np.savez(statistics, mean=mean[:2], var=var)
    fails("`mean` and `var` must be of shape", suite.expert, "ramp")
    statistics.write_text("nothing")
    fails("not readable as VecNormalize's statistics", suite.expert, "ramp")


def test_an_experts_file_is_looked_for_beside_the_suites(tmp_path, monkeypatch):
    (tmp_path / "beside_suite.py").write_text(
        "from makeanagent.suites.gymnasium import GymnasiumSuite, GymnasiumTask\n"
        "suite = GymnasiumSuite((GymnasiumTask(env_id='Pendulum-v1', expert='model.zip'),))\n"
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    (elsewhere / "model.zip").touch()
    suite = find_suite("../beside_suite.py")
    fails(f"{tmp_path / 'model.zip'}: no such file", suite.expert, "Pendulum-v1")
