"""One network at several input sizes, and a smaller one that assists it, each opened when it is first needed."""

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
class Assistant:
    """A smaller network, which makes masks where the pool's own is too slow."""

    name: str
    """The model's."""
    cost: float
    """Of one inference, as a share of the pool's own network's at the same input size."""
    open: Callable[[int], Engine]
    """Opens it at an input size."""
    is_here: bool = True
    """Whether it can be opened without a download."""


@dataclass(frozen=True, slots=True)
class _Key:
    size: int
    beside: bool = False
    network: str | None = None


class EnginePool:
    """Owns engines. Opening one takes a moment, or minutes; meanwhile masks go on with the engines that are open.

    :meth:`open` and :meth:`ready` are called from one thread at a time; :meth:`close` from any.

    Args:
        first: an open engine.
        open_engine: opens the engine of another input size; by default there is none.
        size: the whole frame's input size; by default the first engine's.
        open_beside: opens a second engine of the whole frame's size, which leaves the processor to the others; by
            default ``open_engine`` does.
        assistant: the smaller network; None where there is none.
    """

    def __init__(
        self,
        first: Engine,
        open_engine: Callable[[int], Engine] | None = None,
        *,
        size: int | None = None,
        open_beside: Callable[[int], Engine] | None = None,
        assistant: Assistant | None = None,
    ) -> None:
        self.first: Final = first
        self.size: Final = size or first.info.input_size
        self.assistant: Final = assistant
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

    def open(self, size: int, network: str | None = None) -> Engine:
        """The engine of this input size, opened now if necessary.

        Args:
            size: input size, in pixels.
            network: the assistant's name, or None for the pool's own network.

        Raises:
            RtsodError: it cannot be opened.
        """
        return self._open(_Key(size, network=network))

    def ready(self, size: int, network: str | None = None) -> Engine | None:
        """As :meth:`open` if the engine is open; otherwise None, and it is opened in the background.

        An engine that cannot be opened here is logged once, never retried, and stays None.

        Raises:
            BaseException: opening failed with anything but an :class:`RtsodError`, which is a bug. Raised once.
        """
        return self._ready(_Key(size, network=network))

    def wait_until_ready(self, size: int, network: str | None = None) -> Engine | None:
        """As :meth:`ready`, but waits until the engine is open or cannot be opened."""
        if self.ready(size, network) is None and self._opener is not None:
            self._opener.join()
        return self.ready(size, network)

    def beside(self) -> Engine | None:
        """The second engine of the whole frame's size, for use beside the others; otherwise as :meth:`ready`."""
        return self._ready(_Key(self.size, beside=True))

    def is_opening(self, size: int, network: str | None = None) -> bool:
        """Whether :meth:`ready` may still return an engine that it does not have yet."""
        key = _Key(size, network=network)
        with self._lock:
            return key not in self._engines and key not in self._errors

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
            engine = self._keep(key, self._opener_of(key)(key.size))
        return engine

    def _opener_of(self, key: _Key) -> Callable[[int], Engine]:
        if key.network is not None:
            assert self.assistant is not None
            assert self.assistant.name == key.network
            return self.assistant.open
        return self._open_beside if key.beside else self._open_engine

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
                _log.warning(
                    "cannot open %s at %dx%d, keeping the current masks: %s",
                    key.network or "the network",
                    size,
                    size,
                    str(error),
                )


def _no_other_size(size: int) -> Engine:
    raise EngineError(f"the network cannot be opened at {size}x{size}: only one input size was given")
