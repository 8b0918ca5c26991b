"""Turns the network's masks of a stream into the masks that are shown: without flicker, and of the subject only."""

from __future__ import annotations

from rtsod.frames import Mask, MaskedFrame
from rtsod.motion.background_model import BackgroundModel
from rtsod.motion.flow import downscale_frame
from rtsod.motion.presence import PresenceGate
from rtsod.motion.smooth import Smoother
from rtsod.motion.subject_lock import SubjectLock


class MaskStabilizer:
    """Stabilizes the masks of one stream, given in order. Not thread-safe.

    Args:
        subject_lock: True: show only the subject that was there first.
    """

    def __init__(self, *, subject_lock: bool = False) -> None:
        self._smoother = Smoother()
        self._presence = PresenceGate()
        self._background = BackgroundModel()
        self._lock = SubjectLock() if subject_lock else None

    def stabilize(self, masked: MaskedFrame) -> MaskedFrame:
        """Return the frame with its own mask, stabilized by the masks before it."""
        frame = masked.frame
        picture = downscale_frame(frame.image)
        match = self._background.match(picture)
        # Smooth first, then judge: the judgement must not waver either, but what it decides takes effect at once.
        alpha = self._presence.apply(self._smoother.smooth(masked.alpha, picture, frame.time), match)
        self._background.update(match, masked.alpha, alpha, picture, frame.time)
        if self._lock is not None:
            alpha = self._lock.apply(alpha, picture, frame.time)
        return MaskedFrame(frame, Mask(alpha, masked.mask.frame_index, masked.mask.captured_at))
