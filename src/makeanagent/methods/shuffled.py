"""Baseline: the generator itself, prompted by demonstrations of other tasks."""

from collections.abc import Sequence

import numpy as np

from makeanagent.errors import InputError
from makeanagent.methods.method import PolicyGenerator
from makeanagent.policies.batch import PolicyBatch
from makeanagent.trajectories import Trajectory
from makeanagent.trajectories.behaviors import Behavior, group_prompts


class Shuffled:
    """What a generator that ignores its prompt would get.

    Each prompt is replaced by one of another task, drawn by the seed without repetition until the
    other tasks' prompts are used up; a group that prompts together by as many of one other task.
    Tasks are told apart by `Trajectory.env_id`.

    Args:
        generator: gets the replaced prompts.
        bank: prompts to draw from, of at least two tasks.

    Raises:
        InputError: a prompt does not name its task, or all are of one.
    """

    def __init__(self, generator: PolicyGenerator, bank: Sequence[Trajectory]) -> None:
        self._generator, self._bank = generator, list(bank)
        self._tasks = {_read_task(prompt) for prompt in self._bank}
        if len(self._tasks) < 2:
            raise InputError("shuffled: the prompts to draw from must be of at least 2 tasks")

    def generate(
        self,
        prompts: Trajectory | Sequence[Behavior],
        num_policies: int | None = None,
        seed: int = 0,
    ) -> PolicyBatch:
        """Policies as `PolicyGenerator.generate` gives them; the seed draws the prompts too."""
        groups, rows = group_prompts(prompts, num_policies)
        return self._generator.generate(self.replace(groups, seed), len(rows), seed)

    def replace(
        self, groups: Sequence[Sequence[Trajectory]], seed: int = 0
    ) -> list[list[Trajectory]]:
        """Prompts of another task in the place of each group's.

        Raises:
            InputError: a prompt does not name its task, or a group is of all tasks.
        """
        queue = [self._bank[i] for i in np.random.default_rng(seed).permutation(len(self._bank))]

        def draw(tasks: set[str]) -> Trajectory:
            place = next(i for i, one in enumerate(queue) if _read_task(one) in tasks)
            # To the back of the queue: it comes again only when the others are used up.
            queue.append(queue.pop(place))
            return queue[-1]

        replaced = []
        for group in groups:
            others = self._tasks - {_read_task(prompt) for prompt in group}
            if not others:
                raise InputError("shuffled: a group of demonstrations of all tasks")
            stranger = draw(others)
            more = [draw({_read_task(stranger)}) for _ in group[1:]]
            replaced.append([stranger, *more])
        return replaced


def _read_task(prompt: Trajectory) -> str:
    if prompt.env_id is None:
        raise InputError(
            f"{prompt.label}: names no task (env_id); shuffling tells them apart by it"
        )
    return prompt.env_id
