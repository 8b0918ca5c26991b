"""Who may use the control server: a token for programs, one-time codes and sessions for browsers.

Everything here is drawn anew for each run and lives in memory alone. Only digests are kept of what browsers hold.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Final, TypeVar

T = TypeVar("T")

SECRET_BYTES: Final = 16
"""128 bits: at a billion guesses a second, they take longer than the universe has."""
FREE_FAILURES: Final = 10
"""Wrong secrets that cost nothing: somebody may have pasted an old link."""
DELAY_SECONDS: Final = 1.0
"""What each further wrong secret costs."""
MAX_CODES: Final = 8
"""Unused codes that are valid at once; the oldest one gives way."""
MAX_SESSIONS: Final = 16
"""Browsers that are signed in at once; the oldest one gives way."""


class Role(StrEnum):
    """What somebody may do."""

    CONTROL = "control"
    """See the picture, and change what the page can change."""
    VIEW = "view"
    """See the picture and the numbers."""
    PROGRAM = "program"
    """Everything, quitting included: whoever holds the token."""


@dataclass(frozen=True, slots=True)
class Login:
    """What a browser gets for its one-time code."""

    cookie: str
    """Sent by the browser with each request to this host, whatever the port: cookies know no ports."""
    key: str
    """Kept by the page, and sent with whatever changes something. It is bound to the port, as the page is."""
    role: Role


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that is signed in."""

    role: Role
    key: bytes
    """Digest of :attr:`Login.key`."""

    def holds(self, key: str) -> bool:
        """Whether this is its key."""
        return hmac.compare_digest(self.key, _digest(key))


class Access:
    """Tokens, codes and sessions of one run. Thread-safe."""

    def __init__(self) -> None:
        self.token: Final = secrets.token_hex(SECRET_BYTES)
        """For programs that may read the file it is in."""
        self._lock = threading.Lock()
        self._codes: dict[bytes, Role] = {}
        self._sessions: dict[bytes, Session] = {}
        self._failures = 0

    def is_token(self, given: str) -> bool:
        """Whether this is the token."""
        return hmac.compare_digest(_digest(self.token), _digest(given))

    def new_code(self, role: Role = Role.CONTROL) -> str:
        """A code that signs one browser in, once."""
        code = secrets.token_hex(SECRET_BYTES)
        with self._lock:
            self._codes[_digest(code)] = role
            _forget_oldest(self._codes, MAX_CODES)
        return code

    def redeem(self, code: str) -> Login | None:
        """Sign a browser in; None if the code is wrong, or was used."""
        with self._lock:
            digest = _found(code, self._codes)
            if digest is None:
                return None
            role = self._codes.pop(digest)
            login = Login(secrets.token_hex(SECRET_BYTES), secrets.token_hex(SECRET_BYTES), role)
            self._sessions[_digest(login.cookie)] = Session(role, _digest(login.key))
            _forget_oldest(self._sessions, MAX_SESSIONS)
            return login

    def session(self, cookie: str) -> Session | None:
        """The session that a cookie belongs to; None if there is none."""
        with self._lock:
            digest = _found(cookie, self._sessions)
            return None if digest is None else self._sessions[digest]

    def failed(self) -> float:
        """Count a wrong secret, and say how many seconds its answer has to wait."""
        with self._lock:
            self._failures += 1
            return DELAY_SECONDS if self._failures > FREE_FAILURES else 0.0


def _digest(secret: str) -> bytes:
    return sha256(secret.encode("utf-8", "surrogateescape")).digest()


def _found(secret: str, among: Iterable[bytes]) -> bytes | None:
    """The digest of a secret, if it is one of those; compared with all of them, in a time that tells nothing."""
    digest, found = _digest(secret), None
    for known in among:
        if hmac.compare_digest(known, digest):
            found = known
    return found


def _forget_oldest(entries: dict[bytes, T], most: int) -> None:
    while len(entries) > most:
        del entries[next(iter(entries))]
