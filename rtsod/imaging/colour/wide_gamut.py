"""Converts frames to BT.709 by the formulas of the standards, where swscale cannot."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rtsod.frames import Image
from rtsod.imaging.colour import formulas
from rtsod.imaging.colour.formulas import Numbers
from rtsod.imaging.colour.kernel import GAIN_STEPS, MAX_LIGHT, STEPS, convert
from rtsod.imaging.colour.tags import CONSTANT_LUMINANCE, HLG, LUMA_WEIGHTS, ColourTags, Matrix

_MIDDLE: Final = 1 << 15
"""Code of neutral chroma, in 16 bits."""
_YCGCO_TO_RGB: Final = np.array([[1, -1, 1], [1, 1, 0], [1, -1, -1]])
_RGB_OF_LMS: Final = np.array(
    np.linalg.inv(np.array([[1688, 2146, 262], [683, 2951, 462], [99, 309, 3688]]) / 4096), float
)
_ICTCP_OF_LMS: Final = {  # ITU-R BT.2100, tables 7 and 8
    False: np.array([[2048, 2048, 0], [6610, -13613, 7003], [17933, -17390, -543]]) / 4096,
    True: np.array([[2048, 2048, 0], [3625, -7465, 3840], [9500, -9212, -288]]) / 4096,
}


def converted(codes: NDArray[np.uint16], tags: ColourTags) -> Image:
    """Convert a frame.

    Args:
        codes: ``(H, W, 3)`` uint16: Y, Cb, Cr, or without a matrix B, G, R in full range.
        tags: of the frame.

    Returns:
        ``(H, W, 3)`` uint8 BGR, full range.
    """
    image = np.empty(codes.shape, np.uint8)
    kernel: Any = convert
    kernel(codes, *_tables(tags), image)
    return image


class Signal(NamedTuple):
    """From codes to a signal in [0, 1], and from its light to that of red, green and blue."""

    offset: Numbers
    negative: Numbers
    """``(3,)``: what each code is multiplied by after ``offset`` was added, if it is then negative, ..."""
    positive: Numbers
    """... and if not."""
    to_signal: Numbers
    """``(3, 3)``."""
    to_rgb: Numbers = np.eye(3)
    """``(3, 3)``, in linear light."""


@lru_cache(maxsize=4)
def _tables(tags: ColourTags) -> tuple[NDArray[np.generic], ...]:
    """The kernel's tables."""
    signal = _rgb() if tags.matrix is None else _ycbcr(tags)
    transfer = formulas.transfer_of(tags.transfer, constant_luminance=tags.matrix in CONSTANT_LUMINANCE)
    unit = np.linspace(0, 1, STEPS + 1)
    to_bt709 = formulas.bt709_from(tags.gamut) @ signal.to_rgb
    scene_gain = formulas.hlg_gain(np.linspace(0, 1, GAIN_STEPS + 1)) if tags.transfer == HLG else np.empty(0)
    tone_gain = formulas.tone_gain(np.linspace(0, MAX_LIGHT, GAIN_STEPS + 1)) if transfer.is_hdr else np.empty(0)
    return (
        signal.offset.astype(np.float32),
        np.stack([signal.negative, signal.positive]).astype(np.float32),
        np.ascontiguousarray(signal.to_signal, np.float32),
        transfer.decode(unit).astype(np.float32),
        np.ascontiguousarray(to_bt709, np.float32),
        scene_gain.astype(np.float32),
        tone_gain.astype(np.float32),
        np.rint(np.clip(transfer.encode(unit), 0, 1) * 255).astype(np.uint8),
    )


def _rgb() -> Signal:
    scale = np.full(3, 1 / 65535)
    return Signal(np.zeros(3), scale, scale, np.eye(3)[::-1])


def _ycbcr(tags: ColourTags) -> Signal:
    unit = 1 << (16 - tags.bits)  # 16-bit codes are the frame's own, shifted
    luma, chroma, black = 1 / (219 * 256), 1 / (224 * 256), -16 * 256
    if tags.full_range:
        luma, chroma, black = 1 / ((1 << tags.bits) - 1) / unit, 1 / ((1 << tags.bits) - 1) / unit, 0
    offset = np.array([black, -_MIDDLE, -_MIDDLE], float)
    scale = np.array([luma, chroma, chroma])
    like_luma = np.full(3, luma)
    match tags.matrix:  # the equations are those of ITU-T H.273, 8.3
        case Matrix.GBR:
            return Signal(np.full(3, black, float), like_luma, like_luma, np.eye(3)[[2, 0, 1]])
        case Matrix.YCGCO:
            return Signal(offset, like_luma, like_luma, _YCGCO_TO_RGB)
        case Matrix.YCGCO_RE | Matrix.YCGCO_RO:  # lossless: red, green and blue have fewer bits
            bits = tags.bits - (2 if tags.matrix == Matrix.YCGCO_RE else 1)
            exact = np.array([1, 0.5, 0.5]) / unit / ((1 << bits) - 1)
            return Signal(np.array([0, -_MIDDLE, -_MIDDLE], float), exact, exact, _YCGCO_TO_RGB)
        case Matrix.ICTCP:
            return Signal(
                offset, scale, scale, np.array(np.linalg.inv(_ICTCP_OF_LMS[tags.transfer == HLG]), float), _RGB_OF_LMS
            )
        case Matrix.YDZDX:
            to_rgb = np.array([[0.991902, 0, 2], [1, 0, 0], [1 / 0.986566, 2 / 0.986566, 0]])
            return Signal(offset, scale, scale, to_rgb)
    if tags.matrix in CONSTANT_LUMINANCE:
        return _constant_luminance(offset, scale, tags)
    red, green, blue = formulas.xyz_from_rgb(tags.primaries)[1]  # KR, KG and KB: what the luma takes of each
    if tags.matrix in LUMA_WEIGHTS:
        red, blue = LUMA_WEIGHTS[tags.matrix]
        green = 1 - red - blue
    from_chroma = np.array([[0, 2 - 2 * red], [0, 0], [2 - 2 * blue, 0]])
    from_chroma[1] = -(red * from_chroma[0] + blue * from_chroma[2]) / green
    return Signal(offset, scale, scale, np.column_stack([np.ones(3), from_chroma]))


def _constant_luminance(offset: Numbers, scale: Numbers, tags: ColourTags) -> Signal:
    """The luma comes from linear light, and stands in the place of green until there is light again."""
    red, green, blue = formulas.xyz_from_rgb(tags.primaries)[1]
    transfer = formulas.transfer_of(tags.transfer, constant_luminance=True)
    signal = np.linspace(0, 1, STEPS + 1)
    light = transfer.decode(signal)
    weights = np.array([blue, red])  # of the colours that Cb and Cr are for
    negative, positive = (np.interp(share * light[-1], light, signal) for share in (1 - weights, weights))
    return Signal(
        offset,
        scale * np.array([1, *2 * negative]),
        scale * np.array([1, *2 * (1 - positive)]),
        np.array([[1, 0, 1], [1, 0, 0], [1, 1, 0]]),
        np.array([[1, 0, 0], [-red / green, 1 / green, -blue / green], [0, 0, 1]]),
    )
