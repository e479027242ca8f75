"""The page's server, asked as a browser asks it: what is told, refused, kept apart and deleted."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import zipfile

import numpy as np
import pytest
from tests.tiny_generator import ENV
from tests.web.conftest import Browser

from makeanagent.artifacts import read_tensors
from makeanagent.errors import InputError
from makeanagent.generator import MakeAnAgent
from makeanagent.rollouts import scenes
from makeanagent.suites import find_task

pytest.importorskip("starlette", reason="the extra `web` is not installed")


@pytest.fixture(autouse=True)
def no_films(monkeypatch):
    """Pictures of the scene take seconds, and need what not every machine has."""

    def refuse(*_):
        raise InputError("no film: not in tests")

    monkeypatch.setattr(scenes, "film_episodes", refuse)


def read(browser, **asked):
    return browser.own(
        "POST", "read", {"generator": browser.offered["generators"][0]["name"], **asked}
    )


def test_what_is_offered(browser):
    (offered,) = browser.offered["generators"]
    assert offered["tasks"] == ["Reacher-v5", "Reacher-mirrored"]
    assert offered["demonstrations"] == []
    assert (browser.offered["max_upload"], browser.offered["max_policies"]) == (1, 20)


def test_from_an_upload_to_policies(browser, npz, demonstration, generator, tmp_path):
    assert browser.upload(npz) == (200, {"name": "mine.npz"})
    status, shown = read(browser)
    assert status == 200, shown
    assert (shown["label"], shown["steps"], shown["env_id"]) == (
        "mine.npz",
        len(demonstration),
        ENV,
    )
    assert (shown["task"], shown["succeeds"], shown["notes"]) == ("Reacher-v5", True, [])
    assert shown["outcome"] == f"success at step {demonstration.first_success}"
    assert shown["paths"].startswith("<svg")

    lines = browser.try_out(num_policies=3, seed=5)
    assert lines[-1] == {"finished": True}
    steps = [line for line in lines if line.get("stage") == "play"]
    assert (steps[0]["done"], steps[-1]["done"], steps[-1]["total"]) == (0, 33, 33)
    (success,) = [line["success"] for line in lines if "success" in line]
    assert success["layouts"] == 10
    assert success["num_rollouts"] == 30
    assert success["mean"] == pytest.approx(sum(success["solved"]) / 30)
    assert any(line.get("paths", "").startswith("<svg") for line in lines)
    (film,) = [line for line in lines if "scenes" in line]
    assert film == {"scenes": [], "missing": "no film: not in tests"}

    status, content = browser.own("GET", "policies/safetensors")
    assert status == 200
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(tmp_path)
    parameters = read_tensors(tmp_path / "policies" / "policies.safetensors")["parameters"]
    expected = MakeAnAgent.from_pretrained(generator).generate(demonstration, 3, 5)
    np.testing.assert_array_equal(parameters, expected.parameters.numpy())
    metadata = json.loads((tmp_path / "policies" / "policies.json").read_text())["metadata"]
    assert (metadata["prompt"], metadata["seed"], metadata["generator"]) == (
        "mine.npz",
        5,
        generator,
    )
    assert metadata["success"] == [count / 10 for count in success["solved"]]

    pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
    _, content = browser.own("GET", "policies/onnx")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
    assert names == [f"policies-onnx/policy-00{number}.onnx" for number in range(3)]


def test_success_is_that_of_the_policies_on_new_layouts(browser, npz, demonstration, generator):
    from makeanagent.parallel import open_pool
    from makeanagent.rollouts.scores import score_policies

    browser.upload(npz)
    read(browser)
    lines = browser.try_out(num_policies=2, task="Reacher-mirrored")
    policies = MakeAnAgent.from_pretrained(generator).generate(demonstration, 2, 0)
    suite, task = find_task(ENV.replace("Reacher-v5", "Reacher-mirrored"))
    with open_pool(1) as pool:
        scores = score_policies(pool, suite, task, policies, range(50_250, 50_260))
    (success,) = [line["success"] for line in lines if "success" in line]
    assert success["solved"] == scores.success.sum(axis=1).tolist()


@pytest.mark.parametrize(
    ("content", "name", "match"),
    [
        (b"no zip", "mine.npz", "mine.npz: not readable as a zip file"),
        (b"", "mine.npz", "mine.npz: not readable as a zip file"),
        (b"no HDF5", "mine.hdf5", "mine.hdf5: not readable as a robomimic file"),
        (b"x", "mine.pkl", "mine.pkl: must be an .npz file"),
        (bytes(1_000_001), "mine.npz", "mine.npz: larger than 1 MB"),
    ],
)
def test_a_bad_upload_is_one_line(browser, tmp_path, content, name, match):
    path = tmp_path / "file"
    path.write_bytes(content)
    status, answer = browser.upload(path, name)
    if status == 200:
        status, answer = read(browser)
    assert status == 400
    assert answer["error"].startswith(match)
    assert "\n" not in answer["error"]


def test_a_demonstration_of_other_widths_is_one_line(browser, demonstration, tmp_path):
    from dataclasses import replace

    wide = np.concatenate([demonstration.observations] * 2, axis=1)
    replace(demonstration, observations=wide).save(tmp_path / "wide.npz")
    browser.upload(tmp_path / "wide.npz")
    assert read(browser) == (
        400, {"error": "wide.npz: 'observations' are 20 wide; accepted are 10"},
    )  # fmt: skip


def test_an_uploaded_task_id_imports_nothing(browser, demonstration, tmp_path, monkeypatch):
    from dataclasses import replace

    evil = tmp_path / "evil.py"
    evil.write_text("raise SystemExit('imported')")
    replace(demonstration, env_id=f"{evil}/task").save(tmp_path / "mine.npz")
    browser.upload(tmp_path / "mine.npz")
    status, shown = read(browser)
    assert (status, shown["task"], shown["paths"]) == (200, None, None)
    # Named by the visitor, it is drawn.
    assert read(browser, task="Reacher-v5")[1]["paths"].startswith("<svg")
    (line,) = browser.try_out(task=f"{evil}/task")
    assert line["error"].endswith("/examples/reacher_suite.py's")
    assert "evil" not in sys.modules


@pytest.mark.parametrize(
    ("trial", "match"),
    [
        ({"num_policies": 21}, "num_policies 21: must be at most 20"),
        ({"num_policies": 0}, "num_policies 0: must be at least 1"),
        ({"num_policies": "many"}, "num_policies 'many': must be a whole number"),
        ({"seed": -1}, "seed -1: must be at least 0"),
        ({"guidance": 1}, "guidance 1: must be true or false"),
        ({"task": None}, "task None: must be a text"),
        ({"more": 1}, "request: 'more' is none of task, num_policies, seed, guidance"),
    ],
)
def test_requests_beyond_the_pages_own_are_refused(browser, trial, match):
    (answer,) = browser.try_out(**trial)
    assert answer["error"] == match


def test_nothing_is_made_before_something_was_read(browser):
    (line,) = browser.try_out()
    assert line == {"error": "choose a demonstration first"}
    assert read(browser) == (400, {"error": "nothing was uploaded yet"})
    assert browser.own("GET", "policies/onnx") == (400, {"error": "no policies were made yet"})
    assert read(browser, bundled="../prompts/reach-v3")[1]["error"].endswith(
        "no such bundled demonstration"
    )


def test_two_visitors_at_once_get_each_their_own(served, npz, demonstration, generator):
    answers = {}

    def visit(seed):
        browser = Browser(served.address)
        browser.offered = browser.enter()
        browser.upload(npz, f"mine-{seed}.npz")
        read(browser)
        lines = browser.try_out(num_policies=2, seed=seed)
        _, content = browser.own("GET", "policies/safetensors")
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            metadata = json.loads(archive.read("policies/policies.json"))["metadata"]
        answers[seed] = lines[-1], metadata["seed"], metadata["prompt"]

    threads = [threading.Thread(target=visit, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {seed: ({"finished": True}, seed, f"mine-{seed}.npz") for seed in (1, 2)}


def test_time_is_limited_and_what_was_made_before_stays(browser, npz, served, monkeypatch):
    from dataclasses import replace

    browser.upload(npz)
    read(browser)
    browser.try_out(num_policies=1)
    monkeypatch.setattr(served.studio, "config", replace(served.studio.config, max_seconds=1))
    monkeypatch.setattr("makeanagent.web.studio.monotonic", iter(range(0, 10**6, 10)).__next__)
    assert browser.try_out(num_policies=2)[-1] == {
        "error": "not played within 1 s; ask for fewer policies"
    }
    assert browser.own("GET", "policies/safetensors")[0] == 200


def test_whoever_leaves_leaves_nothing(served, npz):
    browser = Browser(served.address)
    browser.enter()
    browser.upload(npz)
    folder = served.root / browser.session
    assert [path.name for path in folder.iterdir()] == ["mine.npz"]
    browser.upload(npz, "other.npz")
    assert [path.name for path in folder.iterdir()] == ["other.npz"]
    assert browser.own("POST", "end")[0] == 204
    assert not folder.exists()
    status, answer = browser.upload(npz)
    assert (status, answer["error"]) == (
        410,
        "this page was left alone for too long; load it again",
    )


def test_whoever_is_idle_is_forgotten_and_a_crowd_is_refused(served, npz, monkeypatch):
    browser = Browser(served.address)
    browser.enter()
    browser.upload(npz)
    there = len(served.studio.sessions._open)
    names = [served.studio.sessions.open() for _ in range(20 - there)]
    status, body = browser.ask("POST", "sessions")
    assert (status, json.loads(body)["error"][:17]) == (400, "20 pages are open")
    now = time.monotonic()
    monkeypatch.setattr("makeanagent.web.sessions.monotonic", lambda: now + 31 * 60)
    served.studio.sessions.end_idle()
    assert served.studio.sessions._open == {}
    assert names
    assert list(served.root.iterdir()) == []


def test_pages_from_elsewhere_are_refused(browser):
    assert browser.ask("POST", "sessions", headers={"Host": "evil.example"})[0] == 400
    assert browser.ask("GET", "", headers={"Host": "localhost:1"})[0] == 200


def test_the_page_asks_nobody_else(browser):
    for name in ("", "page.js", "page.css"):
        status, body = browser.ask("GET", name)
        assert status == 200
        assert b"//" not in body.replace(b"// ", b"").replace(b"://www.w3.org/", b"")
    assert browser.ask("GET", "../app.py")[0] == 404


@pytest.mark.parametrize(
    "ending", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_a_stopped_server_leaves_nothing(ending, generator, npz, tmp_path):
    process = subprocess.Popen(
        [
            sys.executable, "-m", "makeanagent.cli", "web", "--port", "0",
            "--generators", generator, "--workers", "1",
        ],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        # As in a terminal; a shell's background jobs do not see Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    try:
        assert process.stdout.readline() == "loading ...\n"
        address, _, _ = process.stdout.readline().partition(": open it in a browser")
        assert urllib.parse.urlsplit(address).hostname == "127.0.0.1"
        browser = Browser(address)
        browser.enter()
        browser.upload(npz)
        assert list(tmp_path.rglob("mine.npz"))
        process.send_signal(ending)
        out, error = process.communicate(timeout=30)
    finally:
        process.kill()
    assert list(tmp_path.iterdir()) == []
    if ending == signal.SIGINT:
        assert (process.returncode, out, error) == (0, "stopped; nothing of visitors is left\n", "")


def test_a_port_that_is_taken_is_one_line():
    from makeanagent.web.server import listen

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port}: Address already in use; give another"):
            listen("127.0.0.1", port)
    with pytest.raises(InputError, match="port 65536: must be 0 to 65535"):
        listen("127.0.0.1", 65536)
    with pytest.raises(InputError, match="not:here, port 0: .*; give another --port or --host"):
        listen("not:here", 0)
