"""Weights as float16: exactly what it holds, and policies that act as before."""

import copy

import numpy as np
import pytest
import torch
from tests.golden.policies import PROMPTS, load_prompt

from makeanagent.generator import MakeAnAgent
from makeanagent.generator_config import GeneratorConfig
from makeanagent.hub import PRETRAINED
from makeanagent.models.autoencoder import AutoencoderConfig
from makeanagent.models.behavior import BehaviorConfig
from makeanagent.models.denoisers import DenoiserConfig
from makeanagent.policies import PolicySpec
from makeanagent.training.rounding import round_matrix, round_weights


def is_half(tensor):
    return torch.equal(tensor.half().float(), tensor)


def test_columns_make_up_for_each_others_errors():
    """Inputs of few dimensions leave the errors others to hide in."""
    source = torch.Generator().manual_seed(0)
    weight = torch.randn((200, 40), generator=source)
    inputs = torch.randn((500, 8), generator=source) @ torch.randn((8, 40), generator=source)
    moment = inputs.T @ inputs / len(inputs)
    rounded = round_matrix(weight, moment)
    assert is_half(rounded)
    assert (rounded - weight).abs().max() < 0.05

    def error(other):
        return (inputs @ (other - weight).T).square().mean().sqrt()

    assert error(rounded) < 0.3 * error(weight.half().float())


def test_inputs_that_are_all_alike_are_no_obstacle():
    rounded = round_matrix(torch.rand(5, 4), torch.zeros(4, 4) + 1.0)
    assert is_half(rounded)
    assert rounded.isfinite().all()


@pytest.fixture(scope="module")
def generator():
    """Of Meta-World's widths; its weights are drawn at random."""
    torch.manual_seed(0)
    generator = MakeAnAgent(
        GeneratorConfig(
            spec=PolicySpec(observation_dim=39, action_dim=4, hidden=(16, 16)),
            autoencoder=AutoencoderConfig(latent_dim=16),
            behavior=BehaviorConfig(hidden_dim=16, embedding_dim=8),
            denoiser=DenoiserConfig(widths=(32, 32), time_dim=16),
        )
    )
    for parameter in generator.denoiser.parameters():
        parameter.normal_(std=0.1)
    return generator


def test_a_generator_acts_as_before_and_is_smaller(generator, tmp_path):
    prompts = [load_prompt(task) for task in ("door-open-v3", "reach-v3", "window-open-v3")]
    rounded, nearest = copy.deepcopy(generator), copy.deepcopy(generator)
    round_weights(rounded, prompts)
    changed = {
        name
        for name, tensor in rounded.state_dict().items()
        if not torch.equal(tensor, generator.state_dict()[name])
    }
    assert {"autoencoder.decoders.0.weight", "denoiser.blocks.1.expand.weight"} < changed
    for name in changed:
        assert is_half(rounded.state_dict()[name]), name
        nearest.state_dict()[name].copy_(generator.state_dict()[name].half())
    # What stays as it is: the embedding, biases, and the denoiser's ends.
    assert all(name.endswith(".weight") for name in changed)
    assert not any(name.startswith("embedding") for name in changed)
    assert not {"denoiser.embed.weight", "denoiser.head.weight"} & changed

    states = torch.from_numpy(prompts[0].observations)
    before, after, other = (
        each.generate(prompts, 12, seed=5).act_all(states) for each in (generator, rounded, nearest)
    )
    assert (after - before).abs().max() < 1e-3
    assert (after - before).abs().mean() < 0.5 * (other - before).abs().mean()
    sizes = []
    for name, each in (("whole", generator), ("rounded", rounded)):
        each.save_pretrained(tmp_path / name)
        sizes.append((tmp_path / name / "model.safetensors").stat().st_size)
    assert sizes[1] < 0.8 * sizes[0]


@pytest.mark.parametrize("name", [folder.name for folder in sorted(PRETRAINED.iterdir())])
def test_bundled_generators_are_rounded_already(name):
    """Rounding what is rounded changes nothing."""
    bundled = MakeAnAgent.from_pretrained(name)
    before = {key: tensor.clone() for key, tensor in bundled.state_dict().items()}
    round_weights(bundled, [load_prompt(path.stem) for path in sorted(PROMPTS.glob("*.npz"))], 1)
    for key, tensor in bundled.state_dict().items():
        assert np.array_equal(tensor.numpy(), before[key].numpy()), key
