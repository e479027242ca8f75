"""Training state on disk, so that a killed stage goes on where it was."""

import time
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from makeanagent.artifacts import read_tensors, write_tensors
from makeanagent.errors import InputError


class TrainingState:
    """Networks, optimizer, random generator and step of one stage, kept in one safetensors file.

    Args:
        path: the file.
        modules: networks by name.
        optimizer: their optimizer.
        generator: source of all randomness in the stage.
        seconds: time between two writes.
    """

    def __init__(
        self,
        path: Path,
        modules: Mapping[str, nn.Module],
        optimizer: torch.optim.Optimizer,
        generator: torch.Generator,
        seconds: float,
    ) -> None:
        self._path, self._modules, self._optimizer = path, modules, optimizer
        self._generator, self._seconds = generator, seconds
        self._written = time.monotonic()
        self.notes: dict[str, Tensor] = {}
        "Tensors of the recipe's own, such as the best validation so far."

    def restore(self) -> int:
        """Load the last state, if there is one, and return the step that it was taken after."""
        if not self._path.is_file():
            return 0
        tensors = {
            name: torch.from_numpy(array) for name, array in read_tensors(self._path).items()
        }
        try:
            for name, module in self._modules.items():
                prefix = f"module.{name}."
                state = {
                    key.removeprefix(prefix): value
                    for key, value in tensors.items()
                    if key.startswith(prefix)
                }
                module.load_state_dict(state)
            state_dict = self._optimizer.state_dict()
            for key, value in tensors.items():
                if key.startswith("optimizer."):
                    _, index, name = key.split(".")
                    state_dict["state"].setdefault(int(index), {})[name] = value
            self._optimizer.load_state_dict(state_dict)
            self._generator.set_state(tensors["generator"])
            step = int(tensors["step"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise InputError(
                f"{self._path}: not the state of this stage and these settings; delete it to begin"
                f" anew ({str(error).splitlines()[0]})"
            ) from None
        self.notes = {
            key.removeprefix("note."): value
            for key, value in tensors.items()
            if key.startswith("note.")
        }
        return step

    def save(self, step: int) -> None:
        """Write the state after `step`, atomically."""
        tensors = {"step": torch.tensor(step), "generator": self._generator.get_state()}
        for name, module in self._modules.items():
            for key, value in module.state_dict().items():
                tensors[f"module.{name}.{key}"] = value
        for index, entry in self._optimizer.state_dict()["state"].items():
            for name, value in entry.items():
                tensors[f"optimizer.{index}.{name}"] = torch.as_tensor(value)
        for name, value in self.notes.items():
            tensors[f"note.{name}"] = value
        write_tensors(self._path, {key: value.cpu().numpy() for key, value in tensors.items()})
        self._written = time.monotonic()

    def save_if_due(self, step: int) -> None:
        """Write the state if the last writing is long enough ago."""
        if time.monotonic() - self._written >= self._seconds:
            self.save(step)
