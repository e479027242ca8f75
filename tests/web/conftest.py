"""A page served for real, with an untrained generator of a quick task."""

import json
import threading
import urllib.error
import urllib.request
from types import SimpleNamespace

import pytest
from tests import tiny_generator
from tests.tiny_generator import ENV

from makeanagent.rollouts.episodes import record_episode
from makeanagent.suites import find_task


@pytest.fixture(scope="session")
def demonstration():
    suite, task = find_task(ENV)
    return record_episode(suite.make(task), suite.expert(task), 20_000, env_id=ENV, source="expert")


@pytest.fixture(scope="session")
def npz(demonstration, tmp_path_factory):
    path = tmp_path_factory.mktemp("npz") / "mine.npz"
    demonstration.save(path)
    return path


@pytest.fixture(scope="session")
def generator(tmp_path_factory):
    return str(tiny_generator.save_reader(tmp_path_factory.mktemp("generator") / "untrained"))


class Browser:
    """What a browser does, without one."""

    def __init__(self, address):
        self.address = address

    def ask(self, method, path, content=None, headers=()):
        """Status and body of an answer."""
        body = content if isinstance(content, bytes | None) else json.dumps(content).encode()
        request = urllib.request.Request(
            f"{self.address}/{path}", data=body, method=method, headers=dict(headers)
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def enter(self):
        """Open the page; gives what was offered."""
        status, body = self.ask("POST", "sessions")
        assert status == 200
        offered = json.loads(body)
        self.session = offered["session"]
        return offered

    def own(self, method, path, content=None):
        status, body = self.ask(method, f"sessions/{self.session}/{path}", content)
        return status, json.loads(body) if body.startswith(b"{") else body

    def upload(self, path, name=None):
        return self.own("PUT", f"upload?name={name or path.name}", path.read_bytes())

    def try_out(self, **trial):
        """The lines that come while policies are made."""
        _, body = self.ask("POST", f"sessions/{self.session}/trial", {"task": "Reacher-v5"} | trial)
        return [json.loads(line) for line in body.splitlines()]


def run_server(config):
    """Serve until the fixture that calls this ends."""
    from makeanagent.web.server import build_server, listen
    from makeanagent.web.studio import Studio

    place = listen("127.0.0.1", 0)
    studio = Studio(config)
    server = build_server(studio, "127.0.0.1")
    thread = threading.Thread(target=server.run, kwargs={"sockets": [place]})
    thread.start()
    address = f"http://127.0.0.1:{place.getsockname()[1]}"
    yield SimpleNamespace(address=address, studio=studio, root=studio.sessions._root)
    server.should_exit = True
    thread.join()
    place.close()


@pytest.fixture(scope="module")
def served(generator):
    pytest.importorskip("starlette", reason="the extra `web` is not installed")
    pytest.importorskip("uvicorn", reason="the extra `web` is not installed")
    from makeanagent.web.studio import StudioConfig

    yield from run_server(StudioConfig(generators=(generator,), max_upload=1, num_workers=1))


@pytest.fixture
def browser(served):
    browser = Browser(served.address)
    browser.offered = browser.enter()
    yield browser
    browser.own("POST", "end")
