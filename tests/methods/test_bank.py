"""What the bank keeps, and which prompts it finds near."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests import tiny_generator

from makeanagent.errors import InputError
from makeanagent.generator import MakeAnAgent
from makeanagent.methods.bank import make_bank
from makeanagent.methods.method import MethodConfig, Sources
from makeanagent.methods.registry import find_method
from makeanagent.methods.regression import RegressionConfig
from makeanagent.training.data import load_training_data
from makeanagent.trajectories import PromptWindow
from makeanagent.zoo.store import ZooShard


def test_runs_of_all_tasks_have_numbers_of_their_own(data):
    runs = [set(data.run[data.task == label].tolist()) for label in range(2)]
    assert [len(found) for found in runs] == [3, 3]
    assert not runs[0] & runs[1]
    assert data.run.unique(return_counts=True)[1].tolist() == [3] * 6


def test_nothing_that_is_held_out_is_in_the_bank(data, bank):
    assert len(bank.parameters) == 12
    assert torch.equal(bank.parameters, data.parameters[~data.held_out])
    assert not set(bank.run.tolist()) & set(data.run[data.held_out].tolist())
    assert len(bank.demonstration_task) == int((~data.demonstrations_held_out).sum())
    assert len(bank.demonstration_task) < len(data.demonstrations.task)


def test_its_conditions_are_what_the_generator_makes_of_the_prompts(
    bank, generator, rollouts, demonstrations
):
    assert torch.allclose(bank.conditions, generator.embed(rollouts), atol=1e-4)
    assert torch.allclose(bank.demonstration_conditions, generator.embed(demonstrations), atol=1e-4)


@pytest.fixture(scope="module")
def reader(data):
    torch.manual_seed(0)
    return MakeAnAgent(replace(tiny_generator.READER, spec=data.spec))


def test_a_reader_reads_the_whole_of_what_was_kept(
    tiny_zoo, data, reader, rollouts, demonstrations, monkeypatch
):
    everyone = property(lambda shard: np.ones(len(shard.run), bool))
    monkeypatch.setattr(ZooShard, "qualified", everyone)
    kept = load_training_data(
        tiny_zoo, data.tasks, PromptWindow(), held_out_runs=1, keep_trajectories=True
    )
    bank = make_bank(kept, reader)
    assert torch.allclose(bank.conditions, reader.embed(rollouts), atol=1e-4)
    assert torch.allclose(bank.demonstration_conditions, reader.embed(demonstrations), atol=1e-4)
    assert torch.allclose(bank.latents, reader.autoencoder.encode(bank.parameters), atol=1e-4)
    sources = Sources(generator=reader, bank=bank, strangers=rollouts)
    config = MethodConfig(regression=RegressionConfig(num_steps=2))
    for name in ("retrieval", "gaussian", "regression"):
        policies = find_method(name).build(sources, config).generate(demonstrations[:2])
        assert policies.parameters.shape == (2, reader.config.spec.num_parameters), name
        assert policies.parameters.isfinite().all(), name


def test_windows_are_not_enough_for_a_reader(data, reader):
    with pytest.raises(InputError, match="reads whole demonstrations, .* keep_trajectories=True"):
        make_bank(data, reader)


def test_demonstrations_are_sorted_by_task_with_their_conditions(data, bank, generator):
    order = torch.arange(len(data.demonstrations.task)).flip(0)
    flipped = replace(
        data,
        demonstrations=replace(
            data.demonstrations,
            **{
                name: getattr(data.demonstrations, name)[order]
                for name in ("behavior", "outcome", "task", "states")
            },
        ),
        demonstrations_held_out=data.demonstrations_held_out[order],
    )
    again = make_bank(flipped, generator)
    assert torch.equal(again.demonstration_task, bank.demonstration_task)
    for task in range(2):
        mine = bank.demonstration_task == task
        assert torch.allclose(
            again.demonstration_conditions[mine].flip(0),
            bank.demonstration_conditions[mine],
            atol=1e-5,
        )


def test_the_nearest_prompt_of_either_kind_names_the_task(bank):
    far = 100 * torch.eye(bank.conditions.shape[1])
    corners = replace(
        bank,
        conditions=far[[0] * 6 + [1] * 6],
        demonstration_conditions=far[[2, 3]],
        demonstration_task=torch.tensor([0, 1]),
    )
    asked = far[[3, 0, 2, 1]] + 0.1
    assert corners.find_tasks(asked).tolist() == [1, 0, 0, 1]


def test_data_of_another_generator_are_refused(data, generator):
    with pytest.raises(InputError, match="policy parameters: shape"):
        make_bank(replace(data, parameters=data.parameters[:, 1:]), generator)
    narrow = replace(data.rollouts, behavior=data.rollouts.behavior[:, :, 1:])
    with pytest.raises(InputError, match="bank: prompts are .* wide; this generator reads"):
        make_bank(replace(data, rollouts=narrow), generator)
    with pytest.raises(InputError, match="all policies are held out"):
        make_bank(replace(data, held_out=torch.ones_like(data.held_out)), generator)
