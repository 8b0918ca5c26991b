"""Opens the network of a run, and more of the same at other input sizes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from rtsod.app.console import Reporter
from rtsod.backends import QUICK_TO_OPEN, open_engine, resolve_engine
from rtsod.backends.supervised import SupervisedEngine
from rtsod.config import EngineConfig
from rtsod.frames import EngineInfo
from rtsod.interfaces import Engine, Shareable
from rtsod.masking.engine_pool import EnginePool
from rtsod.metrics import Event
from rtsod.model.weights import Weights, fetch, is_first_use, resolve
from rtsod.system.machine import thread_count
from rtsod.system.priority import give_way

_log = logging.getLogger(__name__)


def fetch_on_first_use(config: EngineConfig, reporter: Reporter) -> None:
    """Download the weights if nothing can run without them, before the loops are compiled, which takes ten seconds.

    A machine without network is told so at once, and one with a network compiles meanwhile.

    Raises:
        WeightsError: they cannot be downloaded.
    """
    if config.weights is not None or not is_first_use(weights := resolve(config)):
        return
    if resolve_engine(config).engine in QUICK_TO_OPEN:  # the cached engines of the others have folders of their own
        with reporter.download(_downloading(weights)) as downloaded:
            fetch(weights, downloaded)


def open_engine_pool(
    config: EngineConfig, reporter: Reporter, on_event: Callable[[Event], None], *, first_size: int | None = None
) -> EnginePool:
    """Open the network, which may take minutes, under supervision.

    Args:
        config: what was requested.
        reporter: shows the progress of downloads and builds.
        on_event: told when an engine fails.
        first_size: input size to begin with, where opening another one later takes no minutes; None begins with that
            of ``config``.

    Raises:
        RtsodError: the weights or the engine are not available.
    """
    config = resolve_engine(config)
    begun = replace(config, input_size=first_size) if first_size and config.engine in QUICK_TO_OPEN else config
    weights = resolve(config)
    if weights.description.fit == "crop":
        reporter.notify("these weights see the picture's central square: nothing beside it is kept in front")
    if config.input_size != weights.description.size:
        _log.info("network: trained at %d pixels, runs at %d", weights.description.size, config.input_size)
    with reporter.download(_downloading(weights)) as downloaded, reporter.build() as built:
        first = open_engine(begun, weights, reporter.notify, built, downloaded)
    pinned = pin_engine_config(config, first.info)

    def supervised(size: int, opened: Engine | None = None) -> Engine:
        def reopen() -> Engine:
            return open_engine(replace(pinned, input_size=size), weights, _log.info)

        return SupervisedEngine(opened or reopen(), reopen, on_event=on_event)

    def beside(size: int) -> Engine:
        threads = max(1, thread_count() // 2)

        def reopen() -> Engine:
            give_way()  # on a thread of its own: nobody waits for it
            return open_engine(replace(pinned, input_size=size, threads=threads), weights, _log.info)

        # Opening takes a second of one core, which frames need; and half of one core's threads is all of them.
        same = size == first.info.input_size and threads == thread_count()
        opened = first.second() if same and isinstance(first, Shareable) else reopen()
        return SupervisedEngine(opened, reopen, on_event=on_event, gives_way=True)

    pool = EnginePool(supervised(first.info.input_size, first), supervised, size=config.input_size, open_beside=beside)
    info = pool.info
    where = f"{info.name}, {info.precision}, {info.device}"
    _log.info("network: %s at %dx%d on %s, %s", info.model, info.input_size, info.input_size, where, info.weights)
    return pool


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
