"""Generated videos and fake cameras for the tests of sources."""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

RATE = 25
CODECS = {".mp4": "libx264", ".mkv": "ffv1", ".ts": "libx264", ".gif": "gif", ".avi": "mjpeg"}


def pictures(count: int, width: int = 64, height: int = 48) -> list[NDArray[np.uint8]]:
    """Grey pictures, each lighter than the previous one, with a dark top left corner."""
    result = []
    for i in range(count):
        image = np.full((height, width, 3), 60 + i * 150 // max(1, count), np.uint8)
        image[: height // 2, : width // 2] = 10
        result.append(image)
    return result


def write_video(
    path: Path,
    images: Sequence[NDArray[np.uint8]],
    *,
    codec: str | None = None,
    pix_fmt: str = "yuv420p",
    stamps: Iterable[int] | None = None,
    time_base: Fraction = Fraction(1, 1000),
    options: dict[str, str] | None = None,
    sample_aspect_ratio: Fraction | None = None,
    rate: int = RATE,
    container: str | None = None,
    container_options: dict[str, str] | None = None,
    display_matrix: tuple[int, int, int, int] | None = None,
) -> Path:
    """Encode a video.

    Args:
        path: its suffix selects the container.
        images: ``(H, W, 3)`` BGR, one per frame.
        codec: FFmpeg's name; None takes the suffix's usual one.
        pix_fmt: FFmpeg's name.
        stamps: in units of ``time_base``; without them the frame rate is constant.
        time_base: seconds.
        options: of the encoder.
        sample_aspect_ratio: width over height of one pixel.
        display_matrix: a, b, c, d: the pixel (x, y) is shown at (a x + c y, b x + d y).
    """
    with av.open(str(path), "w", format=container, container_options=container_options or {}) as output:
        stream = output.add_stream(codec or CODECS[path.suffix], rate=rate, options=options or {})
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pix_fmt
        if sample_aspect_ratio:
            stream.codec_context.sample_aspect_ratio = sample_aspect_ratio
        if display_matrix:
            a, b, c, d = (entry * 65536 for entry in display_matrix)
            stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
        if stamps is not None:
            stream.time_base = stream.codec_context.time_base = time_base
        times = list(stamps) if stamps is not None else list(range(len(images)))
        for image, time in zip(images, times, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts = time
            frame.time_base = time_base if stamps is not None else Fraction(1, rate)
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return path


def write_yuv(path: Path, planes: NDArray[np.uint8], *, matrix: int, colour_range: int) -> Path:
    """Encode one frame losslessly.

    Args:
        path: a ``.mkv`` file.
        planes: ``(3, H, W)`` Y, Cb and Cr.
        matrix: the file's AVColorSpace tag; 2 is untagged.
        colour_range: the file's AVColorRange tag: 0 is untagged, 1 limited, 2 full.
    """
    _, height, width = planes.shape
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=RATE)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv444p"
        stream.codec_context.colorspace, stream.codec_context.color_range = matrix, colour_range
        frame = av.VideoFrame.from_ndarray(planes, format="yuv444p")
        frame.colorspace, frame.color_range, frame.pts = matrix, colour_range, 0
        container.mux([*stream.encode(frame), *stream.encode()])
    return path


def write_tagged(
    path: Path,
    planes: NDArray[np.uint16],
    *,
    matrix: int = 2,
    primaries: int = 2,
    transfer: int = 2,
    full_range: bool = False,
    pix_fmt: str = "yuv444p16le",
) -> Path:
    """Encode one frame losslessly, with tags: code points of ITU-T H.273.

    Args:
        path: a ``.mkv`` file.
        planes: ``(H, W, 3)`` uint16 Y, Cb and Cr; or what PyAV takes for ``pix_fmt``.
        matrix: of YCbCr.
        primaries: of the colours.
        transfer: characteristic.
        full_range: of YCbCr.
        pix_fmt: FFmpeg's name.
    """
    height, width = planes.shape[:2]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=RATE, options={"strict": "-2"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        frame = av.VideoFrame.from_ndarray(planes, format=pix_fmt)
        for tagged in (stream.codec_context, frame):
            tagged.colorspace, tagged.color_range = matrix, 2 if full_range else 1
            tagged.color_primaries, tagged.color_trc = primaries, transfer
        frame.pts = 0
        container.mux([*stream.encode(frame), *stream.encode()])
    return path


def write_audio(path: Path, *, cover: NDArray[np.uint8] | None = None) -> Path:
    """Encode a second of silence, with cover art if given (only in .mp3)."""
    with av.open(str(path), "w") as container:
        audio = container.add_stream("libmp3lame" if path.suffix == ".mp3" else "aac", rate=44100)
        assert isinstance(audio, av.AudioStream)
        picture = None
        if cover is not None:
            picture = container.add_stream("png", rate=1)
            assert isinstance(picture, av.VideoStream)
            picture.height, picture.width = cover.shape[:2]
            picture.pix_fmt = "rgb24"
            picture.disposition = av.stream.Disposition.attached_pic
        if picture is not None and cover is not None:
            frame = av.VideoFrame.from_ndarray(cover, format="bgr24")
            container.mux([*picture.encode(frame), *picture.encode()])
        samples = np.zeros((1, 44100), np.float32)
        sound = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        sound.sample_rate = 44100
        container.mux([*audio.encode(sound), *audio.encode()])
    return path


def rotate_in_header(path: Path) -> Path:
    """Set an mp4's display matrix to a clockwise quarter turn, as phones do for upright recordings."""
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40
    data[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


class FakeCapture:
    """A scripted ``cv2.VideoCapture``. It repeats the last item of its script forever.

    An item is a picture, None for a failed grab, an exception to raise, or anything else for a broken picture.
    """

    def __init__(
        self, script: Sequence[Any], *, opens: bool = True, fps: float = 30.0, block_at: int | None = None
    ) -> None:
        self.script = list(script)
        self.opens = opens
        self.fps = fps
        self.block_at = block_at
        self.blocked = threading.Event()
        self.unblock = threading.Event()
        self.asked: list[int] = []
        self.released = 0
        self._at = -1
        self._grabs = 0

    def isOpened(self) -> bool:  # noqa: N802
        return self.opens

    def set(self, prop: int, value: float, /) -> bool:
        self.asked.append(prop)
        return False

    def get(self, prop: int, /) -> float:
        return self.fps if prop == cv2.CAP_PROP_FPS else float(cv2.VideoWriter.fourcc(*"MJPG"))

    def grab(self) -> bool:
        if self._grabs == self.block_at:
            self.blocked.set()
            self.unblock.wait(30)
        self._grabs += 1
        self._at = min(self._at + 1, len(self.script) - 1)
        item = self.script[self._at]
        if isinstance(item, Exception):
            raise item
        return item is not None

    def retrieve(self) -> tuple[bool, Any]:
        item = self.script[self._at]
        return True, item.copy() if isinstance(item, np.ndarray) else item

    def release(self) -> None:
        self.released += 1
