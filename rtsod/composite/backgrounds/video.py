"""A looping video as background."""

from __future__ import annotations

import logging
from collections.abc import Generator
from pathlib import Path
from typing import Final, NamedTuple

from av import VideoFrame

from rtsod.errors import SourceError
from rtsod.frames import Image
from rtsod.imaging.decoding import Converter
from rtsod.imaging.file_clock import FileClock
from rtsod.imaging.fit import cover
from rtsod.imaging.media import FAILURES, cause, open_media, packets_of, video_stream
from rtsod.imaging.transparency import over_black

_log = logging.getLogger(__name__)

_DEFAULT_FPS: Final = 25
"""Assumed where a file states no frame rate."""
_MAX_CATCH_UP_FRAMES: Final = 12
"""Frames decoded for one picture. A video that is further behind, after a pause or at a low picture rate, continues
from where it is: the subject in front must not wait for the background."""


class VideoBackground:
    """A video file in a loop, scaled to cover the frame. It plays at its own speed, whatever the rate of the pictures.

    It looks as the same file looks as a source: both use :class:`~rtsod.imaging.decoding.Converter`. Where it is
    transparent, it is black: nothing is behind a background. Frames that cannot be decoded are skipped; sound is
    ignored.

    Args:
        path: a local file.

    Raises:
        SourceError: the file cannot be read, or no frame of it can be decoded.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last_at = 0.0
        self._position = 0.0  # seconds into the current loop
        self._transparent = False
        self._begin_loop()
        self._converted = self._current
        self._original = self._picture = self._convert(self._current)
        for note in self._current.converter.notes:
            _log.warning("--bg %s: %s", path, note)

    def picture(self, width: int, height: int, at: float) -> Image:
        """The video's frame at a moment: see :class:`rtsod.interfaces.Background`.

        Raises:
            SourceError: the file can no longer be read.
        """
        self._position += max(0.0, at - self._last_at)
        self._last_at = at
        self._catch_up()
        if self._converted is not self._current:
            self._converted = self._current
            self._original = self._picture = self._convert(self._current)
        if self._picture.shape[:2] != (height, width):
            self._picture = cover(self._original, width, height)
        return self._picture

    def close(self) -> None:
        """Release the file. Idempotent."""
        self._frames.close()

    def _begin_loop(self) -> None:
        self._frames = _decode(self._path)
        first = next(self._frames, None)
        if first is None:
            raise SourceError(f"cannot read {self._path}: no frame of it can be decoded")
        self._current, self._upcoming = first, next(self._frames, None)

    def _catch_up(self) -> None:
        for _ in range(_MAX_CATCH_UP_FRAMES):
            if self._upcoming is not None:
                if self._position < self._upcoming.begin:
                    return
                self._current, self._upcoming = self._upcoming, next(self._frames, None)
            else:
                single_frame = self._current.begin == 0.0
                if single_frame or self._position < self._current.end:
                    return
                self._position -= self._current.end
                self._begin_loop()
        self._position = self._current.begin

    def _convert(self, shown: _TimedFrame) -> Image:
        try:
            picture = shown.converter.picture(shown.frame)
        except FAILURES as error:
            raise SourceError(f"cannot read {self._path}: {cause(error)}") from error
        if picture.alpha is None:
            return picture.image
        if not self._transparent:
            self._transparent = True
            _log.warning("--bg %s: is shown on black where it is transparent", self._path)
        return over_black(picture.image, picture.alpha)


class _TimedFrame(NamedTuple):
    """A decoded frame and when it is shown, in seconds from the first one."""

    begin: float
    end: float
    frame: VideoFrame
    converter: Converter


def _decode(path: Path) -> Generator[_TimedFrame]:
    """The video's frames, once. The file is open from the first frame to the last, or until ``close``."""
    with open_media(path) as container:
        stream = video_stream(container, str(path))
        converter = Converter(container, stream)
        usual = 1.0 / float(stream.guessed_rate or _DEFAULT_FPS)
        start, begin, end = None, -1.0, 0.0
        clock = FileClock(container)
        packets = packets_of(container, [stream])
        while True:
            try:
                packet = next(packets)
            except (StopIteration, *FAILURES):  # the end, or damage that hides the rest of the file
                return
            clock.correct(packet)
            try:
                frames = converter.decode(packet)
            except FAILURES:
                continue
            for frame in frames:
                if start is None:
                    start = frame.time or 0.0
                time = None if frame.time is None else frame.time - start
                begin = time if time is not None and time > begin else end
                end = begin + (float(frame.duration * frame.time_base) if frame.duration and frame.time_base else usual)
                yield _TimedFrame(begin, end, frame, converter)
