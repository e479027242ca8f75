"""Where tensors live."""

import torch

from makeanagent.errors import InputError


def find_device(name: str) -> str:
    """`auto` becomes `cuda` where there is one, else `cpu`; other names are checked.

    Raises:
        InputError: the device is unknown or not there.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda"):
        raise InputError(f"device '{name}': expected auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device 'cuda': this installation of torch finds no CUDA device")
    return name
