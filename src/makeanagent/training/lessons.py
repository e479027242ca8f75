"""Lessons: a task's demonstrations, and what is right in states of other layouts.

What a policy is to do is asked on other layouts than its prompt's, so that it has to be read off
the demonstration and cannot be copied from it.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from makeanagent.artifacts import describe_provenance, read_json, write_json, write_tensors
from makeanagent.errors import InputError
from makeanagent.models.reader import Knots


class Batch(NamedTuple):
    """Lessons of B tasks, or fewer, drawn for one gradient step."""

    knots: Knots
    "Prompts of J demonstrations each."
    states: Tensor
    "`[B, S, O]`."
    labels: Tensor
    "`[B, S, A]`: what is right in them."
    targets: Tensor
    "`[B, K]`: numbers of the drawn programs; of width 0 where there are none."
    masks: Tensor
    "bool `[B, K]`: which programs have them."

    @classmethod
    def join(cls, parts: Sequence["Batch"]) -> "Batch":
        """Several batches as one; those without targets get as many as the others, masked."""
        width = max(part.targets.shape[1] for part in parts)
        parts = [
            part._replace(targets=_widen(part.targets, width), masks=_widen(part.masks, width))
            for part in parts
        ]
        knots = Knots(*map(torch.cat, zip(*(part.knots for part in parts), strict=True)))
        return cls(knots, *map(torch.cat, zip(*(part[1:] for part in parts), strict=True)))

    def tensors(self) -> tuple[Tensor, ...]:
        """All of them, those of the knots first."""
        return *self.knots, *self[1:]

    def to(self, device: str) -> "Batch":
        """The batch on a device."""
        return self._map(lambda tensor: tensor.to(device))

    def clone(self) -> "Batch":
        """A copy of the tensors too."""
        return self._map(torch.clone)

    def _map(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        return Batch(Knots(*map(change, self.knots)), *map(change, self[1:]))


def _widen(columns: Tensor, width: int) -> Tensor:
    return nn.functional.pad(columns, (0, width - columns.shape[1]))


class LessonSource(Protocol):
    """Where lessons come from."""

    def draw(self, first: int, count: int, num_demonstrations: int, num_states: int) -> Batch:
        """Lessons of `count` tasks, with prompts of so many demonstrations and so many states.

        Args:
            first: how many lessons were drawn before. The same arguments give the same lessons, so
                that a training that goes on after a stop draws what it would have drawn.
            count: B.
            num_demonstrations: J.
            num_states: S.
        """
        ...

    def sample_states(self, count: int) -> np.ndarray:
        """States `[count, O]`, from which scales are read."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class LessonShard:
    """Lessons of N tasks, each with P demonstrations of K knots and S states."""

    observations: Tensor
    "`[N, P, K + 1, O]`."
    actions: Tensor
    "`[N, P, K, A]`."
    mean_actions: Tensor
    "`[N, P, K, A]`."
    steps: Tensor
    "`[N, P, K + 1]`."
    success: Tensor
    "`[N, P]`."
    states: Tensor
    "`[N, S, O]`."
    labels: Tensor
    "`[N, S, A]`."
    targets: Tensor
    "`[N, T]`: numbers of the programs."
    masks: Tensor
    "bool `[N, T]`."

    def prompts(self, task: int = 0) -> Knots:
        """A task's demonstrations, P prompts of one each."""
        return Knots(*(getattr(self, name)[task][:, None] for name in Knots._fields))

    def save(self, path: Path) -> None:
        """Write it as safetensors, atomically."""
        write_tensors(path, {name: tensor.numpy() for name, tensor in vars(self).items()})

    @classmethod
    def load(cls, path: Path) -> "LessonShard":
        """Map it into memory: rows are read when they are drawn."""
        return cls(**load_file(path))

    @classmethod
    def gather(cls, paths: Sequence[Path], device: str) -> "LessonShard":
        """Shards of as many tasks each as one, in the memory of a device."""
        first = cls.load(paths[0])
        count = len(first.states)
        whole = {
            name: tensor.new_empty((len(paths) * count, *tensor.shape[1:]), device=device)
            for name, tensor in vars(first).items()
        }
        for number, path in enumerate(paths):
            for name, tensor in vars(cls.load(path)).items():
                whole[name][number * count : (number + 1) * count] = tensor
        return cls(**whole)


