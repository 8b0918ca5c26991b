"""Decoded video frames as upright BGR pictures, with the colours they were encoded with."""

from __future__ import annotations

from typing import Final

import numpy as np
from av import VideoFrame
from av.container import InputContainer
from av.packet import Packet
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream

from rtsod.frames import Picture
from rtsod.imaging.geometry import Geometry, orientation_of

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


class Converter:
    """Decodes one video and converts its frames, of any pixel format, to the pictures that a player shows.

    It is the only way to a video's pictures, so a file looks the same as a source and as a background. Interlaced
    frames are not deinterlaced.

    Args:
        container: open for demuxing.
        stream: the video of ``container``, nothing decoded yet.
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self._stream = stream
        self._geometry = Geometry(container, stream)
        self._reformatter = VideoReformatter()
        self.notes: tuple[str, ...] = ()
        """Lines for the user about the newest picture."""

    def decode(self, packet: Packet[VideoStream]) -> list[VideoFrame]:
        """The frames that a packet of the stream completes.

        Raises:
            av.error.FFmpegError, ValueError: the data is damaged.
        """
        return packet.decode()

    def picture(self, frame: VideoFrame) -> Picture:
        """Convert one frame: its matrix and range, its cropping, its pixel aspect, its display matrix.

        A frame that names no matrix is taken for BT.709 from 720 lines on and for BT.601 below, as players do.

        Returns:
            The picture, full range, upright, with square pixels.

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
        picture = Picture(np.ascontiguousarray(converted.to_ndarray(), np.uint8))
        self.notes = self._geometry.notes(picture)
        return self._geometry.apply(picture, orientation_of(frame))
