"""The demo: a short clip of a person in front of a webcam, as a camera that is always there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from fractions import Fraction
from pathlib import Path
from typing import Final

from rtsod.errors import SourceError
from rtsod.frames import Frame, Image, SourceInfo
from rtsod.imaging.decoding import Converter
from rtsod.imaging.media import FAILURES, cause, open_media, packets_of, video_stream
from rtsod.interfaces import Clock
from rtsod.sources.pace import Pace, to_and_fro

DEMO_NAME: Final = "demo clip"
"""Its ``info.name``."""
CLIP: Final = Path(__file__).parents[1] / "assets" / "clips" / "demo.mp4"
"""640 x 360 pixels, 60 frames, at 30 per second. ``scripts/cut_demo.py`` made it; NOTICE names its author."""
FPS: Final = Fraction(30)


class DemoSource:
    """Frames of a clip, forwards and backwards without an end, so that no motion jumps.

    It behaves like a camera: each frame arrives when it is due, and a slow reader misses frames, which leaves gaps in
    the indexes. The first time through, each frame is decoded when it is needed; all of them are kept (41 MB), so that
    reading costs nothing afterwards.

    Args:
        clip: the video.
        clock: paces the clip and stamps ``Frame.captured_at``.
        wait: waits for a number of seconds of ``clock``; by default for real ones, until ``close`` ends the wait.
        notes: becomes ``info.notes``.

    Raises:
        SourceError: the clip cannot be read.
    """

    def __init__(
        self,
        clip: Path = CLIP,
        *,
        clock: Clock = time.perf_counter,
        wait: Callable[[float], object] | None = None,
        notes: tuple[str, ...] = (),
    ) -> None:
        self._clock = clock
        self._pace = Pace(FPS, clock, wait)
        self._decoding = threading.Lock()
        self._decoded = _decode(clip)
        first = next(self._decoded, None)
        if first is None:
            raise SourceError(f"cannot read {clip}: no frame of it can be decoded")
        self._images = [first]
        self._whole = False
        height, width = first.shape[:2]
        self._info = SourceInfo(name=DEMO_NAME, width=width, height=height, fps=FPS, live=True, notes=notes)

    @property
    def info(self) -> SourceInfo:
        """Describes the clip."""
        return self._info

    @property
    def skipped(self) -> int:
        """Always 0."""
        return 0

    def read(self) -> Frame | None:
        """The frame that is due; None after ``close``.

        Raises:
            SourceError: the clip can no longer be read.
        """
        index = self._pace.next()
        with self._decoding:
            if self._pace.stopped:
                return None
            image = self._image(index)
        return Frame(image=image.copy(), index=index, captured_at=self._clock())

    def close(self) -> None:
        """Stop. Idempotent; from any thread."""
        self._pace.stop()
        with self._decoding:  # for some milliseconds at most
            self._decoded.close()

    def _image(self, index: int) -> Image:
        while not self._whole and index >= len(self._images):
            image = next(self._decoded, None)
            if image is None:
                self._whole = True
            else:
                self._images.append(image)
        return self._images[to_and_fro(index, len(self._images)) if self._whole else index]


def _decode(clip: Path) -> Generator[Image]:
    with open_media(clip) as container:
        stream = video_stream(container, clip.name)
        converter = Converter(container, stream)
        try:
            for packet in packets_of(container, [stream]):
                for frame in converter.decode(packet):
                    yield converter.picture(frame).image
        except FAILURES as error:
            raise SourceError(f"cannot read {clip}: {cause(error)}") from error
