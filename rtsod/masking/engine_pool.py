"""One network at several input sizes, each opened when it is first needed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Final

from rtsod.errors import EngineError, RtsodError
from rtsod.frames import EngineInfo
from rtsod.interfaces import Engine

_log = logging.getLogger(__name__)

CLOSE_TIMEOUT_SECONDS: Final = 3.0
"""How long :meth:`EnginePool.close` waits for an engine that is still being opened. One that takes longer, because the
network must be converted, is closed by the thread that opens it."""


@dataclass(frozen=True, slots=True)
class _Key:
    size: int
    beside: bool = False


class EnginePool:
    """Owns engines. Opening one takes a moment, or minutes; meanwhile masks go on with the engines that are open.

    :meth:`open` and :meth:`ready` are called from one thread at a time; :meth:`close` from any.

    Args:
        first: an open engine.
        open_engine: opens the engine of another input size; by default there is none.
        size: the whole frame's input size; by default the first engine's.
        open_beside: opens a second engine of the whole frame's size, which leaves the processor to the others; by
            default ``open_engine`` does.
    """

    def __init__(
        self,
        first: Engine,
        open_engine: Callable[[int], Engine] | None = None,
        *,
        size: int | None = None,
        open_beside: Callable[[int], Engine] | None = None,
    ) -> None:
        self.first: Final = first
        self.size: Final = size or first.info.input_size
        self._open_engine = open_engine or _no_other_size
        self._open_beside = open_beside or self._open_engine
        self._lock = threading.Lock()
        self._engines = {_Key(first.info.input_size): first}
        self._errors: dict[_Key, BaseException] = {}
        self._unreported: list[BaseException] = []
        self._closed = False
        self._opener: threading.Thread | None = None

    @property
    def info(self) -> EngineInfo:
        """Describes the network at the whole frame's size, which need not be open."""
        return replace(self.first.info, input_size=self.size)

    def open(self, size: int) -> Engine:
        """The engine of this input size, opened now if necessary.

        Raises:
            RtsodError: it cannot be opened.
        """
        return self._open(_Key(size))

    def ready(self, size: int) -> Engine | None:
        """The engine of this input size if it is open; otherwise None, and it is opened in the background.

        An engine that cannot be opened here is logged once, never retried, and stays None.

        Raises:
            BaseException: opening failed with anything but an :class:`RtsodError`, which is a bug. Raised once.
        """
        return self._ready(_Key(size))

    def wait_until_ready(self, size: int) -> Engine | None:
        """As :meth:`ready`, but waits until the engine is open or cannot be opened."""
        if self.ready(size) is None and self._opener is not None:
            self._opener.join()
        return self.ready(size)

    def beside(self) -> Engine | None:
        """The second engine of the whole frame's size, for use beside the others; otherwise as :meth:`ready`."""
        return self._ready(_Key(self.size, beside=True))

    def is_opening(self, size: int) -> bool:
        """Whether :meth:`ready` may still return an engine of this size that it does not have yet."""
        with self._lock:
            return _Key(size) not in self._engines and _Key(size) not in self._errors

    def close(self) -> None:
        """Close all engines. Idempotent.

        Raises:
            BaseException: an error of the background thread that :meth:`ready` had no chance to raise.
        """
        if self._opener is not None:
            self._opener.join(CLOSE_TIMEOUT_SECONDS)
        with self._lock:
            self._closed = True
            engines, unreported = list(self._engines.values()), self._unreported
            self._unreported = []
        with ExitStack() as closing:
            for engine in engines:
                closing.callback(engine.close)
        if unreported:
            raise unreported[0]

    def _open(self, key: _Key) -> Engine:
        with self._lock:
            engine = self._engines.get(key)
        if engine is None:
            engine = self._keep(key, (self._open_beside if key.beside else self._open_engine)(key.size))
        return engine

    def _ready(self, key: _Key) -> Engine | None:
        with self._lock:
            if self._unreported:
                raise self._unreported.pop()
            engine = self._engines.get(key)
            busy = self._opener is not None and self._opener.is_alive()
            if engine is not None or key in self._errors or busy or self._closed:
                return engine
            self._opener = threading.Thread(
                target=self._open_in_background, args=(key,), name="rtsod-engine-opener", daemon=True
            )
            self._opener.start()
        return None

    def _keep(self, key: _Key, engine: Engine) -> Engine:
        """Take ownership, unless the pool was closed in the meantime."""
        with self._lock:
            if not self._closed:
                self._engines[key] = engine
                return engine
        engine.close()
        raise EngineError(f"the network at {key.size}x{key.size} was opened after the run had ended")

    def _open_in_background(self, key: _Key) -> None:
        size = key.size
        try:
            self._open(key)
        except BaseException as error:
            with self._lock:
                self._errors[key] = error
                late, expected = self._closed, isinstance(error, RtsodError)
                if not expected and not late:
                    self._unreported.append(error)
            if late and not expected:
                _log.error("opening the network at %dx%d failed after the run had ended", size, size, exc_info=error)
            elif not late and expected:
                _log.warning("cannot open the network at %dx%d, keeping the current masks: %s", size, size, str(error))


def _no_other_size(size: int) -> Engine:
    raise EngineError(f"the network cannot be opened at {size}x{size}: only one input size was given")
