"""Masks as good as the machine keeps up with: the maker of masks changes with the rung of the ladder."""

from __future__ import annotations

import time

from rtsod.frames import Frame, Mask
from rtsod.interfaces import Clock, Masker
from rtsod.masking.engine_pool import EnginePool
from rtsod.masking.ladder import Ladder, Rung
from rtsod.masking.roi_masker import RegionMasker
from rtsod.masking.whole_frame import WholeFrame
from rtsod.metrics import Metrics
from rtsod.progress import Notify


class AdaptiveMasker:
    """See :class:`rtsod.interfaces.Masker`.

    Args:
        ladder: says which rung to stand on.
        pool: the engines, the caller's to close. While one is being opened, which may take a while and all of the
            machine, masks are made as before (at the start, by the pool's first), but not for more frames than on the
            cheapest rung.
        metrics: told of the masks and of each rung.
        notify: told of each change, once, when it takes effect.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        ladder: Ladder,
        pool: EnginePool,
        metrics: Metrics,
        notify: Notify,
        *,
        clock: Clock = time.perf_counter,
    ) -> None:
        self._ladder, self._pool, self._metrics, self._notify, self._clock = ladder, pool, metrics, notify, clock
        ready = pool.ready(ladder.rung.size) is not None
        self._rung = ladder.rung if ready else Rung(pool.first.info.input_size, mask_interval=ladder.rung.mask_interval)
        self._masker = masker_for_rung(self._rung, pool, metrics)
        self._why = "its network is open now"
        self._seconds = 0.0
        metrics.stands_on(str(self._rung))

    @property
    def name(self) -> str:
        """The engine's."""
        return self._masker.name

    @property
    def mask_interval(self) -> int:
        """At most each so many-th frame needs a mask of its own."""
        wanted = self._ladder.rung
        waits = wanted is not self._rung and self._pool.is_opening(wanted.size)
        return self._ladder.last.mask_interval if waits else self._rung.mask_interval

    def mask(self, frame: Frame) -> Mask:
        """See :meth:`rtsod.interfaces.Masker.mask`."""
        self._move()
        started = self._clock()
        try:
            return self._masker.mask(frame)
        finally:
            self._seconds = self._clock() - started

    def run_deferred(self) -> None:
        """See :meth:`rtsod.interfaces.Masker.run_deferred`."""
        started = self._clock()
        self._masker.run_deferred()
        now = self._clock()
        if self._rung is self._ladder.rung:
            step = self._ladder.took(self._seconds + now - started, now)
            if step is not None:
                self._why = step.why

    def _move(self) -> None:
        rung = self._ladder.rung
        if rung is self._rung or self._pool.ready(rung.size) is None:
            return
        if (rung.size, rung.region) != (self._rung.size, self._rung.region):
            self._masker = masker_for_rung(rung, self._pool, self._metrics)
        self._rung = rung
        self._metrics.stands_on(str(rung))
        self._notify(f"quality: {rung}, because {self._why}")


def masker_for_rung(rung: Rung, pool: EnginePool, metrics: Metrics) -> Masker:
    """What makes masks on a rung; opens its engine if need be."""
    if rung.region:
        return RegionMasker(pool.first, pool.open(rung.size), metrics)
    return WholeFrame(pool.open(rung.size), metrics)
