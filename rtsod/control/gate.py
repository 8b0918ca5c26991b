"""The gate: every request passes these checks, on its raw headers and path, before any route sees it.

A page of another site can make your browser send requests to this machine, and by DNS rebinding it can even make them
look as if they went to itself. So the address alone protects nothing. What gets through must name this server as its
host, come from our own page or from a program, and hold a secret of this run.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rtsod.control.access import Access, Role

CALLER: Final = "rtsod.caller"
"""Where the scope of a request that passed says who sent it: a :class:`~rtsod.control.access.Role`, or None."""
HEADER: Final = "x-rtsod"
"""Comes with whatever changes something: the session's key from our page, anything from a program. No form can send
it."""
METHODS: Final = ("GET", "POST", "PATCH")
WRITING: Final = ("POST", "PATCH")
BODY_TYPES: Final = ("application/json", "application/json;charset=utf-8", "application/octet-stream")
"""What no form of another site can send without asking first. Some programs always add the charset."""
LOGIN: Final = ("POST", "/api/v1/session")
PUBLIC: Final = frozenset({("GET", "/"), ("GET", "/page.css"), ("GET", "/page.js"), ("GET", "/healthz"), LOGIN})
"""What needs no secret. None of it shows anything of the run."""
_CONTENT_SECURITY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)
_HEADERS: Final = tuple(
    (name.encode(), value.encode())
    for name, value in {
        "cache-control": "no-store",
        "content-security-policy": _CONTENT_SECURITY,
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), display-capture=(), geolocation=(), microphone=()",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
    }.items()
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request goes no further."""

    status: int
    kind: str
    message: str
    wrong_secret: bool = False
    """It held a secret, which is not one of this run's."""


class Gate:
    """An ASGI application around another one.

    Args:
        app: gets what passes.
        access: knows the secrets.
        port: that the server listens at.
        sleep: waits before a wrong secret is answered, in seconds.
    """

    def __init__(
        self,
        app: ASGIApp,
        access: Access,
        port: int,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._app = app
        self._access = access
        self._hosts = hosts_of(port)
        self._cookie = cookie_name(port)
        self._sleep = sleep

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] != "http":
            return
        send = _with_headers(send)
        verdict = self.judge(scope)
        if isinstance(verdict, Refusal):
            if verdict.wrong_secret:
                await self._sleep(self._access.failed())
            await refuse(verdict, send)
        else:
            await self._app({**scope, CALLER: verdict}, receive, send)

    def judge(self, scope: Scope) -> Role | Refusal | None:
        """Who sent a request that may pass, None if anybody may send it; or why it is refused."""
        headers = _Headers(scope)
        method, path = scope["method"], scope["path"]
        if headers.repeated:
            return Refusal(400, "request", f"the header {headers.repeated} comes more than once")
        if headers["host"] not in self._hosts:
            return Refusal(421, "request", "this is not the address of this server: open the link that rtsod printed")
        if method not in METHODS:
            return Refusal(405, "request", f"the method is none of {', '.join(METHODS)}")
        if not path.startswith("/") or any(part in (".", "..") for part in path.replace("\\", "/").split("/")):
            return Refusal(400, "request", "the path is not one")
        if (refusal := _other_site(headers, method, path)) is not None:
            return refusal
        caller = self._caller(headers, method)
        if isinstance(caller, Refusal) and (method, path) in PUBLIC:
            caller = None  # an old cookie of another run keeps nobody from signing in
        if isinstance(caller, Refusal):
            return caller
        if caller is None and (method, path) not in PUBLIC:
            return Refusal(401, "secret", "sign in with the link that rtsod printed, or a new one: rtsod ctl link")
        if method in WRITING:
            return self._refuse_write(headers, (method, path), caller) or caller
        return caller

    def _caller(self, headers: _Headers, method: str) -> Role | Refusal | None:
        bearer, cookie = headers["authorization"], _cookie(headers["cookie"], self._cookie)
        if bearer:
            scheme, _, token = bearer.partition(" ")
            if scheme.lower() == "bearer" and self._access.is_token(token.strip()):
                return Role.PROGRAM
            return Refusal(401, "secret", "the token is not the one of this run", wrong_secret=True)
        if not cookie:
            return None
        session = self._access.session(cookie)
        if session is None:
            message = "this browser is not signed in to this run: open the link that rtsod printed, or rtsod ctl link"
            return Refusal(401, "secret", message, wrong_secret=True)
        if method in WRITING and not session.holds(headers[HEADER]):
            message = "the page's key is missing or not the one of this session: sign in again with rtsod ctl link"
            return Refusal(403, "secret", message, wrong_secret=bool(headers[HEADER]))
        return session.role

    def _refuse_write(self, headers: _Headers, route: tuple[str, str], caller: Role | None) -> Refusal | None:
        origin = headers["origin"]
        if origin != f"http://{headers['host']}" and not (caller is Role.PROGRAM and not origin):
            return Refusal(403, "request", "changes come from our own page, or from a program with the token")
        if not headers[HEADER]:
            return Refusal(403, "request", f"changes come with the header {HEADER}")
        if headers["content-type"].replace(" ", "").lower() not in BODY_TYPES:
            return Refusal(415, "request", f"changes come as {BODY_TYPES[0]} or {BODY_TYPES[-1]}")
        if caller is Role.VIEW and route != LOGIN:
            return Refusal(403, "role", "this link shows the picture and changes nothing")
        return None


