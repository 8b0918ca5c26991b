"""Which mask goes with which frame: its own (locked), or the newest one, carried to it (tracked)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from rtsod.errors import MaskError
from rtsod.frames import Frame, MaskedFrame, PropagatedFrame
from rtsod.interfaces import Masker
from rtsod.metrics import Drop, Metrics, Stage, Work


class Propagator(Protocol):
    """What tracks; see :class:`rtsod.motion.propagate.MaskPropagator`."""

    def observe(self, frame: Frame) -> None:
        """See a frame to which there is nothing to carry."""
        ...

    def propagate(self, masked: MaskedFrame, frame: Frame) -> PropagatedFrame | None:
        """The mask as another frame needs it; None where the motion between the two cannot be believed."""
        ...


class Stabilizer(Protocol):
    """What steadies; see :class:`rtsod.motion.stabilize.MaskStabilizer`."""

    def stabilize(self, masked: MaskedFrame) -> MaskedFrame:
        """The frame with its own mask, steadied by those before."""
        ...


@dataclass(frozen=True, slots=True)
class Rejected:
    """A frame that got no valid mask: it becomes a slate, so that a file's time line stays whole."""

    frame: Frame
    reason: Drop


@dataclass(frozen=True, slots=True)
class HoldLast:
    """A frame that no motion leads to: in its place the newest one that has its own mask is shown, once."""

    frame: Frame
    instead: MaskedFrame


Decision: TypeAlias = MaskedFrame | PropagatedFrame | HoldLast | Rejected
"""What is to be shown for a frame."""


class MaskSynchronizer:
    """Finds the answer for each frame.

    Live, two threads share it: one calls :meth:`answer` for each frame that waits for its mask and :meth:`infer` for
    each that does not, the other :meth:`track` for the latter. Files have the one thread that calls :meth:`answer`.

    Args:
        masker: makes the masks.
        stabilizer: is shown every mask in order; None leaves them as they are.
        propagator: of masks to frames that have none of their own; None where each waits for its own.
        metrics: told of everything.
        mask_interval: with a carrier, at most every so many-th captured frame gets a mask of its own.
        spares: live and with a carrier: whether a frame can do without even then, given the newest mask.
        refusal: why a mask of a frame captured at that moment must not be shown now, or None.
    """

    def __init__(
        self,
        masker: Masker,
        stabilizer: Stabilizer | None,
        propagator: Propagator | None,
        metrics: Metrics,
        *,
        mask_interval: int,
        spares: Callable[[MaskedFrame, Frame], bool] = lambda newest, frame: False,
        refusal: Callable[[float], Drop | None],
    ) -> None:
        self._masker = masker
        self._stabilizer = stabilizer
        self._propagator = propagator
        self._metrics = metrics
        self._mask_interval = mask_interval
        self._spares = spares
        self._refusal = refusal
        self._newest: MaskedFrame | None = None  # one name bound anew, so whoever reads it has one whole mask

    def answer(self, frame: Frame) -> Decision:
        """Its own mask; with a carrier, for the frames between every n-th, the mask of the one before them.

        A frame that no motion leads to gets its own mask all the same: there is time.
        """
        if self._propagator is not None and self._newest is not None and not self._is_due(frame):
            carried = self._propagate(self._propagator, self._newest, frame)
            if carried is not None:
                return carried
        answer = self._inferred(frame)
        self._newest = answer if isinstance(answer, MaskedFrame) else None
        return answer

    def infer(self, frame: Frame) -> None:
        """Live: make this frame's mask the newest, if one is due. An invalid one leaves the newest to grow old."""
        if self._newest is not None and self._spares(self._newest, frame):
            return
        if self._is_due(frame) and isinstance(answer := self._inferred(frame), MaskedFrame):
            self._newest = answer

    def track(self, frame: Frame) -> Decision:
        """Live: the newest mask carried to the newest frame."""
        newest, propagator = self._newest, self._propagator
        assert propagator is not None, "without a carrier there is no tracking"
        reason = Drop.NO_MASK if newest is None else self._refusal(newest.mask.captured_at)
        if newest is None or reason is not None or newest.frame.index == frame.index:
            if reason is not Drop.PAUSED:
                with self._metrics.stage(Stage.TRACK, frame.index):
                    propagator.observe(frame)
            return newest if newest is not None and reason is None else Rejected(frame, reason or Drop.NO_MASK)
        return self._propagate(propagator, newest, frame) or HoldLast(frame, newest)

    def _is_due(self, frame: Frame) -> bool:
        return self._newest is None or frame.index - self._newest.frame.index >= self._mask_interval

    def _propagate(self, propagator: Propagator, masked: MaskedFrame, frame: Frame) -> PropagatedFrame | None:
        with self._metrics.stage(Stage.TRACK, frame.index):
            return propagator.propagate(masked, frame)

    def _inferred(self, frame: Frame) -> MaskedFrame | Rejected:
        if (reason := self._refusal(frame.captured_at)) is not None:
            return Rejected(frame, reason)
        try:
            masked = MaskedFrame(frame, self._masker.mask(frame))
        except MaskError:
            self._metrics.invalid_mask()
            return Rejected(frame, Drop.INVALID_MASK)
        self._metrics.worked(Work.MASKS)
        if self._stabilizer is None:
            return masked
        with self._metrics.stage(Stage.TRACK, frame.index):
            return self._stabilizer.stabilize(masked)
