"""For all tests of trajectories."""

import socket

import pytest


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a local dataset needs no network")

    monkeypatch.setattr(socket, "socket", refuse)
