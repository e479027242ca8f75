"""The parts of a generator that come in two forms, untrained, by its config."""

from makeanagent.generator_config import GeneratorConfig
from makeanagent.models.autoencoder import ParameterAutoencoder
from makeanagent.models.basis import BasisConfig, PolicyBasis
from makeanagent.models.behavior import BehaviorEmbedding
from makeanagent.models.reader import DemonstrationReader, ReaderConfig


def build_autoencoder(config: GeneratorConfig) -> ParameterAutoencoder | PolicyBasis:
    """Untrained, of the form that the config names."""
    assert config.space is not None
    if isinstance(config.autoencoder, BasisConfig):
        return PolicyBasis(config.spec, config.space, config.autoencoder)
    return ParameterAutoencoder(config.spec, config.autoencoder)


def build_embedding(config: GeneratorConfig) -> BehaviorEmbedding | DemonstrationReader:
    """Untrained, of the form that the config names."""
    assert config.space is not None
    if isinstance(config.behavior, ReaderConfig):
        return DemonstrationReader(config.space, config.behavior)
    spec, window = config.spec, config.window
    return BehaviorEmbedding(
        window.behavior_dim(spec.observation_dim, spec.action_dim),
        window.outcome_dim(spec.observation_dim),
        config.behavior,
    )
