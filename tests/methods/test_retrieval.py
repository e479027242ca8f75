"""Which policies are found, and what is made of them."""

from dataclasses import replace

import pytest
import torch

from makeanagent.errors import InputError
from makeanagent.methods.retrieval import Retrieval


def test_every_rollout_finds_exactly_its_own_policy(generator, bank, rollouts):
    found = Retrieval(generator, bank).generate(rollouts)
    assert torch.equal(found.parameters, bank.parameters)


def test_prompts_take_turns(generator, bank, rollouts):
    found = Retrieval(generator, bank).generate([rollouts[9], rollouts[2]], 5)
    assert torch.equal(found.parameters, bank.parameters[[9, 2, 9, 2, 9]])


def test_a_demonstration_stands_for_its_task(generator, bank, demonstrations):
    """Its task counts even where a rollout of the other task is the nearest of all rollouts."""
    condition = generator.embed(demonstrations[:1])
    task = int(bank.demonstration_task[0])
    conditions = condition + 1.0 * (1 + torch.arange(12.0))[:, None]
    # All policies of its own task are farther away than those of the other.
    conditions[bank.task == task] += 100
    moved = replace(bank, conditions=conditions)
    found = Retrieval(generator, moved).generate(demonstrations[0])
    nearest = torch.nonzero(bank.task == task).flatten()[0]
    assert torch.equal(found.parameters[0], bank.parameters[nearest])


def test_a_group_finds_what_is_nearest_to_its_mean(generator, bank, rollouts):
    """Neither of the two alone would find it."""
    mean = generator.embed(rollouts[:2]).mean(dim=0)
    conditions = bank.conditions + 20
    conditions[7] = mean
    moved = replace(
        bank, conditions=conditions, demonstration_conditions=bank.demonstration_conditions + 20
    )
    conditions[3], conditions[4] = generator.embed(rollouts[:2]) * 1.05
    assert bank.task[7] != bank.task[3]
    found = Retrieval(generator, moved).generate([rollouts[:2], rollouts[0]], 2)
    assert torch.equal(found.parameters, bank.parameters[[7, 3]])


def test_averages_take_the_nearest_of_each_run_first(generator, bank, rollouts):
    task = torch.nonzero(bank.task == bank.task[0]).flatten()
    runs = [task[bank.run[task] == run] for run in bank.run[task].unique()]
    assert [len(run) for run in runs] == [3, 3]
    first, second = runs[0].tolist(), runs[1].tolist()
    distance = torch.full((12, 1), 50.0)
    distance[first, 0] = torch.tensor([0.0, 1.0, 2.0])
    distance[second, 0] = torch.tensor([5.0, 3.0, 4.0])
    moved = replace(bank, conditions=generator.embed(rollouts[:1]) + distance)
    order = [first[0], second[1], first[1], second[2], first[2], second[0]]
    for num_averaged in range(1, 7):
        found = Retrieval(generator, moved, num_averaged=num_averaged).generate(rollouts[0])
        expected = bank.parameters[order[:num_averaged]].mean(dim=0)
        assert torch.allclose(found.parameters[0], expected, atol=1e-6), num_averaged


def test_of_a_task_with_few_policies_all_are_averaged(generator, bank, rollouts):
    few = torch.nonzero(bank.task == bank.task[0]).flatten()[:2]
    rest = torch.nonzero(bank.task != bank.task[0]).flatten()
    rows = torch.cat([few, rest])
    names = ("parameters", "task", "run", "conditions")
    smaller = replace(bank, **{name: getattr(bank, name)[rows] for name in names})
    found = Retrieval(generator, smaller, num_averaged=5).generate(rollouts[0])
    assert torch.allclose(found.parameters[0], bank.parameters[few].mean(dim=0), atol=1e-6)


def test_noise_has_the_scale_of_each_parameter_of_the_task(generator, bank, rollouts):
    noisy = Retrieval(generator, bank, noise=0.5).generate(rollouts[0], 2_000, seed=3)
    std = bank.parameters[bank.task == bank.task[0]].std(dim=0, correction=0)
    offsets = noisy.parameters - bank.parameters[0]
    assert std.max() > 2 * std.median()
    assert torch.allclose(offsets.std(dim=0), 0.5 * std, rtol=0.1, atol=1e-6)
    assert offsets.mean(dim=0).abs().max() < 0.1 * std.max()


def test_seeds_decide_the_noise(generator, bank, rollouts):
    noisy = Retrieval(generator, bank, noise=0.1)
    first, again = (noisy.generate(rollouts[0], 2, seed=1).parameters for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first, noisy.generate(rollouts[0], 2, seed=2).parameters)
    silent = Retrieval(generator, bank, noise=0.0).generate(rollouts[0], 2, seed=1)
    assert torch.equal(silent.parameters, bank.parameters[[0, 0]])


def test_what_cannot_be_retrieved_is_refused(generator, bank):
    for num_averaged in (0, 7):
        with pytest.raises(InputError, match=f"num_averaged {num_averaged}: .* at most 6"):
            Retrieval(generator, bank, num_averaged=num_averaged)
    for noise in (-0.1, float("nan")):
        with pytest.raises(InputError, match="noise .*: must be at least 0"):
            Retrieval(generator, bank, noise=noise)
