"""A quick task, a demonstration of it, and an untrained generator for it."""

import pytest
from tests import tiny_generator
from tests.tiny_generator import ENV

from makeanagent.cli import main


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
    return tiny_generator.save(tmp_path_factory.mktemp("generator") / "untrained")


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
