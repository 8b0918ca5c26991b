"""What a video frame says of its colours, and whether that takes more than swscale.

The numbers are code points of ITU-T H.273. FFmpeg's AVColorSpace, AVColorPrimaries and AVColorTransferCharacteristic
are the same.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

from av import VideoFrame


class Matrix(IntEnum):
    """The matrices that swscale does not know."""

    GBR = 0
    YCGCO = 8
    BT2020_CL = 10
    YDZDX = 11
    DERIVED = 12
    """From the primaries."""
    DERIVED_CL = 13
    ICTCP = 14
    YCGCO_RE = 16
    YCGCO_RO = 17


BT709: Final = 1
BT601: Final = 6
LUMA_WEIGHTS: Final = {
    BT709: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    BT601: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}
"""The matrices that swscale knows: KR and KB, what the luma takes of red and of blue."""
CONSTANT_LUMINANCE: Final = (Matrix.BT2020_CL, Matrix.DERIVED_CL)
BT2020: Final = 9
"""Primaries."""
PQ: Final = 16
HLG: Final = 18
"""Transfer characteristics."""

_HD_LINES: Final = 720
"""Untagged video with at least this many lines is taken for BT.709, smaller video for BT.601, as players do."""
_FULL_RANGE: Final = 2
_UNSPECIFIED: Final = 2
_TRANSFERS: Final = {
    8: "linear light",
    9: "logarithmic",
    10: "logarithmic",
    PQ: "PQ (HDR)",
    17: "DCI gamma",
    HLG: "HLG (HDR)",
}
"""Those that no screen shows as they are. In what the camera curves of SDR differ, players do not care."""
_PRIMARIES: Final = {4: "BT.470 M", 8: "film", BT2020: "BT.2020", 10: "XYZ", 11: "DCI-P3", 12: "Display P3"}
"""Those that differ visibly from BT.709's. BT.601's do not, and players do not care."""


class ColourTags(NamedTuple):
    """What a frame says of its colours, as far as it matters here, and what is assumed where it does not."""

    matrix: int | None
    """None for what is not YCbCr."""
    primaries: int = _UNSPECIFIED
    transfer: int = _UNSPECIFIED
    full_range: bool = True
    """Of YCbCr."""
    bits: int = 8
    """Of the luma."""

    @property
    def gamut(self) -> int:
        """The primaries, those of BT.601 and unknown ones taken for BT.709's."""
        return self.primaries if self.primaries in _PRIMARIES else 1


def tags_of(frame: VideoFrame) -> ColourTags:
    """A frame's tags, with what one of them implies of the others, and a guess for a matrix that is not known."""
    layout = frame.format
    channels = [part for part in layout.components if not part.is_alpha]
    primaries, transfer = frame.color_primaries, frame.color_trc
    if layout.name.startswith("xyz"):
        return ColourTags(None)  # swscale makes BT.709 of it
    if layout.is_rgb or layout.has_palette or len(channels) < 3:
        return ColourTags(None, primaries, transfer)
    matrix = _guess(frame) if has_unknown_matrix(frame) or frame.colorspace == _UNSPECIFIED else frame.colorspace
    if matrix == Matrix.ICTCP:
        primaries, transfer = BT2020, transfer if transfer == HLG else PQ
    elif matrix == Matrix.BT2020_CL:
        primaries = BT2020
    full_range = frame.color_range == _FULL_RANGE or layout.name.startswith("yuvj")
    return ColourTags(matrix, primaries, transfer, full_range, channels[0].bits)


def has_unknown_matrix(frame: VideoFrame) -> bool:
    """Whether the frame states a YCbCr matrix with a number that means nothing, or not for its pixel format."""
    layout = frame.format
    if layout.is_rgb or len(layout.components) < 3 or frame.colorspace == _UNSPECIFIED:
        return False
    if frame.colorspace == Matrix.GBR:  # red and blue of a lower resolution than green
        return any(part.width < layout.width or part.height < layout.height for part in layout.components)
    return frame.colorspace not in LUMA_WEIGHTS and frame.colorspace not in set(Matrix)


def _guess(frame: VideoFrame) -> int:
    return BT709 if frame.height >= _HD_LINES else BT601


def needs_conversion(tags: ColourTags) -> bool:
    """Whether swscale alone would show wrong colours."""
    return tags.matrix in set(Matrix) or tags.transfer in _TRANSFERS or tags.primaries in _PRIMARIES


def conversion_note(tags: ColourTags) -> str | None:
    """A line for the user: which colours become BT.709's."""
    names = [name for name in (_PRIMARIES.get(tags.primaries), _TRANSFERS.get(tags.transfer)) if name]
    return f"colours: {' '.join(names)} is converted to BT.709" if names else None