class StoredLessons:
    """Lessons of drawn tasks, in shards on disk.

    Args:
        paths: of the shards; each holds as many tasks.
        seed: of the draws.
        num_tasks: how many of the tasks are used, the first ones; all by default.
        device: where they are drawn. Another one than the processor holds all of them in memory.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        seed: tuple[int, ...],
        num_tasks: int | None = None,
        device: str = "cpu",
    ) -> None:
        self._seed, self._device = seed, device
        per_shard = len(LessonShard.load(paths[0]).states)
        total = per_shard * len(paths)
        self.num_tasks = min(num_tasks or total, total)
        used = paths[: -(-self.num_tasks // per_shard)]
        if device == "cpu":
            self._shards, self._per_shard = [LessonShard.load(path) for path in used], per_shard
        else:
            self._shards = [LessonShard.gather(used, device)]
            self._per_shard = per_shard * len(used)
        self._round, self._order = -1, np.zeros(0, int)

    def draw(self, first: int, count: int, num_demonstrations: int, num_states: int) -> Batch:
        """Lessons of `count` tasks; each task comes once before any comes again."""
        rng = np.random.default_rng((*self._seed, 1, first))
        order = np.sort(self._find(np.arange(first, first + count)))
        # Rows of one shard are read together: one by one they take most of a step's time.
        shards = order // self._per_shard
        parts = [
            self._read(
                self._shards[shard],
                order[shards == shard] % self._per_shard,
                num_demonstrations,
                num_states,
                rng,
            )
            for shard in np.unique(shards)
        ]
        return Batch.join(parts)

    def _find(self, numbers: np.ndarray) -> np.ndarray:
        """The tasks of lessons of these numbers: each round goes through all in a new order."""
        rounds, places = np.divmod(numbers, self.num_tasks)
        tasks = np.zeros_like(numbers)
        for number in np.unique(rounds):
            if number != self._round:
                rng = np.random.default_rng((*self._seed, 0, number))
                self._round, self._order = int(number), rng.permutation(self.num_tasks)
            tasks[rounds == number] = self._order[places[rounds == number]]
        return tasks

    def _read(
        self,
        shard: LessonShard,
        tasks: np.ndarray,
        num_demonstrations: int,
        num_states: int,
        rng: np.random.Generator,
    ) -> Batch:
        """Prompts and states of some tasks of a shard, drawn at random."""
        rows = send(tasks, self._device)[:, None]
        shown = (len(tasks), shard.success.shape[1])
        picks = rng.random(shown).argsort(axis=1)[:, :num_demonstrations]
        resized = np.resize(picks, (len(tasks), num_demonstrations))
        prompts = send(resized, self._device)
        asked = rng.integers(shard.states.shape[1], size=(len(tasks), num_states))
        states = send(asked, self._device)
        return Batch(
            knots=Knots(*(getattr(shard, name)[rows, prompts] for name in Knots._fields)),
            states=shard.states[rows, states],
            labels=shard.labels[rows, states],
            targets=shard.targets[rows[:, 0]],
            masks=shard.masks[rows[:, 0]].bool(),
        )

    def sample_states(self, count: int) -> np.ndarray:
        """States `[count, O]` of the first shard."""
        states = self._shards[0].states.flatten(0, 1)
        return states[:: max(1, len(states) // count)][:count].cpu().numpy()


def send(array: np.ndarray, device: str | torch.device) -> Tensor:
    """The array on a device, without waiting for what this has to do still."""
    return torch.from_numpy(array).to(device, non_blocking=True)


def note_settings(folder: Path, settings: dict[str, Any]) -> None:
    """Note what lessons are made with in their folder, once.

    Raises:
        InputError: it was begun with other settings.
    """
    path = folder / "lessons.json"
    if not path.is_file():
        write_json(path, settings | {"provenance": describe_provenance()})
        return
    found = read_json(path)
    if any(found[name] != value for name, value in settings.items()):
        raise InputError(f"{folder}: lessons of other settings; use the same, or another folder")


def make_missing(
    paths: Sequence[Path],
    begin: Callable[[int], Future[None]],
    on_file: Callable[[int, int], Any],
) -> list[Path]:
    """Have jobs make the files that are missing, and return all of them.

    Args:
        paths: of the files.
        begin: starts the job that makes the file of a number.
        on_file: called with the number of files that are there and that are wanted, before the
            first one too; never, where none is missing.
    """
    jobs = [begin(number) for number, path in enumerate(paths) if not path.is_file()]
    if jobs:
        on_file(len(paths) - len(jobs), len(paths))
    for done, job in enumerate(as_completed(jobs), len(paths) - len(jobs) + 1):
        job.result()
        on_file(done, len(paths))
    return list(paths)
