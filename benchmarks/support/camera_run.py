"""One run of the program in front of a paced camera, observed frame by frame. Call :func:`observe` in a new process.

It imports no more than the program itself, since the time to its first picture is measured.
"""

from __future__ import annotations

import os
import time
from bisect import bisect
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.support.camera import PacedCamera
from rtsod.app.assembly import build_run
from rtsod.app.console import SilentReporter
from rtsod.config import AppConfig, EngineConfig, ModelName, OutputConfig, PictureConfig, RunConfig
from rtsod.errors import EngineError
from rtsod.frames import Compositable, Composited, Image
from rtsod.interfaces import Sink
from rtsod.masking.engine_pool import EnginePool
from rtsod.metrics import Drop, Event, Metrics, Work
from rtsod.sinks import open_sinks
from rtsod.sinks.loopback import i420_from_bgr
from rtsod.sinks.null import NullSink
from rtsod.sinks.virtual_camera import VirtualCameraSink
from rtsod.sources.pace import to_and_fro

FPS: Final = 30
PICTURES: Final = "pictures.npy"
"""The file of all pictures, ``(N, H, W, 3)`` uint8 BGR, in the folder of a job."""
BACKGROUND: Final = "beach.jpg"


@dataclass(frozen=True, slots=True)
class CameraJob:
    """What to run."""

    folder: Path
    """Holds ``PICTURES`` and, as ``0.jpg``, ``1.jpg``, ..., the same as JPEG."""
    model: str
    seconds: float
    """Length of the run, from ``began_at``."""
    began_at: float
    """When the process was started, in seconds of ``time.perf_counter``, which all processes share on Linux."""
    mjpg: bool = False
    """Decode each picture from JPEG, in ``read``."""
    recording: Path | None = None
    """A video to record to at once."""
    changes: tuple[float, ...] = ()
    """Seconds from the camera's start at which the other half of the pictures takes the place of the one that is shown:
    the second half at first, then the first one again, and so on. Without any, all pictures are shown."""
    keep_learning: bool = False
    virtual_camera: bool = False
    """Write to a virtual camera as well, whose device takes everything and keeps nothing."""


@dataclass(frozen=True, slots=True)
class Written:
    """A picture that the last sink took."""

    index: int
    at: float
    is_slate: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture with a mask: which frame it shows, and in place of which."""

    index: int
    """Of the frame that it stands for."""
    shown_index: int
    """Of the frame that it shows: less than ``index`` while a picture is held."""
    mask_age: float
    """Seconds from the capture of the frame that the mask was computed from."""


@dataclass(slots=True)
class Observed:
    """All that happened. Times are in seconds of ``time.perf_counter``."""

    began_at: float
    fps: int = FPS
    camera_started_at: float | None = None
    """When frame 0 was due; frame n was due ``n / fps`` later."""
    stopped_at: float = 0.0
    engine: str = ""
    read: list[int] = field(default_factory=list)
    """Indices of the frames that were read from the camera."""
    written: list[Written] = field(default_factory=list)
    shown: list[Shown] = field(default_factory=list)
    dropped: list[tuple[float, str]] = field(default_factory=list)
    masks: list[float] = field(default_factory=list)
    rungs: list[tuple[float, str]] = field(default_factory=list)
    events: list[tuple[float, str]] = field(default_factory=list)
    lines: list[tuple[float, str]] = field(default_factory=list)
    """What the user was told."""
    cpu: list[tuple[float, float]] = field(default_factory=list)
    """Moments, and the processor seconds that the process and its ended children had used by then."""
    stage_ms: dict[str, float] = field(default_factory=dict)
    stage_cpu_ms: dict[str, float] = field(default_factory=dict)
    """Mean time of a stage, and processor time of the thread that runs it."""
    peak_memory_mb: float = 0.0
    """Of the process, without the pictures that stand for the camera."""


class StampingSink(NullSink):
    """Stands for a live sink that costs nothing, and notes when it got each picture."""

    def __init__(self, observed: Observed) -> None:
        super().__init__(live=True)
        self._observed = observed

    def write(self, picture: Composited) -> None:
        """Note one picture; see :meth:`rtsod.interfaces.Sink.write`."""
        super().write(picture)
        self._observed.written.append(Written(picture.index, time.perf_counter(), picture.is_slate))


class Swallowing:
    """A virtual camera's device without a kernel module: pictures are brought to its format, and written nowhere."""

    name = label = "nothing"
    notes = ()

    def __init__(self, device: str | None, width: int, height: int, fps: Fraction) -> None:
        self.width, self.height = width, height
        self._file = os.open(os.devnull, os.O_WRONLY)

    def prepare(self, image: Image) -> Image:
        """See :class:`rtsod.sinks.loopback.LoopbackCamera`."""
        return i420_from_bgr(image, self.width, self.height)

    def send(self, prepared: Image) -> None:
        """Write it."""
        os.write(self._file, prepared.data)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def is_read(self) -> bool:
        """Always."""
        return True


