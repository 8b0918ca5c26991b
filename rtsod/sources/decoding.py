"""From decoded video frames to pictures and times: colours, orientation, time stamps. Pure but for their own state."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import cv2
import numpy as np
from av import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from rtsod.frames import Image

_BT2020: Final = 9  # SWS_CS_BT2020; PyAV 15 has no name for it
# AVColorSpace of a frame -> the matrix swscale knows. Others (YCgCo, ICtCp, ...) are too rare to guess at.
_MATRICES: Final[dict[int, int]] = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: _BT2020,
    10: _BT2020,
}
_HD_HEIGHT: Final = 720
_TURNS: Final = {  # counter-clockwise degrees -> what cv2 calls them
    90: cv2.ROTATE_90_COUNTERCLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_CLOCKWISE,
}
_DISCONTINUITY: Final = Fraction(1)


class Converter:
    """Makes upright BGR pictures of video frames of any format."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()  # keeps its tables from frame to frame

    def bgr(self, frame: VideoFrame) -> Image:
        """The frame as ``(H, W, 3)`` uint8 BGR, contiguous, turned as its display matrix says.

        Where the file does not name its YUV matrix, it is BT.709 from 720 lines on and BT.601 below, as players do.

        Raises:
            av.error.FFmpegError, ValueError: the format cannot be converted.
        """
        guess = Colorspace.ITU709 if frame.height >= _HD_HEIGHT else Colorspace.ITU601
        converted = self._reformatter.reformat(
            frame,
            format="bgr24",
            src_colorspace=_MATRICES.get(frame.colorspace, guess),
            src_color_range=frame.color_range or None,
            dst_color_range=ColorRange.JPEG,  # PyAV 15 else squeezes RGB into the range of video
        )
        image = np.ascontiguousarray(converted.to_ndarray(), np.uint8)
        turn = _TURNS.get(quarter_turns(frame))
        return image if turn is None else np.asarray(cv2.rotate(image, turn), np.uint8)


def quarter_turns(frame: VideoFrame) -> int:
    """How far the frame is to be turned counter-clockwise: 0, 90, 180 or 270 degrees."""
    return round(frame.rotation / 90) * 90 % 360


class Timeline:
    """Gives every frame a time: seconds from the first, strictly increasing, whatever the file says."""

    def __init__(self, time_base: Fraction, frame_seconds: Fraction) -> None:
        self._tick = time_base
        self._step = frame_seconds
        self._origin: Fraction | None = None
        self._last = Fraction(0)

    def seconds(self, pts: int | None) -> Fraction:
        """The time of the next frame, given its own stamp in units of the time base."""
        if self._origin is None:
            self._origin = (pts or 0) * self._tick
            return self._last
        time = self._last + self._step if pts is None else pts * self._tick - self._origin
        if time <= self._last - _DISCONTINUITY and pts is not None:
            # The clock was set back (recordings strung together): go on from here.
            time = self._last + self._step
            self._origin = pts * self._tick - time
        # A stamp that stands still or goes back a little: the smallest step, lest a drift against the sound adds up.
        self._last = max(time, self._last + self._tick)
        return self._last
