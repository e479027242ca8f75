"""Untrained generators of tiny networks, for the tasks of examples/reacher_suite.py."""

from pathlib import Path

from makeanagent.generator import MakeAnAgent
from makeanagent.generator_config import GeneratorConfig
from makeanagent.models.autoencoder import AutoencoderConfig
from makeanagent.models.basis import BasisConfig
from makeanagent.models.behavior import BehaviorConfig
from makeanagent.models.denoisers import DenoiserConfig
from makeanagent.models.diffusion import DiffusionConfig
from makeanagent.models.reader import ReaderConfig
from makeanagent.policies import PolicySpec

SUITE = f"{Path(__file__).parents[1]}/examples/reacher_suite.py"
ENV = f"{SUITE}/Reacher-v5"
READER = GeneratorConfig(
    spec=PolicySpec(observation_dim=10, action_dim=2, hidden=(8, 8)),
    autoencoder=BasisConfig(ranks=(4, 4)),
    behavior=ReaderConfig(num_knots=8, width=8, num_layers=1, num_heads=2, num_queries=2),
    denoiser=DenoiserConfig(kind="trunk", widths=(8,), time_dim=8),
    diffusion=DiffusionConfig(sample_steps=1),
    suite=SUITE,
)
"""One that reads whole demonstrations."""


def save_reader(folder):
    MakeAnAgent(READER).save_pretrained(folder)
    return folder


def save(folder):
    config = GeneratorConfig(
        spec=PolicySpec(observation_dim=10, action_dim=2, hidden=(8, 8)),
        autoencoder=AutoencoderConfig(latent_dim=4),
        behavior=BehaviorConfig(hidden_dim=8, embedding_dim=4),
        denoiser=DenoiserConfig(widths=(8,), time_dim=8),
        suite=SUITE,
    )
    MakeAnAgent(config).save_pretrained(folder)
    return folder
