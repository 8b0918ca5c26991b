"""The loop over the pixels of a video whose colours swscale cannot convert: compiled, without the interpreter's lock.

It is compiled when this module is imported, which is when such a video is opened: about a second the first time.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from rtsod.frames import Image
from rtsod.system.kernel_cache import compiled

STEPS: Final = 65535
"""Tables have ``STEPS + 1`` entries, for a signal or light from 0 to 1."""
GAIN_STEPS: Final = 16384
"""Entries of the tables of gains."""
MAX_LIGHT: Final = 50.0
"""The light at the end of the table of gains: PQ's 10,000 nits over SDR's white."""

_SIGNATURE: Final = (
    "void(uint16[:,:,:], float32[::1], float32[:,::1], float32[:,::1], float32[::1], float32[:,::1], float32[::1],"
    "float32[::1], uint8[::1], uint8[:,:,::1])"
)


@compiled(_SIGNATURE, fastmath=True)
def convert(
    codes: NDArray[np.uint16],
    offset: NDArray[np.float32],
    scale: NDArray[np.float32],
    to_signal: NDArray[np.float32],
    decode: NDArray[np.float32],
    to_bt709: NDArray[np.float32],
    scene_gain: NDArray[np.float32],
    tone_gain: NDArray[np.float32],
    encode: NDArray[np.uint8],
    image: Image,
) -> None:
    """Convert a frame to BT.709.

    Args:
        codes: ``(H, W, 3)``, Y, Cb and Cr, or B, G and R.
        offset: ``(3,)``, added to the channels.
        scale: ``(2, 3)``: what a channel is then multiplied by, if it is negative, and if not.
        to_signal: ``(3, 3)``, from the result to non-linear red, green and blue, or what stands for them.
        decode: ``(STEPS + 1,)``, from the signal to light.
        to_bt709: ``(3, 3)``, from that light to that of BT.709.
        scene_gain: ``(GAIN_STEPS + 1,)`` by the luminance, or empty: what to multiply all light by.
        tone_gain: ``(GAIN_STEPS + 1,)`` by the largest light up to ``MAX_LIGHT``, or empty: the same, after that.
        encode: ``(STEPS + 1,)``, from light to levels.
        image: ``(H, W, 3)`` BGR, written.
    """
    steps = np.float32(STEPS)
    half = np.float32(0.5)
    one = np.float32(1)
    zero = np.float32(0)
    tone_scale = np.float32(GAIN_STEPS / MAX_LIGHT)
    for y in range(codes.shape[0]):
        for x in range(codes.shape[1]):
            a = np.float32(codes[y, x, 0]) + offset[0]
            b = np.float32(codes[y, x, 1]) + offset[1]
            c = np.float32(codes[y, x, 2]) + offset[2]
            a *= scale[0, 0] if a < zero else scale[1, 0]
            b *= scale[0, 1] if b < zero else scale[1, 1]
            c *= scale[0, 2] if c < zero else scale[1, 2]
            r = to_signal[0, 0] * a + to_signal[0, 1] * b + to_signal[0, 2] * c
            g = to_signal[1, 0] * a + to_signal[1, 1] * b + to_signal[1, 2] * c
            b = to_signal[2, 0] * a + to_signal[2, 1] * b + to_signal[2, 2] * c
            r = decode[np.int32(min(max(r, zero), one) * steps + half)]
            g = decode[np.int32(min(max(g, zero), one) * steps + half)]
            b = decode[np.int32(min(max(b, zero), one) * steps + half)]
            red = to_bt709[0, 0] * r + to_bt709[0, 1] * g + to_bt709[0, 2] * b
            green = to_bt709[1, 0] * r + to_bt709[1, 1] * g + to_bt709[1, 2] * b
            blue = to_bt709[2, 0] * r + to_bt709[2, 1] * g + to_bt709[2, 2] * b
            gain = one
            if scene_gain.size:
                luminance = np.float32(0.2126) * red + np.float32(0.7152) * green + np.float32(0.0722) * blue
                gain = scene_gain[np.int32(min(max(luminance, zero), one) * np.float32(GAIN_STEPS) + half)]
            if tone_gain.size:
                largest = max(red, green, blue) * gain
                gain *= tone_gain[np.int32(min(max(largest * tone_scale, zero), np.float32(GAIN_STEPS)) + half)]
            image[y, x, 0] = encode[np.int32(min(max(blue * gain, zero), one) * steps + half)]
            image[y, x, 1] = encode[np.int32(min(max(green * gain, zero), one) * steps + half)]
            image[y, x, 2] = encode[np.int32(min(max(red * gain, zero), one) * steps + half)]
