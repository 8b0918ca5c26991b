"""The thread that reads a source and feeds the pipeline."""

from __future__ import annotations

import threading
from dataclasses import replace
from fractions import Fraction

from rtsod.frames import Frame
from rtsod.interfaces import Source
from rtsod.metrics import Drop, Metrics, Stage
from rtsod.pipeline.ledger import FrameLedger
from rtsod.pipeline.ring import Closed
from rtsod.pipeline.router import FrameRouter
from rtsod.system.priority import respond_quickly


class CaptureThread:
    """Reads frames until the source ends, a limit is reached, or it is stopped; then ends the router's input.

    Args:
        source: read by this thread only.
        router: fed by this thread only.
        ledger: told of every frame.
        metrics: times the reading.
        max_frames: frames to read, None for no limit.
        duration: seconds of input to read, by the frames' own time stamps, None for no limit.
    """

    def __init__(
        self,
        source: Source,
        router: FrameRouter,
        ledger: FrameLedger,
        metrics: Metrics,
        *,
        max_frames: int | None,
        duration: float | None,
    ) -> None:
        self._source = source
        self._router = router
        self._ledger = ledger
        self._metrics = metrics
        self._max_frames = max_frames
        self._duration = duration
        self._thread = threading.Thread(target=self._run, name="rtsod-capture", daemon=True)
        self.error: BaseException | None = None
        """What ended the thread other than the end of the input. Read it after :meth:`join`."""
        self.began_at: float | None = None
        """The first frame's time stamp, in seconds; None until it comes."""
        self.next_index = 0
        """More than the index of each frame that was read."""

    def start(self) -> None:
        """Begin reading."""
        self._thread.start()

    def stop(self) -> None:
        """End soon, even in a blocked read. Frames not yet processed are dropped. Idempotent, from any thread."""
        for frame in self._router.close(discard=True):
            self._ledger.dropped(frame, Drop.STOPPED)
        self._source.close()

    def join(self, timeout: float) -> bool:
        """Wait for the thread; False if it still runs after ``timeout`` seconds."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        respond_quickly()
        try:
            self._read_all()
        except Closed:
            pass  # stopped while handing over a frame
        except BaseException as error:
            self.error = error
        finally:
            self._router.close()

    def _read_all(self) -> None:
        count, newest, skipped = 0, -1, 0
        while self._max_frames is None or count < self._max_frames:
            with self._metrics.stage(Stage.CAPTURE) as span:
                frame = self._source.read()
                span.frame = None if frame is None else frame.index
            self._metrics.unreadable(self._source.skipped)
            if frame is None:
                return
            if self._source.info.live and newest >= 0:
                unreadable = self._source.skipped - skipped
                self._metrics.missed(max(0, frame.index - newest - 1 - unreadable))
            newest, skipped = frame.index, self._source.skipped
            self.next_index = newest + 1
            if self.began_at is None:
                self.began_at = frame.time
            if self._duration is not None:
                left = self._duration - (frame.time - self.began_at)
                if left <= 0:
                    return
                frame = _shortened(frame, left)
            count += 1
            self._ledger.captured(frame)
            with self._ledger.holding(frame):
                self._router.put(frame)


def _shortened(frame: Frame, seconds: float) -> Frame:
    """The frame, shown no longer than this. If that cuts it short, what comes after it is not wanted."""
    if frame.duration is None or frame.duration < seconds:
        return frame
    return replace(frame, duration=min(frame.duration, Fraction(seconds)), is_last=False)
