"""Routes captured frames to inference and, where they need not wait for it, straight to the compositor."""

from __future__ import annotations

from dataclasses import dataclass

from rtsod.frames import Frame
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
    """Sends each frame to inference and, unless every frame waits for its mask, straight to the compositor as well.

    Used by one thread.

    Args:
        to_infer: receives every frame.
        to_show: receives the frames that go straight to the compositor; otherwise the inference thread feeds it.
        ledger: told of the frames displaced by newer ones.
        straight: frames do not wait for inference. False for files, and for plans that lock every frame.
    """

    def __init__(
        self,
        to_infer: Ring[InferenceRequest],
        to_show: Ring[Decision | Frame],
        ledger: FrameLedger,
        *,
        straight: bool,
    ) -> None:
        self._to_infer, self._to_show = to_infer, to_show
        self._ledger = ledger
        self._straight = straight

    def put(self, frame: Frame) -> None:
        """Send a frame on its way.

        Raises:
            Closed: the pipeline is stopping, and the frame will not be shown.
        """
        displaced = self._to_infer.put(InferenceRequest(frame, locked=not self._straight))
        if displaced is not None and displaced.locked:
            self._ledger.dropped(displaced.frame, Drop.BEFORE_INFERENCE)
        if self._straight and (earlier := self._to_show.put(frame)) is not None:
            self._ledger.dropped(frame_of(earlier), Drop.BEFORE_COMPOSITING)

    def close(self, *, discard: bool = False) -> list[Frame]:
        """End the input. Frames on their way are still processed, unless they are discarded.

        Returns:
            The discarded frames, each once: the caller must account for them.
        """
        discarded = [request.frame for request in self._to_infer.close(discard=discard) if request.locked]
        if self._straight:
            discarded += [frame_of(item) for item in self._to_show.close(discard=discard)]
        return discarded


def frame_of(item: Decision | Frame) -> Frame:
    """The captured frame behind an item on its way to the compositor."""
    return item if isinstance(item, Frame) else item.frame
