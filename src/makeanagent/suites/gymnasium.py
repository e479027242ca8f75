"""Any Gymnasium environment as a suite: a user's own tasks in a few lines.

Policies act in [-1, 1]: an action `a` reaches the environment as `low + (a + 1) / 2 * (high - low)`
of its action space. Experts act in the environment's own units, as the simulator's world writes
them, and their actions are scaled back to [-1, 1].

Layout k is what `reset(seed=k)` gives: environments that draw all their chance from Gymnasium's
`np_random` play the same episode on the same layout, whatever was played before.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import gymnasium
import numpy as np
from gymnasium.spaces import Box

from makeanagent.artifacts import describe_error
from makeanagent.errors import InputError
from makeanagent.suites.sb3_experts import load_sb3_policy
from makeanagent.suites.suite import Act, Step, Suite
from makeanagent.trajectories.space import Space
from makeanagent.trajectories.success import read_success

Success = Callable[[np.ndarray, dict[str, Any]], bool]
"""Whether the task stands solved, by an observation `[O]` and the step's `info`."""
_SUCCESS_KEYS = ("success", "is_success")


@dataclass(frozen=True, kw_only=True)
class GymnasiumTask:
    """One task: a registered environment and what the package cannot know of it.

    Functions are defined at the top level of a module, so that they pickle to worker processes.
    """

    env_id: str
    "Id that Gymnasium has registered, such as `Reacher-v5`."
    name: str = ""
    "The task's name, by default `env_id`; two tasks may share an environment."
    success: Success | Literal[False] | None = None
    """By default the step's `info['success']` or `info['is_success']`; False where the task has no
    such signal and is judged by its return."""
    expert: Act | str | None = None
    """A controller in the environment's own units, or the path of a Stable-Baselines3 `.zip`, which
    for a suite in a file is one beside that file."""
    horizon: int | None = None
    "Steps after which an episode is over, by default the registered number."
    make_kwargs: tuple[tuple[str, object], ...] = ()
    "Options of `gymnasium.make`, as pairs of name and value."
    traces: Callable[[np.ndarray], dict[str, np.ndarray]] | None = None
    "Paths to draw: observations `[T, O]` to metres `[T, 3]` by name; what moves first, goal last."

    def __post_init__(self) -> None:
        """Fill in the name and check the fields.

        Raises:
            InputError: the horizon is not positive, or a value of `make_kwargs` is not hashable.
        """
        object.__setattr__(self, "name", self.name or self.env_id)
        if self.horizon is not None and self.horizon < 1:
            raise InputError(f"{self.name}: horizon must be at least 1, got {self.horizon}")
        try:
            hash(self)
        except TypeError as error:
            raise InputError(
                f"{self.name}: fields must be hashable, such as tuples in place of lists ({error})"
            ) from None


