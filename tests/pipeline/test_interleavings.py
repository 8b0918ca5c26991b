"""No pixel of the room is shown, in any interleaving of the threads and whatever happens between their steps.

Each edge waits at a gate, and a generated schedule opens one gate at a time.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from fractions import Fraction
from typing import Any, Final, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtsod.app.section import build_pipeline
from rtsod.backends.supervised import SupervisedEngine
from rtsod.composite.backgrounds.colour import ColourBackground
from rtsod.composite.compositor import Appearance, Compositor
from rtsod.config import SYNCS, PictureConfig, RunConfig, Sync
from rtsod.errors import EngineError, RtsodError
from rtsod.frames import Alpha, Composited, EngineInfo, Frame, Image, Mask, MaskedFrame, SourceInfo
from rtsod.imaging.network_input import shrink
from rtsod.interfaces import Backdrop, Blur, Masker, PassThrough, Transparent
from rtsod.mask_plan import MaskPlan, Rung
from rtsod.masking.refresh import BackgroundRefresher, InPlaceRefresher, Refresher
from rtsod.masking.roi_masker import RoiMasker
from rtsod.masking.whole_frame import WholeFrame
from rtsod.metrics import Metrics
from tests.support import moving_room
from tests.support.fakes import Ticks

AGE: Final = 1.0
MANNERS: Final = {
    "auto": [moving_room.ABRUPT, moving_room.GENTLE],
    "locked": [moving_room.ABRUPT],
    "tracked": [moving_room.ABRUPT, moving_room.GENTLE],
}
"""For each sync: in the first manner there is no reliable flow, in the second there is."""
BACKDROPS: Final[dict[str, Callable[[], Backdrop]]] = {
    "colour": lambda: ColourBackground(moving_room.BACKDROP),
    "transparent": Transparent,
    "blur": Blur,
    "none": PassThrough,
}
RESAMPLED: Final = {"auto": 1, "locked": 0, "tracked": 1}
"""How many additional times masks are resampled, and how much wider the engine's rim is."""


class Gate:
    """Lets one thread through for each step, and all threads once it is open."""

    def __init__(self) -> None:
        self._permits = threading.Semaphore(0)
        self._open = False

    def wait(self) -> None:
        if not self._open:
            assert self._permits.acquire(timeout=30)

    def step(self) -> None:
        self._permits.release()

    def open(self) -> None:
        self._open = True
        self._permits.release(100)


class Schedule:
    """The gates of one run, its clock, and how each inference fails, if it does."""

    def __init__(self, faults: Sequence[str | None]) -> None:
        self.clock = Ticks()
        self.gates = {name: Gate() for name in ("read", "infer", "answer", "write")}
        self.faults = iter(faults)


class Room:
    """A camera or a file, read when its gate allows."""

    skipped = 0

    def __init__(self, stage: Schedule, count: int, *, live: bool, manner: moving_room.Manner) -> None:
        self.info = SourceInfo("room", moving_room.WIDTH, moving_room.HEIGHT, Fraction(30), live)
        self._stage, self._count, self._index, self._manner = stage, count, 0, manner

    def read(self) -> Frame | None:
        self._stage.gates["read"].wait()
        index = self._index
        if index == self._count:
            return None
        self._index += 1
        pts = None if self.info.live else Fraction(index, 30)
        picture = moving_room.picture(index, self._manner)
        return Frame(picture.image, index, self._stage.clock(), pts, alpha=picture.alpha)

    def close(self) -> None:
        self._count = self._index
        self._stage.gates["read"].open()


class Network:
    """Segments the picture it is given; fails as the schedule says."""

    def __init__(self, stage: Schedule, size: int, rim: int) -> None:
        self.info = EngineInfo("fake", "none", "fp32", "none", size, "none")
        self._stage, self._rim = stage, rim

    def infer(self, image: Image) -> Alpha:
        self._stage.gates["infer"].wait()
        alpha, fault = moving_room.mask(image, self._rim), next(self._stage.faults, None)
        self._stage.gates["answer"].wait()
        if fault == "crash":
            raise EngineError("the GPU fell out")
        if fault == "nan":
            alpha[3, 4] = np.nan
        return alpha

    def close(self) -> None: ...


