"""A control server without a socket, for tests to talk to and to attack."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the extra control is not installed")

from rtsod.control.access import Access, Role
from rtsod.control.events import StateEvents
from rtsod.control.gate import Gate, cookie_name
from rtsod.control.preview import PreviewStream
from rtsod.control.routes import Server, application
from tests.support.asgi import Answer, request
from tests.support.fake_controls import FakeControls

PORT = 8737
HOST = ("Host", f"127.0.0.1:{PORT}")
ORIGIN = ("Origin", f"http://127.0.0.1:{PORT}")
JSON = ("Content-Type", "application/json")


@dataclass
class Client:
    """Sends requests as a program with the token does, as a browser that is signed in, or as anybody."""

    controls: FakeControls
    server: Server
    app: Gate
    delays: list[float] = field(default_factory=list)

    @property
    def bearer(self) -> tuple[str, str]:
        return "Authorization", f"Bearer {self.server.access.token}"

    def browser(self, role: Role = Role.CONTROL) -> list[tuple[str, str]]:
        """Sign a browser in; what it sends with its requests."""
        login = self.server.access.redeem(self.server.access.new_code(role))
        assert login is not None
        return [HOST, ORIGIN, ("Cookie", f"{cookie_name(PORT)}={login.cookie}"), ("X-Rtsod", login.key)]

    def send(
        self, method: str, target: str, headers: Iterable[tuple[str, str]] = (HOST,), body: bytes | Any = b""
    ) -> Answer:
        """Send exactly this."""
        return request(
            self.app, method, target, headers, body if isinstance(body, bytes) else json.dumps(body).encode()
        )

    def get(self, target: str) -> Answer:
        """Read with the token."""
        return self.send("GET", target, [HOST, self.bearer])

    def post(self, target: str, body: Any = None, method: str = "POST") -> Answer:
        """Change something with the token."""
        headers = [HOST, self.bearer, JSON, ("X-Rtsod", "1")]
        return self.send(method, target, headers, b"" if body is None else body)

    def patch(self, **settings: Any) -> Answer:
        """Change settings with the token."""
        return self.post("/api/v1/settings", settings, "PATCH")


def client_of(folder: Path, *, may_reveal: bool = True) -> Client:
    controls, preview = FakeControls(may_reveal=may_reveal), PreviewStream()
    address = f"http://127.0.0.1:{PORT}"
    server = Server(controls, preview, StateEvents(controls), Access(), address, PORT, may_reveal, folder)
    delays: list[float] = []

    async def sleep(seconds: float) -> None:
        delays.append(seconds)

    return Client(controls, server, application(server, sleep=sleep), delays)


@pytest.fixture
def client(tmp_path: Path) -> Client:
    return client_of(tmp_path)
