"""Finds damage inside a JPEG picture, of which libjpeg only warns and Pillow does not tell."""

from __future__ import annotations

import av
import av.error
from av.video.codeccontext import VideoCodecContext

from rtsod.config import MAX_FRAME_PIXELS


def is_damaged(data: bytes) -> bool:
    """Whether FFmpeg can decode the picture, but only by passing over errors.

    Args:
        data: the file.

    Returns:
        False also if FFmpeg cannot decode this kind of JPEG, or if it is larger than a video's frame may be.
    """
    return not _decodes(data, strict=True) and _decodes(data, strict=False)


def _decodes(data: bytes, *, strict: bool) -> bool:
    context = av.CodecContext.create("mjpeg", "r")
    assert isinstance(context, VideoCodecContext)
    context.options = {"max_pixels": str(MAX_FRAME_PIXELS)} | ({"err_detect": "explode"} if strict else {})
    try:
        return bool(context.decode(av.Packet(data)))
    except (av.error.FFmpegError, ValueError):
        return False
