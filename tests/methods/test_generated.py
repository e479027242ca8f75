"""The generator's own ways: what guidance it has."""

import torch

from makeanagent.methods.generated import Generated
from makeanagent.models.guidance import GuidanceConfig

GUIDANCE = GuidanceConfig(num_starts=1, num_steps=3, min_gain=0.0)


def test_it_guides_or_does_not(generator, rollouts):
    for guidance in (None, GUIDANCE):
        found = Generated(generator, guidance).generate(rollouts[:2], 4, seed=1)
        expected = generator.generate(rollouts[:2], 4, 1, guidance)
        assert torch.equal(found.parameters, expected.parameters)
