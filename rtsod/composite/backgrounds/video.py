"""A video that starts again at its end."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Final, NamedTuple

import av
import numpy as np

from rtsod.config import MAX_FRAME_PIXELS
from rtsod.errors import SourceError
from rtsod.frames import Image
from rtsod.imaging.fit import cover

_OPTIONS: Final = {
    "protocol_whitelist": "file",
    # Containers that hold their pictures themselves: neither play lists, which name other files, nor text.
    "format_whitelist": "mov,matroska,avi,mpegts,mpeg,mpegvideo,h264,hevc,ogg,flv,asf,gif,mjpeg",
    "max_pixels": str(MAX_FRAME_PIXELS),
}
_MOST_AT_ONCE: Final = 12
"""Frames decoded for one picture. A video that is further behind, after a pause or where pictures come slowly, goes
on from where it is: the people in front of it must not wait for it."""


class VideoBackground:
    """A video file, looping, scaled to cover the frame. It keeps its own time, whatever the rate of the pictures.

    Args:
        path: a local file. Turned as it says; frames that cannot be decoded are left out; sound is ignored.

    Raises:
        SourceError: the file cannot be read, or not one frame of it can be decoded.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._asked = 0.0
        self._position = 0.0  # seconds into the present round
        self._begin_round()
        self._converted = self._shown
        self._original = self._picture = _pixels(self._shown)

    def picture(self, width: int, height: int, at: float) -> Image:
        """The frame of a moment: see :class:`rtsod.interfaces.Background`.

        Raises:
            SourceError: the file can no longer be read.
        """
        self._position += max(0.0, at - self._asked)
        self._asked = at
        self._catch_up()
        if self._converted is not self._shown:
            self._converted = self._shown
            self._original = self._picture = _pixels(self._shown)
        if self._picture.shape[:2] != (height, width):
            self._picture = cover(self._original, width, height)
        return self._picture

    def close(self) -> None:
        """Release the file. Idempotent."""
        self._round.close()

    def _begin_round(self) -> None:
        self._round = _frames(self._path)
        try:
            first = next(self._round, None)
        except (av.FFmpegError, OSError) as error:
            raise SourceError(f"{self._path}: not a picture or video that can be read") from error
        if first is None:
            raise SourceError(f"{self._path}: no frame of it can be decoded")
        self._shown, self._upcoming = first, next(self._round, None)

    def _catch_up(self) -> None:
        for _ in range(_MOST_AT_ONCE):
            if self._upcoming is not None:
                if self._position < self._upcoming.begin:
                    return
                self._shown, self._upcoming = self._upcoming, next(self._round, None)
            else:
                is_still = self._shown.begin == 0.0
                if is_still or self._position < self._shown.end:
                    return
                self._position -= self._shown.end
                self._begin_round()
        self._position = self._shown.begin


class _Timed(NamedTuple):
    """A decoded frame and when it is seen, in seconds from the first one."""

    begin: float
    end: float
    frame: av.VideoFrame


def _frames(path: Path) -> Generator[_Timed]:
    """The video once. The file is open from the first frame to the last, or until ``close``."""
    with av.open(f"file:{path}", options=_OPTIONS) as container:
        if not container.streams.video:
            return
        stream = container.streams.video[0]
        stream.codec_context.options = {"max_pixels": _OPTIONS["max_pixels"]}
        usual = 1.0 / float(stream.guessed_rate or 25)
        start, begin, end = None, -1.0, 0.0
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets)
            except (StopIteration, av.FFmpegError):  # the end, or nothing behind this point can be found
                return
            try:
                frames = packet.decode()
            except av.FFmpegError:
                continue
            for frame in frames:
                if start is None:
                    start = frame.time or 0.0
                time = None if frame.time is None else frame.time - start
                begin = time if time is not None and time > begin else end
                end = begin + (float(frame.duration * frame.time_base) if frame.duration and frame.time_base else usual)
                yield _Timed(begin, end, frame)


def _pixels(timed: _Timed) -> Image:
    frame = timed.frame
    upright = np.rot90(frame.to_ndarray(format="bgr24"), round(frame.rotation / 90))
    return np.ascontiguousarray(upright, np.uint8)
