"""A stream's masks as they are shown: still where the picture is, and without what is no subject, or not the one."""

from __future__ import annotations

from rtsod.frames import Mask, MaskedFrame
from rtsod.motion.background_model import Ground
from rtsod.motion.flow import small
from rtsod.motion.presence import Presence
from rtsod.motion.smooth import Smoother
from rtsod.motion.subject_lock import SubjectLock


class MaskStabilizer:
    """Steadies the masks of one stream, in their order. For one thread.

    Args:
        subject_lock: keep to the subject that was there first.
    """

    def __init__(self, *, subject_lock: bool = False) -> None:
        self._smoother = Smoother()
        self._presence = Presence()
        self._ground = Ground()
        self._lock = SubjectLock() if subject_lock else None

    def stabilize(self, masked: MaskedFrame) -> MaskedFrame:
        """The frame with its own mask, steadied by those before."""
        frame = masked.frame
        picture = small(frame.image)
        at = frame.captured_at if frame.pts is None else float(frame.pts)
        # First smoothed, then judged: a judgement should not waver either, and takes effect at once.
        known = self._ground.among(picture)
        alpha = self._presence.gate(self._smoother.smooth(masked.alpha, picture, at), known)
        self._ground.learn(known, masked.alpha, alpha, picture, at)
        if self._lock is not None:
            alpha = self._lock.keep(alpha, picture, at)
        return MaskedFrame(frame, Mask(alpha, masked.mask.frame_index, masked.mask.captured_at))
