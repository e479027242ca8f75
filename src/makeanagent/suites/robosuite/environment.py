"""One world of robosuite as an `Environment`."""

import mujoco
import numpy as np

from makeanagent.errors import InputError
from makeanagent.suites.robosuite.ids import HORIZONS, TaskId
from makeanagent.suites.robosuite.judges import find_judge
from makeanagent.suites.robosuite.observations import Observer
from makeanagent.suites.robosuite.randomization import (
    RandomizationConfig,
    Variation,
    draw_variation,
)
from makeanagent.suites.robosuite.stepper import Stepper
from makeanagent.suites.suite import Step

_PICTURE_SIZE = 480


class RobosuiteEnvironment:
    """One world.

    Args:
        task: what is built.
        randomization: what a randomised world is drawn from.
    """

    def __init__(self, task: TaskId, randomization: RandomizationConfig) -> None:
        self.horizon = HORIZONS[task.task]
        self.stepper = Stepper(task)
        self._task, self._randomization = task, randomization
        self._observer = Observer(task, self.stepper)
        self._judge = find_judge(self.stepper.robosuite, task)
        self._renderer: mujoco.Renderer | None = None

    def reset(self, layout: int) -> np.ndarray:
        """Start an episode on a layout and return the observation, float64 `[41]`."""
        variation = Variation()
        if self._task.randomized:
            variation = draw_variation(self._randomization, layout, len(self.stepper.joints))
        self.stepper.reset(layout, variation)
        self._judge.reset()
        self._num_steps = 0
        return self._observer.observe()

    def step(self, action: np.ndarray) -> Step:
        """Act: `[8]`, clipped to [-1, 1]; only the horizon ends an episode.

        Reward, between 0 and 1, and success are robosuite's own where no amount is asked for.
        """
        self.stepper.step(action)
        self._num_steps += 1
        verdict = self._judge.judge()
        return Step(
            self._observer.observe(),
            verdict.reward,
            verdict.success,
            terminated=False,
            over=self._num_steps >= self.horizon,
        )

    def step_physics(self) -> None:
        """Advance MuJoCo alone by one step of the environment: the ceiling for benchmarks."""
        self.stepper.step_physics()

    def render(self) -> np.ndarray:
        """A picture of the scene, uint8 `[480, 480, 3]`.

        Raises:
            InputError: no OpenGL library is at hand.
        """
        try:
            if self._renderer is None:
                self._renderer = mujoco.Renderer(self.stepper.model, _PICTURE_SIZE, _PICTURE_SIZE)
            look = mujoco.MjvOption()
            look.geomgroup[0] = 0  # What collides; what is seen is group 1.
            self._renderer.update_scene(self.stepper.data, "agentview", look)
            return self._renderer.render()
        except Exception as error:  # MuJoCo's back ends raise many types, some of them bare.
            raise InputError(f"no picture: OpenGL is not at hand ({error})") from None

    def close(self) -> None:
        """Free the simulator."""
        if self._renderer is not None:
            self._renderer.close()
        self.stepper.robosuite.close()
