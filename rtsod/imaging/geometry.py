"""A video frame's way to the upright picture with square pixels that a player shows: crop, scale, turn.

The order is FFmpeg's. Everything after this has square pixels, so nothing else needs to know about a pixel's aspect.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final, NamedTuple, cast

import cv2
import numpy as np
from av import VideoFrame
from av.container import InputContainer
from av.sidedata.sidedata import SideData, Type
from av.video.stream import VideoStream

from rtsod.frames import Image, Picture
from rtsod.imaging.description import lines_about
from rtsod.imaging.media import fits_limits
from rtsod.imaging.transparency import picture_of

_MATRIX: Final = struct.Struct("=9i")
_CROPPING_LINE: Final = re.compile(r"      Frame Cropping: (\d+)/(\d+)/(\d+)/(\d+)")
_MAX_ASPECT: Final = 8
"""A pixel that is more than this many times as wide as high, or the reverse, is a mistake in the file's header."""
_SLACK_PIXELS: Final = 2
"""A picture is not scaled if it would grow by less than this. Scaling a video to even sides changes its shape by up to
so much, and FFmpeg then notes a pixel aspect that makes up for it; resampling every frame would only blur."""


class Orientation(NamedTuple):
    """One of the eight ways to lay down a picture. First rows and columns are swapped, then it is mirrored."""

    transposed: bool = False
    mirrored: bool = False
    """Left and right are swapped, after the transposition."""
    flipped: bool = False
    """Top and bottom are swapped, after the transposition."""


class Cropping(NamedTuple):
    """How many rows and columns are cut off at each side of the decoded frame."""

    left: int = 0
    right: int = 0
    top: int = 0
    bottom: int = 0


def orientation_of(frame: VideoFrame) -> Orientation:
    """How to lay down a frame, by its display matrix.

    Returns:
        The nearest of the eight orientations; the default one if there is no matrix, or if it makes no sense.
    """
    side_data: Mapping[Type, SideData] = cast(Any, frame.side_data)  # PyAV's stubs know only motion vectors
    matrix = side_data.get(Type.DISPLAYMATRIX)
    if matrix is None:
        return Orientation()
    # A source pixel (x, y) is shown at (a x + c y, b x + d y): libavutil/display.h.
    a, b, _, c, d, *_ = _MATRIX.unpack(matrix)
    if abs(b) + abs(c) > abs(a) + abs(d):
        return Orientation(True, mirrored=c < 0, flipped=b < 0)
    return Orientation(False, mirrored=a < 0, flipped=d < 0)


def cropping_of(container: InputContainer, stream: VideoStream) -> Cropping:
    """What the container says to cut off, beyond what the decoder cuts off itself: ``clap`` in MP4, PixelCrop in MKV.

    PyAV does not expose this side data of a stream.
    """
    for line in lines_about(container, stream):
        if found := _CROPPING_LINE.fullmatch(line):
            return Cropping(*map(int, found.groups()))
    return Cropping()


class Geometry:
    """Crops, scales and turns the frames of one video.

    Args:
        container: open for demuxing.
        stream: the video of ``container``.
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self._stream = stream
        self._cropping = cropping_of(container, stream)
        # The container's own ratio, if it has one, outweighs the bitstream's, which may change in mid-stream.
        stated, encoded = stream.sample_aspect_ratio, stream.codec_context.sample_aspect_ratio
        self._stated = stated if stated != encoded else None

    def notes(self, image: Image) -> tuple[str, ...]:
        """Lines for the user about what the file states and is not obeyed.

        Args:
            image: as decoded.
        """
        height, width = self._cropped(image).shape[:2]
        ratio = self._pixel_aspect()
        if ratio is None or ratio == 1 or _square_size(width, height, ratio) is not None:
            return ()
        return (f"the pixel aspect of {ratio.numerator}:{ratio.denominator} makes no sense and is ignored",)

    def apply(self, picture: Picture, orientation: Orientation) -> Picture:
        """Make the picture that is shown.

        Args:
            picture: as decoded.
            orientation: of this frame.

        Returns:
            Contiguous; ``picture`` itself if there is nothing to do.
        """
        height, width = self._cropped(picture.image).shape[:2]
        ratio = self._pixel_aspect()
        size = (_square_size(width, height, ratio) if ratio else None) or (width, height)
        if picture.alpha is None:
            return Picture(laid(_scaled(self._cropped(picture.image), size), orientation))
        image, alpha = _scaled_straight(self._cropped(picture.image), self._cropped(picture.alpha), size)
        return picture_of(laid(image, orientation), laid(alpha, orientation))

    def _pixel_aspect(self) -> Fraction | None:
        ratio = self._stated or self._stream.codec_context.sample_aspect_ratio
        return Fraction(ratio) if ratio and ratio > 0 else None

    def _cropped(self, image: Image) -> Image:
        left, right, top, bottom = self._cropping
        height, width = image.shape[:2]
        if left + right >= width or top + bottom >= height:
            return image  # frames became smaller in mid-stream, or the header is wrong
        return image[top : height - bottom, left : width - right]


def _square_size(width: int, height: int, ratio: Fraction) -> tuple[int, int] | None:
    """The size with square pixels: one side grows. None if the ratio is absurd."""
    size = (round(width * ratio), height) if ratio > 1 else (width, round(height / ratio))
    if not 1 / _MAX_ASPECT <= ratio <= _MAX_ASPECT or not fits_limits(*size):
        return None
    return size if sum(size) - width - height >= _SLACK_PIXELS else (width, height)


def _scaled(image: Image, size: tuple[int, int]) -> Image:
    if image.shape[1::-1] == size:
        return image
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def _scaled_straight(image: Image, alpha: Image, size: tuple[int, int]) -> tuple[Image, Image]:
    """Scale straight colours, each weighed by its alpha: none comes in from where the picture is transparent."""
    if image.shape[1::-1] == size:
        return image, alpha
    weight = alpha.astype(np.float32)
    seen = cv2.resize(image * weight[:, :, None], size, interpolation=cv2.INTER_LINEAR)
    weight = np.asarray(cv2.resize(weight, size, interpolation=cv2.INTER_LINEAR), np.float32)
    colours = np.rint(seen / np.maximum(weight, 1e-6)[:, :, None])
    return np.clip(colours, 0, 255).astype(np.uint8), np.rint(weight).astype(np.uint8)


def laid(image: Image, orientation: Orientation) -> Image:
    """Lay down a picture of any number of channels; the result is contiguous."""
    transposed, mirrored, flipped = orientation
    if transposed:
        image = np.asarray(cv2.transpose(image), np.uint8)
    if mirrored or flipped:
        image = np.asarray(cv2.flip(image, -1 if mirrored and flipped else int(mirrored)), np.uint8)
    return np.ascontiguousarray(image)
