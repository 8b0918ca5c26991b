"""Routes captured frames to inference and, when tracked, straight to the compositor."""

from __future__ import annotations

from dataclasses import dataclass

from rtsod.frames import Frame
from rtsod.interfaces import Masker
from rtsod.mask_plan import MaskPlan
from rtsod.metrics import Drop
from rtsod.pipeline.ledger import FrameLedger
from rtsod.pipeline.mask_sync import Decision
from rtsod.pipeline.ring import Ring


@dataclass(frozen=True, slots=True)
class InferenceRequest:
    """A frame on its way to inference."""

    frame: Frame
    locked: bool
    """True: the frame reaches the compositor through inference, which accounts for it. False: it was also sent to the
    compositor directly, which accounts for it."""


class FrameRouter:
    """Sends each frame to inference and, if it is tracked, to the compositor as well. Used by one thread.

    Args:
        to_infer: receives every frame.
        to_show: receives the tracked frames; the inference thread feeds it, too.
        plan: says whether a frame is tracked, given the masker's current mask interval.
        masker: makes the masks.
        ledger: told of the frames displaced by newer ones.
        live: False for files, whose frames all go through inference.
    """

    def __init__(
        self,
        to_infer: Ring[InferenceRequest],
        to_show: Ring[Decision | Frame],
        plan: MaskPlan,
        masker: Masker,
        ledger: FrameLedger,
        *,
        live: bool,
    ) -> None:
        self._to_infer, self._to_show = to_infer, to_show
        self._plan, self._masker = plan, masker
        self._ledger = ledger
        self._live = live
        self._tracked = False

    def put(self, frame: Frame) -> None:
        """Send a frame on its way.

        Raises:
            Closed: the pipeline is stopping, and the frame will not be shown.
        """
        self._tracked = self._live and self._plan.tracks(self._masker.mask_interval)
        displaced = self._to_infer.put(InferenceRequest(frame, locked=not self._tracked))
        if displaced is not None and displaced.locked:
            self._ledger.dropped(displaced.frame, Drop.BEFORE_INFERENCE)
        if self._tracked and (earlier := self._to_show.put(frame)) is not None:
            self._ledger.dropped(frame_of(earlier), Drop.BEFORE_COMPOSITING)

    def close(self, *, discard: bool = False) -> list[Frame]:
        """End the input. Frames on their way are still processed, unless they are discarded.

        Returns:
            The discarded frames, each once: the caller must account for them.
        """
        discarded = [request.frame for request in self._to_infer.close(discard=discard) if request.locked]
        if self._tracked:
            discarded += [frame_of(item) for item in self._to_show.close(discard=discard)]
        return discarded


def frame_of(item: Decision | Frame) -> Frame:
    """The captured frame behind an item on its way to the compositor."""
    return item if isinstance(item, Frame) else item.frame