class Looking:
    """Takes pictures when its gate allows, and keeps them."""

    def __init__(self, stage: Schedule, *, live: bool) -> None:
        self.name, self.live = "looking", live
        self.pictures: list[Composited] = []
        self._stage = stage

    def write(self, picture: Composited) -> None:
        self._stage.gates["write"].wait()
        self.pictures.append(picture)

    def close(self) -> None: ...


class Stepping:
    """Another masker, with a mask interval that changes on demand."""

    def __init__(self, masker: Masker) -> None:
        self.name, self.mask, self.run_deferred = masker.name, masker.mask, masker.run_deferred
        self.mask_interval = 1

    def step(self) -> None:
        self.mask_interval = 3 - self.mask_interval


_STEPS: Final = ("read", "infer", "answer", "write", "late", "pause", "appearance", "rung")
_FAULTS: Final = (None, None, "nan", "crash")


_SCHEDULES: Final = {
    "schedule": st.lists(st.sampled_from(_STEPS), max_size=60),
    "faults": st.lists(st.sampled_from(_FAULTS), max_size=8),
    "count": st.integers(1, 20), "live": st.booleans(), "early_end": st.booleans(),
}  # fmt: skip


@pytest.mark.parametrize("by_region", [False, True], ids=["whole", "region"])
@pytest.mark.parametrize(("sync", "manner"), [(sync, manner) for sync in SYNCS for manner in MANNERS[sync]])
@given(**_SCHEDULES, backdrop=st.sampled_from(["colour", "transparent"]))
@settings(max_examples=150)
def test_no_interleaving_shows_the_room(
    sync: str, manner: moving_room.Manner, by_region: bool, backdrop: str, **schedule: Any
) -> None:
    for shown in _shown(sync, manner, by_region, backdrop, **schedule):
        assert moving_room.red(shown.image) == 0


@pytest.mark.parametrize("by_region", [False, True], ids=["whole", "region"])
@pytest.mark.parametrize("sync", SYNCS)
@given(**_SCHEDULES, backdrop=st.sampled_from(sorted(BACKDROPS)), abrupt=st.booleans())
@settings(max_examples=100)
def test_no_interleaving_shows_what_is_erased(
    sync: str, by_region: bool, backdrop: str, abrupt: bool, **schedule: Any
) -> None:
    manner = moving_room.ERASED_ABRUPT if abrupt else moving_room.ERASED_GENTLE
    for shown in _shown(sync, manner, by_region, backdrop, **schedule):
        assert shown.opacity is None or not shown.image[shown.opacity == 0].any()
        assert shown.is_slate or moving_room.red(shown.image) == 0  # the slate is grey


