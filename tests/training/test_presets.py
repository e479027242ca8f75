"""The presets: the paper's as its tables have it, and every field explained."""

import ast
import importlib
import json
from dataclasses import asdict, fields, is_dataclass, replace
from pathlib import Path

import pytest
import torch
from tests.training.tiny_data import AUTOENCODER, BEHAVIOR, DIFFUSION, make_data
from tests.training.tracing import train

from makeanagent.artifacts import as_json
from makeanagent.models.autoencoder import ParameterAutoencoder
from makeanagent.models.behavior import BehaviorEmbedding
from makeanagent.policies.spec import PolicySpec
from makeanagent.training.autoencoder import train_autoencoder
from makeanagent.training.behavior import train_behavior
from makeanagent.training.diffusion import train_diffusion
from makeanagent.training.presets import FAST, PAPER, SMOKE, TrainingConfig, shorten
from makeanagent.trajectories import PromptWindow

GOLDEN = Path(__file__).with_name("paper.json")
"""`json.dumps(asdict(PAPER), indent=2)`, to be written anew only where the paper was misread."""
META_WORLD = PolicySpec(observation_dim=39, action_dim=4)


def test_the_papers_preset_is_as_it_was():
    assert json.loads(GOLDEN.read_text()) == as_json(asdict(PAPER))


def test_table_1_autoencoder():
    config, model = PAPER.autoencoder, PAPER.autoencoder.model
    with torch.device("meta"):
        network = ParameterAutoencoder(META_WORLD, model)
    assert META_WORLD.num_parameters == 22664, "input dim"
    assert model.latent_dim == 1024, "hidden size"
    assert network.latent_shape == (2, 1024), "output dim"
    assert all(isinstance(part, torch.nn.Linear) for part in network.encoders), "encoder depth 1"
    assert all(isinstance(part, torch.nn.Linear) for part in network.decoders), "decoder depth 1"
    assert model.input_noise == 0.0001, "input noise factor"
    assert model.latent_noise == 0.001, "output noise factor"
    assert config.batch_size == 32, "batch size"
    assert config.learning_rate == 1e-3, "learning rate"
    assert config.weight_decay == 5e-3, "weight decay"
    assert config.num_epochs == 3000, "training epoch"
    assert config.restart_epochs is not None, "CosineAnnealingWarmRestarts"
    # Equation 5 has the weight error alone, and gradient descent from random maps.
    assert config.action_weight == 0.0
    assert not config.closed_form


def test_table_2_behavior_embedding():
    config, model, window = PAPER.behavior, PAPER.behavior.model, PAPER.window
    trajectory_dim, success_state_dim = window.behavior_dim(39, 4), window.outcome_dim(39)
    assert trajectory_dim == 1020, "trajectory dim"
    assert success_state_dim == 117, "success state dim"
    assert model.hidden_dim == 1024, "hidden size"
    assert model.embedding_dim == 128, "output dim"
    network = BehaviorEmbedding(trajectory_dim, success_state_dim, model)
    for part, width in ((network.behavior_network, 1020), (network.outcome_network, 117)):
        layers = [layer for layer in part if isinstance(layer, torch.nn.Linear)]
        assert [layer.in_features for layer in layers] == [width, 1024, 1024], "three layers"
        assert layers[-1].out_features == 128
    assert config.batch_size == 16, "batch size"
    assert config.learning_rate == 1e-4, "learning rate"
    assert config.weight_decay == 1e-4, "weight decay"
    assert config.num_epochs == 300, "training epoch"
    assert config.restart_epochs is not None, "CosineAnnealingWarmRestarts"
    assert model.input_noise == 0.0


def test_table_3_diffusion_model():
    config, model, diffusion = PAPER.diffusion, PAPER.diffusion.model, PAPER.diffusion.diffusion
    width = len(config.condition) * PAPER.behavior.model.embedding_dim
    assert width == 256, "behavior embedding shape"
    assert PAPER.autoencoder.model.latent_dim == 1024, "parameter shape"
    assert diffusion.sample_steps == 10, "num inference steps"
    assert model.time_dim == 128, "embedding dim in diffusion steps"
    assert model.kernel_size == 3, "kernel size"
    assert model.kind == "unet"
    assert config.batch_size == 128, "batch size"
    assert config.learning_rate == 2.0e-4, "learning rate"
    assert config.betas == (0.95, 0.999), "beta"
    assert config.weight_decay == 5.0e-4, "weight decay"
    assert config.num_epochs == 1000, "training epoch"
    assert config.warmup_steps == 500, "lr warmup steps"
    # What the paper does not have is off.
    assert (config.demonstration_share, config.condition_noise, config.action_weight) == (0, 0, 0)
    assert config.patience >= 1000


def test_all_optimizers_are_adamw_with_the_papers_epsilon():
    data = make_data()
    autoencoder, behavior = (
        train(recipe, data, replace(config, gradient_steps=1))
        for recipe, config in ((train_autoencoder, AUTOENCODER), (train_behavior, BEHAVIOR))
    )
    diffusion = train(train_diffusion, data, autoencoder.model, behavior.model, DIFFUSION)
    assert {trace.optimizer for trace in (autoencoder, behavior, diffusion)} == {"AdamW"}
    assert diffusion.settings["eps"] == 1.0e-8, "eps of table 3"


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_a_share_of_a_training_keeps_its_proportions(share):
    short = shorten(PAPER, share)
    assert short.autoencoder.num_epochs == 3000 * share
    assert short.autoencoder.restart_epochs == 300 * share
    assert (short.behavior.num_epochs, short.behavior.restart_epochs) == (300 * share, 30 * share)
    assert short.diffusion.num_epochs == 1000 * share
    assert short.diffusion.warmup_steps == 500 * share
    assert shorten(PAPER, 1.0) == PAPER
    assert shorten(FAST, share).diffusion.gradient_steps == FAST.diffusion.gradient_steps * share
    assert shorten(SMOKE, share).behavior.gradient_steps == 200 * share
    # All else stays.
    assert short.diffusion.learning_rate == PAPER.diffusion.learning_rate


def find_docs(kind: type) -> dict[str, str]:
    """The string below each field of a dataclass, which is its help."""
    module = importlib.import_module(kind.__module__)
    tree = ast.parse(Path(module.__file__).read_text())
    (body,) = (
        node.body
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.name == kind.__name__
    )
    return {
        node.target.id: ast.literal_eval(text.value)
        for node, text in zip(body, body[1:], strict=False)
        if isinstance(node, ast.AnnAssign)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
    }


def list_configs(config: object) -> list[type]:
    """The class of a config, and of all configs within it."""
    parts = [getattr(config, field.name) for field in fields(config)]
    inner = [kind for part in parts if is_dataclass(part) for kind in list_configs(part)]
    return [type(config), *inner]


# Those of other rooms are explained where they are.
EXPLAINED = [kind for kind in list_configs(TrainingConfig()) if kind is not PromptWindow]


@pytest.mark.parametrize("kind", EXPLAINED, ids=lambda kind: kind.__name__)
def test_every_field_has_its_help(kind):
    docs = find_docs(kind)
    for field in fields(kind):
        words = docs.get(field.name, "")
        assert words.endswith("."), f"{kind.__name__}.{field.name}: {words!r}"
        assert words[0].isupper()
        assert len(words.split()) >= 3
