"""Meta-World 3 as a suite.

The simulator's traps, and what is done about them here:

- Only `set_task` before every reset shows the present object position in the first observation;
  layouts are therefore Meta-World's own `Task`s, fifty to a seed.
- Some tasks move a joint in `reset` without recomputing positions (window-close is 0.2 m off until
  the first step): positions are recomputed and the observation is read again.
- `reset` simulates a hundred hand steps: it is done once for each layout, and its whole outcome is
  put back afterwards.
- Some scripted experts write into the observation that they read: they get a copy.
- Environments never end by themselves and raise past 500 steps: `step` says when the episode is
  over.
"""

import warnings
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np

from makeanagent.errors import InputError
from makeanagent.suites.metaworld_teachers import find_teacher
from makeanagent.suites.suite import Act, Step, Suite
from makeanagent.trajectories.space import SYMMETRIES, Space

LAYOUTS_PER_SEED = 50
"""Meta-World draws its tasks fifty at a time from one seed."""
_CACHED_LAYOUTS = 512
_EXPERT_NAMES = {"peg-insert-side-v3": "SawyerPegInsertionSideV3Policy"}

SEEN_TASKS = (
    "window-open-v3",
    "door-open-v3",
    "drawer-open-v3",
    "dial-turn-v3",
    "faucet-close-v3",
    "button-press-v3",
    "door-unlock-v3",
    "handle-press-v3",
    "plate-slide-v3",
    "reach-v3",
)
"""The ten training tasks (paper, appendix B.1)."""
UNSEEN_TASKS = (
    "window-close-v3",
    "door-close-v3",
    "drawer-close-v3",
    "faucet-open-v3",
    "button-press-wall-v3",
    "door-lock-v3",
    "handle-press-side-v3",
    "coffee-button-v3",
    "reach-wall-v3",
)
"""The nine downstream tasks (paper, appendix B.1)."""


_SPACE = Space(
    observation_dim=39,
    action_dim=4,
    # Hand and two objects, the same a step before, and the goal; walls and table are not observed.
    positions=(0, 4, 11, 18, 22, 29, 36),
    names=(
        "hand",
        "object",
        "second object",
        "hand a step before",
        "object a step before",
        "second object a step before",
        "goal",
    ),
    past=(18, 22, 29),
    goals=(36,),
    displacement=0,
    # An action moves the hand alike along x and y, whatever the arm behind it. The workspace's
    # edges, nearer along y, and rotations, which no symmetry turns, are left out of account.
    symmetries=SYMMETRIES,
    centre=(0.0, 0.65, 0.0),
)
"""Of all fifty tasks: 18 numbers now and a step before, and the goal; in metres."""


@dataclass(frozen=True)
class MetaWorldSuite(Suite):
    """Meta-World's fifty tasks."""

    name: ClassVar[str] = "metaworld"

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """The paper's seen and unseen tasks, and all forty-one that are not unseen."""
        known = tuple(task for task in self.tasks() if task not in UNSEEN_TASKS)
        return {"seen": SEEN_TASKS, "unseen": UNSEEN_TASKS, "training": known}

    def tasks(self) -> tuple[str, ...]:
        """Names of all fifty tasks, such as `window-close-v3`."""
        from metaworld.env_dict import ALL_V3_ENVIRONMENTS

        return tuple(sorted(ALL_V3_ENVIRONMENTS))

    def check_task(self, task: str) -> str:
        """Return the task's full name; `-v3` may be left out.

        Raises:
            InputError: Meta-World has no such task.
        """
        name = task if task.endswith("-v3") else f"{task}-v3"
        if name not in self.tasks():
            from difflib import get_close_matches

            near = get_close_matches(name, self.tasks(), n=3) or self.tasks()
            raise InputError(f"metaworld/{task}: no such task; there are {', '.join(near)}")
        return name

    def space(self, task: str) -> Space:
        """39 observations and 4 actions, in metres, for every task."""
        self.check_task(task)
        return _SPACE

    def make(self, task: str, *, render: bool = False) -> "MetaWorldEnvironment":
        """Build the simulator of a task."""
        return MetaWorldEnvironment(self.check_task(task), render=render)

    def expert(self, task: str) -> Act:
        """Meta-World's scripted policy of a task; not perfect, so measure it."""
        from metaworld import policies

        # The experts' gains exceed the action range on purpose; the simulator clips.
        warnings.filterwarnings("ignore", r"Constant\(s\) may be too high")
        name = self.check_task(task)
        words = name.removesuffix("-v3").split("-")
        default = f"Sawyer{''.join(word.capitalize() for word in words)}V3Policy"
        policy = getattr(policies, _EXPERT_NAMES.get(name, default))()

        def act(observation: np.ndarray) -> np.ndarray:
            # Some of the scripted policies write into the observation that they are given.
            return np.clip(policy.get_action(np.array(observation, np.float64)), -1.0, 1.0)

        return act

    def teacher(self, task: str) -> Act:
        """What a zoo's policies are taught: the expert's actions, or those of a better teacher.

        `metaworld_teachers` has them, and why each is better.
        """
        return find_teacher(self.check_task(task), self.expert(task))

    def traces(self, task: str, observations: np.ndarray) -> dict[str, np.ndarray]:
        """Positions of hand, object and goal in metres, `[T, 3]` each."""
        return {
            "hand": observations[:, 0:3],
            "object": observations[:, 4:7],
            "goal": observations[:, 36:39],
        }


