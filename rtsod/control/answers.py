"""What all routes share: how bodies are read, and how errors become answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final, TypeAlias

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from rtsod.control.messages import object_from
from rtsod.control.redaction import redacted
from rtsod.errors import RtsodError, UsageError, internal_error
from rtsod.live import PrivacyError, StaleRevision

_log = logging.getLogger(__name__)

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]
MAX_JSON_BYTES: Final = 16_384
"""Of a body; the longest sensible one has a few hundred."""
JSON_SECONDS: Final = 5.0
"""How long such a body may take to come."""


class Refused(Exception):
    """A request that cannot be answered."""

    def __init__(
        self, status: HTTPStatus, kind: str, message: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.kind, self.headers = status, kind, headers


def guarded(endpoint: Endpoint) -> Endpoint:
    """The same route, whose errors are answers. Starlette would raise unknown ones again, traceback and all."""

    async def answering(request: Request) -> Response:
        try:
            return await endpoint(request)
        except Exception as error:
            return await on_error(request, error)

    return answering


def revision_of(request: Request) -> int | None:
    """The revision that a change is based on; None if it does not say.

    Raises:
        UsageError: the header is no revision.
    """
    given = request.headers.get("if-match", "*").strip().removeprefix("W/").strip('"')
    if given == "*":
        return None
    if not (given.isascii() and given.isdigit()) or len(given) > 18:
        raise UsageError("If-Match: is not a revision")
    return int(given)


async def body_of(request: Request) -> dict[str, Any]:
    """The JSON object that a request holds.

    Raises:
        UsageError: it holds something else.
        Refused: it is too long, or does not come.
    """
    return object_from(await read(request, MAX_JSON_BYTES, JSON_SECONDS))


async def read(request: Request, limit: int, seconds: float) -> bytes:
    """Read a body, and stop as soon as it is too long.

    Nobody needs a secret to send half a login, and then nothing: each such connection ends when its time is over.

    Args:
        request: whose body it is.
        limit: bytes that it may have.
        seconds: that all of it may take to come.

    Raises:
        Refused: it is too long, or does not come.
    """
    data = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                data += chunk
                if len(data) > limit:
                    raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "usage", f"the body has more than {limit} bytes")
    except TimeoutError as error:
        raise Refused(
            HTTPStatus.REQUEST_TIMEOUT, "request", f"the body did not come within {seconds:g} seconds",
            headers={"Connection": "close"},
        ) from error  # fmt: skip
    return bytes(data)


async def on_error(request: Request, error: Exception) -> Response:
    """The answer to a request that failed."""
    status, kind, message = _described(error)
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.warning("the control server failed: %s", redacted(message))
        _log.debug("internal error", exc_info=error)
    body = {"error": {"kind": kind, "message": redacted(message)}}
    return JSONResponse(body, status, headers=getattr(error, "headers", None))


def _described(error: Exception) -> tuple[HTTPStatus, str, str]:
    match error:
        case Refused():
            return error.status, error.kind, str(error)
        case HTTPException():
            return HTTPStatus(error.status_code), "request", str(error.detail)
        case StaleRevision():
            return HTTPStatus.PRECONDITION_FAILED, "stale", str(error)
        case PrivacyError():
            return HTTPStatus.FORBIDDEN, "privacy", str(error)
        case RtsodError():
            return HTTPStatus.UNPROCESSABLE_ENTITY, error.exit_code.name.lower(), str(error)
        case ClientDisconnect():
            return HTTPStatus.BAD_REQUEST, "request", "the client left"
    return HTTPStatus.INTERNAL_SERVER_ERROR, "internal", internal_error(error)
