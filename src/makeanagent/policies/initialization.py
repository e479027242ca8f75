"""Where training begins."""

import math

import torch
from torch import Tensor

from makeanagent.policies.spec import PolicySpec


def initialize_actor(spec: PolicySpec, seed: int) -> Tensor:
    """Xavier-uniform weights and zero biases, `[P]`, as the paper's SAC actor begins."""
    generator = torch.Generator().manual_seed(seed)
    vector = torch.zeros(spec.num_parameters)
    for layer in spec.layers:
        bound = math.sqrt(6 / (layer.fan_in + layer.fan_out))
        vector[layer.weight].uniform_(-bound, bound, generator=generator)
    return vector
