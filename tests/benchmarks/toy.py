"""A suite without physics: whether a policy solves a layout is a hash of both.

No rule that a test might share with the code by accident tells one layout from another.
"""

from dataclasses import dataclass
from zlib import crc32

import numpy as np

from makeanagent.policies.spec import PolicySpec
from makeanagent.suites import Step, Suite
from makeanagent.trajectories.space import Space

SPEC = PolicySpec(
    observation_dim=1, action_dim=1, hidden=(1,), activations=("relu",), heads=("mean",)
)


def solves(number: int, layout: int) -> bool:
    """Whether the policy of this number solves the layout: about every second time."""
    return crc32(f"{number} on {layout}".encode()) % 2 == 1


def solved(numbers, where) -> list[list[int]]:
    """Outcomes `[N][L]` of policies on layouts `[L]`, or each on its own `[N][L]`."""
    where = np.broadcast_to(where, (len(numbers), np.shape(where)[-1]))
    return [
        [int(solves(number, layout)) for layout in row]
        for number, row in zip(numbers, where.tolist(), strict=True)
    ]


def number_policies(count: int) -> np.ndarray:
    """Parameters `[count, P]` of policies that act by their number, a hundredth each."""
    parameters = np.zeros((count, SPEC.num_parameters), np.float32)
    parameters[:, SPEC.layers[-1].bias] = np.arctanh(np.arange(count) / 100)[:, None]
    return parameters


class ToyEnvironment:
    """One step an episode."""

    horizon = 1

    def reset(self, layout):
        self.layout = layout
        return np.ones(1)

    def step(self, action):
        solved = solves(round(100 * float(action[0])), self.layout)
        return Step(np.ones(1), float(solved), solved, terminated=True, over=True)


@dataclass(frozen=True)
class ToySuite(Suite):
    name: str = "toy"

    def tasks(self):
        return ("a", "b")

    def check_task(self, task):
        return task

    def space(self, task):
        return Space(observation_dim=1, action_dim=1)

    def make(self, task, *, render=False):
        return ToyEnvironment()
