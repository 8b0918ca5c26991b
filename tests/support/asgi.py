"""Requests to an ASGI application, without a socket: what a test sends is what the application sees."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from starlette.types import ASGIApp, Message, Scope


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def kind(self) -> str:
        """Of the error."""
        return str(self.json["error"]["kind"])


def scope_of(method: str, target: str, headers: Iterable[tuple[str, str]]) -> Scope:
    path, _, query = target.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode("utf-8")) for name, value in headers],
        "client": ("127.0.0.1", 40000),
        "server": ("127.0.0.1", 8737),
    }


def request(
    app: ASGIApp, method: str, target: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b""
) -> Answer:
    """Send one request and wait for its whole answer."""
    return asyncio.run(request_async(app, method, target, headers, body))


async def request_async(
    app: ASGIApp, method: str, target: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b""
) -> Answer:
    """The same on a loop that is already running."""
    chunks = [body[at : at + 65536] for at in range(0, len(body), 65536)] or [b""]
    sent: list[Message] = []
    waiting = iter(chunks)
    left = len(chunks)

    async def receive() -> Message:
        nonlocal left
        left -= 1
        if left < 0:
            await asyncio.Event().wait()  # the client stays
        return {"type": "http.request", "body": next(waiting), "more_body": left > 0}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope_of(method, target, headers), receive, send)
    return Answer(
        sent[0]["status"],
        {name.decode(): value.decode() for name, value in sent[0]["headers"]},
        b"".join(message.get("body", b"") for message in sent[1:]),
    )
