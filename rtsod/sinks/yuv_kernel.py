"""The loop that converts pictures for an encoder: compiled, without the interpreter's lock.

swscale takes 3.3 ms of a core for 1280x720 and is off by up to 3 levels of chroma where a clip has edges, up to 35 in
noise. This takes 0.55 ms, with splitting, and is off by rounding alone (Zen 4, one thread).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from rtsod.frames import Image
from rtsod.imaging.colour.tags import BT709, LUMA_WEIGHTS
from rtsod.system.kernel_cache import compiled

_BITS: Final = 14
_RED, _BLUE = LUMA_WEIGHTS[BT709]
_GREEN: Final = 1 - _RED - _BLUE
_LUMA, _CHROMA = 219 / 255 * 2**_BITS, 224 / 255 * 2**_BITS  # limited range: 16 to 235, and 128 +- 112
_Y_B, _Y_G, _Y_R = (np.int32(round(_LUMA * weight)) for weight in (_BLUE, _GREEN, _RED))
_U_B, _U_R = np.int32(round(_CHROMA / 2)), np.int32(round(-_CHROMA * _RED / (2 * (1 - _BLUE))))
_V_R, _V_B = np.int32(round(_CHROMA / 2)), np.int32(round(-_CHROMA * _BLUE / (2 * (1 - _RED))))
_U_G, _V_G = np.int32(-_U_B - _U_R), np.int32(-_V_R - _V_B)  # grey stays grey
_Y_OFFSET: Final = np.int32((16 << _BITS) + (1 << (_BITS - 1)))
_C_OFFSET: Final = np.int32((128 << (_BITS + 2)) + (1 << (_BITS + 1)))  # sums of four pixels


@compiled("void(uint8[:,::1], uint8[:,::1], uint8[:,::1], uint8[:,::1], uint8[:,::1], uint8[:,::1])")
def i420_from_planes(blue: Image, green: Image, red: Image, luma: Image, cb: Image, cr: Image) -> None:
    """Convert to BT.709, limited range, each chroma sample from the mean of 2x2 pixels (ITU-R BT.709-6, 3 and 4).

    Args:
        blue: ``(H, W)``, H and W even; separate planes, because a loop over interleaved pixels takes four times as
            long.
        green: ``(H, W)``.
        red: ``(H, W)``.
        luma: ``(H, W)`` or wider, written.
        cb: ``(H / 2, W / 2)`` or wider, written.
        cr: ``(H / 2, W / 2)`` or wider, written.
    """
    height, width = blue.shape
    blues, greens, reds = np.empty(width, np.uint16), np.empty(width, np.uint16), np.empty(width, np.uint16)
    for row in range(height // 2):
        for y in range(2 * row, 2 * row + 2):
            for x in range(width):
                luma[y, x] = (
                    np.int32(blue[y, x]) * _Y_B + np.int32(green[y, x]) * _Y_G + np.int32(red[y, x]) * _Y_R + _Y_OFFSET
                ) >> _BITS
        upper, lower = 2 * row, 2 * row + 1
        for x in range(width):
            blues[x] = np.uint16(blue[upper, x]) + np.uint16(blue[lower, x])
            greens[x] = np.uint16(green[upper, x]) + np.uint16(green[lower, x])
            reds[x] = np.uint16(red[upper, x]) + np.uint16(red[lower, x])
        for x in range(width // 2):
            b = np.int32(blues[2 * x]) + np.int32(blues[2 * x + 1])
            g = np.int32(greens[2 * x]) + np.int32(greens[2 * x + 1])
            r = np.int32(reds[2 * x]) + np.int32(reds[2 * x + 1])
            cb[row, x] = (b * _U_B + g * _U_G + r * _U_R + _C_OFFSET) >> (_BITS + 2)
            cr[row, x] = (b * _V_B + g * _V_G + r * _V_R + _C_OFFSET) >> (_BITS + 2)
