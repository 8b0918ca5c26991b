"""Keeps what a GPU's driver writes to standard error out of the terminal."""

from __future__ import annotations

import logging
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

_log = logging.getLogger(__name__)

_STDERR: Final = 2
_ONE_AT_A_TIME: Final = threading.RLock()


@contextmanager
def driver_messages_logged() -> Iterator[None]:
    """Log what is written to the descriptor of standard error meanwhile, instead of showing it.

    Drivers for Vulkan, and Dawn above them, write several lines there before they fail, past ONNX Runtime's log. What
    other threads write meanwhile is logged as well, so use it around short steps alone.
    """
    with ExitStack() as stack:
        # One after the other: a second one would keep the first one's file as what is shown.
        stack.enter_context(_ONE_AT_A_TIME)
        try:
            shown = os.dup(_STDERR)
        except OSError:  # stderr is closed
            yield
            return
        stack.callback(os.close, shown)
        with tempfile.TemporaryFile() as file:
            os.dup2(file.fileno(), _STDERR)
            try:
                yield
            finally:
                os.dup2(shown, _STDERR)
                file.seek(0)
                for line in file.read().decode(errors="replace").splitlines():
                    if line.strip():
                        _log.info("the driver: %s", line.strip())
