"""Where generators are found, their files of weights, and the card that goes with one."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from makeanagent.artifacts import read_tensors, write_tensors
from makeanagent.errors import InputError
from makeanagent.generator_config import GeneratorConfig
from makeanagent.remote import fetch_folder, is_repo_id

if TYPE_CHECKING:
    from torch import Tensor, nn

PRETRAINED = Path(__file__).parent / "pretrained"
"""Generators that ship with the package, a folder each."""
WEIGHTS_NAME = "model.safetensors"
TRAINING_WEIGHTS_NAME = "training.safetensors"
"""Weights that only training and the rivals of a generator read; it may be absent."""
TRAINING_PARTS = ("autoencoder.encoders", "autoencoder.norm", "embedding.metric")
"""What these belong to: the way into the latent space, and the contrast of embeddings."""
_MOST_ABSENT = 2**28
"""Numbers of such weights that may be absent, and are then made afresh."""


def find_generator(name: str | Path) -> Path:
    """The folder of a generator: bundled, on disk, or fetched from the hub.

    Raises:
        InputError: there is none.
    """
    bundled = sorted(path.name for path in PRETRAINED.iterdir()) if PRETRAINED.is_dir() else []
    if str(name) in bundled:
        return PRETRAINED / name
    if os.path.isdir(name):  # False, too, for a name that no disk takes.
        return Path(name)
    accepted = (
        f"bundled are {', '.join(bundled) or 'none'}; or give a folder, or a hub id owner/name"
    )
    if not is_repo_id(str(name)):
        raise InputError(f"{str(name)[:200]}: no such generator; {accepted}")
    return fetch_folder(str(name), "model", f"{name}: no such folder")


def write_weights(
    folder: Path, tensors: dict[str, np.ndarray], *, for_training: bool, half: bool = False
) -> None:
    """Write a generator's weights, as float16 where that holds every number of a tensor.

    Args:
        folder: of the generator.
        tensors: its state by name.
        for_training: whether to write the parts that generation does not use, if they are there.
        half: whether to round matrices to float16 first, which are nearly all of the size; what is
            beyond its range stays as it is, and so do vectors.
    """
    parts: dict[bool, dict[str, np.ndarray]] = {True: {}, False: {}}
    for name, array in tensors.items():
        is_for_training = any(_belongs(name, part) for part in TRAINING_PARTS)
        parts[is_for_training][name] = _shrink(array, half=half and array.ndim > 1)
    write_tensors(folder / WEIGHTS_NAME, parts[False])
    if for_training and parts[True]:
        write_tensors(folder / TRAINING_WEIGHTS_NAME, parts[True])


def read_weights(folder: Path) -> dict[str, np.ndarray]:
    """A generator's state by name, float32, without what its folder lacks.

    Raises:
        InputError: a file is damaged, or the weights of generation are missing.
    """
    tensors = read_tensors(folder / WEIGHTS_NAME)
    if (folder / TRAINING_WEIGHTS_NAME).is_file():
        tensors |= read_tensors(folder / TRAINING_WEIGHTS_NAME)
    return {name: np.asarray(array, np.float32) for name, array in tensors.items()}


def check_shapes(
    expected: Mapping[str, "Tensor"], found: Mapping[str, "Tensor"], path: Path
) -> None:
    """Refuse weights of other shapes than the config's, before memory is set aside for these.

    Args:
        expected: the state that the config describes; its values do not matter.
        found: the weights.
        path: their file.

    Raises:
        InputError: shapes differ, or what is absent is larger than what is there.
    """
    for name, tensor in expected.items():
        if name in found and found[name].shape != tensor.shape:
            raise InputError(
                f"{path}: does not fit config.json: {name} is of shape"
                f" {tuple(found[name].shape)}, and not {tuple(tensor.shape)}"
            )
    absent = sum(tensor.numel() for name, tensor in expected.items() if name not in found)
    if absent > _MOST_ABSENT:
        raise InputError(f"{path}: does not fit config.json: {absent} numbers are missing")


def load_tensors(parts: "nn.Module", tensors: Mapping[str, "Tensor"], path: Path) -> None:
    """Fill a generator's networks; those of `TRAINING_PARTS` that are not there are left out.

    Args:
        parts: its networks.
        tensors: what `read_weights` gave.
        path: of the file that they are from.

    Raises:
        InputError: they do not fit.
    """
    for part in _find_absent_parts(parts.state_dict(), tensors):
        module, _, name = part.rpartition(".")
        delattr(parts.get_submodule(module), name)
    try:
        parts.load_state_dict(tensors)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise InputError(f"{path}: does not fit config.json: {reason}") from None


def _find_absent_parts(expected: Iterable[str], found: Iterable[str]) -> list[str]:
    """Which of `TRAINING_PARTS` have tensors among those expected, and none among those found."""
    owners = [
        {part for part in TRAINING_PARTS for name in names if _belongs(name, part)}
        for names in (expected, found)
    ]
    return sorted(owners[0] - owners[1])


def _belongs(name: str, part: str) -> bool:
    return f"{name}.".startswith(f"{part}.")


def _shrink(array: np.ndarray, *, half: bool) -> np.ndarray:
    """As float16 where that holds every number, or at least its size if it may be rounded."""
    with np.errstate(over="ignore"):  # It becomes infinity, and is not equal.
        short = array.astype(np.float16)
    holds = np.isfinite(short).all() if half else np.array_equal(short.astype(array.dtype), array)
    return short if holds else array


def write_card(config: GeneratorConfig) -> str:
    """The model card: what the generator is, reads and writes."""
    spec = config.spec
    return f"""---
library_name: makeanagent
tags: [reinforcement-learning, robotics, weight-space-generation, diffusion]
---
# A policy generator

Give it one demonstration, and it generates policy networks that act as demonstrated.

- Reads: observations of {spec.observation_dim} numbers and actions of {spec.action_dim},
  {config.words}.
- Writes: networks {spec.observation_dim}-{"-".join(map(str, spec.hidden))}-{spec.action_dim}
  ({spec.num_parameters:,} parameters).

```python
from makeanagent import MakeAnAgent, Trajectory

generator = MakeAnAgent.from_pretrained("<this folder or hub id>")
policies = generator.generate(Trajectory.load("demo.npz"), num_policies=100)
```

{_describe_origin(config)}

Limits: what it generates for other tasks is an extrapolation; measure it before you rely on it.
Clip actions and keep a stop within reach on a robot.
"""


def _describe_origin(config: GeneratorConfig) -> str:
    """What it was trained on, for the card."""
    known = "\n".join(f"- {config.suite}/{task}" for task in config.tasks)
    if not config.reads_whole:
        return f"Trained on policies of\n\n{known}"
    if not config.tasks:
        return "Trained on drawn manipulation tasks (`procedural/<number>`), and on no others."
    return f"Trained on demonstrations and experts of\n\n{known}"