async def refuse(refusal: Refusal, send: Send) -> None:
    """Answer a request that goes no further, and end its connection."""
    error = {"kind": refusal.kind, "message": refusal.message}
    body = json.dumps({"error": error}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    if refusal.status == 405:
        headers.append((b"allow", ", ".join(METHODS).encode()))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def hosts_of(port: int) -> frozenset[str]:
    """What the ``Host`` header of a request to this server may be."""
    names = ("127.0.0.1", "localhost", "[::1]")
    return frozenset({f"{name}:{port}" for name in names} | (set(names) if port == 80 else set()))


def cookie_name(port: int) -> str:
    """The name of our cookie. Cookies know no ports, so that two runs would take each other's."""
    return f"rtsod-{port}"


class _Headers:
    """The headers that decide, as they were sent."""

    _DECIDING: Final = (
        "authorization", "content-type", "cookie", "host", "origin", "sec-fetch-dest", "sec-fetch-mode",
        "sec-fetch-site", HEADER,
    )  # fmt: skip

    def __init__(self, scope: Scope) -> None:
        self._values: dict[str, str] = {}
        self.repeated: str | None = None
        for raw_name, raw_value in scope["headers"]:
            name = raw_name.decode("latin-1").lower()
            if name in self._DECIDING:
                if name in self._values:
                    self.repeated = name
                self._values[name] = raw_value.decode("latin-1")

    def __getitem__(self, name: str) -> str:
        return self._values.get(name, "")


def _other_site(headers: _Headers, method: str, path: str) -> Refusal | None:
    """Refuse what a browser says that another site caused, unless it opens the page, which shows nothing by itself."""
    if headers["sec-fetch-site"] in ("", "none", "same-origin"):
        return None
    opens_page = headers["sec-fetch-mode"] == "navigate" and headers["sec-fetch-dest"] == "document"
    if opens_page and (method, path) == ("GET", "/"):
        return None
    return Refusal(403, "request", "another site caused this request")


def _cookie(header: str, name: str) -> str:
    for pair in header.split(";"):
        key, _, value = pair.strip().partition("=")
        if key == name:
            return value
    return ""


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = {name for name, _ in _HEADERS}
            kept = [pair for pair in message.get("headers", ()) if pair[0].lower() not in own]
            message = {**message, "headers": [*kept, *_HEADERS]}
        await send(message)

    return sending
