"""Videos that another program sends into standard input."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

from rtsod.frames import Frame, SourceInfo
from rtsod.imaging.media import open_pipe
from rtsod.interfaces import Clock
from rtsod.sources.video import RELEASE_SECONDS, VideoSource
from rtsod.system.pipes import PipeReader, take_stdin
from rtsod.system.worker_thread import WorkerThread

SIGNAL_SECONDS: Final = 0.2
"""How long a signal may wait while the sending program has not begun."""


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
                container = owned.enter_context(open_pipe(pipe, live=live, fps=fps))
                self._video = VideoSource(container, owned, name=pipe.name, live=live, media=None, clock=clock)
                owned.pop_all()

        # The sending program may take minutes to begin. On this thread a signal would be raised within FFmpeg's read,
        # through which no exception passes.
        opener = WorkerThread("rtsod-pipe-opener", wait=_wait_interruptibly)
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


def _wait_interruptibly(condition: threading.Condition, ready: Callable[[], bool], timeout: float | None) -> bool:
    """``condition.wait_for(ready)``, without a timeout.

    A signal that comes just before Python begins to wait would be noticed only after the wait.
    """
    while not condition.wait_for(ready, SIGNAL_SECONDS):
        pass
    return True
