"""Tells systemd how a service is: ready, alive, stopping.

The protocol is one datagram for each message to the Unix socket that ``NOTIFY_SOCKET`` names; see sd_notify(3).
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import MutableMapping
from typing import Final, Self

_log = logging.getLogger(__name__)

SEND_SECONDS: Final = 1.0
"""How long a message may wait for a manager whose queue is full. Meanwhile the caller does nothing else."""


class ServiceManager:
    """The manager that started this process as a service.

    Args:
        address: of its socket: an absolute path, or ``@`` and an abstract name.
        watchdog_seconds: it ends the process that it has heard nothing of for so long; None if it does not.
    """

    def __init__(self, address: str, watchdog_seconds: float | None = None) -> None:
        self.watchdog_seconds: Final = watchdog_seconds
        """It ends the process that it has heard nothing of for so long; None if it does not."""
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._reachable = True

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str] = os.environ) -> Self | None:
        """The manager that the environment names; None if there is none.

        Its variables are taken out of the environment, since they are not meant for the processes that this one starts.
        """
        address = environment.pop("NOTIFY_SOCKET", "")
        microseconds = environment.pop("WATCHDOG_USEC", "")
        meant_for = environment.pop("WATCHDOG_PID", "")
        if not address.startswith(("/", "@")) or address == "@":
            return None
        watched = microseconds.isdecimal() and int(microseconds) > 0 and meant_for in ("", str(os.getpid()))
        return cls(address, int(microseconds) / 1e6 if watched else None)

    def tell(self, *assignments: str) -> None:
        """Send one message, such as ``tell("READY=1")``. One that cannot be sent is logged the first time."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.settimeout(SEND_SECONDS)
                sender.connect(self._address)
                sender.send("\n".join(assignments).encode())
        except OSError as error:
            if self._reachable:
                _log.warning("the service manager cannot be told that %s: %s", assignments[0], error)
            self._reachable = False
