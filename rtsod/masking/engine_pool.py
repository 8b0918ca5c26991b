"""One network at several input sizes, each opened when it is first wanted."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from rtsod.errors import RtsodError
from rtsod.interfaces import Engine

_log = logging.getLogger(__name__)

PATIENCE: Final = 3.0
"""Seconds that :meth:`EnginePool.close` waits for an engine that is just being opened; a conversion takes longer, and
ends with the program."""


class EnginePool:
    """Owns its engines. Opening takes a moment, or many when the network must be converted: masks go on meanwhile.

    Args:
        first: opened already; of the largest size.
        open_engine: opens the one of another size.
    """

    def __init__(self, first: Engine, open_engine: Callable[[int], Engine]) -> None:
        self._engines = {first.info.input_size: first}
        self._open = open_engine
        self._opener: threading.Thread | None = None
        self._failed: set[int] = set()
        self.first: Final = first

    def open(self, size: int) -> Engine:
        """The engine of this size, opened now if need be.

        Raises:
            RtsodError: it cannot be opened.
        """
        if size not in self._engines:
            self._engines[size] = self._open(size)
        return self._engines[size]

    def ready(self, size: int) -> Engine | None:
        """The engine of this size, or None while it is being opened, which this begins. From one thread.

        One that cannot be opened stays None; that is logged once.
        """
        if (engine := self._engines.get(size)) is not None:
            return engine
        if size not in self._failed and (self._opener is None or not self._opener.is_alive()):
            self._opener = threading.Thread(target=self._try, args=(size,), name="rtsod-engine-opener", daemon=True)
            self._opener.start()
        return None

    def is_opening(self, size: int) -> bool:
        """Whether :meth:`ready` may yet have this one."""
        return size not in self._engines and size not in self._failed

    def close(self) -> None:
        """Close them all. Idempotent."""
        if self._opener is not None:
            self._opener.join(PATIENCE)
        for engine in list(self._engines.values()):
            engine.close()

    def _try(self, size: int) -> None:
        try:
            self.open(size)
        except RtsodError as error:
            self._failed.add(size)
            _log.warning("the network at %dx%d cannot be opened, so masks stay as they are: %s", size, size, error)