@dataclass(frozen=True)
class GymnasiumSuite(Suite):
    """Tasks of Gymnasium: the configured ones, and with defaults any other that is registered."""

    task_configs: tuple[GymnasiumTask, ...] = ()
    name: str = "gymnasium"
    "First part of the tasks' ids; for a suite in a file, the file's path."
    positions: tuple[int, ...] = ()
    """Where in an observation positions begin, x, y and z each, if moving all of them alike along x
    and y leaves the right action as it is: generation then makes more of a demonstration."""
    unit: float = 1.0
    "One metre in the numbers of a position."

    def __post_init__(self) -> None:
        """Check that names differ."""
        object.__setattr__(self, "task_configs", tuple(self.task_configs))
        object.__setattr__(self, "positions", tuple(self.positions))
        names = self.tasks()
        for name in names:
            if names.count(name) > 1:
                raise InputError(f"{self.name}/{name}: two tasks have this name")

    def beside(self, folder: Path) -> "GymnasiumSuite":
        """The suite with experts' files looked for in a folder, and not in the working one."""
        return replace(
            self,
            task_configs=tuple(
                replace(config, expert=str(folder / config.expert))
                if isinstance(config.expert, str)
                else config
                for config in self.task_configs
            ),
        )

    def tasks(self) -> tuple[str, ...]:
        """Names of the configured tasks; any id registered in Gymnasium is a task besides."""
        return tuple(config.name for config in self.task_configs)

    def check_task(self, task: str) -> str:
        """Return the task's full name.

        Raises:
            InputError: it is neither configured nor registered in Gymnasium.
        """
        if task in self.tasks():
            return task
        try:
            return gymnasium.spec(task).id
        except (gymnasium.error.Error, ImportError) as error:
            from difflib import get_close_matches

            known = dict.fromkeys([*self.tasks(), *gymnasium.registry])
            near = get_close_matches(task, known, n=3) or self.tasks()
            hint = f"there are {', '.join(near)}" if near else describe_error(error)
            raise InputError(f"{self.name}/{task}: no such task; {hint}") from None

    def space(self, task: str) -> Space:
        """What a task's observations and actions are.

        Raises:
            InputError: its spaces do not serve, or a position does not fit into an observation.
        """
        observations, actions = _find_boxes(self._config(task))
        is_plain = (actions.low == -1).all() and (actions.high == 1).all()
        low, high = ((), ()) if is_plain else (actions.low.tolist(), actions.high.tolist())
        try:
            return Space(
                observation_dim=observations.shape[0],
                action_dim=actions.shape[0],
                action_low=low,
                action_high=high,
                positions=self.positions,
                unit=self.unit,
            )
        except InputError as error:
            raise InputError(f"{self.name}/{task}: {error}") from None

    def make(self, task: str, *, render: bool = False) -> "GymnasiumEnvironment":
        """Build the simulator of a task.

        Raises:
            InputError: it cannot be built, has no horizon, has spaces that do not serve, or its
                layouts are not the same each time.
        """
        config = self._config(task)
        _check_layouts(config)
        return GymnasiumEnvironment(config, render=render)

    def expert(self, task: str) -> Act:
        """The task's expert, its actions scaled to [-1, 1].

        Raises:
            InputError: the task has none, or its file cannot be read.
        """
        config = self._config(task)
        if config.expert is None:
            raise InputError(
                f"{self.name}/{task}: has no expert; give its GymnasiumTask one:"
                " a function, or a Stable-Baselines3 .zip"
            )
        observations, actions = _find_boxes(config)
        expert = config.expert
        if isinstance(expert, str):
            expert = load_sb3_policy(Path(expert), observations, actions)
        center, half = _scale(actions)

        def act(observation: np.ndarray) -> np.ndarray:
            # A copy, since an expert may write into the observation that it is given.
            action = np.asarray(expert(np.array(observation)), np.float64)
            return np.clip((action - center) / half, -1.0, 1.0)

        return act

    def traces(self, task: str, observations: np.ndarray) -> dict[str, np.ndarray]:
        """Paths to draw, by the task's own `traces`; none without it."""
        config = self._config(task)
        return {} if config.traces is None else config.traces(observations)

    def _config(self, task: str) -> GymnasiumTask:
        for config in self.task_configs:
            if config.name == task:
                return config
        return GymnasiumTask(env_id=self.check_task(task))


