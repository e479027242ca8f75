"""Visitors of the page: what each has brought and got, and where it lies until they go."""

import secrets
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from makeanagent.errors import InputError
from makeanagent.policies.batch import PolicyBatch
from makeanagent.trajectories.trajectory import Trajectory

_MOST_SESSIONS = 20
_IDLE_SECONDS = 30 * 60
"""After so long without a word a visitor is gone."""


@dataclass(kw_only=True)
class Session:
    """One open page."""

    folder: Path
    "Of its upload; it is there once something was uploaded."
    upload: Path | None = None
    demonstration: Trajectory | None = None
    "What was read last, with actions in [-1, 1]."
    generator: str = ""
    "Which one it was read for."
    policies: PolicyBatch | None = None
    about: dict[str, Any] = field(default_factory=dict)
    "What `policies.json` is to say of them."
    is_busy: bool = False
    "Whether policies are being made."
    seen: float = field(default_factory=monotonic)

    def begin_upload(self, name: str) -> Path:
        """Make room for a file in place of the last one, and return its path."""
        self.forget_upload()
        self.folder.mkdir()
        return self.folder / name

    def forget_upload(self) -> None:
        """Delete it, and what was unpacked of it."""
        self.upload = None
        shutil.rmtree(self.folder, ignore_errors=True)


class Sessions:
    """All open pages; what they leave lies in one folder, which goes with `close`."""

    def __init__(self) -> None:
        self._root = Path(tempfile.mkdtemp(prefix="make-an-agent-web-"))
        self._open: dict[str, Session] = {}

    def open(self) -> str:
        """Let a visitor in, and return the name by which the page asks for what is its own.

        Raises:
            InputError: too many are there.
        """
        if len(self._open) >= _MOST_SESSIONS:
            raise InputError(
                f"{_MOST_SESSIONS} pages are open, which is the most; close one, or try again later"
            )
        name = secrets.token_urlsafe(24)
        self._open[name] = Session(folder=self._root / name)
        return name

    def find(self, name: str) -> Session | None:
        """A visitor's session, unless it has ended."""
        session = self._open.get(name)
        if session is not None:
            session.seen = monotonic()
        return session

    def end(self, name: str) -> None:
        """Forget a visitor, and delete what they brought."""
        session = self._open.pop(name, None)
        if session is not None:
            session.forget_upload()

    def end_idle(self) -> None:
        """Forget those who have gone without a word."""
        for name, session in list(self._open.items()):
            if monotonic() - session.seen > _IDLE_SECONDS and not session.is_busy:
                self.end(name)

    def scratch(self) -> tempfile.TemporaryDirectory:
        """A folder for a moment."""
        return tempfile.TemporaryDirectory(dir=self._root)

    def close(self) -> None:
        """Delete everything."""
        self._open.clear()
        shutil.rmtree(self._root, ignore_errors=True)
