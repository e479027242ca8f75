"""`web`: what keeps the page from being served is one line."""

import socket
import sys

import pytest


@pytest.mark.parametrize("library", ["starlette", "uvicorn"])
def test_a_missing_extra_says_how_to_install_it(fails, monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    fails("web: needs its libraries: pip install 'makeanagent[web]'", "web")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (("--max-upload", "0"), "--max-upload 0: must be 1 or more"),
        (("--max-seconds", "0"), "--max-seconds 0: must be 1 or more"),
        (("--workers", "0"), "--workers 0: must be 1 or more"),
        (("--port", "-1"), "port -1: must be 0 to 65535"),
        (("--port", "0", "--generators", "nothing"), "nothing: no such generator"),
        (("--port", "0", "--generators"), "generators: none is offered; name one or more"),
    ],
)
def test_bad_options(fails, options, match):
    pytest.importorskip("uvicorn", reason="the extra `web` is not installed")
    fails(match, "web", *options)


def test_a_port_that_is_taken(fails):
    pytest.importorskip("uvicorn", reason="the extra `web` is not installed")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        fails(
            f"127.0.0.1, port {port}: Address already in use; give another", "web", "--port", port
        )
