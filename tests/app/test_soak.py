"""Privacy under every fault, and an hour of faults on a fast clock: no output shows the room, and nothing leaks.

The whole chain runs: supervised camera, supervised engine, pipeline, compositor, virtual camera. Every background pixel
of every frame carries a watermark, of which no output may show even a trace: see :mod:`tests.support.moving_room`.
"""

from __future__ import annotations

import gc
import os
import random
import threading
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtsod.backends.supervised import SupervisedEngine
from rtsod.composite.backgrounds.colour import ColourBackground
from rtsod.composite.compositor import Compositor
from rtsod.config import Sync
from rtsod.errors import EngineError, RtsodError, SourceBusy, SourceError, SourceGone
from rtsod.frames import Alpha, Composited, Frame, Image, SourceInfo
from rtsod.interfaces import Backdrop, Transparent
from rtsod.masking.whole_frame import WholeFrame
from rtsod.metrics import Event, Metrics, Snapshot
from rtsod.sinks.pixels import bring_to
from rtsod.sinks.virtual_camera import GIVE_UP_SECONDS, VirtualCameraSink
from rtsod.sources.supervised import SupervisedSource
from tests.support import moving_room
from tests.support.fakes import FakeEngine, hasten, pipeline_of, right_half
from tests.support.moving_room import BACKDROP, HEIGHT, WIDTH

SYNCS: Final[tuple[Sync, ...]] = ("locked", "tracked")
FPS: Final = 5
MAX_AGE: Final = 1.0

CAMERA_FAULTS: Final = ("unplugged", "silent", "frozen", "broken", "resized", "stolen", "gone", "crawling")
ENGINE_FAULTS: Final = ("crash", "hang", "nan", "out of range", "slow", "wrong size")
OUTPUT_FAULTS: Final = ("refused", "blocked")


class World:
    """What the edges do now: one fault at a time, chosen by the test."""

    def __init__(self, speed: float, sync: Sync) -> None:
        self.manner = moving_room.GENTLE if sync == "tracked" else moving_room.ABRUPT
        self.clock, self.wait = hasten(speed)
        self.speed = speed
        self.fault: str | None = None
        self.over = threading.Event()
        self._pause = threading.Condition()

    def end(self) -> None:
        self.over.set()
        with self._pause:
            self._pause.notify_all()

    def sleep(self, seconds: float) -> None:
        with self._pause:
            self.wait(self._pause, self.over.is_set, seconds)


class Camera:
    """A room with a person who moves with every frame."""

    def __init__(self, world: World) -> None:
        if world.fault == "stolen":
            raise SourceBusy("another program has it")
        if world.fault in ("gone", "unplugged"):
            raise SourceGone("it is not there")
        self.info = SourceInfo("camera", WIDTH, HEIGHT, Fraction(FPS), live=True)
        self.skipped = 0
        self._world = world
        self._closed = threading.Event()
        self._index = 0
        self._last: Image | None = None

    def read(self) -> Frame | None:
        world = self._world
        while not self._closed.is_set() and not world.over.is_set():
            world.sleep(1 / FPS if world.fault != "crawling" else 0.6)
            match world.fault:
                case "unplugged" | "gone" | "stolen":
                    raise SourceError("the camera failed")
                case "silent":
                    continue
                case "broken":
                    self.skipped += 1
                    self._index += 1
                    continue
            self._index += 1
            if world.fault != "frozen" or self._last is None:
                self._last = moving_room.frame(self._index, world.manner, scale=2 if world.fault == "resized" else 1)
            return Frame(self._last, self._index - 1, world.clock())
        return None

    def close(self) -> None:
        self._closed.set()


