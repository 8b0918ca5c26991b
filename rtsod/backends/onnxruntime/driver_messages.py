"""Keeps what a GPU's driver writes to standard error out of the terminal."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_log = logging.getLogger(__name__)

_STDERR: Final = 2


@contextmanager
def driver_messages_logged() -> Iterator[None]:
    """Log what is written to the descriptor of standard error meanwhile, instead of showing it.

    Drivers for Vulkan, and Dawn above them, write several lines there before they fail, past ONNX Runtime's log. What
    other threads write meanwhile is logged as well, so use it around short steps alone.
    """
    try:
        shown = os.dup(_STDERR)
    except OSError:  # stderr is closed
        yield
        return
    try:
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
    finally:
        os.close(shown)
