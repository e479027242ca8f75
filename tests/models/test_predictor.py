import pytest
import torch

from makeanagent.errors import InputError
from makeanagent.models.predictor import PredictorConfig, SuccessPredictor
from makeanagent.policies.batch import PolicyBatch
from makeanagent.policies.spec import PolicySpec

SPEC = PolicySpec(observation_dim=5, action_dim=2, hidden=(8, 8))
CONFIG = PredictorConfig(num_probes=6, hidden_dim=16, context_dim=3)
NUM = 12


@pytest.fixture
def inputs():
    """Policies, condition, evidence and group of twelve candidates of three prompts, mixed."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(shape, generator=generator)

    group = torch.arange(NUM) % 3
    return draw(NUM, SPEC.num_parameters), draw(3, 4)[group], draw(NUM, 2), group


@pytest.fixture
def predictor(inputs):
    """With random weights all over, as the head of a new one is 0."""
    torch.manual_seed(1)
    model = SuccessPredictor(SPEC, 4, 2, CONFIG).eval()
    model.place_probes(torch.randn(40, 5) * 3 + 1, torch.Generator().manual_seed(2))
    policies, _, evidence, group = inputs
    model.fit_normalizers(model.fingerprint(policies).detach(), evidence, group)
    for parameter in (model.regression.weight, model.head.weight):
        torch.nn.init.normal_(parameter)
    return model


def test_probes_begin_at_training_states():
    model = SuccessPredictor(SPEC, 4, 2, CONFIG)
    states = torch.randn(40, 5) * 3 + 1
    states[:, 2] = 0.7
    model.place_probes(states, torch.Generator().manual_seed(0))
    placed = (model.probes * model.probe_std + model.probe_mean).detach()
    distance, nearest = (placed[:, None] - states).abs().amax(dim=2).min(dim=1)
    assert distance.max() < 1e-5
    assert len(set(nearest.tolist())) == 6
    # A coordinate that no state moves can hardly be moved by a step of any size.
    with torch.no_grad():
        model.probes += 10
    moved = model.probes * model.probe_std + model.probe_mean
    torch.testing.assert_close(moved[:, 2], torch.full((6,), 0.7), atol=1e-3, rtol=0)
    with pytest.raises(InputError, match="5 states for 6 probes"):
        model.place_probes(states[:5], torch.Generator())


def test_fingerprint_is_the_actions_on_the_probes(predictor, inputs):
    policies = inputs[0]
    states = predictor.probes * predictor.probe_std + predictor.probe_mean
    found = predictor.fingerprint(policies).unflatten(1, (6, 2))
    expected = PolicyBatch(policies[3], SPEC).act_all(states)[0]
    torch.testing.assert_close(found[3], expected)
    # Half-precision policies are read too.
    torch.testing.assert_close(
        predictor.fingerprint(policies.half()).unflatten(1, (6, 2)), found, atol=0.05, rtol=0
    )


def test_probes_learn(predictor, inputs):
    logits = predictor(*inputs)
    assert logits.shape == (NUM,)
    (gradient,) = torch.autograd.grad(logits.square().sum(), predictor.probes)
    # Against a central difference, in the direction of the gradient.
    step = 1e-3 * gradient / gradient.norm()
    sums = []
    with torch.no_grad():
        for sign in (1, -1):
            predictor.probes += sign * step
            sums.append(predictor(*inputs).double().square().sum().item())
            predictor.probes -= sign * step
    assert (sums[0] - sums[1]) / 2e-3 == pytest.approx(gradient.norm().item(), rel=0.05)


def test_a_new_one_knows_nothing(inputs):
    assert torch.equal(SuccessPredictor(SPEC, 4, 2, CONFIG)(*inputs), torch.zeros(NUM))


def test_prompts_do_not_mix(predictor, inputs):
    together = predictor.predict(*inputs)
    group = inputs[-1]
    for number in range(3):
        rows = group == number
        # Alone, under no number at all.
        alone = predictor.predict(*(item[rows] for item in inputs[:3]))
        torch.testing.assert_close(alone, together[rows])
    # Numbers are names.
    renamed = predictor.predict(*inputs[:3], torch.tensor([40, -7, 5])[group])
    torch.testing.assert_close(renamed, together)
    # It does matter with whom one is compared.
    assert (predictor.predict(*inputs[:3]) - together).abs().max() > 1e-3


def test_every_input_counts(predictor, inputs):
    before = predictor(*inputs)
    for index in range(3):
        changed = [item.clone() for item in inputs]
        # Of one prompt's candidates only one is changed, so that no shift cancels.
        changed[index][0] += 1.0
        assert (predictor(*changed) - before)[0].abs() > 1e-4, index


@torch.no_grad()
def test_regression_by_hand(predictor):
    # Two prompts of two candidates; evidence has mean 0 and deviation 1 as new normalisers have it.
    predictor.evidence_mean.zero_()
    predictor.evidence_std.fill_(1)
    predictor.fingerprint_scale.fill_(2)
    predictor.head.weight.zero_()
    evidence = torch.tensor([[1.0, 5.0], [3.0, 5.0], [10.0, 0.0], [10.0, 2.0]])
    fingerprints = torch.tensor([0.2, 0.8, -0.4, 0.4])[:, None].expand(-1, 12)
    # First within prompts, then between them: two scalars of evidence and the distance.
    predictor.regression.weight.copy_(torch.tensor([[1.0, 10.0, 0.0, 100.0, 1000.0, 0.0]]))
    predictor.regression.bias.fill_(0.5)
    logits = predictor.score(fingerprints, torch.zeros(4, 4), evidence, torch.tensor([0, 0, 1, 1]))
    torch.testing.assert_close(logits, torch.tensor([5199.5, 5201.5, 1990.5, 2010.5]))
    # The consensus is 0.5 and 0; departures of 0.3 and 0.4 are 0.15 and 0.2 after scaling.
    predictor.regression.weight.copy_(torch.tensor([[0.0, 0.0, 0.0, 0.0, 0.0, 1.0]]))
    logits = predictor.score(fingerprints, torch.zeros(4, 4), evidence, torch.tensor([0, 0, 1, 1]))
    expected = torch.tensor([0.15, 0.15, 0.2, 0.2]).square().log1p() + 0.5
    torch.testing.assert_close(logits, expected)


@torch.no_grad()
def test_the_network_does_not_rank_the_candidates_of_a_prompt(predictor, inputs):
    """It sees what they share; only the regression sees how they differ."""
    predictor.regression.weight.zero_()
    logits, group = predictor(*inputs), inputs[-1]
    for number in range(3):
        mine = logits[group == number]
        torch.testing.assert_close(mine, mine[:1].expand_as(mine))
    assert logits[:3].std() > 1e-3


@torch.no_grad()
def test_candidates_are_compared_with_their_consensus(predictor, inputs):
    _, condition, evidence, group = inputs
    fingerprints = torch.randn(NUM, 12, generator=torch.Generator().manual_seed(3))
    shifted = fingerprints + torch.tensor([0.3, -0.2, 0.0])[group, None]
    before = predictor.score(fingerprints, condition, evidence, group)
    # What a prompt's candidates share is read as context.
    assert (predictor.score(shifted, condition, evidence, group) - before).abs().max() > 1e-3
    predictor.context[1].weight.zero_()
    before = predictor.score(fingerprints, condition, evidence, group)
    torch.testing.assert_close(predictor.score(shifted, condition, evidence, group), before)


def test_units_of_the_evidence_do_not_matter(predictor, inputs):
    policies, condition, evidence, group = inputs
    before = predictor(policies, condition, evidence, group)
    scaled = evidence * torch.tensor([1000.0, 0.01]) + 7
    assert (predictor(policies, condition, scaled, group) - before).abs().max() > 1
    predictor.fit_normalizers(predictor.fingerprint(policies).detach(), scaled, group)
    torch.testing.assert_close(
        predictor(policies, condition, scaled, group), before, atol=1e-3, rtol=1e-3
    )


def test_a_single_candidate_has_a_probability(predictor, inputs):
    probability = predictor.predict(*(item[:1] for item in inputs))
    assert probability.shape == (1,)
    assert 0 < probability.item() < 1


def test_predictions_are_calibrated_by_temperature_and_bias(predictor, inputs):
    logits = predictor(*inputs).detach()
    torch.testing.assert_close(predictor.predict(*inputs), torch.sigmoid(logits))
    predictor.temperature.fill_(2.0)
    predictor.bias.fill_(-1.0)
    torch.testing.assert_close(predictor.predict(*inputs), torch.sigmoid(logits / 2 - 1))


def test_state_dict_holds_all_of_it(predictor, inputs):
    predictor.temperature.fill_(3.0)
    copy = SuccessPredictor(SPEC, 4, 2, CONFIG).eval()
    copy.load_state_dict(predictor.state_dict())
    assert torch.equal(copy.predict(*inputs), predictor.predict(*inputs))