class Network(FakeEngine):
    """Segments the subject, unless it is told to fail."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def infer(self, image: Image) -> Alpha:
        world = self._world
        match world.fault:
            case "crash":
                world.fault = None  # once; the next one opened works again
                raise EngineError("the GPU fell out")
            case "hang":
                world.fault = None
                world.sleep(1e6)
            case "nan":
                return np.full((64, 64), np.nan, np.float32)
            case "out of range":
                return np.full((64, 64), 2.0, np.float32)
            case "wrong size":
                world.fault = None
                return right_half(32)
            case "slow":
                world.sleep(2.0)
        return moving_room.mask(image)


class Watched:
    """A virtual camera that inspects every picture."""

    def __init__(self, world: World) -> None:
        self.name, self.label, self.width, self.height = "watched", "watched", WIDTH, HEIGHT
        self.notes: tuple[str, ...] = ()
        self.sizes: set[tuple[int, ...]] = set()
        self.shown = self.leaks = 0
        self._world = world

    def prepare(self, image: Image) -> Image:
        return bring_to(image, self.width, self.height)

    def send(self, prepared: Image) -> None:
        if self._world.fault == "refused":
            raise OSError(5, "Input/output error")
        self.shown += 1
        self.sizes.add(prepared.shape)
        self.leaks += moving_room.red(prepared) > 0

    def close(self) -> None: ...

    def is_read(self) -> bool | None:
        return None


class Recording:
    """A recording that inspects every picture, and may block the others."""

    name, live = "recording", False

    def __init__(self, world: World) -> None:
        self.pictures = self.leaks = 0
        self._world = world

    def write(self, picture: Composited) -> None:
        self.pictures += 1
        self.leaks += moving_room.red(picture.image) > 0
        if self._world.fault == "blocked":
            self._world.sleep(3.0)

    def close(self) -> None: ...


def _spend(
    world: World, script: Sequence[tuple[str | None, float]], backdrop: Backdrop, sync: Sync
) -> tuple[Snapshot, Watched, Recording]:
    """Run the whole chain through the faults of a script, each for its seconds."""
    metrics = Metrics(world.clock)
    watched, recording = Watched(world), Recording(world)
    source = SupervisedSource(
        Camera(world), lambda: Camera(world), on_event=metrics.event, clock=world.clock, wait=world.wait
    )
    engine = SupervisedEngine(
        Network(world), lambda: Network(world), on_event=metrics.event, clock=world.clock, wait=world.wait
    )
    sink = VirtualCameraSink(
        None, width=WIDTH, height=HEIGHT, fps=Fraction(FPS), on_event=metrics.event, clock=world.clock, wait=world.wait,
        opener=lambda *_: watched,
    )  # fmt: skip
    sink.limit_age(MAX_AGE)
    pipeline = pipeline_of(
        source, WholeFrame(engine, metrics), Compositor(backdrop), [sink, recording], metrics,
        sync=sync, max_mask_age=MAX_AGE, clock=world.clock, wait=world.wait,
    )  # fmt: skip
    ends = world.clock()
    steps: Iterator[tuple[str | None, float]] = iter(script)

    def tick() -> bool:
        nonlocal ends
        if world.clock() < ends:
            return False
        world.fault, seconds = next(steps, (None, -1.0))
        ends = world.clock() + seconds
        return seconds < 0

    try:
        with suppress(RtsodError):  # an exhausted budget ends the run cleanly, and must not leak either
            pipeline.run(tick=tick, interval=0.0005)
    finally:
        world.end()
        source.close()
        engine.close()
        sink.close()
    return metrics.snapshot(), watched, recording


_STEPS = st.tuples(
    st.sampled_from([None, *CAMERA_FAULTS, *ENGINE_FAULTS, *OUTPUT_FAULTS]), st.sampled_from([0.3, 1.2, 3.0, 8.0])
)


@given(
    script=st.lists(_STEPS, min_size=1, max_size=6),
    backdrop=st.sampled_from(["colour", "transparent"]),
    sync=st.sampled_from(SYNCS),
)
@settings(max_examples=40)
def test_no_pixel_of_the_room_under_any_faults(
    script: list[tuple[str | None, float]], backdrop: str, sync: Sync
) -> None:
    backdrops: dict[str, Callable[[], Backdrop]] = {
        "colour": lambda: ColourBackground(BACKDROP),
        "transparent": Transparent,
    }
    world = World(60.0, sync)
    _, watched, recording = _spend(world, script, backdrops[backdrop](), sync)
    assert recording.leaks == 0
    assert watched.leaks == 0
    # A device that refuses every picture shows none, and one that accepts them for an instant need not be in time.
    assert watched.shown > 0 or _accepting(script) < 3


def _accepting(script: Sequence[tuple[str | None, float]]) -> float:
    """For how long the device takes pictures, until it has refused them for so long that the run ends."""
    accepting = failing = 0.0
    for fault, seconds in script:
        works = fault != "refused" and seconds >= 3
        failing = 0.0 if works or (fault != "refused" and not failing) else failing + seconds
        if failing > GIVE_UP_SECONDS:
            break
        accepting += seconds if fault != "refused" else 0.0
    return accepting


def test_a_device_that_refuses_for_too_long_is_expected_to_show_nothing_more() -> None:
    assert _accepting([("refused", 8.0), ("refused", 8.0), ("stolen", 3.0), ("blocked", 8.0)]) == 0
    assert _accepting([("refused", 8.0), (None, 1.2), ("refused", 1.2), (None, 8.0)]) == 1.2
    assert _accepting([("refused", 8.0), (None, 3.0), ("refused", 8.0), (None, 0.3)]) == 3.3
    assert _accepting([(None, 0.3), (None, 3.0), ("refused", 8.0), ("slow", 8.0)]) == 11.3


@pytest.mark.parametrize("sync", SYNCS)
@pytest.mark.parametrize("fault", [*CAMERA_FAULTS, *ENGINE_FAULTS, *OUTPUT_FAULTS])
def test_it_recovers_from_every_fault(fault: str, sync: Sync) -> None:
    world = World(30.0, sync)
    seconds = 4.0 if fault not in ("hang", "slow") else 1.0
    numbers, watched, recording = _spend(
        world, [(None, 3.0), (fault, seconds), (None, 20.0)], ColourBackground(BACKDROP), sync
    )
    assert watched.leaks == recording.leaks == 0
    assert watched.sizes == {(HEIGHT, WIDTH, 3)}
    assert numbers["composited"] > 3 * FPS, "pictures came before the fault and after it"
    assert numbers["captured"] == numbers["composited"] + sum(numbers["dropped"].values())
    expected = {
        "unplugged": Event.SOURCE_FAILED, "silent": Event.SOURCE_SILENT, "frozen": Event.SOURCE_FROZEN,
        "resized": Event.SOURCE_RESIZED, "stolen": Event.SOURCE_BUSY, "gone": Event.SOURCE_GONE,
        "crash": Event.ENGINE_FAILED, "wrong size": Event.ENGINE_FAILED, "hang": Event.ENGINE_STUCK,
        "refused": Event.OUTPUT_FAILED, "blocked": Event.OUTPUT_STARVED,
    }.get(fault)  # fmt: skip
    if expected is not None:
        assert numbers["events"].get(expected, 0) >= 1, numbers["events"]


def _resources() -> tuple[int, int]:
    gc.collect()
    descriptors = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    return threading.active_count(), descriptors


@pytest.mark.parametrize(
    ("sync", "length", "speed", "memory"), [("locked", 3600, 250.0, 8_000_000), ("tracked", 480, 60.0, 24_000_000)]
)
def test_an_hour_of_faults_leaks_nothing(sync: Sync, length: int, speed: float, memory: int) -> None:
    """Tracking costs real milliseconds, so its clock runs slower, and it remembers two seconds of pictures."""
    chance = random.Random(20261123)
    kinds = [*CAMERA_FAULTS, *(fault for fault in ENGINE_FAULTS if fault != "hang"), *OUTPUT_FAULTS]
    script: list[tuple[str | None, float]] = []
    while sum(seconds for _, seconds in script) < length:
        script += [(chance.choice(kinds), chance.uniform(0.5, 8.0)), (None, chance.uniform(5.0, 40.0))]
    before = _resources()
    world = World(speed, sync)
    tracemalloc.start()
    try:
        numbers, watched, recording = _spend(world, script, ColourBackground(BACKDROP), sync)
        gc.collect()
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert watched.leaks == recording.leaks == 0
    assert watched.shown > length
    assert numbers["composited"] > length / 10, (
        "many pictures, but fewer on a busy machine: the fast clock does not wait"
    )
    assert numbers["captured"] == numbers["composited"] + sum(numbers["dropped"].values())
    assert sum(numbers["events"].values()) > length / 72
    assert _resources()[1] <= before[1], "descriptors"
    _all_threads_end(before[0])
    assert kept < 4_000_000, "memory that stays"
    assert peak < memory, "memory that was ever needed: it does not grow with the hour"


def _all_threads_end(before: int) -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("rtsod"):
            thread.join(10)
    assert threading.active_count() <= before, [thread.name for thread in threading.enumerate()]