def _shown(
    sync: str,
    manner: moving_room.Manner,
    by_region: bool,
    backdrop: str,
    *,
    schedule: list[str],
    faults: list[str | None],
    count: int,
    live: bool,
    early_end: bool,
) -> list[Composited]:
    """Run the pipeline by a schedule, and return what the sinks got."""
    stage = Schedule(faults)
    appearances = itertools.cycle([Appearance(BACKDROPS[backdrop]()), Appearance(BACKDROPS["colour"](), mirror=True)])
    compositor = Compositor(next(appearances).backdrop)
    metrics = Metrics(stage.clock)

    def engine_of(size: int, rim: int = 1) -> SupervisedEngine:
        def opened() -> Network:
            return Network(stage, size, rim + RESAMPLED[sync])

        return SupervisedEngine(opened(), opened, on_event=metrics.event, clock=stage.clock)

    whole, region = engine_of(64), engine_of(48, rim=2)
    refresher: Refresher = (
        BackgroundRefresher(lambda: whole, metrics, clock=stage.clock)
        if live
        else InPlaceRefresher(lambda: whole, metrics, clock=stage.clock)
    )
    masker = Stepping(RoiMasker(64, region, refresher, metrics) if by_region else WholeFrame(whole, metrics))
    sinks = [Looking(stage, live=True), Looking(stage, live=False)]
    room = Room(stage, count, live=live, manner=manner)
    plan = MaskPlan((Rung(64),), max_mask_age=AGE, sync=cast("Sync", sync))
    picture = PictureConfig(steady=False)
    pipeline = build_pipeline(plan, RunConfig(), picture, room, masker, compositor, sinks, metrics, clock=stage.clock)
    steps = iter(schedule)

    def toggle_pause() -> None:
        (pipeline.resume if pipeline.paused else pipeline.pause)()

    doing: dict[str, Callable[[], None]] = {
        **{name: gate.step for name, gate in stage.gates.items()},
        "late": lambda: setattr(stage.clock, "now", stage.clock.now + 2 * AGE),
        "pause": toggle_pause, "appearance": lambda: compositor.use(next(appearances)),
        "rung": masker.step,
    }  # fmt: skip

    def tick() -> bool:
        step = next(steps, None)
        if step is not None:
            doing[step]()
            return False
        for gate in stage.gates.values():
            gate.open()
        pipeline.resume()
        return early_end

    with suppress(RtsodError):  # no valid mask at all, or too many crashes
        pipeline.run(tick=tick, interval=0.0002)
    for gate in stage.gates.values():  # the run may end while a look at the whole frame still waits at one
        gate.open()
    refresher.close()
    whole.close()
    region.close()
    numbers = metrics.snapshot()
    assert numbers["captured"] == numbers["composited"] + sum(numbers["dropped"].values())
    return [shown for sink in sinks for shown in sink.pictures]


@pytest.mark.parametrize("lag", [1, 2, 5])
@pytest.mark.parametrize("backdrop", ["colour", "transparent"])
def test_the_scene_reveals_a_mask_of_another_frame(lag: int, backdrop: str) -> None:
    """A check of the check: a frame's own mask hides all of the room, another frame's does not."""
    compositor = Compositor(ColourBackground(moving_room.BACKDROP) if backdrop == "colour" else Transparent())
    for index in range(40):
        image = moving_room.frame(index)
        shown = {}
        for kind, seen in (("own", image), ("another's", moving_room.frame(index + lag))):
            masked = MaskedFrame(Frame(image, 0, 0.0), Mask(moving_room.mask(shrink(seen, 64)), 0, 0.0))
            shown[kind] = compositor.compose(masked, 0.0)
        assert moving_room.red(shown["own"].image) == 0
        assert shown["own"].alpha8.max() == 255, "the subject is seen"
        assert moving_room.red(shown["another's"].image) > 100


@pytest.mark.parametrize("backdrop", BACKDROPS)
def test_the_erased_scene_reveals_an_alpha_of_another_frame(backdrop: str) -> None:
    """A check of the check: without its alpha, or with that of another frame, a frame shows red."""
    manner = moving_room.ERASED_ABRUPT
    compositor = Compositor(BACKDROPS[backdrop]())
    everything = np.ones((64, 64), np.float32)
    for index in range(10):
        stored = moving_room.stored(index, manner)
        image = np.ascontiguousarray(stored[:, :, :3])
        own = moving_room.picture(index, manner)
        shown = [
            compositor.compose(MaskedFrame(frame, Mask(everything, 0, 0.0)), 0.0)
            for frame in (Frame(own.image, 0, 0.0, alpha=own.alpha), Frame(image, 0, 0.0), Frame(own.image, 0, 0.0))
        ]
        assert moving_room.red(shown[0].image) == 0
        assert shown[0].alpha8.max() == 255, "the rest is seen"
        if backdrop != "blur":
            assert moving_room.red(shown[1].image) > 100
            assert moving_room.red(shown[2].image) > 100, "nor may white be seen"
