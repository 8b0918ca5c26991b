"""Where the control server listens: at an address of this machine, and at no other."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rtsod.config import DEFAULT_CONTROL_PORT, ControlConfig
from rtsod.errors import OutputError

STALLED_MILLISECONDS: Final = 15_000
"""After which the system drops a connection whose other end takes nothing. Linux alone."""


@contextmanager
def listening(config: ControlConfig) -> Iterator[socket.socket]:
    """A socket that listens; if no port was asked for and the usual one is taken, at any free one.

    Raises:
        OutputError: the address is taken, or cannot be listened at.
    """
    host, port = config.host, config.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        if os.name == "posix":  # elsewhere it lets another program take the address, too
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # connections inherit it
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED_MILLISECONDS)
        try:
            try:
                listener.bind((host, DEFAULT_CONTROL_PORT if port is None else port))
            except OSError:
                if port is not None:
                    raise
                listener.bind((host, 0))
            listener.listen()
        except OSError as error:
            fix = "choose another port, or leave it out" if error.errno == errno.EADDRINUSE else "choose another"
            raise OutputError(f"--control {config.address}: {error.strerror}: {fix}") from error
        yield listener
