"""Samples have the mean and covariance of what they were fitted on."""

from dataclasses import replace

import torch

from makeanagent.methods.gaussian import LatentGaussian, sample_gaussian


def test_samples_have_the_mean_and_covariance_of_the_data():
    source = torch.Generator().manual_seed(0)
    mixing = torch.tensor([[2.0, 0.0, 0.0], [1.5, 0.3, 0.0], [0.0, 0.0, 0.0]])
    data = 5 + torch.randn((40, 3), generator=source) @ mixing.T
    samples = sample_gaussian(data, 100_000, source)
    assert torch.allclose(samples.mean(dim=0), data.mean(dim=0), atol=0.03)
    assert torch.allclose(samples.T.cov(), data.T.cov(correction=0), atol=0.06)
    # A direction in which the data do not move at all.
    assert torch.allclose(samples[:, 2], torch.tensor(5.0), atol=1e-4)


def test_policies_are_of_the_prompts_task(generator, bank, rollouts):
    prompts = [rollouts[0], rollouts[-1]]
    policies = LatentGaussian(generator, bank).generate(prompts, 4_000)
    latents = generator.autoencoder.encode(policies.parameters).flatten(1)
    for turn, row in enumerate((0, -1)):
        own = bank.latents[bank.task == bank.task[row]].flatten(1)
        samples = latents[turn::2]
        scale = own.std(dim=0).max()
        assert torch.allclose(samples.mean(dim=0), own.mean(dim=0), atol=0.1 * scale)
        assert torch.allclose(samples.T.cov(), own.T.cov(correction=0), atol=0.1 * scale**2)
    other = bank.latents[bank.task != bank.task[0]].flatten(1).mean(dim=0)
    assert not torch.allclose(latents[::2].mean(dim=0), other, atol=0.1 * scale)


def test_a_groups_task_is_that_of_its_mean(generator, bank, rollouts):
    mean = generator.embed(rollouts[:2]).mean(dim=0)
    conditions = generator.embed(rollouts[:1]) + 5.0 * (1 + bank.task[:, None])
    conditions[bank.task == 1] = mean
    moved = replace(
        bank, conditions=conditions, demonstration_conditions=bank.demonstration_conditions + 100
    )
    policies = LatentGaussian(generator, moved).generate([rollouts[:2]], 500)
    latents = generator.autoencoder.encode(policies.parameters).mean(dim=0)
    far, near = (
        (bank.latents[bank.task == task].mean(dim=0) - latents).norm() for task in range(2)
    )
    assert near < 0.2 * far


def test_seeds_decide_the_policies(generator, bank, rollouts):
    gaussian = LatentGaussian(generator, bank)
    first, again = (gaussian.generate(rollouts[0], 3, seed=1).parameters for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first, gaussian.generate(rollouts[0], 3, seed=2).parameters)
