"""Opens the network of a run, and more of the same at other input sizes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Final

from rtsod.app.console import Reporter
from rtsod.backends import QUICK_TO_OPEN, convert_ahead, nvidia_driver, open_engine, resolve_engine
from rtsod.backends.supervised import SupervisedEngine
from rtsod.config import EngineConfig
from rtsod.errors import EngineError
from rtsod.frames import EngineInfo
from rtsod.interfaces import Engine, Shareable
from rtsod.masking.engine_pool import Assistant, EnginePool
from rtsod.metrics import Event
from rtsod.model.weights import Weights, fetch, is_first_use, resolve, with_size
from rtsod.progress import Notify
from rtsod.system.machine import thread_count
from rtsod.system.priority import give_way

_log = logging.getLogger(__name__)

ASSISTANT: Final = "lite"
"""The network that makes masks where full is too slow."""
ASSISTANT_COST: Final = 0.4
"""What an inference of it takes, as a share of full's: 117 of 307 ms held to AVX2 (``bench_avx2.json``)."""
_JOIN_SECONDS: Final = 0.1
"""How long one wait for the converting thread lasts."""


class NetworkAhead:
    """Gets the network ready while the program compiles its loops, which takes ten seconds on the first start.

    Missing weights are downloaded at once: a machine without network is told so before it compiles anything. They are
    converted on a thread of its own.

    Raises:
        WeightsError: they cannot be downloaded.
    """

    def __init__(self, config: EngineConfig, reporter: Reporter) -> None:
        self._thread: threading.Thread | None = None
        if config.weights is not None:  # read once, where the engine is opened
            return
        weights = resolve(config)
        # Cached engines of other kinds have folders of their own, so that weights may be missing and not needed.
        if is_first_use(weights) and resolve_engine(config).engine in QUICK_TO_OPEN:
            with reporter.download(_downloading(weights)) as downloaded:
                fetch(weights, downloaded)
        work = partial(_convert_ahead, config, weights, reporter.notify)
        self._thread = threading.Thread(target=work, name="rtsod-converter", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Return when the thread is done. What failed there fails again where the engine is opened."""
        while self._thread is not None and self._thread.is_alive():
            self._thread.join(_JOIN_SECONDS)  # in between, Python runs the handlers of signals


def _convert_ahead(config: EngineConfig, weights: Weights, notify: Notify) -> None:
    try:
        convert_ahead(resolve_engine(config, _log.debug), weights, notify)
    except Exception as error:
        _log.info("converting ahead: %s", error)


def open_engine_pool(
    config: EngineConfig,
    reporter: Reporter,
    on_event: Callable[[Event], None],
    *,
    first_size: int | None = None,
    ahead: NetworkAhead | None = None,
    weights: Weights | None = None,
) -> EnginePool:
    """Open the network, which may take minutes, under supervision.

    Args:
        config: what was requested.
        reporter: shows the progress of downloads and builds.
        on_event: told when an engine fails.
        first_size: input size to begin with, where opening another one later takes no minutes; None begins with that
            of ``config``.
        ahead: what was begun with the same ``config`` and is waited for.
        weights: of the network, instead of those that ``config`` means.

    Raises:
        RtsodError: the weights or the engine are not available.
    """
    if ahead is not None:
        ahead.wait()
    config = with_size(config)
    begun = config
    if first_size and resolve_engine(config, _log.debug).engine in QUICK_TO_OPEN:
        begun = replace(config, input_size=first_size)
    weights = weights or resolve(config)
    if weights.description.fit == "crop":
        reporter.notify("these weights see the picture's central square: nothing beside it is kept in front")
    if config.side != weights.description.size:
        _log.info("network: trained at %d pixels, runs at %d", weights.description.size, config.side)
    with reporter.download(_downloading(weights)) as downloaded, reporter.build() as built:
        first = open_engine(begun, weights, reporter.notify, built, downloaded)
    pinned = pin_engine_config(config, first.info)

    def supervised(size: int, opened: Engine | None = None) -> Engine:
        def reopen() -> Engine:
            return open_engine(replace(pinned, input_size=size), weights, _log.info)

        return SupervisedEngine(opened or reopen(), reopen, on_event=on_event)

    def beside(size: int) -> Engine:
        # Opening takes a second of one core, which frames need; and half of one core's threads is all of them.
        same = size == first.info.input_size and half_of_the_threads() == thread_count()
        opened = None
        if same and isinstance(first, Shareable):
            with suppress(EngineError):  # it cannot be shared, or was closed after it had failed
                opened = first.second()
        return open_beside(replace(pinned, input_size=size), weights, on_event, opened)

    pool = EnginePool(
        supervised(first.info.input_size, first), supervised,
        size=config.side, open_beside=beside, assistant=_assistant(pinned, weights, on_event),
    )  # fmt: skip
    info = pool.info
    where = f"{info.name}, {info.precision}, {info.device}"
    _log.info("network: %s at %dx%d on %s, %s", info.model, info.input_size, info.input_size, where, info.weights)
    return pool


def _assistant(config: EngineConfig, weights: Weights, on_event: Callable[[Event], None]) -> Assistant | None:
    """The network that assists full; None for any other. Opens nothing."""
    if weights.path is not None or weights.model != "full" or config.engine not in QUICK_TO_OPEN:
        return None
    of_it = replace(config, model=ASSISTANT)
    its_weights = resolve(of_it)

    def supervised(size: int) -> Engine:
        def reopen() -> Engine:
            return open_engine(replace(of_it, input_size=size), its_weights, _log.info)

        return SupervisedEngine(reopen(), reopen, on_event=on_event)

    return Assistant(ASSISTANT, ASSISTANT_COST, supervised, is_here=not is_first_use(its_weights))


def open_beside(
    config: EngineConfig, weights: Weights, on_event: Callable[[Event], None], opened: Engine | None = None
) -> Engine:
    """Open an engine that leaves the processor to all others: at low priority, in half of the threads.

    Call it on a thread of its own, whose priority it lowers.

    Args:
        config: of the network.
        weights: of the network.
        on_event: told when the engine fails.
        opened: what to begin with, if it is open already.

    Raises:
        RtsodError: the weights or the engine are not available.
    """

    def reopen() -> Engine:
        give_way()  # the engine's threads inherit it
        return open_engine(replace(config, threads=half_of_the_threads()), weights, _log.info)

    return SupervisedEngine(opened or reopen(), reopen, on_event=on_event, gives_way=True)


def half_of_the_threads() -> int:
    """Of :func:`thread_count`, rounded down, at least 1."""
    return max(1, thread_count() // 2)


def runs_on_processor(config: EngineConfig) -> bool:
    """Whether the network will compute on the processor, as far as that is known before it is opened.

    Raises:
        EngineUnavailable: no engine is installed.
    """
    if config.device != "auto":
        return config.device == "cpu"
    match resolve_engine(config).engine:
        case "openvino":
            return True
        case "torch":
            return not nvidia_driver().available
        case "onnxruntime":
            from rtsod.backends.onnxruntime.providers import accelerators  # late: it imports ONNX Runtime

            return not accelerators()
        case _:
            return False


def _downloading(weights: Weights) -> str:
    return f"downloading the {weights.model} model, once"


def pin_engine_config(config: EngineConfig, info: EngineInfo) -> EngineConfig:
    """The configuration that further engines of a run are opened with: the first one's, with nothing left at ``auto``.

    They are opened while the machine is busy, when measuring its speed again could give another answer.

    Args:
        config: what was requested.
        info: the first engine's; engines that are not configured leave ``config`` as it is.
    """
    return info.config or config
