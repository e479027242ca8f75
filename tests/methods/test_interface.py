"""What holds of every baseline: the generator's interface and its refusals."""

import numpy as np
import pytest

from makeanagent.errors import InputError
from makeanagent.methods.cloning import Cloning, CloningConfig
from makeanagent.methods.gaussian import LatentGaussian
from makeanagent.methods.method import PolicyGenerator
from makeanagent.methods.regression import Regression, RegressionConfig
from makeanagent.methods.retrieval import Retrieval
from makeanagent.methods.shuffled import Shuffled
from makeanagent.trajectories import Trajectory

NAMES = ("generator", "retrieval", "gaussian", "cloning", "regression", "shuffled")


@pytest.fixture(scope="module", params=NAMES)
def baseline(request, generator, bank, rollouts) -> PolicyGenerator:
    build = {
        "generator": lambda: generator,
        "retrieval": lambda: Retrieval(generator, bank, num_averaged=2, noise=0.1),
        "gaussian": lambda: LatentGaussian(generator, bank),
        "cloning": lambda: Cloning(generator.config.spec, CloningConfig(num_steps=2)),
        "regression": lambda: Regression.train(generator, bank, RegressionConfig(num_steps=2)),
        "shuffled": lambda: Shuffled(generator, rollouts),
    }
    return build[request.param]()


def test_policies_come_in_the_number_asked_for(baseline, generator, rollouts):
    for prompts, count, expected in ((rollouts[0], None, 1), (rollouts[:3], None, 3)):
        policies = baseline.generate(prompts, count)
        assert len(policies) == expected
    policies = baseline.generate(rollouts[:3], 5, seed=1)
    assert policies.parameters.shape == (5, generator.config.spec.num_parameters)
    assert policies.spec == generator.config.spec
    assert policies.parameters.isfinite().all()
    assert not policies.parameters.requires_grad


def test_nothing_comes_of_nothing(baseline, rollouts):
    with pytest.raises(InputError, match="no demonstration"):
        baseline.generate([])
    with pytest.raises(InputError, match="0 policies"):
        baseline.generate(rollouts[0], 0)


def test_an_unusable_prompt_is_named(baseline):
    """It is too wide, and names no task."""
    wide = Trajectory(
        observations=np.zeros((61, 39)),
        actions=np.zeros((60, 4)),
        success=np.zeros(60),
        name="mine.npz",
    )
    with pytest.raises(InputError, match=r"^mine\.npz: [^\n]*$"):
        baseline.generate(wide)
