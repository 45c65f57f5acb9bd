"""The server of ``actlab inspect``: a page and three addresses, for this machine's own browser and nobody else.

``GET /`` the page, ``GET /shell`` the same without a form, to be filled and saved; ``GET /api/model`` what is
loaded; ``POST /api/generate`` a run as lines of JSON, ``POST /api/rows`` one head's attention. Errors are
``{"error": "one line"}``.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actlab.cli import inspect_request as requests
from actlab.cli.inspect_desk import Busy, Desk, line
from actlab.errors import InputError
from actlab.report.inspect_page import FORM, shell

DISCARDED = 16 << 20  # bytes of a body that is too long, read and thrown away so that its sender hears why
BODY_S = 20  # seconds for a body to arrive

log = logging.getLogger("actlab")


def make_app(desk: Desk, port: int, form: Mapping[str, float] = FORM) -> ASGIApp:
    """Return the application; it answers to this machine's address and ``port`` alone.

    Args:
        desk: where the model is.
        port: that is listened on.
        form: the numbers that stand in the page's form at first.

    """
    swaps = desk.swaps
    page, empty = shell(live=form), shell()

    async def index(request: Request) -> Response:
        return HTMLResponse(page)

    async def blank(request: Request) -> Response:
        return Response(empty, media_type="text/plain")

    async def model(request: Request) -> Response:
        return JSONResponse(desk.facts())

    def there() -> None:
        if desk.model is None:
            raise HTTPException(503, f"the model is not there: {desk.told}")

    async def generate(request: Request) -> Any:
        asked = requests.ask(requests.read_json(await _body(request)), swaps)
        there()
        return _Answer(desk, lambda: desk.generate(asked), "application/x-ndjson")

    async def rows(request: Request) -> Any:
        asked = requests.ask_rows(requests.read_json(await _body(request)), swaps)
        there()
        return _Answer(desk, lambda: desk.rows(asked), "application/json")

    def refused(request: Request, error: Exception) -> Response:
        return _error(400, str(error))

    def missing(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        return _error(status, str(getattr(error, "detail", error)))

    def broken(request: Request, error: Exception) -> Response:
        log.exception("a request failed", exc_info=error)
        return _error(500, "the server failed; its terminal says why")

    app = Starlette(
        routes=[
            Route("/", index, methods=["GET"]),
            Route("/shell", blank, methods=["GET"]),
            Route("/api/model", model, methods=["GET"]),
            Route("/api/generate", generate, methods=["POST"]),
            Route("/api/rows", rows, methods=["POST"]),
        ],
        exception_handlers={InputError: refused, HTTPException: missing, Exception: broken},
    )
    return _guarded(app, port)


@dataclass(frozen=True)
class _Answer:
    """A response that comes in lines while the model works; a client that goes away stops the model."""

    desk: Desk
    events: Callable[[], AsyncIterator[dict[str, Any]]]
    kind: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with anyio.create_task_group() as group:

            async def until_gone() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                group.cancel_scope.cancel()

            group.start_soon(until_gone)
            await self._send(scope, receive, send)
            group.cancel_scope.cancel()

    async def _send(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False
        try:
            async with self.desk.turn(), aclosing(self.events()) as events:
                async for event in events:
                    if not begun:
                        await send(_head(200, self.kind))
                        begun = True
                    await send({"type": "http.response.body", "body": line(event), "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        except Busy:
            status, why = 429, "the model is busy and others wait already: try again in a moment"
        except InputError as error:
            status, why = 400, str(error)
        except Exception as error:
            log.exception("the model failed")
            status, why = 500, f"the model failed: {type(error).__name__}; the terminal says more"
        if begun:
            told = line({"event": "error", "error": " ".join(why.split())})
            await send({"type": "http.response.body", "body": told, "more_body": False})
        else:
            await _error(status, why)(scope, receive, send)


def _head(status: int, kind: str) -> Message:
    return {
        "type": "http.response.start",
        "status": status,
        "headers": [(b"content-type", kind.encode())],
    }


def _error(status: int, why: str) -> Response:
    # what was typed may hold half of a surrogate pair, which is no UTF-8
    told = " ".join(why.split()).encode("utf-8", "backslashreplace").decode()[:400]
    headers = {"Connection": "close"} if status in (408, 413) else None
    return JSONResponse({"error": told}, status, headers)


async def _body(request: Request) -> bytes:
    """Return a request's body.

    Raises:
        HTTPException: it is none of JSON, too long, or does not come.

    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "the content type must be application/json")
    parts, size = [], 0
    try:
        with anyio.fail_after(BODY_S):
            async for part in request.stream():
                size += len(part)
                if size <= requests.BODY:
                    parts.append(part)
                elif size > DISCARDED:
                    break
    except TimeoutError:
        raise HTTPException(408, "the request did not arrive") from None
    if size > requests.BODY:
        raise HTTPException(413, f"the request is longer than {requests.BODY >> 10} KiB")
    return b"".join(parts)


def _guarded(app: ASGIApp, port: int) -> ASGIApp:
    """Return the application behind checks: only this machine's names and own page, nothing framed or guessed."""
    hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
    if port == 80:
        hosts |= {"127.0.0.1", "localhost"}
    added = [
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"DENY"),
        (b"referrer-policy", b"no-referrer"),
        (b"cache-control", b"no-store"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"content-security-policy", b"frame-ancestors 'none'"),
    ]

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        if why := _foreign(scope, hosts):
            await _error(403, why)(scope, receive, with_headers)
        else:
            await app(scope, receive, with_headers)

    return guarded


def _foreign(scope: Scope, hosts: set[str]) -> str | None:
    """Return why a request does not come from this machine's own page, None if it may.

    A name that somebody pointed here (DNS rebinding) stands in Host; another site's page stands in Origin.
    """
    named = [value.decode("latin-1").lower() for name, value in scope["headers"] if name == b"host"]
    if len(named) != 1 or named[0] not in hosts:
        return "the Host header must be this machine's own address and port"
    for name, value in scope["headers"]:
        told = value.decode("latin-1").lower()
        if name == b"origin" and told not in {f"http://{host}" for host in hosts}:
            return "the Origin header names another site"
        if name == b"sec-fetch-site" and told not in ("same-origin", "none"):
            return "another site's page asks"
    return None
