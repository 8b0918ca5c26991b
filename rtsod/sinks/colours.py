"""The colours of every video file: BT.709, limited range."""

from __future__ import annotations

import cv2
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from rtsod.frames import Image
from rtsod.imaging.colour import EXACT
from rtsod.imaging.colour.tags import BT709
from rtsod.sinks.pixels import bring_to


def tag(encoder: VideoCodecContext) -> None:
    """Have an encoder that is not open yet say in its headers what the colours are."""
    encoder.colorspace = encoder.color_primaries = encoder.color_trc = BT709
    encoder.color_range = ColorRange.MPEG


class EncoderInput:
    """Converts pictures of one sink to the frames that its encoder takes."""

    def __init__(self) -> None:
        from rtsod.sinks.yuv_kernel import i420_from_planes  # late: compiles, and imports Numba

        self._reformatter = VideoReformatter()
        self._convert = i420_from_planes

    def frame(self, image: Image, pixels: str, encoder: VideoCodecContext) -> VideoFrame:
        """A frame of the encoder's size and pixel format.

        Args:
            image: ``(H, W)``, ``(H, W, 3)`` or ``(H, W, 4)`` uint8.
            pixels: FFmpeg's name of its pixel format.
            encoder: tells size and pixel format.
        """
        image = bring_to(image, encoder.width, encoder.height)
        if pixels == "bgr24" and encoder.pix_fmt == "yuv420p" and not (encoder.width % 2 or encoder.height % 2):
            frame = self.i420(image)
        else:
            frame = self._reformatter.reformat(
                VideoFrame.from_ndarray(image, format=pixels),
                format=encoder.pix_fmt,
                dst_colorspace=Colorspace.ITU709,
                dst_color_range=ColorRange.MPEG,
                interpolation=EXACT,
            )
        # Only as tags: the reformatter would convert to them. ProRes writes them into every frame.
        frame.color_primaries = frame.color_trc = BT709
        return frame

    def i420(self, image: Image) -> VideoFrame:
        """A frame in yuv420p of a BGR picture, ``(H, W, 3)`` uint8 with even sides, at a sixth of swscale's cost."""
        frame = i420_frame(image.shape[1], image.shape[0])
        planes = [np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size) for plane in frame.planes]
        self._convert(*(np.asarray(channel, np.uint8) for channel in cv2.split(image)), *planes)
        return frame


def i420_frame(width: int, height: int) -> VideoFrame:
    """A frame to be filled, yuv420p, that says what its colours are.

    Args:
        width: pixels, even.
        height: pixels, even.
    """
    frame = VideoFrame(width, height, "yuv420p")
    frame.colorspace, frame.color_range = Colorspace.ITU709, ColorRange.MPEG
    frame.color_primaries = frame.color_trc = BT709
    return frame
