"""Pictures to write, and readers to read them back, for the tests of the sinks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

from rtsod.frames import Composited, Image, SourceInfo, mark_safe, to_levels
from rtsod.imaging.transparency import cleared
from rtsod.sinks.pixels import bring_to

WIDTH, HEIGHT = 96, 64
COLOURS = ((200, 60, 30), (30, 180, 60), (40, 60, 210), (128, 128, 128), (250, 250, 250), (10, 10, 10))
"""BGR, the stripes of :func:`patches` from left to right."""


def patches(width: int = WIDTH, height: int = HEIGHT) -> Image:
    """Vertical stripes of :data:`COLOURS`."""
    columns = np.minimum(np.arange(width) * len(COLOURS) // width, len(COLOURS) - 1)
    return np.ascontiguousarray(np.broadcast_to(np.array(COLOURS, np.uint8)[columns], (height, width, 3)))


def stripe_errors(image: NDArray[np.uint8]) -> list[int]:
    """The error in the middle of each stripe of :func:`patches`, in levels of 255."""
    width = image.shape[1] / len(COLOURS)
    middles = [image[8:-8, round((i + 0.35) * width) : round((i + 0.65) * width)] for i in range(len(COLOURS))]
    pairs = zip(middles, COLOURS, strict=True)
    return [int(np.abs(np.median(m, (0, 1)) - np.array(c)).max()) for m, c in pairs]


def composited(
    index: int = 0,
    *,
    image: Image | None = None,
    alpha: NDArray[np.float32] | None = None,
    pts: Fraction | None = None,
    captured_at: float | None = None,
    name: str | None = None,
    duration: Fraction | None = None,
    is_last: bool = False,
    opacity: Image | None = None,
    is_slate: bool = False,
) -> Composited:
    """A picture for a sink. By default its alpha is 1 in the left half and 0 in the right, and it is opaque."""
    image = patches() if image is None else image
    if alpha is None:
        alpha = np.zeros(image.shape[:2], np.float32)
        alpha[:, : image.shape[1] // 2] = 1
    if opacity is not None:
        image = cleared(image, opacity)
    return mark_safe(
        image=image,
        levels=partial(to_levels, alpha),
        index=index,
        captured_at=100.0 + index / 30 if captured_at is None else captured_at,
        pts=pts,
        name=name,
        duration=duration,
        is_last=is_last,
        is_slate=is_slate,
        opacity=opacity,
    )


def info(**fields: Any) -> SourceInfo:
    """Describes a source of :data:`WIDTH` x :data:`HEIGHT` pixels at 30 fps."""
    known: dict[str, Any] = {"name": "test", "width": WIDTH, "height": HEIGHT, "fps": Fraction(30), "live": False}
    return SourceInfo(**{**known, **fields})


@dataclass
class Recording:
    """A video file, decoded completely."""

    times: list[Fraction] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    """BGR."""
    alphas: list[Image] = field(default_factory=list)
    """Empty if the file has no alpha."""
    durations: list[Fraction] = field(default_factory=list)
    """As the container states them, seconds."""
    seconds: float = 0.0
    tags: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Colour space, primaries, transfer characteristic, range."""
    audio: str | None = None


def read_recording(path: Path) -> Recording:
    """Decode every picture of a file. VP9 is decoded by libvpx, the only decoder that supports its alpha."""
    recording = Recording()
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert isinstance(stream, VideoStream)
        context = stream.codec_context
        recording.tags = (context.colorspace, context.color_primaries, context.color_trc, context.color_range)
        recording.seconds = (container.duration or 0) / 1e6
        sound = container.streams.best("audio")
        recording.audio = sound.codec_context.codec.canonical_name if sound is not None else None
        decoder = av.CodecContext.create("libvpx-vp9", "r") if context.name.startswith("vp9") else context
        for packet in container.demux(stream):
            assert packet.time_base
            for frame in decoder.decode(packet):
                assert isinstance(frame, av.VideoFrame)
                assert frame.pts is not None
                recording.times.append(frame.pts * packet.time_base)
                recording.durations.append(frame.duration * packet.time_base)
                recording.images.append(np.asarray(frame.to_ndarray(format="bgr24"), np.uint8))
                if "a" in frame.format.name.removeprefix("g"):
                    recording.alphas.append(np.asarray(frame.to_ndarray(format="bgra"), np.uint8)[:, :, 3])
    return recording


class FakeDevice:
    """A virtual camera that stores what it is sent, or fails when a test says so."""

    def __init__(self, device: str | None, width: int, height: int, fps: Fraction) -> None:
        self.name = self.label = device or "fake"
        self.width, self.height, self.fps = width, height, fps
        self.notes: tuple[str, ...] = ()
        self.shown: list[Image] = []
        self.closed = 0
        self.broken: OSError | None = None
        self.arrived = threading.Condition()

    def prepare(self, image: Image) -> Image:
        return bring_to(image, self.width, self.height)

    def send(self, prepared: Image) -> None:
        if self.broken is not None:
            raise self.broken
        with self.arrived:
            self.shown.append(prepared)
            self.arrived.notify_all()

    def close(self) -> None:
        self.closed += 1

    def is_read(self) -> bool | None:
        return None

    def wait_for(self, count: int) -> None:
        """Wait until ``count`` pictures have been shown."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.shown) >= count, 10)


class FakeServer:
    """A connection of a live stream that shows its pictures on a fake device."""

    def __init__(self, device: FakeDevice, on_open: Callable[[], None] = lambda: None) -> None:
        self.device = device
        self.indexes: list[int] = []
        self.killed = threading.Event()
        self._on_open = on_open

    def open(self) -> None:
        self._on_open()

    def send(self, image: Image, index: int) -> None:
        self.indexes.append(index)
        self.device.send(image)

    def finish(self) -> None:
        self.device.close()

    def kill(self) -> None:
        self.killed.set()
