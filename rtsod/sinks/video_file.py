"""Video files, written by PyAV."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Final, Literal

import av
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from rtsod.errors import OutputError
from rtsod.frames import Composited, Image
from rtsod.imaging.media import Media
from rtsod.sinks import colours
from rtsod.sinks.carried import Carried, lead_of, open_carried
from rtsod.sinks.encoders import recipe_for
from rtsod.sinks.pixels import even, opaque, require_composited, with_alpha
from rtsod.sinks.recovery import recover
from rtsod.system.files import UnfinishedFile, output_error
from rtsod.system.machine import thread_limit

_log = logging.getLogger(__name__)

STILL_SECONDS: Final = Fraction(1)
"""How long each still is shown, seconds."""
KEY_FRAME_SECONDS: Final = 2
"""Interval between key frames, to which a player can seek."""

CLOSE_SECONDS: Final = 10.0
"""How long ``close`` waits for a thread that was given up inside ``write``."""


class VideoFileSink:
    """Writes pictures with their time stamps, and what is carried over from the source, to one file.

    Pictures are BT.709, limited range. If the source's sound begins before its first picture, so does the recording.

    Nothing is created before the first picture, which sets the size of the video. The file is written under a hidden
    name in the same folder and gets its final name in :meth:`close`. So an older file of that name is replaced only by
    a finished one, or by the playable part of one that could not be finished. One that another program wrote meanwhile
    stays, and this recording gets a number: ``name-2.mp4``.

    Args:
        path: of the file. The suffix selects the encoder: see :data:`rtsod.sinks.encoders.RECIPES`.
        fps: frame rate of the source; None for stills, each of which is shown for ``STILL_SECONDS``. For a video of
            unknown rate, a usual one: it hints at the duration of pictures, whose times are their own.
        carry_from: the source, whose sound, subtitles and descriptions are carried over, see
            :mod:`rtsod.sinks.carried`: up to its end if the last picture written is the source's last one, else up to
            the end of that picture. ``alpha`` takes over nothing but the time of the first picture.
        carry_sound: False takes over nothing but that time, as for ``alpha``.
        transparent: keep the pictures' alpha. Even if not, it is kept where the file can keep it and the first picture
            has one. Elsewhere black is behind what is transparent, and a warning says so once.
        what: ``picture``, or ``alpha`` for the alpha alone, as a grey picture.
        of_live_input: encode with less effort, see :data:`rtsod.sinks.encoders.RECIPES`.

    Raises:
        UsageError: files of this suffix cannot be written, or cannot keep the alpha.
    """

    live = False

    def __init__(
        self,
        path: Path,
        *,
        fps: Fraction | None,
        carry_from: Media | None = None,
        carry_sound: bool = True,
        transparent: bool = False,
        what: Literal["picture", "alpha"] = "picture",
        of_live_input: bool = False,
    ) -> None:
        self._path = path
        self._file = UnfinishedFile(path.resolve())  # a symbolic link stays one: its target is replaced
        self._what = what
        self._transparent = transparent and what == "picture"
        self._recipe = recipe_for(path, transparent=self._transparent)
        self._options, self._opaque_pixels = self._recipe.options, self._recipe.pixels
        if of_live_input:
            self._options = self._recipe.live_options or self._options
            self._opaque_pixels = self._recipe.live_pixels or self._opaque_pixels
        self._fps = fps
        self._source, self._carries_sound = carry_from, carry_sound and what == "picture"
        self._lead = Fraction(0)
        self._input = colours.EncoderInput()
        self._container: OutputContainer | None = None
        self._video: VideoStream
        self._carried: Carried | None = None
        self._first_captured = 0.0
        self._written = 0
        self._tick = -1
        self._end = 0
        self._usual = max(1, round((1 / fps if fps else STILL_SECONDS) / self._recipe.time_base))
        self._ends: dict[int, int] = {}
        self._reached_end = False
        self._warned = False
        self._failed = False
        self._closed = False
        self._busy = threading.Lock()  # a thread may be given up in the encoder, which two must not use at once
        self.name = f"{'mask video' if what == 'alpha' else 'video'} {path.name}"

    def write(self, picture: Composited) -> None:
        """Encode one picture; see :meth:`rtsod.interfaces.Sink.write`."""
        require_composited(picture)
        with self._busy:
            if self._closed or self._failed:
                raise OutputError(f"{self._path}: {'is already closed' if self._closed else 'has already failed'}")
            with self._mapping_errors():
                if self._container is None:
                    self._first_captured = picture.captured_at
                    self._container = self._open(picture)
                frame = self._input.frame(*self._pixels(picture), self._video.codec_context)
                frame.pts = self._advance(picture)
                self._reached_end = picture.is_last
                frame.time_base = self._recipe.time_base
                self._encode(self._container, frame)
                if self._carried is not None:
                    self._carried.write_until(self._tick * self._recipe.time_base)
            self._written += 1

    def close(self) -> None:
        """Finish the file and give it its final name; see :meth:`rtsod.interfaces.Sink.close`.

        After a failed write this does not raise again. What was written before is kept if it can be played.

        Raises:
            OutputError: the file cannot be finished; or a thread is still inside :meth:`write` after ``CLOSE_SECONDS``.
        """
        if self._closed:
            return
        self._closed = True
        if not self._busy.acquire(timeout=CLOSE_SECONDS):
            raise OutputError(
                f"{self._path}: a picture is still being written after {CLOSE_SECONDS:.0f} s: the file is not "
                f"finished, and what was written is in {self._file.path}"
            )
        try:
            self._finish_file()
        finally:
            self._busy.release()

    def _finish_file(self) -> None:
        container, self._container = self._container, None
        if container is None:
            return
        failed_before = self._failed
        try:
            with self._mapping_errors():
                if not failed_before:
                    self._finish(container)
                container.close()
        except OutputError:
            if not failed_before:
                raise
        finally:
            self._release(container)
            self._finalize()

    def _open(self, picture: Composited) -> OutputContainer:
        recipe = self._recipe
        height, width = picture.image.shape[:2]
        if picture.opacity is not None and self._what == "picture" and recipe.transparent_pixels is not None:
            self._transparent = True
        container = av.open(
            str(self._file.path), "w", format=recipe.container, container_options=dict(recipe.container_options)
        )
        try:
            rate = self._fps or 1 / STILL_SECONDS
            video = container.add_stream(recipe.codec, rate=rate, options=dict(self._options))
            assert isinstance(video, VideoStream)
            context = video.codec_context
            context.width = even(width) if recipe.needs_even else width
            context.height = even(height) if recipe.needs_even else height
            transparent = recipe.transparent_pixels if self._transparent else None
            context.pix_fmt = transparent or self._opaque_pixels
            context.time_base = recipe.time_base
            if (threads := thread_limit()) is not None:
                context.thread_count = threads  # FFmpeg knows of affinity, but not of quotas
            context.gop_size = max(1, round(KEY_FRAME_SECONDS * rate))
            colours.tag(context)
            self._video = video
            if self._source is not None and self._carries_sound:
                self._carried = open_carried(self._source, container, recipe)
            if self._source is not None:
                self._lead = self._carried.lead if self._carried is not None else lead_of(self._source)
            container.start_encoding()
        except BaseException:
            self._release(container)
            self._file.discard()
            raise
        return container

    def _pixels(self, picture: Composited) -> tuple[Image, str]:
        if self._what == "alpha":
            return picture.alpha8, "gray"
        if self._transparent:
            return with_alpha(picture), "bgra"
        if picture.opacity is not None and not self._warned:
            self._warned = True
            _log.warning("%s: black is behind what is transparent: %s", self._path, self._why_opaque())
        return opaque(picture), "bgr24"

    def _why_opaque(self) -> str:
        if self._recipe.transparent_pixels is None:
            return f"{self._path.suffix} cannot keep transparency: choose .webm, .mov or a folder for PNGs"
        return "its first picture was opaque: choose a folder for PNGs"

    def _advance(self, picture: Composited) -> int:
        """The picture's time stamp in ticks, later than the previous one."""
        tick_seconds = self._recipe.time_base
        if picture.pts is not None:
            seconds = self._lead + picture.pts
        elif self._fps is None:  # photographs follow one another
            seconds = self._end * tick_seconds
        else:
            seconds = Fraction(picture.captured_at - self._first_captured)
        tick = max(round(seconds / tick_seconds), self._tick + 1)
        if self._tick in self._ends:  # still in the encoder
            self._ends[self._tick] = tick
        if picture.duration is not None:
            self._end = max(round((seconds + picture.duration) / tick_seconds), tick + 1)
        else:  # as long as the previous one
            self._end = tick + (tick - self._tick if self._written and self._fps is not None else self._usual)
        self._ends[tick] = self._end
        self._tick = tick
        return tick

    def _encode(self, container: OutputContainer, frame: VideoFrame | None) -> None:
        for packet in self._video.encode(frame):
            # The last picture's duration is known from nothing else, and Matroska stores that of every picture.
            assert packet.pts is not None
            packet.duration = self._ends.pop(packet.pts) - packet.pts
            container.mux(packet)

    def _finish(self, container: OutputContainer) -> None:
        self._encode(container, None)
        if self._carried is not None:
            self._carried.finish(self._end * self._recipe.time_base, whole=self._reached_end)

    def _release(self, container: OutputContainer) -> None:
        if self._carried is not None:
            self._carried.close()
        with suppress(av.error.FFmpegError, OSError):
            container.close()

    def _finalize(self) -> None:
        """Give the file its final name if it is complete or can be played, otherwise delete it."""
        try:
            if not self._failed:
                self._give_name()
            elif recover(self._file.path):
                self._give_name()
                _log.warning("%s: ends early, and can be played up to there", self._path)
            else:
                self._file.discard()
                _log.warning("%s: nothing of it could be kept", self._path)
        except OSError as error:
            raise output_error(self._path, error) from error

    def _give_name(self) -> None:
        final = self._file.finish_beside_newer()
        if final != self._file.final:
            _log.warning("%s: another program wrote this file meanwhile; this recording is %s", self._path, final)

    @contextmanager
    def _mapping_errors(self) -> Iterator[None]:
        try:
            yield
        except (av.error.FFmpegError, OSError) as error:
            self._failed = True
            raise output_error(self._path, error) from error
