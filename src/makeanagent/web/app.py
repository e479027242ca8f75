"""The page's routes: what the browser asks for, and what it gets."""

import asyncio
import json
import threading
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from makeanagent.errors import InputError
from makeanagent.field_types import check_fields
from makeanagent.read_options import ReadOptions
from makeanagent.web.sessions import Session
from makeanagent.web.studio import Reading, Studio
from makeanagent.web.trial import Stopped, Trial
from makeanagent.web.uploads import clean_name

PAGE = Path(__file__).parent / "page"
_UPLOAD_SECONDS = 300
_MAX_JSON = 2**16
"""Bytes of a request other than an upload."""
_READ_AT_ONCE = 2
_SWEEP_SECONDS = 60
_HEADERS = {
    # All that the page needs comes from here; pictures come within its data.
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:;"
    " style-src 'self' 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

Record = TypeVar("Record")


def build_app(studio: Studio, allowed_hosts: list[str]) -> Starlette:
    """The application that a server runs; the studio is closed when it ends.

    Args:
        studio: what it shows.
        allowed_hosts: names by which browsers may ask for it: another one means that a page from
            elsewhere has found its way here.
    """
    handlers = Handlers(studio)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        sweeping = asyncio.create_task(_sweep(studio))
        try:
            yield
        finally:
            sweeping.cancel()
            await run_in_threadpool(studio.close)

    return Starlette(
        routes=[
            Route("/sessions", handlers.open, methods=["POST"]),
            Route("/sessions/{session}/end", handlers.end, methods=["POST"]),
            Route("/sessions/{session}/upload", handlers.upload, methods=["PUT"]),
            Route("/sessions/{session}/read", handlers.read, methods=["POST"]),
            Route("/sessions/{session}/trial", handlers.try_out, methods=["POST"]),
            Route("/sessions/{session}/policies/{form}", handlers.download),
            Mount("/", StaticFiles(directory=PAGE, html=True)),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=allowed_hosts),
            Middleware(_FixedHeaders),
        ],
        exception_handlers={InputError: _tell, HTTPException: _tell_http},
        lifespan=lifespan,
    )


async def _sweep(studio: Studio) -> None:
    while True:
        await asyncio.sleep(_SWEEP_SECONDS)
        studio.sessions.end_idle()


