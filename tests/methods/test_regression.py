"""The network learns the latents of its training prompts."""

from dataclasses import replace

import pytest
import torch

from makeanagent.methods.regression import Regression, RegressionConfig, _draw_conditions

PLAIN = RegressionConfig(
    hidden_dim=128, num_steps=600, batch_size=32, demonstration_share=0.0, condition_noise=0.0
)


@pytest.fixture(scope="module")
def regression(generator, bank):
    return Regression.train(generator, bank, PLAIN)


def test_it_recovers_the_policies_of_its_training_prompts(regression, bank, rollouts, generator):
    latents = generator.autoencoder.encode(regression.generate(rollouts).parameters)
    error = (latents - bank.latents).square().mean()
    spread = (bank.latents - bank.latents.mean(dim=0)).square().mean()
    assert error < 0.02 * spread


def test_demonstrations_are_of_their_own_task(bank):
    """Prompted by demonstrations alone it cannot tell policies apart, but it can tell tasks."""
    count = len(bank.demonstration_task)
    numbered = replace(
        bank,
        conditions=torch.full((12, 1), -1.0),
        demonstration_conditions=torch.arange(float(count))[:, None],
    )
    rows = torch.arange(12).repeat(300)
    source = torch.Generator().manual_seed(0)
    drawn = _draw_conditions(numbered, rows, 0.5, source)[:, 0]
    assert abs((drawn >= 0).float().mean() - 0.5) < 0.05
    for task in range(2):
        mine = drawn[(bank.task[rows] == task) & (drawn >= 0)].long()
        assert set(mine.tolist()) == set(
            torch.nonzero(bank.demonstration_task == task).flatten().tolist()
        )
    assert (_draw_conditions(numbered, rows, 0.0, source) == -1).all()
    assert (_draw_conditions(numbered, rows, 1.0, source) >= 0).all()


def test_rollouts_stand_in_where_there_is_no_demonstration(bank):
    rows = torch.arange(12)
    source = torch.Generator().manual_seed(0)
    for kept in (
        bank.demonstration_task == 0,
        torch.zeros_like(bank.demonstration_task, dtype=bool),
    ):
        fewer = replace(
            bank,
            demonstration_conditions=bank.demonstration_conditions[kept],
            demonstration_task=bank.demonstration_task[kept],
        )
        drawn = _draw_conditions(fewer, rows, 1.0, source)
        without = bank.task == 1 if kept.any() else torch.ones(12, dtype=bool)
        assert torch.equal(drawn[without], bank.conditions[without])
        assert not (drawn[~without] == bank.conditions[~without]).any()


def test_a_group_is_read_by_its_mean(generator, rollouts):
    class Recorder(torch.nn.Module):
        def forward(self, condition):
            self.asked = condition
            return torch.zeros(len(condition), 2 * 11)

    recorder = Recorder()
    Regression(generator, recorder).generate([rollouts[:2], rollouts[2]], 4)
    conditions = generator.embed(rollouts[:3])
    torch.testing.assert_close(recorder.asked[0], conditions[:2].mean(dim=0))
    torch.testing.assert_close(recorder.asked[1], conditions[2])


def test_noise_blurs_what_it_learns(generator, bank, rollouts, regression):
    blurred = Regression.train(generator, bank, replace(PLAIN, condition_noise=3.0))
    spread = [
        each.generate(rollouts[:6]).parameters.std(dim=0).mean() for each in (regression, blurred)
    ]
    assert spread[1] < 0.5 * spread[0]


def test_training_is_decided_by_the_seed_and_generating_by_the_prompt(generator, bank, rollouts):
    short = replace(PLAIN, num_steps=5, demonstration_share=0.5, condition_noise=0.3)
    first, again, other = (
        Regression.train(generator, bank, short, seed=seed).generate(rollouts[0], 2).parameters
        for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(first[0], first[1])
