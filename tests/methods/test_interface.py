"""What holds of every method: its record, the generator's interface, groups, and its refusals."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from makeanagent.errors import InputError
from makeanagent.methods.cloning import CloningConfig
from makeanagent.methods.method import MethodConfig, PolicyGenerator, Sources
from makeanagent.methods.registry import METHODS, find_method
from makeanagent.methods.regression import RegressionConfig
from makeanagent.methods.retrieval import Retrieval
from makeanagent.models.guidance import GuidanceConfig
from makeanagent.trajectories import Trajectory

CONFIG = MethodConfig(
    guidance=GuidanceConfig(num_starts=2, explore_steps=2, num_steps=2, min_gain=0.0),
    cloning=CloningConfig(num_steps=2),
    regression=RegressionConfig(num_steps=2),
    retrieval_noise=0.1,
)
CHANGED = {
    "guidance": GuidanceConfig(num_starts=2, explore_steps=2, num_steps=5, min_gain=0.0),
    "cloning": CloningConfig(num_steps=4),
    "regression": RegressionConfig(num_steps=4),
    "retrieval_noise": 0.2,
}
"""Other settings than those, one by one."""


@pytest.fixture(scope="module")
def sources(generator, bank, rollouts) -> Sources:
    # Another task's prompts come from the other half.
    return Sources(generator=generator, bank=bank, strangers=rollouts)


@pytest.fixture(scope="module", params=METHODS, ids=lambda method: method.name)
def method(request):
    if request.param.name == "average_16":
        # The tiny zoo's tasks have six policies each.
        return find_method("average_2")
    return request.param


@pytest.fixture(scope="module")
def built(method, sources) -> PolicyGenerator:
    return method.build(sources, CONFIG)


def test_names_and_labels_tell_methods_apart():
    for field in ("name", "label"):
        assert len({getattr(method, field) for method in METHODS}) == len(METHODS)
    with pytest.raises(InputError, match="guess: no such method; accepted are unguided, guided"):
        find_method("guess")


def test_settings_are_what_policies_depend_on(method, sources, rollouts):
    """By these fields and no others, results know whether they are out of date."""
    assert set(CHANGED) == {field.name for field in fields(MethodConfig)}

    def make(config: MethodConfig) -> torch.Tensor:
        return method.build(sources, config).generate(rollouts[:2], 4, seed=1).parameters

    before = make(CONFIG)
    for name, value in CHANGED.items():
        same = torch.equal(make(replace(CONFIG, **{name: value})), before)
        if name not in method.settings:
            assert same, name
        elif (method.name, name) != ("cloning_moved", "guidance"):
            # Of guidance, cloning reads the moves alone, and the arm has no positions to move.
            assert not same, name


def test_averages_are_of_as_many_as_their_names_say(sources, bank, rollouts):
    two = find_method("average_2").build(sources, CONFIG).generate(rollouts[0]).parameters
    assert not (two == bank.parameters).all(dim=1).any()
    assert torch.equal(
        two, Retrieval(sources.generator, bank, num_averaged=2).generate(rollouts[0]).parameters
    )
    with pytest.raises(InputError, match="num_averaged 16: must be at least 1 and at most 6"):
        find_method("average_16").build(sources, CONFIG)


def test_a_method_that_reads_the_zoo_says_so(method, sources):
    without = replace(sources, bank=None)
    if method.needs_bank:
        with pytest.raises(InputError, match="reads the zoo"):
            method.build(without, CONFIG)
    else:
        method.build(without, CONFIG)


def test_policies_come_in_the_number_asked_for(built, generator, rollouts):
    for prompts, count, expected in ((rollouts[0], None, 1), (rollouts[:3], None, 3)):
        policies = built.generate(prompts, count)
        assert len(policies) == expected
    policies = built.generate(rollouts[:3], 5, seed=1)
    assert policies.parameters.shape == (5, generator.config.spec.num_parameters)
    assert policies.spec == generator.config.spec
    assert policies.parameters.isfinite().all()
    assert not policies.parameters.requires_grad


def test_demonstrations_of_one_behaviour_prompt_together(built, method, rollouts):
    first, second, third = rollouts[0], rollouts[1], rollouts[2]
    policies = built.generate([[first, second], third], 4)
    assert len(policies) == 4
    assert policies.parameters.isfinite().all()
    # A group of one is that one.
    alone, apart = (built.generate(each, 2).parameters for each in ([[third]], third))
    assert torch.equal(alone, apart)


def test_nothing_comes_of_nothing(built, rollouts):
    for nothing in ([], [[]], [rollouts[0], []]):
        with pytest.raises(InputError, match="no demonstration"):
            built.generate(nothing)
    with pytest.raises(InputError, match="0 policies"):
        built.generate(rollouts[0], 0)


def test_an_unusable_prompt_is_named(built):
    """It is too wide, and names no task."""
    wide = Trajectory(
        observations=np.zeros((61, 39)),
        actions=np.zeros((60, 4)),
        success=np.zeros(60),
        name="mine.npz",
    )
    with pytest.raises(InputError, match=r"^mine\.npz: [^\n]*$"):
        built.generate(wide)
