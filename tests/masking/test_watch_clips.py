"""A network that knows one person in one room, on real clips: what it does not know is noticed within two seconds.

The network is a stand-in that is learnt in a moment; its teacher, and who takes over, is lite itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Final

import pytest

from benchmarks.studies.disagreement import dark, elsewhere, holding
from benchmarks.support.clips import read_clip
from rtsod.backends import open_engine
from rtsod.composite.backgrounds import bundled_backgrounds
from rtsod.config import EngineConfig
from rtsod.data.reading import read_image, read_label
from rtsod.frames import Alpha, Frame, Image
from rtsod.imaging.iou import iou
from rtsod.imaging.network_input import shrink
from rtsod.interfaces import Engine
from rtsod.masking.doubt import RETURN_LOOKS, Doubt
from rtsod.masking.refresh import InPlaceRefresher
from rtsod.masking.watch import LOOK_SECONDS, WatchedMasker
from rtsod.masking.watch_reports import WatchReports
from rtsod.masking.whole_frame import WholeFrame
from rtsod.metrics import Event, Metrics
from rtsod.model.weights import resolve
from tests.support.one_person import OnePerson

FPS: Final = 5
KNOWN_SECONDS: Final = 2.6
"""How long everything is as it was, so that the change falls between two looks."""
NOTICED_SECONDS: Final = 2.0
"""How long it may take to notice."""


class Call:
    """A clip of one person, lite's maps of it, and the network that was learnt from them."""

    def __init__(self, samples: Path, lite: Engine) -> None:
        self.samples, self.lite = samples, lite
        self.images = read_clip(samples / "clips" / "again.mkv")[::6]
        self.maps = [self.map(image) for image in self.images]
        self.me = OnePerson(self.images, self.maps)

    def map(self, image: Image) -> Alpha:
        return self.lite.infer(shrink(image, self.lite.info.input_size))

    def stranger(self) -> list[Image]:
        return [read_image(self.samples / "images" / "girl.png")]

    def another_room(self) -> list[Image]:
        office = next(path for path in bundled_backgrounds() if path.stem == "office")
        return elsewhere(self.images[:4], self.maps[:4], read_image(office))

    def light_off(self) -> list[Image]:
        return dark(self.images[:4], 0.25)

    def held_up(self) -> list[Image]:
        whisk = read_image(self.samples / "images" / "whisk.png")
        return holding(self.images[:4], whisk, read_label(self.samples / "reference-full" / "whisk.png"))


@pytest.fixture(scope="module")
def call(samples: Path, published_weights: dict[str, Path]) -> Iterator[Call]:
    pytest.importorskip("openvino")
    config = EngineConfig("lite", "openvino")
    lite = open_engine(config, resolve(config))
    yield Call(samples, lite)
    lite.close()


class Watched:
    """The call as a file: every look is in place."""

    def __init__(self, call: Call) -> None:
        self.metrics, self.said = Metrics(), list[str]()
        engine = call.me.engine()
        self.masker = WatchedMasker(
            lambda: WholeFrame(engine, self.metrics),
            WholeFrame(engine, self.metrics).mask,
            lambda: WholeFrame(call.lite, self.metrics),
            InPlaceRefresher(lambda: call.lite, self.metrics),
            Doubt(),
            self.metrics,
            WatchReports("me", "lite", self.metrics, self.said.append),
        )
        self.index = 0

    def play(self, images: Sequence[Image], seconds: float) -> list[tuple[Image, Alpha]]:
        """Forward and backward in turn. Returns the frames with their masks."""
        looped = [*images, *images[-2:0:-1]]
        shown = []
        for _ in range(round(seconds * FPS)):
            image = looped[self.index % len(looped)]
            frame = Frame(image, self.index, 0.0, Fraction(self.index, FPS))
            shown.append((image, self.masker.mask(frame).alpha))
            self.masker.run_deferred()
            self.index += 1
        return shown

    @property
    def events(self) -> dict[str, int]:
        return self.metrics.snapshot()["events"]


def test_a_known_clip_is_no_alarm(call: Call) -> None:
    watched = Watched(call)
    watched.play(call.images, 20)
    assert (watched.events, watched.said) == ({}, [])
    assert watched.metrics.snapshot()["work"]["checks"] >= 20


@pytest.mark.parametrize("case", [Call.stranger, Call.another_room, Call.light_off, Call.held_up])
def test_what_it_does_not_know_is_noticed_and_what_it_knows_again_too(
    call: Call, case: Callable[[Call], list[Image]]
) -> None:
    watched = Watched(call)
    watched.play(call.images, KNOWN_SECONDS)
    strange, frames = case(call), 0
    while not watched.events:
        watched.play(strange, 1 / FPS)
        frames += 1
        assert frames <= NOTICED_SECONDS * FPS
    ((image, alpha),) = watched.play(strange, 1 / FPS)
    assert iou(alpha, call.map(image)) == 1.0, "lite makes the masks"
    assert len(watched.said) == 1
    if case is Call.light_off:
        watched.play(call.images, (RETURN_LOOKS + 1) * LOOK_SECONDS)
        assert watched.events == {Event.NETWORK_DOUBTED: 1, Event.NETWORK_TRUSTED: 1}
