"""The colours of video frames: from any pixel format, matrix and range to 8-bit BGR as a player shows it."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from av import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from numpy.typing import NDArray

from rtsod.frames import Image
from rtsod.imaging.colour import EXACT
from rtsod.imaging.colour.tags import BT709, ColourTags, conversion_note, has_unknown_matrix, needs_conversion, tags_of

_BT2020: Final = 9  # SWS_CS_BT2020, which PyAV 18 does not name
_SWSCALE_MATRICES: Final[dict[int | None, int]] = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: _BT2020,
}
"""H.273's number of a matrix, which is FFmpeg's AVColorSpace, and swscale's."""


class ColourConverter:
    """Converts frames of any pixel format to BGR. Use one per video: it caches swscale's tables.

    swscale alone does it for the usual matrices, and leaves the primaries and the transfer characteristic as they are.
    Other matrices, wide gamuts and HDR are read with 16 bits and converted to BT.709 by the formulas of the standards.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self.note: str | None = None
        """A line for the user about the newest frame: what is converted, or guessed."""

    def convert(self, frame: VideoFrame, *, alpha: bool) -> tuple[Image, Image | None]:
        """Convert one frame. Without a known matrix it is taken for BT.709 from 720 lines on and for BT.601 below.

        Args:
            frame: as decoded.
            alpha: whether its format has an alpha.

        Returns:
            ``(H, W, 3)`` uint8 BGR, full range, and the alpha, ``(H, W)`` uint8, or None.

        Raises:
            av.error.FFmpegError, ValueError: the pixel format cannot be converted.
        """
        tags = tags_of(frame)
        self.note = _guess_note(tags) if has_unknown_matrix(frame) else conversion_note(tags)
        if not needs_conversion(tags):
            pixels = np.asarray(self._rgb(frame, "bgra" if alpha else "bgr24", tags), np.uint8)
            image = np.ascontiguousarray(pixels[:, :, :3])
            return image, np.ascontiguousarray(pixels[:, :, 3]) if alpha else None
        from rtsod.imaging.colour.wide_gamut import converted  # with Numba, only where it is needed

        codes = self._rgb(frame, "bgr48le", tags) if tags.matrix is None else self._ycbcr(frame, tags)
        image = converted(np.asarray(codes, np.uint16), tags)
        return image, np.ascontiguousarray(self._rgb(frame, "bgra", tags)[:, :, 3], np.uint8) if alpha else None

    def _rgb(self, frame: VideoFrame, pixel_format: str, tags: ColourTags) -> NDArray[Any]:
        return self._reformatter.reformat(
            frame,
            format=pixel_format,
            src_colorspace=_SWSCALE_MATRICES.get(tags.matrix, Colorspace.ITU601),
            src_color_range=frame.color_range or None,
            dst_color_range=ColorRange.JPEG,  # without it, some PyAV versions squeeze RGB into video range
        ).to_ndarray()

    def _ycbcr(self, frame: VideoFrame, tags: ColourTags) -> NDArray[Any]:
        """``(H, W, 3)``: the frame's own Y, Cb and Cr. Only their depth and the chroma's size change."""
        stated = ColorRange.JPEG if tags.full_range else ColorRange.MPEG
        return self._reformatter.reformat(
            frame,
            format="yuv444p16le",
            src_colorspace=Colorspace.ITU709,  # any, if both are the same
            dst_colorspace=Colorspace.ITU709,
            src_color_range=stated,
            dst_color_range=stated,
            interpolation=EXACT,
        ).to_ndarray()


def _guess_note(tags: ColourTags) -> str:
    name = "BT.709" if tags.matrix == BT709 else "BT.601"
    return f"colours: the YCbCr matrix is not known: {name} is assumed"
