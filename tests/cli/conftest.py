"""A quick task, a demonstration of it, and an untrained generator for it."""

from pathlib import Path

import pytest

from makeanagent.cli import main

SUITE = f"{Path(__file__).parents[2]}/examples/reacher_suite.py"
ENV = f"{SUITE}/Reacher-v5"


@pytest.fixture(scope="session")
def env():
    return ENV


@pytest.fixture(scope="session")
def demonstration(tmp_path_factory):
    path = tmp_path_factory.mktemp("demonstration") / "demo.npz"
    assert main(["record", "--env", ENV, "--out", str(path)]) == 0
    return path


@pytest.fixture(scope="session")
def generator(tmp_path_factory):
    from makeanagent.generator import MakeAnAgent
    from makeanagent.generator_config import GeneratorConfig
    from makeanagent.models.autoencoder import AutoencoderConfig
    from makeanagent.models.behavior import BehaviorConfig
    from makeanagent.models.denoisers import DenoiserConfig
    from makeanagent.policies import PolicySpec

    config = GeneratorConfig(
        spec=PolicySpec(observation_dim=10, action_dim=2, hidden=(8, 8)),
        autoencoder=AutoencoderConfig(latent_dim=4),
        behavior=BehaviorConfig(hidden_dim=8, embedding_dim=4),
        denoiser=DenoiserConfig(widths=(8,), time_dim=8),
        suite=SUITE,
    )
    folder = tmp_path_factory.mktemp("generator") / "untrained"
    MakeAnAgent(config).save_pretrained(folder)
    return folder


@pytest.fixture
def fails(capsys):
    """Run a command that must end in exit code 2 and one line about the mistake."""

    def run(match, *arguments):
        capsys.readouterr()
        assert main([str(argument) for argument in arguments]) == 2
        error = capsys.readouterr().err
        assert error.startswith("make-an-agent: error: ")
        assert error.count("\n") == 1, error
        assert match in error

    return run


@pytest.fixture
def run(capsys):
    """Run a command that must succeed, and return what it printed."""

    def run(*arguments):
        capsys.readouterr()
        assert main([str(argument) for argument in arguments]) == 0
        return capsys.readouterr().out

    return run
