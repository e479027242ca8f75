"""A distillation halfway, on disk: a shard that is stopped goes on from its last saved round.

The folder is on the disk of the process that distils, and nobody else reads it.
"""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from makeanagent.artifacts import read_tensors, write_tensors
from makeanagent.policies.batch import PolicyBatch

_STATE = "state.safetensors"
_SAVE_SECONDS = 20.0
"""Time between two saves."""


class LabelledStates:
    """Expert-labelled states of all episodes, and each run's own share of the episodes."""

    def __init__(self, num_runs: int, share: float, rng: np.random.Generator) -> None:
        self._num_runs, self._share, self._rng = num_runs, share, rng
        self._states: list[np.ndarray] = []
        self._labels: list[np.ndarray] = []
        self._owners: list[np.ndarray] = []

    def add_episode(self, states: np.ndarray, labels: np.ndarray) -> None:
        """Add one episode, `[T, O]` and `[T, A]`, to the runs that draw it."""
        owners = self._rng.random(self._num_runs) < self._share
        if not owners.any():
            owners[self._rng.integers(self._num_runs)] = True
        self._states.append(states.astype(np.float32))
        self._labels.append(labels.astype(np.float32))
        self._owners.append(np.repeat(owners[:, None], len(states), axis=1))

    def to_tensors(self, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """States `[M, O]`, labels `[M, A]`, each run's row numbers `[R, M]`, and their counts."""
        owners = np.concatenate(self._owners, axis=1)
        owners[~owners.any(axis=1)] = True  # A run that drew nothing takes everything.
        rows = np.argsort(~owners, axis=1, kind="stable")
        tensors = (np.concatenate(self._states), np.concatenate(self._labels), rows)
        counts = torch.from_numpy(owners.sum(axis=1)).to(device)
        states, labels, row_numbers = (torch.from_numpy(array).to(device) for array in tensors)
        return states, labels, row_numbers, counts

    def state_dict(self) -> dict[str, np.ndarray]:
        """All of it, with the state of the random draws."""
        return {
            "states": np.concatenate(self._states),
            "labels": np.concatenate(self._labels),
            "owners": np.concatenate(self._owners, axis=1),
            "draws": _to_bytes(self._rng.bit_generator.state),
        }

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Take what `state_dict` gave in place of what is here."""
        self._states, self._labels = [state["states"]], [state["labels"]]
        self._owners = [state["owners"]]
        self._rng.bit_generator.state = _from_bytes(state["draws"])


class DistillationStore:
    """Where a distillation is saved between two rounds.

    Args:
        folder: for its file; none for one that is not saved.
        population: of the runs.
        optimizer: Adam's, of the population's parameters.
        states: what they learn from.
        generator: draws the batches.
    """

    def __init__(
        self,
        folder: Path | None,
        population: PolicyBatch,
        optimizer: torch.optim.Optimizer,
        states: LabelledStates,
        generator: torch.Generator,
    ) -> None:
        self._path = None if folder is None else folder / _STATE
        self._population, self._optimizer = population, optimizer
        self._states, self._generator = states, generator
        self._last_save = time.monotonic()

    def save_if_due(self, history: list[float]) -> None:
        """Save when the last time is long ago, with the rounds' success until now."""
        if self._path is None or time.monotonic() - self._last_save < _SAVE_SECONDS:
            return
        (moments,) = self._optimizer.state_dict()["state"].values()
        write_tensors(
            self._path,
            self._states.state_dict()
            | {f"adam.{name}": np.asarray(value.cpu()) for name, value in moments.items()}
            | {
                "parameters": self._population.parameters.detach().cpu().numpy(),
                "batches": self._generator.get_state().numpy(),
                "history": np.array(history),
            },
        )
        self._last_save = time.monotonic()

    def restore(self) -> list[float]:
        """Bring all back to where the last save was; the rounds' success, empty without one."""
        if self._path is None or not self._path.is_file():
            return []
        saved = read_tensors(self._path)
        self._states.load_state_dict(saved)
        self._generator.set_state(torch.from_numpy(saved["batches"]))
        with torch.no_grad():
            self._population.parameters.copy_(torch.from_numpy(saved["parameters"]))
        adam = self._optimizer.state_dict()
        adam["state"] = {
            0: {
                name.removeprefix("adam."): torch.from_numpy(value)
                for name, value in saved.items()
                if name.startswith("adam.")
            }
        }
        self._optimizer.load_state_dict(adam)
        return [float(success) for success in saved["history"]]


def _to_bytes(value: Any) -> np.ndarray:  # noqa: ANN401
    return np.frombuffer(json.dumps(value).encode(), np.uint8)


def _from_bytes(content: np.ndarray) -> Any:  # noqa: ANN401
    return json.loads(content.tobytes())