class Handlers:
    """Answers to what the page asks for."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._reading = asyncio.Semaphore(_READ_AT_ONCE)

    async def open(self, _: Request) -> Response:
        """Let a visitor in."""
        session = self._studio.sessions.open()
        return JSONResponse({"session": session} | self._studio.describe())

    async def end(self, request: Request) -> Response:
        """Forget a visitor."""
        self._studio.sessions.end(request.path_params["session"])
        return Response(status_code=204)

    async def upload(self, request: Request) -> Response:
        """Keep a file, which is the request's body, in place of the visitor's last one."""
        session = self._find(request)
        path = session.begin_upload(clean_name(request.query_params.get("name", "")))
        try:
            async with asyncio.timeout(_UPLOAD_SECONDS):
                await self._receive(request, path)
        except BaseException as error:
            session.forget_upload()
            if isinstance(error, TimeoutError):
                raise InputError(f"{path.name}: not here within {_UPLOAD_SECONDS} s") from None
            if isinstance(error, ClientDisconnect):
                return Response(status_code=204)
            raise
        session.upload = path
        return JSONResponse({"name": path.name})

    async def _receive(self, request: Request, path: Path) -> None:
        """Write a request's body to a file.

        Raises:
            InputError: it is larger than is allowed, or the disk is full.
        """
        most = self._studio.config.max_upload
        too_large = f"{path.name}: larger than {most} MB, the most that is taken"
        if int(request.headers.get("content-length", 0)) > most * 10**6:
            raise InputError(too_large)
        received = 0
        with path.open("wb") as file:
            async for chunk in request.stream():
                received += len(chunk)
                if received > most * 10**6:
                    raise InputError(too_large)
                try:
                    file.write(chunk)
                except OSError as error:
                    raise InputError(f"{path.name}: not kept: {error.strerror}") from None

    async def read(self, request: Request) -> Response:
        """Tell what a demonstration is."""
        session = self._find(request)
        asked = await _read_json(request)
        if isinstance(asked, dict) and "options" in asked:
            asked["options"] = _build(ReadOptions, asked["options"])
        reading = _build(Reading, asked)
        try:
            async with self._reading:
                shown = await run_in_threadpool(self._studio.read, session, reading)
        finally:
            # Whoever has gone meanwhile leaves nothing.
            if self._studio.sessions.find(request.path_params["session"]) is None:
                session.forget_upload()
        return JSONResponse(shown)

    async def try_out(self, request: Request) -> Response:
        """Make policies, and tell line by line of JSON how far it is and what came of it."""
        session = self._find(request)
        trial = _build(Trial, await _read_json(request))
        if session.is_busy:
            raise InputError("policies are being made already; wait for them")
        session.is_busy = True
        loop, is_gone = asyncio.get_running_loop(), threading.Event()
        lines: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

        def put(line: dict[str, Any] | None) -> None:
            with suppress(RuntimeError):  # The server is gone.
                loop.call_soon_threadsafe(lines.put_nowait, line)

        def emit(line: dict[str, Any]) -> None:
            if is_gone.is_set():
                raise Stopped
            put(line)

        def work() -> None:
            try:
                self._studio.make(session, trial, emit)
            except Stopped:
                pass
            except InputError as error:
                put({"error": str(error)})
            except Exception:
                traceback.print_exc()
                put({"error": "the server failed; its console says where"})
            else:
                put({"finished": True})
            finally:
                session.is_busy = False
                put(None)

        working = asyncio.create_task(run_in_threadpool(work))

        async def tell() -> AsyncIterator[str]:
            try:
                while (line := await lines.get()) is not None:
                    yield json.dumps(line) + "\n"
                await working
            finally:
                is_gone.set()

        return StreamingResponse(tell(), media_type="application/x-ndjson")

    async def download(self, request: Request) -> Response:
        """The policies as a zip file."""
        session, form = self._find(request), request.path_params["form"]
        if form not in ("safetensors", "onnx"):
            raise HTTPException(404, f"{form[:80]}: policies come as safetensors or onnx")
        content = await run_in_threadpool(self._studio.pack_policies, session, form)
        name = "policies.zip" if form == "safetensors" else f"policies-{form}.zip"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(content, media_type="application/zip", headers=headers)

    def _find(self, request: Request) -> Session:
        session = self._studio.sessions.find(request.path_params["session"])
        if session is None:
            raise HTTPException(410, "this page was left alone for too long; load it again")
        return session


async def _read_json(request: Request) -> Any:  # noqa: ANN401
    """The request's body.

    Raises:
        InputError: it is too large, or no JSON.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_JSON:
            raise InputError(f"request: larger than {_MAX_JSON} bytes")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise InputError("request: must be JSON") from None


def _build(kind: type[Record], content: Any) -> Record:  # noqa: ANN401
    """A dataclass of JSON values.

    Raises:
        InputError: a field is unknown or missing, or its value is of another type.
    """
    if not isinstance(content, dict):
        raise InputError("request: must be a record")
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    for name in content:
        if name not in known:
            raise InputError(f"request: {name[:80]!r} is none of {', '.join(known)}")
    values = {key: tuple(item) if isinstance(item, list) else item for key, item in content.items()}
    try:
        record = kind(**values)
    except TypeError as error:
        raise InputError(f"request: {error}") from None
    check_fields(record, "request")
    return record


def _tell(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 400)


def _tell_http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code)


class _FixedHeaders:
    """Gives every answer the same headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        await self._app(scope, receive, send_with_headers)