@cache
def _tasks_of_seed(task: str, seed: int) -> list[Any]:
    """Meta-World's fifty `Task`s of one seed.

    Meta-World draws each by a whole reset, of which the simulated hand takes nearly all of the
    time and has no say in what is drawn: here it stays where it is.
    """
    from unittest.mock import patch

    import metaworld
    import mujoco
    from metaworld.sawyer_xyz_env import SawyerXYZEnv

    def leave_hand(env: SawyerXYZEnv, steps: int = 50) -> None:
        mujoco.mj_forward(env.model, env.data)
        env.init_tcp = env.tcp_center

    with patch.object(SawyerXYZEnv, "_reset_hand", leave_hand):
        return metaworld.MT1(task, seed=seed).train_tasks


def _is_state(value: object) -> bool:
    """Whether an attribute holds state of its own, rather than a view of MuJoCo's memory."""
    if not isinstance(value, np.ndarray):
        return isinstance(value, bool | int | float | str | np.generic | None)
    while isinstance(value.base, np.ndarray):
        value = value.base
    return value.base is None


class MetaWorldEnvironment:
    """One Meta-World task.

    Args:
        task: full name, such as `window-close-v3`.
        render: whether `render` will be called; it then needs an OpenGL library.
    """

    def __init__(self, task: str, *, render: bool = False) -> None:
        import mujoco
        from metaworld.env_dict import ALL_V3_ENVIRONMENTS

        self.task = task
        self._env = ALL_V3_ENVIRONMENTS[task](
            render_mode="rgb_array" if render else None, camera_name="corner" if render else None
        )
        self.horizon = int(self._env.max_path_length)
        self._model, self._data = self._env.model, self._env.data
        self._mj_step, self._mj_forward = mujoco.mj_step, mujoco.mj_forward
        self._hand = self._model.body("hand").id
        self._claws = tuple(self._model.body(name).id for name in ("rightclaw", "leftclaw"))
        self._restores: OrderedDict[int, Callable[[], np.ndarray]] = OrderedDict()

    def reset(self, layout: int) -> np.ndarray:
        """Start an episode on a layout and return the observation, float64 `[39]`."""
        if layout not in self._restores:
            if len(self._restores) >= _CACHED_LAYOUTS:
                self._restores.popitem(last=False)
            self._restores[layout] = self._simulate_reset(layout)
        return self._restores[layout]()

    def _simulate_reset(self, layout: int) -> Callable[[], np.ndarray]:
        """Reset by Meta-World's own code and return what puts that very state back."""
        import mujoco

        env, model, data = self._env, self._model, self._data
        seed, index = divmod(layout, LAYOUTS_PER_SEED)
        env.set_task(_tasks_of_seed(self.task, seed)[index])
        env.reset()
        self._mj_forward(model, data)
        self._low, self._high = env.sawyer_observation_space.low, env.sawyer_observation_space.high
        current = self._observe()
        env._prev_obs = current.copy()
        first = np.concatenate([current, current, env._get_pos_goal()])
        first = np.clip(first, self._low, self._high)

        kind = mujoco.mjtState.mjSTATE_INTEGRATION
        state = np.empty(mujoco.mj_stateSize(model, kind))
        mujoco.mj_getState(model, data, state, kind)
        # Layouts also live in the model (where a body stands) and in attributes of the environment.
        # Attributes that are views of MuJoCo's memory follow it and are left alone.
        arrays = {
            name: getattr(model, name).copy()
            for name in ("body_pos", "body_quat", "site_pos", "geom_pos", "geom_size", "qpos0")
        }
        attributes = {
            name: value.copy() if isinstance(value, np.ndarray) else value
            for name, value in vars(env).items()
            if _is_state(value)
        }

        def restore() -> np.ndarray:
            for name, value in arrays.items():
                getattr(model, name)[:] = value
            for name, value in attributes.items():
                setattr(env, name, value.copy() if isinstance(value, np.ndarray) else value)
            mujoco.mj_setState(model, data, state, kind)
            self._mj_forward(model, data)
            return first.copy()

        return restore

    def step(self, action: np.ndarray) -> Step:
        """Act; the observation is float64 `[39]`, and only the horizon ends an episode.

        The very numbers of Meta-World's own `step`, by a shorter way: half of the original's time
        goes into assembling observations.

        Args:
            action: `[4]`: hand displacement and gripper effort, clipped to [-1, 1].
        """
        env, model, data = self._env, self._model, self._data
        action = np.clip(action, -1.0, 1.0)
        position = data.mocap_pos[0] + action[:3] * env.action_scale
        data.mocap_pos[0] = np.clip(position, env.mocap_low, env.mocap_high)
        data.mocap_quat[0] = (1.0, 0.0, 1.0, 0.0)
        data.ctrl[:] = (action[3], -action[3])
        self._mj_step(model, data, env.frame_skip)
        env.curr_path_length += 1
        for name, target in env._target_site_config:
            data.site(name).xpos = target[:3]
        self._mj_forward(model, data)
        current = self._observe()
        observation = np.concatenate([current, env._prev_obs, env._get_pos_goal()])
        env._prev_obs = current
        np.clip(observation, self._low, self._high, out=observation)
        reward, info = env.evaluate_state(observation, action)
        return Step(
            observation,
            float(reward),
            bool(info["success"]),
            terminated=False,
            over=env.curr_path_length >= self.horizon,
        )

    def step_physics(self) -> None:
        """Advance MuJoCo alone by one step of the environment: the ceiling for benchmarks."""
        self._mj_step(self._model, self._data, self._env.frame_skip)

    def _observe(self) -> np.ndarray:
        """Hand, gripper and objects now, `[18]`."""
        data = self._data
        current = np.zeros(18)
        current[0:3] = data.xpos[self._hand]
        gap = data.xpos[self._claws[0]] - data.xpos[self._claws[1]]
        current[3] = min(np.sqrt(gap.dot(gap)) / 0.1, 1.0)
        positions, rotations = self._env._get_pos_objects(), self._env._get_quat_objects()
        for index in range(len(positions) // 3):
            start = 4 + 7 * index
            current[start : start + 3] = positions[3 * index : 3 * index + 3]
            current[start + 3 : start + 7] = rotations[4 * index : 4 * index + 4]
        return current

    def render(self) -> np.ndarray:
        """A picture of the scene, uint8 `[480, 480, 3]`.

        Raises:
            InputError: no OpenGL library is at hand.
        """
        try:
            frame = self._env.render()
        except Exception as error:  # MuJoCo's back ends raise many types, some of them bare.
            raise InputError(f"no picture: OpenGL is not at hand ({error})") from None
        return np.asarray(frame)[::-1]

    def close(self) -> None:
        """Free the simulator."""
        self._env.close()
