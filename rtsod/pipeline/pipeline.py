"""The path of a frame: source, inference, compositor, sinks, each in its own thread, with rings in between.

::

    locked   Source -> CaptureThread -> Ring -> inference thread -> Ring -> compositor thread -> Sinks

    straight                         /----------------------------> Ring -v
    (live)   Source -> CaptureThread -> Ring -> inference thread -> masks -> compositor thread -> Sinks

Live input never queues: the rings are short, and a newer item displaces an older one. File input is never dropped: a
full ring makes the producer wait. A mask is composited with the frame it was computed from (locked), or propagated by
optical flow to the frame it is shown with (tracked). A live run composites at the camera's rate, whatever inference
costs, unless every frame was to be locked: each frame waits for its own mask only as long as that delays no other, and
then takes the newest one. A file waits for its masks, and tracking only fills in between them.

Fail closed: without a valid mask (not computed yet, not finite, too old, or inference failed) the sinks get a slate,
which holds no camera pixel. By their type they accept nothing else. Where the flow is not reliable, the latest frame
with its own mask is shown. When live input stalls, slates continue at the output's rate until a picture comes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from rtsod.errors import EngineError
from rtsod.frames import Frame
from rtsod.interfaces import Clock, Masker, Sink, Source, Wait
from rtsod.mask_plan import MaskPlan
from rtsod.metrics import Drop, Metrics
from rtsod.pipeline.capture import CaptureThread
from rtsod.pipeline.ledger import AccountingError, FrameLedger
from rtsod.pipeline.mask_sync import Decision, MaskSynchronizer, Propagator, SkipPolicy, Stabilizer
from rtsod.pipeline.patience import Patience
from rtsod.pipeline.presenter import Composing, Presenter
from rtsod.pipeline.ring import Closed, OnFull, Ring, Woken
from rtsod.pipeline.router import FrameRouter, InferenceRequest, frame_of
from rtsod.pipeline.stall import stall_times
from rtsod.system.priority import respond_quickly

_log = logging.getLogger(__name__)

READ_AHEAD_FRAMES: Final = 4
"""Decoded frames of a file that may wait for inference: enough to ride over one slow decode."""
LIVE_FRAMES_TO_SHOW: Final = 2
"""Live frames that may wait for the compositor. The second one is for a moment's hiccup, such as a disk that blocks: it
is made up for at once, because compositing a frame takes far less than the time to the next one."""
JOIN_TIMEOUT: Final = 10.0
"""Seconds each thread has to end after the run: more than the slowest single step takes."""


class Pipeline:
    """One run over opened edges, which the caller opens and closes.

    Args:
        source: read by the capture thread.
        masker: used by the inference thread.
        compositor: used by the compositor thread.
        sinks: written by the compositor thread.
        metrics: counts and times everything.
        plan: which frames are locked and which are tracked, and when a live mask is too old. When live input brings no
            picture for as long, or as :mod:`rtsod.pipeline.stall` says, the sinks get a slate.
        stabilizer: smooths every mask in the inference thread; None leaves masks as they are.
        propagator: propagates masks, in the compositor thread for live input and in the inference thread for files;
            None if the plan is locked.
        skip_policy: decides whether a mask is due; None if the plan is locked.
        max_frames: frames to read, None for no limit.
        duration: seconds of input to read, None for no limit.
        clock: monotonic time in seconds, the clock that stamps the source's frames.
        wait: waits on a condition, in seconds of that clock.

    Raises:
        ValueError: the plan propagates masks, and the propagator or the skip policy is missing.
    """

    def __init__(
        self,
        source: Source,
        masker: Masker,
        compositor: Composing,
        sinks: Sequence[Sink],
        metrics: Metrics,
        plan: MaskPlan,
        *,
        stabilizer: Stabilizer | None = None,
        propagator: Propagator | None = None,
        skip_policy: SkipPolicy | None = None,
        max_frames: int | None = None,
        duration: float | None = None,
        clock: Clock = time.perf_counter,
        wait: Wait = threading.Condition.wait_for,
    ) -> None:
        self._info = source.info
        self._masker = masker
        self._metrics = metrics
        self._max_mask_age = plan.max_mask_age
        self._duration = duration
        self._clock = clock

        live = self._info.live
        on_full = OnFull.DROP_OLDEST if live else OnFull.WAIT
        self._to_infer: Ring[InferenceRequest] = Ring(1 if live else READ_AHEAD_FRAMES, on_full, wait)
        straight = live and plan.propagates
        self._stall = stall_times(self._info.fps, plan.max_mask_age, live=live, straight=straight)
        self._to_show: Ring[Decision | Frame] = Ring(LIVE_FRAMES_TO_SHOW if straight else 1, on_full, wait)
        self._threads = [
            threading.Thread(target=self._run_thread, args=(self._infer_all,), name="rtsod-inference", daemon=True),
            threading.Thread(target=self._run_thread, args=(self._compose_all,), name="rtsod-compositor", daemon=True),
        ]
        capacity = self._to_infer.capacity + self._to_show.capacity + 1 + len(self._threads)
        self._ledger = FrameLedger(metrics, capacity)
        router = FrameRouter(self._to_infer, self._to_show, self._ledger, straight=straight)
        self._capture = CaptureThread(source, router, self._ledger, metrics, max_frames=max_frames, duration=duration)
        withhold = self._reason_to_withhold
        patience = Patience(self._info.fps, clock=clock, wait=wait) if straight and plan.sync == "auto" else None
        self._mask_sync = MaskSynchronizer(
            plan, masker, stabilizer, propagator, skip_policy, metrics, withhold=withhold, patience=patience
        )
        self._presenter = Presenter(
            self._info, compositor, sinks, self._ledger, metrics, withhold=withhold, clock=clock
        )
        self._errors: list[BaseException] = []
        self._stuck: list[str] = []
        self._done = threading.Event()
        self._stopping = threading.Event()
        self._resumed = threading.Event()
        self._resumed.set()

    @property
    def paused(self) -> bool:
        """Whether the sinks get slates. A file waits meanwhile; live input is not looked at."""
        return not self._resumed.is_set()

    @property
    def next_index(self) -> int:
        """More than the index of each frame that was read."""
        return self._capture.next_index

    @property
    def seconds_read(self) -> float:
        """Seconds since the first frame of live input; 0 before."""
        began = self._capture.began_at
        return 0.0 if began is None else self._clock() - began

    def pause(self) -> None:
        """Give the sinks slates, from the next picture on, and viewers one at once. From any thread. Idempotent."""
        if not self.paused:
            self._resumed.clear()
            self._to_show.wake()  # the next frame may take long to come

    def resume(self) -> None:
        """Give them pictures again. From any thread. Idempotent."""
        self._resumed.set()

    def stabilize_with(self, stabilizer: Stabilizer | None) -> None:
        """Smooth the next masks by another stabilizer, which begins anew. From any thread."""
        self._mask_sync.stabilizer = stabilizer

    def run(self, *, tick: Callable[[], bool] = lambda: False, interval: float = 0.05) -> None:
        """Run to the end of the input or its limits, until ``tick`` returns True, or until a thread fails.

        Args:
            tick: called in this thread, the main one, at most every ``interval`` seconds, to serve the window and the
                signals; returns True to stop.
            interval: seconds.

        Raises:
            RtsodError: the first error of any thread; further ones are attached as notes. All threads have ended or
                been given up by then. A thread that is given up after ``tick`` stopped the run is no error: a step may
                rightly take long. A warning names it, and :meth:`check_ended` raises it.
            AccountingError: a frame was lost or counted twice, which is a bug.
        """
        self._capture.start()
        for thread in self._threads:
            thread.start()
        started, stopped = self._clock(), False
        try:
            while not self._done.wait(interval):
                stopped = tick()
                if stopped or self._time_is_up(started):
                    break
        finally:
            self._shut_down(stopped=stopped)
        if self._errors:
            first, *others = self._errors
            for error in others:
                first.add_note(f"also: {type(error).__name__}: {error}")
            raise first
        numbers = self._metrics.snapshot()
        if not numbers["composited"] and numbers["invalid_masks"]:
            raise EngineError(f"{self._masker.name} gave no valid mask: every picture became a slate")

    def check_ended(self) -> None:
        """Make sure that no thread of this run still uses the edges, so that another run may.

        Raises:
            EngineError: a thread was given up.
        """
        if self._stuck:
            raise _not_ended(self._stuck)

    # ---------------------------------------------------------------- threads

    def _run_thread(self, work: Callable[[], None]) -> None:
        """Keep a thread's error for the caller, and never leave its neighbours waiting."""
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
            request = self._to_infer.get()
            assert request is not None  # without a timeout there is a request, or Closed is raised
            if request.locked:
                with self._ledger.holding(request.frame):
                    displaced = self._to_show.put(self._mask_sync.mask_for(request.frame))
                if displaced is not None:
                    self._ledger.dropped(frame_of(displaced), Drop.BEFORE_COMPOSITING)
            else:
                self._mask_sync.refresh(request.frame)
            self._masker.run_deferred()

    def _compose_all(self) -> None:
        respond_quickly()
        try:
            self._presenter.show_slate()  # viewers see a slate first, never the room
            timeout = self._stall.timeout
            while True:
                try:
                    item = self._to_show.get(timeout)
                except Woken:
                    self._presenter.show_slate()
                    continue
                if item is None:
                    self._presenter.show_slate(to_all=True)
                    timeout = self._stall.slate_period
                else:
                    with self._ledger.holding(frame_of(item)):
                        decision = self._mask_sync.decide(item) if isinstance(item, Frame) else item
                        if self.paused and not self._info.live:
                            self._wait_for_resume(decision.frame)
                        self._presenter.show(decision)
                    timeout = self._stall.timeout
        except Closed:
            self._presenter.show_slate()  # nor does the last picture stay on a virtual camera that others keep reading
        except BaseException:
            with suppress(Exception):  # the failure may be in the sink itself
                self._presenter.show_slate()
            raise
        finally:
            self._done.set()

    # ------------------------------------------------------------------ parts

    def _time_is_up(self, started: float) -> bool:
        """Whether the duration of live input is over, and no frame came to end it."""
        if self._duration is None or not self._info.live:
            return False
        began = self._capture.began_at
        return self._clock() - (started if began is None else began) >= self._duration + self._max_mask_age

    def _reason_to_withhold(self, captured_at: float) -> Drop | None:
        """Why a mask of a frame captured then must not be shown now. The masks of a file may always be shown."""
        if not self._info.live:
            return None
        if self.paused:
            return Drop.PAUSED
        return Drop.MASK_TOO_OLD if self._clock() - captured_at > self._max_mask_age else None

    def _wait_for_resume(self, frame: Frame) -> None:
        """Hold a file's frame, with a slate in its place."""
        self._presenter.match_size(frame)
        self._presenter.show_slate()
        while not self._resumed.wait(0.05):
            if self._stopping.is_set():
                raise Closed

    def _shut_down(self, *, stopped: bool) -> None:
        self._stopping.set()
        self._capture.stop()
        self._to_show.close()  # a mask that is ready is still shown
        if not self._capture.join(JOIN_TIMEOUT):
            self._stuck.append("capture")
        for thread in self._threads:
            thread.join(JOIN_TIMEOUT)
            if thread.is_alive():
                self._stuck.append(thread.name.removeprefix("rtsod-"))
        if self._capture.error is not None:
            self._errors.insert(0, self._capture.error)
        if self._stuck and not self._errors:
            if stopped:
                _log.warning("%s", _not_ended(self._stuck))
            else:
                self._errors.append(_not_ended(self._stuck))
        self._account_for_leftovers(stuck_threads=len(self._stuck))

    def _account_for_leftovers(self, *, stuck_threads: int) -> None:
        """Count the frames that a failed thread left in its ring, and check that none is missing."""
        left = [request.frame for request in self._to_infer.close(discard=True) if request.locked]
        left += [frame_of(item) for item in self._to_show.close(discard=True)]
        try:
            for frame in left:
                self._ledger.dropped(frame, Drop.STOPPED)
            self._ledger.close(stuck_threads=stuck_threads)
        except AccountingError as error:
            self._errors.append(error)


def _not_ended(threads: Sequence[str]) -> EngineError:
    return EngineError(f"did not end within {JOIN_TIMEOUT:.0f} s: {', '.join(threads)}")
