"""Videos that another program sends into standard input."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Final

from rtsod.errors import SourceError
from rtsod.frames import Frame, SourceInfo
from rtsod.imaging.media import is_mp4, open_pipe
from rtsod.interfaces import Clock
from rtsod.sources.video import RELEASE_SECONDS, VideoSource
from rtsod.system.pipes import PipeReader, take_stdin
from rtsod.system.worker_thread import WorkerThread

SIGNAL_SECONDS: Final = 0.2
"""How long a signal may wait while the sending program has not begun."""
QUIET_WAITS: Final = 10
"""After as many such waits, 2 s, the user is told."""

_MP4: Final = (
    "an MP4 file's index comes last, so give the file's name, or send one that was made to be sent "
    "(-movflags frag_keyframe+empty_moov)"
)
_log = logging.getLogger(__name__)


def source_from_stdin(*, live: bool = False, fps: int | None = None, clock: Clock = time.perf_counter) -> PipeSource:
    """Open standard input.

    Args:
        live: False for a video of which every frame counts, True for one of which only the newest frame does.
        fps: frames per second where the video states no rate and no times; None: 25.
        clock: stamps ``Frame.captured_at``.

    Raises:
        UsageError: standard input is a terminal.
        SourceError: it holds no video that can be read from start to end.
    """
    return PipeSource(PipeReader(take_stdin()), live=live, fps=fps, clock=clock)


class PipeSource:
    """The frames of a video that is read from start to end, as a :class:`~rtsod.sources.video.VideoSource` has them.

    Without ``live`` nothing is dropped: while a frame is not fetched, nothing is read, and the sending program waits.
    With it, frames are read as they come; the pipeline takes the newest. Either way it ends where the video ends, whole
    or not.

    Args:
        pipe: closed together with this source.
        live: whether frames arrive in real time.
        fps: as for :func:`source_from_stdin`.
        clock: stamps ``Frame.captured_at``.

    Raises:
        SourceError: there is no video that can be read. Nothing stays open.
    """

    def __init__(
        self, pipe: PipeReader, *, live: bool = False, fps: int | None = None, clock: Clock = time.perf_counter
    ) -> None:
        self._pipe = pipe
        self._video: VideoSource

        def open_it() -> None:
            with ExitStack() as owned:
                owned.callback(pipe.close)
                try:
                    container = owned.enter_context(open_pipe(pipe, live=live, fps=fps))
                    self._video = VideoSource(container, owned, name=pipe.name, live=live, media=None, clock=clock)
                except SourceError as error:
                    if is_mp4(pipe.head):
                        raise SourceError(f"{error}; {_MP4}") from error
                    raise
                owned.pop_all()

        # The sending program may take minutes to begin. On this thread a signal would be raised within FFmpeg's read,
        # through which no exception passes.
        opener = WorkerThread("rtsod-pipe-opener", wait=partial(_wait_interruptibly, pipe))
        try:
            opener.call(open_it)
        except BaseException:
            pipe.stop()
            raise
        finally:
            opener.stop()
            opener.join(RELEASE_SECONDS)

    @property
    def info(self) -> SourceInfo:
        """What the video delivers."""
        return self._video.info

    @property
    def skipped(self) -> int:
        """How many packets or frames could not be decoded so far."""
        return self._video.skipped

    def read(self) -> Frame | None:
        """The next frame; None at the end or after ``close``."""
        return self._video.read()

    def close(self) -> None:
        """Release the pipe, whose writer then notices. Idempotent; from any thread."""
        self._pipe.stop()
        self._video.close()


def _wait_interruptibly(
    pipe: PipeReader, condition: threading.Condition, ready: Callable[[], bool], timeout: float | None
) -> bool:
    """``condition.wait_for(ready)``, without a timeout; say it once if that takes long.

    A signal that comes just before Python begins to wait would be noticed only after the wait.
    """
    waits = 0
    while not condition.wait_for(ready, SIGNAL_SECONDS):
        waits += 1
        if waits == QUIET_WAITS:
            _log.warning(
                "waiting for %s: %s", pipe.name, "no whole picture came yet" if pipe.head else "nothing came yet"
            )
    return True
