"""A bank of the tiny zoo's policies, and an untrained generator whose autoencoder is exact."""

import numpy as np
import pytest
import torch

from makeanagent.generator import MakeAnAgent
from makeanagent.generator_config import GeneratorConfig
from makeanagent.methods.bank import PolicyBank, make_bank
from makeanagent.models.autoencoder import AutoencoderConfig, fit_closed_form
from makeanagent.models.behavior import BehaviorConfig
from makeanagent.models.denoisers import DenoiserConfig
from makeanagent.training.data import TrainingData, load_training_data
from makeanagent.trajectories import PromptWindow, Trajectory
from makeanagent.zoo.store import Zoo, ZooShard


@pytest.fixture(scope="session")
def data(tiny_zoo: Zoo) -> TrainingData:
    """Two tasks of three runs of three checkpoints; the last run of each is held out."""
    with pytest.MonkeyPatch.context() as patch:
        # Its policies are no good, and there is no telling how many happen to pass.
        everyone = property(lambda shard: np.ones(len(shard.run), bool))
        patch.setattr(ZooShard, "qualified", everyone)
        return load_training_data(
            tiny_zoo, tuple(tiny_zoo.tasks()), PromptWindow(), held_out_runs=1
        )


@pytest.fixture(scope="session")
def rollouts(tiny_zoo: Zoo, data: TrainingData) -> list[Trajectory]:
    """The policies' own rollouts, in the order of the bank."""
    found = [
        rollout
        for task in tiny_zoo.tasks()
        for shard in tiny_zoo.load_task(task)
        for rollout in shard.rollouts
    ]
    return [found[row] for row in torch.nonzero(~data.held_out).flatten()]


@pytest.fixture(scope="session")
def demonstrations(tiny_zoo: Zoo, data: TrainingData) -> list[Trajectory]:
    """The experts' demonstrations, in the order of the bank."""
    found = [
        demonstration
        for task in tiny_zoo.tasks()
        for shard in tiny_zoo.load_task(task)
        for demonstration in shard.demonstrations
    ]
    return [found[row] for row in torch.nonzero(~data.demonstrations_held_out).flatten()]


@pytest.fixture(scope="session")
def generator(data: TrainingData) -> MakeAnAgent:
    config = GeneratorConfig(
        spec=data.spec,
        # As many dimensions as twelve training policies span: it reconstructs them exactly.
        autoencoder=AutoencoderConfig(latent_dim=11),
        behavior=BehaviorConfig(hidden_dim=32, embedding_dim=16),
        denoiser=DenoiserConfig(widths=(8,), time_dim=8),
    )
    torch.manual_seed(0)
    generator = MakeAnAgent(config)
    generator.embedding.fit_normalizers(data.rollouts.behavior, data.rollouts.outcome)
    fit_closed_form(
        generator.autoencoder,
        data.parameters[~data.held_out],
        {layer.name: torch.eye(layer.fan_in + 1) for layer in data.spec.layers},
        {layer.name: 1.0 for layer in data.spec.layers},
    )
    return generator


@pytest.fixture(scope="session")
def bank(data: TrainingData, generator: MakeAnAgent) -> PolicyBank:
    return make_bank(data, generator)
