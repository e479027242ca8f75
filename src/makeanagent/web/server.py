"""The server of the page: its place on the network, and its end."""

import socket
from collections.abc import Callable
from contextlib import closing
from typing import Any

import uvicorn

from makeanagent.artifacts import describe_error
from makeanagent.errors import InputError
from makeanagent.web.app import build_app
from makeanagent.web.studio import Studio, StudioConfig

_LOCAL = ("127.0.0.1", "localhost")
_GRACE_SECONDS = 2
"""For answers that are on their way when the server is stopped."""


def listen(host: str, port: int) -> socket.socket:
    """Take a place on the network; port 0 stands for any that is free.

    Raises:
        InputError: it is taken, or there is no such place.
    """
    if not 0 <= port < 2**16:
        raise InputError(f"port {port}: must be 0 to 65535")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason, _, _ = describe_error(error).partition(" (while attempting")
        raise InputError(f"{host}, port {port}: {reason}; give another --port or --host") from None


def build_server(studio: Studio, host: str) -> uvicorn.Server:
    """What serves the page, to be run on a socket of `listen`; it closes the studio at its end."""
    # A browser that asks a local server by another name was sent by a page from elsewhere.
    allowed_hosts = [*_LOCAL] if host in _LOCAL else ["*"]
    app = build_app(studio, allowed_hosts)
    return uvicorn.Server(
        uvicorn.Config(
            app, log_level="warning", timeout_graceful_shutdown=_GRACE_SECONDS, lifespan="on"
        )
    )


def serve(config: StudioConfig, host: str, port: int, on_ready: Callable[[str], Any]) -> None:
    """Serve the page until Ctrl-C; nothing that visitors brought is left then.

    Args:
        config: what is offered and allowed.
        host: where to listen.
        port: where to listen.
        on_ready: called with the page's address.

    Raises:
        InputError: the port is taken, or there is no such generator.
    """
    # Closed here too, should the server never start.
    with closing(listen(host, port)) as place, closing(Studio(config)) as studio:
        server = build_server(studio, host)
        shown = f"[{host}]" if ":" in host else host
        on_ready(f"http://{shown}:{place.getsockname()[1]}")
        server.run(sockets=[place])
