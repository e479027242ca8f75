"""A suite that takes no simulator: a point on a plane, which moves as it is told."""

import gymnasium
import numpy as np
from gymnasium.spaces import Box

from makeanagent.suites.gymnasium import GymnasiumSuite, GymnasiumTask

HORIZON = 75
STEP = 0.05
"Length of a full action's step."


class Point(gymnasium.Env):
    """Observation: the point, and where it is from the goal; reward: minus the distance."""

    observation_space = Box(-np.inf, np.inf, (4,), np.float64)
    action_space = Box(-1.0, 1.0, (2,), np.float32)

    def __init__(self, *, ends=False):
        self._ends = ends

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._place, self._goal = np.zeros(2), self.np_random.uniform(-0.5, 0.5, 2)
        return self._observe(), {}

    def step(self, action):
        self._place = self._place + STEP * action
        observation = self._observe()
        distance = float(np.linalg.norm(observation[2:]))
        return observation, -distance, self._ends and distance < STEP, False, {}

    def _observe(self):
        return np.concatenate([self._place, self._goal - self._place])


def has_moved(observation, info):
    return bool(np.linalg.norm(observation[:2]) > 0.2)


def is_there(observation, info):
    return bool(np.linalg.norm(observation[2:]) < 0.1)


def never(observation, info):
    return False


def go_there(observation):
    return np.clip(observation[2:] / STEP, -1.0, 1.0)


gymnasium.register("MakeAnAgentPoint-v0", Point, max_episode_steps=HORIZON)


def _task(name, success, **options):
    return GymnasiumTask(
        env_id="MakeAnAgentPoint-v0",
        name=name,
        success=success,
        expert=go_there,
        make_kwargs=tuple(options.items()),
    )


suite = GymnasiumSuite(
    (
        _task("drift-v1", has_moved),
        _task("reach-v1", is_there),
        _task("never-v1", never),
        _task("arrive-v1", is_there, ends=True),
        GymnasiumTask(env_id="MakeAnAgentPoint-v0", name="alone-v1", success=has_moved),
        _task("untold-v1", False),
    )
)
