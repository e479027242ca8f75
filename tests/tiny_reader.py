"""A generator that reads, of tiny networks, and a suite of points that its lessons can be of."""

from dataclasses import dataclass, field, replace

import numpy as np
import torch

from makeanagent.errors import InputError
from makeanagent.generator import MakeAnAgent
from makeanagent.generator_config import GeneratorConfig
from makeanagent.models.basis import BasisConfig
from makeanagent.models.denoisers import DenoiserConfig
from makeanagent.models.diffusion import DiffusionConfig
from makeanagent.models.reader import ReaderConfig
from makeanagent.policies.spec import PolicySpec
from makeanagent.suites import Step, Suite
from makeanagent.training.drawn import DrawnConfig
from makeanagent.training.practice import PracticeTraining
from makeanagent.training.reading_loss import ReadingTraining
from makeanagent.training.reading_run import ReadingConfig
from makeanagent.training.shown import ShownConfig
from makeanagent.trajectories import Trajectory
from makeanagent.trajectories.space import SYMMETRIES, Space

# Hand, gripper, object, the hand a step before, goal, and a number of no meaning.
HAND, GRIPPER, OBJECT, PAST, GOAL, OTHER = 0, 3, 4, 7, 10, 13
SPACE = Space(
    observation_dim=14,
    action_dim=4,
    positions=(HAND, OBJECT, PAST, GOAL),
    past=(PAST,),
    goals=(GOAL,),
    displacement=0,
    symmetries=SYMMETRIES,
    centre=(0.0, 0.6, 0.0),
)
SPEC = PolicySpec(observation_dim=14, action_dim=4, hidden=(8, 6))
TRAINING = ReadingTraining(
    reader=ReaderConfig(num_knots=6, width=8, num_layers=1, num_heads=2, num_queries=2),
    basis=BasisConfig(ranks=(5, 4)),
    denoiser=DenoiserConfig(kind="trunk", widths=(16, 16), time_dim=8),
    gradient_steps=8,
    batch_size=6,
    num_states=5,
    demonstrations=(1, 2),
    warmup_steps=2,
)
SHOWN = ShownConfig(
    num_demonstrations=5,
    num_disturbed=3,
    num_visited=3,
    num_states=60,
    num_revisited_states=20,
    num_knots=6,
)
RUN = ReadingConfig(
    drawn=DrawnConfig(
        num_tasks=8,
        tasks_per_shard=4,
        num_visited_tasks=4,
        num_layouts=1,
        num_states=12,
        num_knots=6,
        failures=1.0,
    ),
    shown=SHOWN,
    first=TRAINING,
    second_steps=4,
    mixed_steps=(8, 6),
    practice=PracticeTraining(gradient_steps=20, num_states=8),
)
"""A whole training in a few seconds; drawn tasks are kept however they end."""
STEP = 0.05
"Length of a full action's step."
HORIZON = 40


def build(space=SPACE, **parts) -> MakeAnAgent:
    """An untrained generator, whose scales are those of random states."""
    torch.manual_seed(0)
    config = GeneratorConfig(
        spec=SPEC,
        autoencoder=TRAINING.basis,
        behavior=TRAINING.reader,
        denoiser=TRAINING.denoiser,
        diffusion=DiffusionConfig(sample_steps=1),
        suite="points",
        space=space,
    )
    generator = MakeAnAgent(replace(config, **parts))
    states = draw_states(200) * space.scale.astype(np.float32)
    generator.embedding.scale.fit(states)
    generator.autoencoder.scale.fit(states)
    return generator


def draw_states(count: int, seed: int = 0) -> np.ndarray:
    """States of the space, float32 `[count, O]`."""
    rng = np.random.default_rng(seed)
    return (0.2 * rng.normal(size=(count, 14)) + 0.3).astype(np.float32)


def make_demonstration(steps: int = 20, seed: int = 0, success: int | None = 12) -> Trajectory:
    """A random walk of everything, solved from step number `success` on."""
    rng = np.random.default_rng(seed)
    walk = 0.3 + 0.02 * rng.normal(size=(steps + 1, 14)).cumsum(axis=0)
    solved = np.arange(steps) >= (steps if success is None else success)
    return Trajectory(
        observations=walk.astype(np.float32),
        actions=rng.uniform(-1, 1, (steps, 4)).astype(np.float32),
        success=solved,
    )


class Points:
    """The hand of a task is pushed about; nothing else moves."""

    horizon = HORIZON

    def __init__(self, suite: "PointSuite", task: str) -> None:
        self._suite, self._task = suite, task

    def reset(self, layout: int) -> np.ndarray:
        rng = np.random.default_rng(layout)
        self._suite.layouts.append((self._task, layout))
        self._state = np.zeros(14)
        for start in (HAND, OBJECT, GOAL):
            self._state[start : start + 3] = rng.uniform((-0.3, 0.3, 0.05), (0.3, 0.9, 0.3))
        self._state[PAST : PAST + 3] = self._state[HAND : HAND + 3]
        return self._state.copy()

    def step(self, action: np.ndarray) -> Step:
        state = self._state
        state[PAST : PAST + 3] = state[HAND : HAND + 3]
        state[HAND : HAND + 3] += STEP * np.asarray(action)[:3]
        state[GRIPPER] = action[3]
        self._suite.seen.append(state.copy())
        apart = self._suite.aim(self._task, state)
        solved = self._task != "never" and bool(np.linalg.norm(apart) < STEP / 2)
        return Step(state.copy(), 0.0, solved, terminated=False, over=False)

    def close(self) -> None:
        pass


@dataclass(frozen=True, eq=False)
class PointSuite(Suite):
    """To the goal, or to the object; the teacher's gripper is open where the expert's is closed."""

    name = "points"
    layouts: list = field(default_factory=list)
    "Task and layout of every episode."
    seen: list = field(default_factory=list)
    "Every state but the episodes' first ones."

    def tasks(self):
        return ("goal", "object", "never")

    def check_task(self, task):
        if task not in self.tasks():
            raise InputError(f"points/{task}: no such task")
        return task

    def space(self, task):
        return SPACE

    def make(self, task, *, render=False):
        return Points(self, task)

    def aim(self, task, state):
        start = OBJECT if task == "object" else GOAL
        return state[..., start : start + 3] - state[..., HAND : HAND + 3]

    def _act(self, task, state, gripper):
        push = np.clip(self.aim(task, state) / STEP, -1, 1)
        return np.concatenate([push, np.full((*push.shape[:-1], 1), gripper)], axis=-1)

    def expert(self, task):
        return lambda state: self._act(task, state, 0.5)

    def teacher(self, task):
        return lambda state: self._act(task, state, -0.5)
