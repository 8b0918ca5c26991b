"""The thread that reads a source and feeds a ring."""

from __future__ import annotations

import threading

from rtsod.frames import Frame
from rtsod.interfaces import Source
from rtsod.metrics import Metrics, Stage
from rtsod.pipeline.ring import Closed, Puttable


class CaptureThread:
    """Reads frames until the source ends, a bound is reached, or it is stopped; then closes the ring.

    Args:
        source: read here and nowhere else.
        ring: fed here and nowhere else.
        metrics: told of every frame.
        max_frames: frames to read, None for no bound.
        duration: seconds of input, by the frames' own time stamps, None for no bound.
    """

    def __init__(
        self, source: Source, ring: Puttable[Frame], metrics: Metrics, *, max_frames: int | None, duration: float | None
    ) -> None:
        self._source = source
        self._ring = ring
        self._metrics = metrics
        self._max_frames = max_frames
        self._duration = duration
        self._thread = threading.Thread(target=self._run, name="rtsod-capture", daemon=True)
        self.error: BaseException | None = None
        """What ended the thread, if it was not the end of the input. Read after :meth:`join`."""
        self.began_at: float | None = None
        """The first frame's place in time, seconds; None until it comes."""

    def start(self) -> None:
        """Begin reading."""
        self._thread.start()

    def stop(self) -> None:
        """End soon, even inside a blocked read. Idempotent, from any thread."""
        self._ring.close(discard=True)
        self._source.close()

    def join(self, timeout: float) -> bool:
        """Wait for the thread; False when it still runs after ``timeout`` seconds."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._read_all()
        except Closed:
            pass  # stopped while handing a frame over
        except BaseException as error:
            self.error = error
        finally:
            self._ring.close()

    def _read_all(self) -> None:
        count = 0
        while self._max_frames is None or count < self._max_frames:
            with self._metrics.stage(Stage.CAPTURE) as span:
                frame = self._source.read()
                span.frame = None if frame is None else frame.index
            self._metrics.unreadable(self._source.skipped)
            if frame is None:
                return
            now = frame.time
            if self.began_at is None:
                self.began_at = now
            if self._duration is not None and now - self.began_at >= self._duration:
                return
            count += 1
            self._metrics.captured()
            self._ring.put(frame)