class GymnasiumEnvironment:
    """One Gymnasium task.

    Args:
        config: the task.
        render: whether `render` will be called.
    """

    def __init__(self, config: GymnasiumTask, *, render: bool = False) -> None:
        self._env, self._config = _make(config, render=render), config
        try:
            assert self._env.spec is not None
            horizon = self._env.spec.max_episode_steps
            if horizon is None:
                raise InputError(
                    f"{config.name}: {config.env_id} has no max_episode_steps registered;"
                    " give its GymnasiumTask a horizon"
                )
            self.horizon = horizon
            _, self._actions = _check_boxes(self._env, config)
        except InputError:
            self._env.close()
            raise
        self._center, self._half = _scale(self._actions)

    def reset(self, layout: int) -> np.ndarray:
        """Start an episode on a layout and return the observation, float64 `[O]`."""
        observation, _ = self._env.reset(seed=int(layout))
        # Copies, here and below: some environments return the same buffer every time.
        return np.array(observation, np.float64)

    def step(self, action: np.ndarray) -> Step:
        """Act; the observation is float64 `[O]`.

        Args:
            action: `[A]`, clipped to [-1, 1] and scaled to the environment's bounds.

        Raises:
            InputError: nothing says whether the task stands solved.
        """
        action = self._center + self._half * np.clip(action, -1.0, 1.0)
        observation, reward, terminated, truncated, info = self._env.step(
            action.astype(self._actions.dtype)
        )
        return Step(
            np.array(observation, np.float64),
            float(reward),
            self._is_success(observation, info),
            terminated=bool(terminated),
            over=bool(terminated or truncated),
        )

    def _is_success(self, observation: np.ndarray, info: dict[str, Any]) -> bool | None:
        if self._config.success is False:
            return None
        if self._config.success is not None:
            found = self._config.success(observation, info)
            return read_success(found, f"{self._config.name}: its success function")
        for key in _SUCCESS_KEYS:
            if key in info:
                return read_success(info[key], f"{self._config.name}: info['{key}']")
        raise InputError(
            f"{self._config.name}: its info holds neither 'success' nor 'is_success';"
            " give its GymnasiumTask a success function"
        )

    def render(self) -> np.ndarray:
        """A picture of the scene, uint8 `[H, W, 3]`.

        Raises:
            InputError: no picture can be drawn, for example for want of an OpenGL library.
        """
        try:
            frame = self._env.render()
        except Exception as error:  # The back ends raise many types, some of them bare.
            raise InputError(f"no picture: {describe_error(error)}") from None
        if not isinstance(frame, np.ndarray):
            raise InputError(f"no picture: {self._config.env_id} draws none of mode 'rgb_array'")
        return frame

    def close(self) -> None:
        """Free the simulator."""
        self._env.close()


def _make(config: GymnasiumTask, *, render: bool = False) -> gymnasium.Env:
    options: dict[str, Any] = dict(config.make_kwargs)
    if config.horizon is not None:
        options["max_episode_steps"] = config.horizon
    if render:
        options["render_mode"] = "rgb_array"
    try:
        return gymnasium.make(config.env_id, disable_env_checker=True, **options)
    except (gymnasium.error.Error, ImportError, TypeError, ValueError, OSError) as error:
        raise InputError(f"{config.name}: cannot be made: {describe_error(error)}") from None


@cache
def _find_boxes(config: GymnasiumTask) -> tuple[Box, Box]:
    """Observation and action space of a task, for which it must be built once."""
    env = _make(config)
    try:
        return _check_boxes(env, config)
    finally:
        env.close()


@cache
def _check_layouts(config: GymnasiumTask) -> None:
    """Refuse a task whose layouts do not come again: what is held out rests on them.

    Raises:
        InputError: `reset` with the same seed gives another observation.
    """
    env = _make(config)
    try:
        _, actions = _check_boxes(env, config)
        middle = _scale(actions)[0].astype(actions.dtype)
        for layout in (0, 1):
            first = np.array(env.reset(seed=layout)[0])
            env.step(middle)
            again = np.array(env.reset(seed=layout)[0])
            if not np.array_equal(first, again, equal_nan=True):
                column = int(np.flatnonzero(first != again)[0])
                raise InputError(
                    f"{config.name}: {config.env_id} is not the same after reset(seed={layout})"
                    f" twice: observation {column} is {first[column]:g}, then {again[column]:g};"
                    " it must draw all its chance from self.np_random"
                )
    finally:
        env.close()


def _check_boxes(env: gymnasium.Env, config: GymnasiumTask) -> tuple[Box, Box]:
    observations, actions = env.observation_space, env.action_space
    for role, space in (("observation", observations), ("action", actions)):
        if not isinstance(space, Box) or len(space.shape) != 1:
            shape = f" of shape {space.shape}" if isinstance(space, Box) else ""
            raise InputError(
                f"{config.name}: its {role} space is a {type(space).__name__}{shape};"
                " only a Box of one dimension serves"
            )
    assert isinstance(observations, Box) and isinstance(actions, Box)
    _, half = _scale(actions)
    if not (np.isfinite(half) & (half > 0)).all() or actions.dtype.kind != "f":
        raise InputError(
            f"{config.name}: its action space must be of floats between finite bounds,"
            " as policies act in [-1, 1]"
        )
    return observations, actions


def _scale(actions: Box) -> tuple[np.ndarray, np.ndarray]:
    """Middle and half width of the action space, float64 `[A]` each."""
    low, high = actions.low.astype(np.float64), actions.high.astype(np.float64)
    return (low + high) / 2, (high - low) / 2
