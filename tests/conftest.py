"""What several tests share."""

import pytest


@pytest.fixture(scope="session")
def tiny_zoo(tmp_path_factory):
    """A built zoo of two tasks with one population each; tests must not alter it."""
    from tests import tiny_zoo

    return tiny_zoo.build(tmp_path_factory.mktemp("tiny") / "zoo", tasks=tiny_zoo.TASKS)
