"""Baseline: the generator itself, prompted by demonstrations of other tasks."""

from collections.abc import Sequence

import numpy as np

from makeanagent.errors import InputError
from makeanagent.methods.method import PolicyGenerator, assign_prompts
from makeanagent.policies.batch import PolicyBatch
from makeanagent.trajectories import Trajectory


class Shuffled:
    """What a generator that ignores its prompt would get.

    Each prompt is replaced by one of another task, drawn by the seed without repetition until the
    other tasks' prompts are used up. Tasks are told apart by `Trajectory.env_id`.

    Args:
        generator: gets the replaced prompts.
        bank: prompts to draw from, of at least two tasks.

    Raises:
        InputError: a prompt does not name its task, or all are of one.
    """

    def __init__(self, generator: PolicyGenerator, bank: Sequence[Trajectory]) -> None:
        self._generator, self._bank = generator, list(bank)
        if len({_read_task(prompt) for prompt in self._bank}) < 2:
            raise InputError("shuffled: the prompts to draw from must be of at least 2 tasks")

    def generate(
        self,
        prompts: Trajectory | Sequence[Trajectory],
        num_policies: int | None = None,
        seed: int = 0,
    ) -> PolicyBatch:
        """Policies as `PolicyGenerator.generate` gives them; the seed draws the prompts too."""
        prompts, rows = assign_prompts(prompts, num_policies)
        return self._generator.generate(self.replace(prompts, seed), len(rows), seed)

    def replace(self, prompts: Sequence[Trajectory], seed: int = 0) -> list[Trajectory]:
        """A prompt of another task in the place of each.

        Raises:
            InputError: a prompt does not name its task.
        """
        shuffled = [self._bank[i] for i in np.random.default_rng(seed).permutation(len(self._bank))]
        replaced = []
        for prompt in prompts:
            task = _read_task(prompt)
            place = next(i for i, other in enumerate(shuffled) if _read_task(other) != task)
            # To the back of the queue: it comes again only when the others are used up.
            shuffled.append(shuffled.pop(place))
            replaced.append(shuffled[-1])
        return replaced


def _read_task(prompt: Trajectory) -> str:
    if prompt.env_id is None:
        raise InputError(
            f"{prompt.label}: names no task (env_id); shuffling tells them apart by it"
        )
    return prompt.env_id
