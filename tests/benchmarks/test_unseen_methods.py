"""How `unseen` makes policies: what each way is given."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from benchmarks.experiments.unseen_methods import CORE, OWN, RIVALS, SELECTED_BEST, Makers
from tests.benchmarks.toy import SPEC, number_policies

from makeanagent.methods.cloning import CloningConfig
from makeanagent.methods.method import MethodConfig, Sources
from makeanagent.models.guidance import GuidanceConfig
from makeanagent.policies.batch import PolicyBatch
from makeanagent.trajectories import Trajectory
from makeanagent.trajectories.space import Space

CONFIG = MethodConfig(
    guidance=GuidanceConfig(num_steps=3),
    cloning=CloningConfig(num_steps=30, batch_size=16),
)
NUM_TRIED = 6


def make_demonstration(task="a", length=20, seed=0, width=1):
    rng = np.random.default_rng(seed)
    return Trajectory(
        observations=rng.standard_normal((length + 1, width)).astype(np.float32),
        actions=np.full((length, 1), 0.5, np.float32),
        success=np.arange(length) == length - 1,
        env_id=f"toy/{task}",
    )


class SpyGenerator:
    """Gives policies by their numbers, and notes what it was asked for."""

    def __init__(self, width=1, positions=()):
        spec = replace(SPEC, observation_dim=width)
        space = Space(observation_dim=width, action_dim=1, positions=positions)
        self.config = SimpleNamespace(spec=spec, space=space)
        self.asked = []

    def generate(self, prompts, num_policies=None, seed=0, guidance=None):
        self.asked.append((prompts, num_policies, seed, guidance))
        count = len(prompts) if num_policies is None else num_policies
        return PolicyBatch(torch.from_numpy(number_policies(count)), SPEC)


def make(generator, name, groups, **sources):
    return Makers(Sources(generator=generator, **sources), CONFIG, NUM_TRIED).make(name, groups, 7)


@pytest.mark.parametrize(
    ("method", "num_policies", "guidance"),
    [
        ("unguided", None, None),
        ("guided", None, CONFIG.guidance),
        ("selected", NUM_TRIED, CONFIG.guidance),
    ],
)
def test_what_the_generator_is_asked_for(method, num_policies, guidance):
    generator, groups = SpyGenerator(), [[make_demonstration()], [make_demonstration(seed=1)]]
    policies = make(generator, method, groups)
    assert generator.asked == [(groups, num_policies, 7, guidance)]
    assert len(policies) == (num_policies or 2)


def test_cloning_with_moves_moves_what_cloning_reads():
    # A position is three numbers.
    groups = [[make_demonstration(width=3)]]
    moving, still = SpyGenerator(width=3, positions=(0,)), SpyGenerator(width=3)
    plain = make(moving, "cloning", groups).parameters
    assert not torch.allclose(plain, make(moving, "cloning_moved", groups).parameters)
    assert torch.equal(plain, make(still, "cloning_moved", groups).parameters)


def test_shuffled_prompts_are_of_another_task():
    generator = SpyGenerator()
    strangers = [make_demonstration(task, seed=n) for n, task in enumerate("abc")]
    groups = [[make_demonstration("b", seed=9)]] * 4
    make(generator, "shuffled", groups, strangers=strangers)
    ((replaced, _, seed, guidance),) = generator.asked
    assert {prompt.env_id for (prompt,) in replaced} == {"toy/a", "toy/c"}
    assert (seed, guidance) == (7, None)


def test_methods_are_built_once_and_all_that_is_no_own_way_is_a_rival():
    assert {*CORE, *RIVALS, SELECTED_BEST} - set(OWN) == {
        *("cloning", "cloning_moved", "retrieval", "retrieval_noise"),
        *("average_2", "average_16", "gaussian", "regression"),
    }
    makers = Makers(Sources(generator=SpyGenerator()), CONFIG, NUM_TRIED)
    assert makers.build("cloning") is makers.build("cloning")
