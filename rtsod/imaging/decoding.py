"""Decoded video frames as upright BGR pictures, with the colours they were encoded with."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from av import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from rtsod.frames import Picture

_BT2020: Final = 9  # SWS_CS_BT2020, which PyAV does not name
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
_HD_LINES: Final = 720
"""Untagged video with at least this many lines is taken for BT.709, smaller video for BT.601."""
_ROTATIONS: Final = {  # counter-clockwise degrees -> OpenCV's constant
    90: cv2.ROTATE_90_COUNTERCLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_CLOCKWISE,
}


class Converter:
    """Converts video frames of any pixel format to upright BGR pictures.

    Use one per video: it caches swscale's tables from frame to frame. HDR is not tone-mapped, and interlaced frames are
    not deinterlaced.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def picture(self, frame: VideoFrame) -> Picture:
        """Convert one frame, using its YUV matrix, its range and its display rotation.

        A frame that names no matrix is taken for BT.709 from 720 lines on and for BT.601 below, as players do.

        Returns:
            The picture, full range.

        Raises:
            av.error.FFmpegError, ValueError: the pixel format cannot be converted.
        """
        guess = Colorspace.ITU709 if frame.height >= _HD_LINES else Colorspace.ITU601
        converted = self._reformatter.reformat(
            frame,
            format="bgr24",
            src_colorspace=_MATRICES.get(frame.colorspace, guess),
            src_color_range=frame.color_range or None,
            dst_color_range=ColorRange.JPEG,  # without it, some PyAV versions squeeze RGB into video range
        )
        image = np.ascontiguousarray(converted.to_ndarray(), np.uint8)
        rotation = _ROTATIONS.get(quarter_turns(frame))
        return Picture(image if rotation is None else np.asarray(cv2.rotate(image, rotation), np.uint8))


def quarter_turns(frame: VideoFrame) -> int:
    """The frame's display rotation, counter-clockwise: 0, 90, 180 or 270 degrees."""
    return round(frame.rotation / 90) * 90 % 360
