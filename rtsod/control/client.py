"""Asks a running program to change something: the other end of the control server, with the standard library alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from typing import Any, Final
from urllib.parse import quote

from rtsod.control.running import RunningRun
from rtsod.errors import ExitCode, NotRunning, RtsodError

TIMEOUT_SECONDS: Final = 30.0
"""How long an answer may take: a camera may take ten seconds to open, and the answer comes after that."""


class Refused(RtsodError):
    """The run answered, and did not do it."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.exit_code = ExitCode[kind.upper()] if kind.upper() in ExitCode.__members__ else ExitCode.USAGE


class RunClient:
    """One run, reached with its token.

    Every method returns what the server answered, and raises:

    - NotRunning: the run does not answer.
    - Refused: it did not do it, and says why.
    """

    def __init__(self, run: RunningRun) -> None:
        self.run = run

    def get(self, path: str) -> Any:
        """Read something."""
        return self._ask("GET", path, None, {})

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Ask for something."""
        return self._write("POST", path, json.dumps(body or {}).encode(), "application/json")

    def change(self, **settings: Any) -> Any:
        """Change settings."""
        return self._write("PATCH", "/api/v1/settings", json.dumps(settings).encode(), "application/json")

    def upload(self, name: str, picture: bytes) -> Any:
        """Add a picture to the backgrounds."""
        path = f"/api/v1/backgrounds?name={quote(name, safe='')}"
        return self._write("POST", path, picture, "application/octet-stream")

    def _write(self, method: str, path: str, body: bytes, media_type: str) -> Any:
        return self._ask(method, path, body, {"Content-Type": media_type, "X-Rtsod": "ctl"})

    def _ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Any:
        # http.client goes straight to the address, where urllib would ask the environment for a proxy.
        connection = HTTPConnection(self.run.address.removeprefix("http://"), timeout=TIMEOUT_SECONDS)
        try:
            connection.request(method, path, body, {"Authorization": f"Bearer {self.run.token}", **headers})
            answer = connection.getresponse()
            status, received = answer.status, json.loads(answer.read())
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "strerror", None) or error or type(error).__name__
            raise NotRunning(f"the run {self.run.pid} does not answer at {self.run.address}: {reason}") from error
        finally:
            connection.close()
        if status >= 400:
            error_given = received.get("error", {})
            raise Refused(str(error_given.get("kind", "")), str(error_given.get("message", f"it answered {status}")))
        return received
