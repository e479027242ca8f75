"""How `unseen` makes policies: what each way is given, and which of its candidates it takes."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from benchmarks.experiments import unseen_methods
from benchmarks.experiments.unseen_methods import CORE, MethodConfig
from tests.benchmarks.toy import SPEC, number_policies

from makeanagent.errors import InputError
from makeanagent.methods.cloning import CloningConfig
from makeanagent.models.guidance import GuidanceConfig
from makeanagent.policies.batch import PolicyBatch
from makeanagent.trajectories import Trajectory

CONFIG = MethodConfig(
    guidance=GuidanceConfig(num_steps=3),
    num_candidates=4,
    num_tried=6,
    cloning=CloningConfig(num_steps=30, batch_size=16),
)


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

    config = SimpleNamespace(spec=SPEC, positions=(0,))
    predictor = object()

    def __init__(self, predicted=()):
        self.asked = []
        self._predicted = iter(predicted)

    def generate(self, prompts, num_policies=None, seed=0, guidance=None):
        self.asked.append((prompts, num_policies, seed, guidance))
        count = len(prompts) if num_policies is None else num_policies
        return PolicyBatch(torch.from_numpy(number_policies(count)), SPEC)

    def predict_success(self, candidates, prompts):
        assert prompts == self.asked[-1][0]
        return torch.tensor(next(self._predicted))


def numbers_of(policies):
    return (100 * policies.act(torch.ones(1, 1))).round().flatten().int().tolist()


def test_ranking_takes_the_candidate_with_the_highest_prediction():
    generator = SpyGenerator([[0.1, 0.2, 0.9, 0.3], [0.2, 0.8, 0.1, 0.0]])
    groups = [[make_demonstration(seed=0)], [make_demonstration(seed=1)]]
    made = CORE["ranked"](generator, groups, 7, CONFIG)
    assert numbers_of(made.policies) == [2, 1]
    assert made.predicted_success == pytest.approx([0.9, 0.8])
    assert generator.asked == [([group], 4, 7, CONFIG.guidance) for group in groups]
    generator.predictor = None
    with pytest.raises(InputError, match="no success predictor"):
        CORE["ranked"](generator, groups, 7, CONFIG)


@pytest.mark.parametrize(
    ("method", "num_policies", "guidance"),
    [
        ("unguided", None, None),
        ("guided", None, CONFIG.guidance),
        ("selected", 6, CONFIG.guidance),
    ],
)
def test_what_the_generator_is_asked_for(method, num_policies, guidance):
    generator, groups = SpyGenerator(), [[make_demonstration()], [make_demonstration(seed=1)]]
    made = CORE[method](generator, groups, 7, CONFIG)
    assert generator.asked == [(groups, num_policies, 7, guidance)]
    assert len(made.policies) == (num_policies or 2)


def test_cloning_with_moves_moves_what_cloning_reads():
    # A position is three numbers.
    spec = replace(SPEC, observation_dim=3)
    groups, generator = [[make_demonstration(width=3)]], SpyGenerator()
    generator.config = SimpleNamespace(spec=spec, positions=(0,))
    plain = CORE["cloning"](generator, groups, 7, CONFIG).policies.parameters
    moved = CORE["cloning_moved"](generator, groups, 7, CONFIG).policies.parameters
    assert not torch.allclose(plain, moved)
    generator.config = SimpleNamespace(spec=spec, positions=())
    still = CORE["cloning_moved"](generator, groups, 7, CONFIG).policies.parameters
    assert torch.equal(plain, still)


def test_shuffled_prompts_are_of_another_task():
    generator = SpyGenerator()
    generator.autoencoder = SimpleNamespace(mean=torch.zeros(SPEC.num_parameters))
    strangers = [make_demonstration(task, seed=n) for n, task in enumerate("abc")]
    rivals = unseen_methods.build_rivals(generator, None, strangers, 7, CONFIG)
    rivals["shuffled"]().generate([make_demonstration("b", seed=9)] * 4, seed=7)
    ((prompts, _, seed, guidance),) = generator.asked
    assert {prompt.env_id for prompt in prompts} == {"toy/a", "toy/c"}
    assert (seed, guidance) == (7, None)


def test_rivals_are_built_once_and_all_that_is_no_own_way_is_a_rival():
    methods = {*CORE, *unseen_methods.RIVALS, unseen_methods.SELECTED_BEST}
    assert methods - set(unseen_methods.OWN) == {
        *("cloning", "cloning_moved", "cloning_mean", "retrieval", "retrieval_noise"),
        *("average_2", "average_16", "gaussian", "regression"),
    }
    generator = SpyGenerator()
    generator.autoencoder = SimpleNamespace(mean=torch.zeros(SPEC.num_parameters))
    rivals = unseen_methods.build_rivals(generator, None, [], 7, CONFIG)
    assert sorted(rivals) == sorted(unseen_methods.RIVALS)
    assert rivals["cloning_mean"]() is rivals["cloning_mean"]()
