"""The way of a frame: source, ring, inference, ring, compositor, sinks, each step in its own thread.

::

    locked   Source -> CaptureThread -> Ring -> inference thread -> Ring -> compositor thread -> Sinks

    tracked                          /----------------------------> Ring -v
    (live)   Source -> CaptureThread -> Ring -> inference thread -> newest mask -> compositor thread -> Sinks

Live input never queues: each ring holds one item, and a newer one takes its place. File input never drops: a full
ring makes the producer wait. A mask is composited with the very frame it was computed from (locked), or carried by the
motion in the picture to the frame it is shown with (tracked). Live, the compositor then runs at the camera's rate,
whatever inference costs; a file waits for its masks, and tracking only fills in between those of every n-th frame.
Live, each frame may take the other way than the one before it: which, is decided when it is captured.

Fail closed: where there is no valid mask (not computed yet, not finite, too old, or inference failed) the sinks get a
slate, which holds no camera pixel; nothing else can be handed to them, by type. Where motion cannot be believed, what
locked would show is shown. When live input stalls, for whatever reason, slates go on at the rate of the output until a
picture comes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, Protocol

from rtsod.errors import EngineError
from rtsod.frames import Compositable, Composited, Frame, MaskedFrame
from rtsod.interfaces import Clock, Masker, Sink, Source, Wait
from rtsod.metrics import Drop, Metrics, Stage
from rtsod.pipeline.capture import CaptureThread
from rtsod.pipeline.mask_sync import Decision, HoldLast, MaskSynchronizer, Propagator, Rejected, Stabilizer
from rtsod.pipeline.ring import Closed, OnFull, Ring
from rtsod.pipeline.router import FrameRouter, InferenceRequest

READ_AHEAD: Final = 4
"""Decoded frames of a file that may wait for inference: enough to ride over one slow decode."""
FALLBACK_FPS: Final = 30
"""The rate of slates in a stall where the source knows no rate."""
JOIN_TIMEOUT: Final = 10.0
"""Seconds each thread has to end when the run is over: more than the slowest single step takes."""


class Composing(Protocol):
    """What the pipeline needs of a compositor; see :class:`rtsod.composite.compositor.Compositor`."""

    def compose(self, shown: Compositable, at: float, *, stands_for: Frame | None = None) -> Composited:
        """The picture of a frame and its mask, ``at`` seconds after the first frame, in the place of another one."""
        ...

    def slate(self, width: int, height: int, at: float, *, frame: Frame | None = None, now: float) -> Composited:
        """A picture without any camera pixel, standing for ``frame`` if there is one."""
        ...


class Pipeline:
    """One run, from opened edges to their end. The edges are opened and closed by the caller.

    Args:
        source: read by the capture thread.
        masker: used by the inference thread.
        compositor: used by the compositor thread.
        sinks: written by the compositor thread.
        metrics: told of everything.
        stabilizer: used by the inference thread on every mask; None leaves masks as they are.
        propagator: carries masks to frames that have none of their own (tracked), in the compositor thread for live input,
            in the inference thread for files; None composites each mask with its own frame (locked).
        tracks: live and with a carrier: whether the frame that is captured now is to be tracked, not locked.
        mask_interval: with a carrier: at most every so many-th captured frame gets a mask of its own.
        spares: with a carrier, live: whether a frame can do without a mask of its own, given the newest one.
        max_mask_age: live input: seconds from the capture of a mask's frame after which the mask is too old to be
            shown, and without a picture after which the live sinks get a slate.
        max_frames: frames to read, None for no bound.
        duration: seconds of input, None for no bound.
        clock: seconds that only grow, the one the source stamps its frames with.
        wait: waits on a condition for so many seconds of that clock.
    """

    def __init__(
        self,
        source: Source,
        masker: Masker,
        compositor: Composing,
        sinks: Sequence[Sink],
        metrics: Metrics,
        *,
        stabilizer: Stabilizer | None = None,
        propagator: Propagator | None = None,
        tracks: Callable[[], bool] = lambda: True,
        mask_interval: int = 1,
        spares: Callable[[MaskedFrame, Frame], bool] = lambda newest, frame: False,
        max_mask_age: float,
        max_frames: int | None = None,
        duration: float | None = None,
        clock: Clock = time.perf_counter,
        wait: Wait = threading.Condition.wait_for,
    ) -> None:
        self._info = source.info
        self._masker = masker
        self._compositor = compositor
        self._sinks = sinks
        self._metrics = metrics
        self._max_mask_age = max_mask_age
        self._duration = duration
        self._clock = clock

        live = self._info.live
        on_full = OnFull.DROP_OLDEST if live else OnFull.WAIT
        self._to_infer: Ring[InferenceRequest] = Ring(1 if live else READ_AHEAD, on_full, wait)
        self._to_show: Ring[Decision | Frame] = Ring(1, on_full, wait)
        parting = FrameRouter(
            self._to_infer, self._to_show, tracks if live and propagator is not None else lambda: False, metrics
        )
        self._pairing = MaskSynchronizer(
            masker, stabilizer, propagator, metrics, mask_interval=mask_interval, spares=spares, refusal=self._refusal
        )
        self._last_shown: Frame | None = None
        self._capture = CaptureThread(source, parting, metrics, max_frames=max_frames, duration=duration)
        self._threads = [
            threading.Thread(target=self._guarded, args=(self._infer_all,), name="rtsod-inference", daemon=True),
            threading.Thread(target=self._guarded, args=(self._compose_all,), name="rtsod-compositor", daemon=True),
        ]
        self._errors: list[BaseException] = []
        self._done = threading.Event()
        self._stopping = threading.Event()
        self._resumed = threading.Event()
        self._resumed.set()
        self._start_of_input: float | None = None
        self._frame_size = (self._info.width, self._info.height)

    @property
    def paused(self) -> bool:
        """True: the sinks get slates. A file waits meanwhile; live input is not looked at."""
        return not self._resumed.is_set()

    def toggle_pause(self) -> None:
        """Pause, or go on. From any thread."""
        if self.paused:
            self._resumed.set()
        else:
            self._resumed.clear()

    def run(self, *, tick: Callable[[], bool] = lambda: False, interval: float = 0.05) -> None:
        """Run to the end of the input or of its bounds, until ``tick`` says stop, or until an error in any thread.

        Args:
            tick: called in this thread, the main one, at most every ``interval`` seconds, for the window and the
                signals; returns True to stop.
            interval: seconds.

        Raises:
            RtsodError: the first error of any thread; every thread has ended or been given up by then.
        """
        self._capture.start()
        for thread in self._threads:
            thread.start()
        started = self._clock()
        try:
            while not self._done.wait(interval):
                if tick() or self._time_is_up(started):
                    break
        finally:
            self._shut_down()
        for error in self._errors:
            raise error
        numbers = self._metrics.snapshot()
        if not numbers["composited"] and numbers["invalid_masks"]:
            raise EngineError(f"{self._masker.name} gave no valid mask: every picture became a slate")

    # ---------------------------------------------------------------- threads

    def _guarded(self, work: Callable[[], None]) -> None:
        """A thread's life: its error is kept for the caller, and its neighbours are never left waiting."""
        try:
            work()
        except Closed:
            pass  # a neighbour ended
        except BaseException as error:
            self._errors.append(error)
            self._done.set()
        finally:
            self._to_infer.close()
            self._to_show.close()

    def _infer_all(self) -> None:
        while True:
            offered = self._to_infer.get()
            assert offered is not None  # without a timeout there is a frame or Closed
            if not offered.awaited:
                self._pairing.infer(offered.frame)
            elif self._to_show.put(self._pairing.answer(offered.frame)) is not None:
                self._metrics.dropped(Drop.BEFORE_COMPOSITING)
            self._masker.run_deferred()

    def _compose_all(self) -> None:
        try:
            self._show_slate()  # whoever watches sees a slate first, never the room
            patience = self._max_mask_age if self._info.live else None
            while True:
                answer = self._next_answer(patience)
                if answer is None:
                    self._show_slate(to_all=True)
                    patience = float(1 / (self._info.fps or FALLBACK_FPS))
                else:
                    self._compose_one(answer)
                    patience = self._max_mask_age if self._info.live else None
        except Closed:
            self._show_slate()  # nor does the last picture stay on a virtual camera that others go on reading
        except BaseException:
            with suppress(Exception):  # what broke may be what shows it
                self._show_slate()
            raise
        finally:
            self._done.set()

    def _next_answer(self, patience: float | None) -> Decision | None:
        item = self._to_show.get(patience)
        return self._pairing.track(item) if isinstance(item, Frame) else item

    def _compose_one(self, answer: Decision) -> None:
        frame = answer.frame
        self._frame_size = (frame.image.shape[1], frame.image.shape[0])
        if self.paused and not self._info.live:
            self._wait_for_resume()
        if isinstance(answer, Rejected):
            self._refuse(frame, answer.reason)
            return
        shown = answer.instead if isinstance(answer, HoldLast) else answer
        composed_at = self._clock()
        if (reason := self._refusal(shown.origin.captured_at)) is not None:
            self._refuse(frame, reason)
        elif self._last_shown is not None and shown.frame.index <= self._last_shown.index:
            self._metrics.dropped(Drop.UNTRACKED)  # a later picture is already seen: it stays
        else:
            with self._metrics.stage(Stage.COMPOSE, frame.index):
                picture = self._compositor.compose(shown, self._at(frame), stands_for=frame)
            self._write(picture, self._sinks)
            self._last_shown = shown.frame
            self._metrics.composited(shown, composed_at)

    def _refuse(self, frame: Frame, reason: Drop) -> None:
        """Show a slate in a frame's place."""
        self._metrics.dropped(reason)
        height, width = frame.image.shape[:2]
        self._write(self._compositor.slate(width, height, self._at(frame), frame=frame, now=self._clock()), self._sinks)

    # ------------------------------------------------------------------ parts

    def _time_is_up(self, started: float) -> bool:
        """Whether live input has been away when its time was over, so that no frame ended it."""
        if self._duration is None or not self._info.live:
            return False
        began = self._capture.began_at
        return self._clock() - (started if began is None else began) >= self._duration + self._max_mask_age

    def _refusal(self, captured_at: float) -> Drop | None:
        """Why a mask of a frame captured then must not be shown now; a file's waits, so nothing is against it."""
        if not self._info.live:
            return None
        if self.paused:
            return Drop.PAUSED
        return Drop.MASK_TOO_OLD if self._clock() - captured_at > self._max_mask_age else None

    def _wait_for_resume(self) -> None:
        self._show_slate()
        while not self._resumed.wait(0.05):
            if self._stopping.is_set():
                raise Closed

    def _at(self, frame: Frame) -> float:
        """Seconds since the first frame, on the input's own time line."""
        now = frame.time
        if self._start_of_input is None:
            self._start_of_input = now
        return now - self._start_of_input

    def _show_slate(self, *, to_all: bool = False) -> None:
        """Show a slate that stands for no frame, to those who watch; in a stall to recordings, too."""
        watched = [sink for sink in self._sinks if sink.live or to_all]
        width, height = self._frame_size
        if not watched or width is None or height is None:
            return
        now = self._clock()
        at = now - self._start_of_input if self._info.live and self._start_of_input is not None else 0.0
        self._write(self._compositor.slate(width, height, at, now=now), watched)

    def _write(self, picture: Composited, sinks: Sequence[Sink]) -> None:
        if picture.is_slate:
            self._metrics.slate()
        with self._metrics.stage(Stage.WRITE, picture.index):
            for sink in sinks:
                sink.write(picture)

    def _shut_down(self) -> None:
        self._stopping.set()
        self._capture.stop()
        self._to_show.close()  # a mask that is ready is still shown
        stuck = [] if self._capture.join(JOIN_TIMEOUT) else ["capture"]
        for thread in self._threads:
            thread.join(JOIN_TIMEOUT)
            if thread.is_alive():
                stuck.append(thread.name.removeprefix("rtsod-"))
        if self._capture.error is not None:
            self._errors.insert(0, self._capture.error)
        self._account_for_the_rest()
        if stuck and not self._errors:
            self._errors.append(EngineError(f"did not end within {JOIN_TIMEOUT:.0f} s: {', '.join(stuck)}"))

    def _account_for_the_rest(self) -> None:
        so_far = self._metrics.snapshot()
        under_way = so_far["captured"] - so_far["composited"] - sum(so_far["dropped"].values())
        self._metrics.dropped(Drop.STOPPED, under_way)
