"""The bundled generators give the policies that they gave when they were bundled."""

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from tests.golden.policies import CASES, PATH, generate, load_prompt

from makeanagent import MakeAnAgent, PolicyBatch

TOLERANCE = 1e-3
"""Of an action: what sums in another order may move it by."""
GUIDED_TOLERANCE = 0.02
"""Of an action, on the mean: guidance steps by signs, which a last bit may turn."""


@pytest.fixture(scope="module")
def expected():
    return load_file(PATH)


def test_the_golden_file_holds_each_case(expected):
    assert expected.keys() == CASES.keys()
    for name, parameters in expected.items():
        assert parameters.shape == (2, 22_664), name


@pytest.fixture(scope="module")
def found():
    return dict(generate())


@pytest.mark.parametrize("name", CASES)
def test_policies_are_as_before(name, found, expected):
    generator, task, guidance = CASES[name]
    spec = MakeAnAgent.from_pretrained(generator).config.spec
    states = torch.from_numpy(load_prompt(task).observations)
    before, after = (
        PolicyBatch(torch.from_numpy(each), spec).act_all(states).numpy()
        for each in (expected[name], found[name])
    )
    difference = np.abs(after - before)
    if guidance is None:
        assert difference.max() < TOLERANCE
    else:
        assert difference.mean() < GUIDED_TOLERANCE
