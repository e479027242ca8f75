"""The generator's own ways: what guidance it has, and which candidates it chooses."""

from types import SimpleNamespace

import pytest
import torch

from makeanagent.errors import InputError
from makeanagent.methods.generated import Generated, Ranked
from makeanagent.models.guidance import GuidanceConfig
from makeanagent.policies.batch import PolicyBatch

GUIDANCE = GuidanceConfig(num_starts=1, num_steps=3, min_gain=0.0)


def test_it_guides_or_does_not(generator, rollouts):
    for guidance in (None, GUIDANCE):
        found = Generated(generator, guidance).generate(rollouts[:2], 4, seed=1)
        expected = generator.generate(rollouts[:2], 4, 1, guidance)
        assert torch.equal(found.parameters, expected.parameters)


class Fake:
    """Makes policies that all hold the prompt's first number and their own; likes some of them."""

    config = SimpleNamespace(spec=SimpleNamespace(num_parameters=2))
    liked = (0.2, 0.9, 0.4, 0.7)

    def require_predictor(self):
        pass

    def generate(self, prompts, num_policies, seed, guidance):
        self.asked = (num_policies, seed, guidance)
        (group,) = prompts
        mine = torch.full((num_policies,), float(group[0].observations[0, 0]))
        return PolicyBatch(torch.stack([mine, torch.arange(num_policies)], dim=1), self.config.spec)

    def predict_success(self, policies, prompts):
        assert len(policies) == len(self.liked)
        return torch.tensor(self.liked)


def test_the_candidates_that_the_predictor_likes_best_are_chosen(rollouts):
    fake = Fake()
    ranked = Ranked(fake, GUIDANCE, 4)
    policies, success = ranked.choose(rollouts[:2], 5, seed=8)
    first, second = (float(rollout.observations[0, 0]) for rollout in rollouts[:2])
    # The two prompts take turns: the best of each, the second best of each, and so on.
    expected = [[first, 1], [second, 1], [first, 3], [second, 3], [first, 2]]
    torch.testing.assert_close(policies.parameters, torch.tensor(expected))
    torch.testing.assert_close(success, torch.tensor([0.9, 0.9, 0.7, 0.7, 0.4]))
    assert fake.asked == (4, 8, GUIDANCE)
    assert torch.equal(ranked.generate(rollouts[:2], 5).parameters, policies.parameters)


def test_there_are_no_more_policies_than_candidates(rollouts):
    with pytest.raises(InputError, match="9 policies of 2 prompts with 4 candidates each"):
        Ranked(Fake(), GUIDANCE, 4).generate(rollouts[:2], 9)


def test_ranking_needs_a_predictor(generator):
    with pytest.raises(InputError, match="no success predictor"):
        Ranked(generator, GUIDANCE, 4)