class ObservingMetrics(Metrics):
    """Notes when each thing was counted."""

    def __init__(self, observed: Observed) -> None:
        super().__init__()
        self._observed = observed

    def composited(self, shown: Compositable, composed_at: float) -> None:
        """Called by the thread that has just written the picture."""
        super().composited(shown, composed_at)
        index = self._observed.written[-1].index
        self._observed.shown.append(Shown(index, shown.frame.index, composed_at - shown.origin.captured_at))

    def dropped(self, reason: Drop, count: int = 1) -> None:
        """Called where a frame is dropped."""
        super().dropped(reason, count)
        self._observed.dropped += [(time.perf_counter(), str(reason))] * count

    def worked(self, work: Work) -> None:
        """Called where a mask is made."""
        super().worked(work)
        if work == Work.MASKS:
            self._observed.masks.append(time.perf_counter())

    def event(self, event: Event) -> None:
        """Called where something failed, recovered or changed."""
        super().event(event)
        self._observed.events.append((time.perf_counter(), str(event)))

    def on_rung(self, rung: str) -> None:
        """Called where masks begin to be made in another way."""
        super().on_rung(rung)
        self._observed.rungs.append((time.perf_counter(), rung))


class ObservingReporter(SilentReporter):
    """Notes when each line was said."""

    def __init__(self, observed: Observed) -> None:
        super().__init__()
        self._observed = observed

    def notify(self, line: str) -> None:
        """Note one line."""
        self._observed.lines.append((time.perf_counter(), line))


class ObservedCamera(PacedCamera):
    """Notes which frames were read."""

    def __init__(self, job: CameraJob, observed: Observed) -> None:
        self._pictures: NDArray[np.uint8] = np.load(job.folder / PICTURES, mmap_mode="r")
        files = [job.folder / f"{position}.jpg" for position in range(len(self._pictures))] if job.mjpg else []
        self._jpegs = [np.frombuffer(file.read_bytes(), np.uint8) for file in files]
        self._observed = observed
        self._changes = [round(seconds * FPS) for seconds in job.changes]
        height, width = self._pictures[0].shape[:2]
        super().__init__(self._image, (width, height), FPS, pixel_format="MJPG" if job.mjpg else None)

    @property
    def touched_mb(self) -> float:
        """Memory of the pictures, in 10^6 bytes."""
        return 0.0 if self._jpegs else self._pictures.nbytes / 1e6

    def _image(self, index: int) -> Image:
        self._observed.read.append(index)
        position = self._position(index)
        if self._jpegs:
            image = cv2.imdecode(self._jpegs[position], cv2.IMREAD_COLOR)
            assert image is not None
            return np.asarray(image, np.uint8)
        return np.asarray(self._pictures[position])

    def _position(self, index: int) -> int:
        if not self._changes:
            return to_and_fro(index, len(self._pictures))
        half = len(self._pictures) // 2
        return to_and_fro(index, half) + half * (bisect(self._changes, index) % 2)


def observe(job: CameraJob, pool: EnginePool | None = None) -> Observed:
    """Run the program as it is by default, until the job's time is up.

    Args:
        job: what to run.
        pool: open engines instead of the job's model; the caller closes it.

    Raises:
        RtsodError: the run cannot start, or fails.
    """
    observed = Observed(job.began_at)
    config = AppConfig(
        engine=EngineConfig(model=job.model),
        run=RunConfig(keep_learning=job.keep_learning),
        picture=PictureConfig(backgrounds=(BACKGROUND,)),
        output=OutputConfig(preview=False, outputs=() if job.recording is None else (job.recording,)),
    )
    camera = ObservedCamera(job, observed)
    with ExitStack() as opened:
        opened.enter_context(closing(camera))
        sinks: list[Sink] = [*open_sinks(config.output, camera.info, transparent=False)]
        if job.virtual_camera:
            info = camera.info
            assert info.width is not None
            assert info.height is not None
            sinks.append(VirtualCameraSink(None, width=info.width, height=info.height, fps=info.fps, opener=Swallowing))
        sinks.append(StampingSink(observed))
        for sink in sinks:
            opened.callback(sink.close)
        with build_run(
            config,
            source=camera,
            sinks=sinks,
            pool=pool,
            metrics=ObservingMetrics(observed),
            reporter=ObservingReporter(observed),
        ) as run:
            engine = run.pool.first.info
            observed.engine = f"{engine.name} {engine.precision}"

            def is_over() -> bool:
                now = time.perf_counter()
                observed.cpu.append((now, sum(os.times()[:4])))
                observed.stopped_at = now
                return now - job.began_at >= job.seconds

            run.pipeline.run(tick=is_over)
            numbers = run.metrics.snapshot()
            observed.stage_ms, observed.stage_cpu_ms = numbers["stage_ms"], numbers["stage_cpu_ms"]
    observed.camera_started_at = camera.started_at
    observed.peak_memory_mb = _peak_memory_mb() - camera.touched_mb
    return observed


def _peak_memory_mb() -> float:
    """Largest resident memory of this process so far, in 10^6 bytes."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) * 1024 / 1e6


def kernels(model: ModelName) -> dict[str, object]:
    """What runs the network on this machine, as it is held now: the precision, and each convolution kernel's count.

    Raises:
        RtsodError: the network cannot be opened.
    """
    from rtsod.backends.openvino.cache import model_cache
    from rtsod.backends.openvino.compiled_from_weights import compiled_from_weights
    from rtsod.model.weights import resolve, with_size

    config = with_size(EngineConfig(model=model))
    built = compiled_from_weights(config, resolve(config), model_cache())
    counts: dict[str, int] = {}
    for node in built.compiled.get_runtime_model().get_ops():
        if str(node.get_rt_info()["layerType"].value) == "Convolution":
            kernel = str(node.get_rt_info()["primitiveType"].value)
            counts[kernel] = counts.get(kernel, 0) + 1
    if not counts:
        raise EngineError("OpenVINO names no convolution: what really ran is unknown")
    return {"precision": built.info.precision, "kernels": counts}
