"""Makes masks as good as the machine can sustain: the masker changes with the rung of the ladder."""

from __future__ import annotations

import logging
import time

from rtsod.frames import Frame, Mask
from rtsod.interfaces import Clock, Masker
from rtsod.mask_plan import Rung
from rtsod.masking.engine_pool import EnginePool
from rtsod.masking.ladder import Ladder
from rtsod.masking.refresh import Refresher
from rtsod.masking.roi_masker import RoiMasker
from rtsod.masking.whole_frame import WholeFrame
from rtsod.metrics import Metrics

_log = logging.getLogger(__name__)


class AdaptiveMasker:
    """Delegates to the masker of the current rung, and logs each change. See :class:`rtsod.interfaces.Masker`.

    Args:
        ladder: chooses the rung.
        pool: the engines; the caller closes it. While an engine is being opened, which may take a while and all of the
            machine, masks are made as before (at the start, with the pool's first engine), but only for as many frames
            as on the cheapest rung.
        refresher: looks at full frames; the caller closes it.
        metrics: counts the masks, notes each rung, and knows whether the run keeps up.
        clock: monotonic time in seconds.
        cpu_clock: processor time of this process in seconds.
    """

    def __init__(
        self,
        ladder: Ladder,
        pool: EnginePool,
        refresher: Refresher,
        metrics: Metrics,
        *,
        clock: Clock = time.perf_counter,
        cpu_clock: Clock = time.process_time,
    ) -> None:
        self._ladder, self._pool, self._refresher, self._metrics = ladder, pool, refresher, metrics
        self._clock, self._cpu_clock = clock, cpu_clock
        first = pool.first.info.input_size
        begins_whole = ladder.rung.size == first and not ladder.rung.region
        self._rung = ladder.rung if begins_whole else Rung(first, mask_interval=ladder.rung.mask_interval)
        self._masker = masker_for_rung(self._rung, pool, refresher, metrics)
        self._reason = "it is what this machine can afford"
        self._mask_seconds: float | None = None
        self._is_back = False
        """Whether the rung's own network took over from a smaller one, which it has nothing to learn from."""
        metrics.on_rung(str(self._rung))

    @property
    def name(self) -> str:
        """The engine's name."""
        return self._masker.name

    @property
    def mask_interval(self) -> int:
        """The current rung's; the cheapest rung's while another engine is being opened."""
        wanted = self._ladder.rung
        opening = wanted is not self._rung and self._pool.is_opening(wanted.size, wanted.network)
        return self._ladder.cheapest.mask_interval if opening else self._rung.mask_interval

    def mask(self, frame: Frame) -> Mask:
        """See :meth:`rtsod.interfaces.Masker.mask`."""
        former = self._change_rung_if_ready()
        if former is not None and isinstance(self._masker, RoiMasker):
            mask = former.mask(frame)
            self._masker.learn(frame, mask, is_better=not self._is_back)
            return mask  # two networks saw the frame: the time would say nothing about either rung
        started = self._clock()
        try:
            return self._masker.mask(frame)
        finally:
            self._mask_seconds = self._clock() - started

    def run_deferred(self) -> None:
        """See :meth:`rtsod.interfaces.Masker.run_deferred`."""
        self._masker.run_deferred()
        seconds, self._mask_seconds = self._mask_seconds, None
        if seconds is None or self._rung is not self._ladder.rung:
            return
        step = self._ladder.record(seconds, self._metrics.pace(), self._cpu_clock(), self._clock())
        if step is not None:
            self._reason = step.reason

    def _change_rung_if_ready(self) -> Masker | None:
        """Follow the ladder. Returns the masker up to now, if another one takes over."""
        rung, former = self._ladder.rung, self._masker
        if rung is self._rung:
            return None
        if self._pool.ready(rung.size, rung.network) is None:
            assistant = self._pool.assistant if rung.network is not None else None
            if assistant is not None and not self._pool.is_opening(rung.size, rung.network):
                self._ladder.do_without_assistant(assistant.cost)
            return None
        if _seen(rung) != _seen(self._rung):
            self._is_back = rung.network is None and self._rung.network is not None
            self._masker = masker_for_rung(rung, self._pool, self._refresher, self._metrics)
        self._rung = rung
        self._metrics.on_rung(str(rung))
        _log.info("quality: %s, because %s", rung, self._reason)
        return former if former is not self._masker else None


def masker_for_rung(rung: Rung, pool: EnginePool, refresher: Refresher, metrics: Metrics) -> Masker:
    """Build the masker of a rung, opening its engine if necessary."""
    engine = pool.open(rung.size, rung.network)
    if rung.region:
        return RoiMasker(pool.size, engine, refresher, metrics, assisted=rung.network is not None)
    return WholeFrame(engine, metrics)


def _seen(rung: Rung) -> tuple[int, bool, str | None]:
    """What of a frame which network sees; the rest of a rung is how often."""
    return rung.size, rung.region, rung.network
