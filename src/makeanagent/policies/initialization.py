"""Where training begins."""

import math
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from makeanagent.policies.spec import PolicySpec


def initialize_actor(spec: PolicySpec, seed: int) -> Tensor:
    """Xavier-uniform weights and zero biases, `[P]`, as the paper's SAC actor begins.

    Each layer has a random stream of its own: actors of other observations and actions begin with
    the same middle layers.
    """
    vector = torch.zeros(spec.num_parameters)
    for layer in spec.layers:
        generator = layer_stream(layer.name, seed)
        bound = math.sqrt(6 / (layer.fan_in + layer.fan_out))
        vector[layer.weight].uniform_(-bound, bound, generator=generator)
    return vector


def layer_stream(name: str, seed: int) -> torch.Generator:
    """Randomness of one layer, which no other layer's size shifts."""
    state = np.random.SeedSequence((seed, crc32(name.encode()))).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]))
