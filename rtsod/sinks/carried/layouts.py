"""Which channels an encoder is given."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import Final

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.layout import AudioLayout

_SAME_SPEAKERS: Final = {
    "5.0(side)": "5.0",
    "5.1(side)": "5.1",
    "quad(side)": "quad",
    "3.0(back)": "4.0",
}
"""The order of channels that every decoder knows, for one that differs in a name or needs a silent channel."""
_LARGER: Final = ("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1")
_BY_COUNT: Final = ("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1")
"""The layout of 1 to 8 channels in a file that does not name them."""


def encoder_layout(codec: str, layout: AudioLayout) -> str:
    """The layout in which an encoder keeps as many of the channels as it can.

    Args:
        codec: FFmpeg's name of the encoder.
        layout: the channels of the source.

    Returns:
        The same layout, or one with the same speakers, or the next larger one, or the encoder's largest one.
    """
    count = layout.nb_channels
    name = layout.name
    if not _is_named(layout):
        name = _BY_COUNT[min(count, len(_BY_COUNT)) - 1]
    larger = [other for other in _LARGER if AudioLayout(other).nb_channels >= count]
    for candidate in (_SAME_SPEAKERS.get(name), name, *larger, *reversed(_LARGER)):
        if candidate is not None and _encodes(codec, candidate):
            return candidate
    return "stereo"


def _is_named(layout: AudioLayout) -> bool:
    return not layout.name.endswith("channels") and not layout.name.startswith("ambisonic")


@lru_cache(maxsize=64)
def _encodes(codec: str, layout: str) -> bool:
    context = av.CodecContext.create(codec, "w")
    assert isinstance(context, AudioCodecContext)
    try:
        context.sample_rate, context.layout = 48_000, AudioLayout(layout)
        formats = context.codec.audio_formats
        if formats:
            context.format = formats[0]
        context.time_base = Fraction(1, 48_000)
        context.open()
    except (av.error.FFmpegError, ValueError):
        return False
    return True
