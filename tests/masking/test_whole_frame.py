"""Engines that scale frames themselves get them unscaled; all others get them scaled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rtsod.backends.supervised import SupervisedEngine
from rtsod.composite.backgrounds.colour import ColourBackground
from rtsod.composite.compositor import Compositor
from rtsod.config import Fit
from rtsod.frames import Alpha, Fitting, Frame, Image
from rtsod.interfaces import Engine
from rtsod.masking.whole_frame import WholeFrame
from rtsod.metrics import Event, Metrics, Stage
from tests.support.fakes import CollectingSink, FakeEngine, FakeSource, picture, pipeline_of


class Recording(FakeEngine):
    """Records the shapes of its inputs."""

    def __init__(self, *, takes_frames: bool) -> None:
        super().__init__()
        self.info = replace(self.info, takes_frames=takes_frames)
        self.shapes: set[tuple[int, ...]] = set()

    def infer(self, image: Image) -> Alpha:
        self.shapes.add(image.shape)
        return super().infer(image)


class Bright(FakeEngine):
    """What is bright is subject: it answers for what it is shown."""

    def __init__(self, fit: Fit) -> None:
        super().__init__()
        self.info = replace(self.info, fitting=Fitting(fit, (0, 0, 0)))

    def infer(self, image: Image) -> Alpha:
        return np.asarray((image[..., 0] > 128).astype(np.float32))


@pytest.mark.parametrize("stills", [False, True])
@pytest.mark.parametrize("fit", ["stretch", "pad", "crop"])
def test_a_mask_covers_the_whole_frame_in_every_fit(fit: Fit, stills: bool) -> None:
    image = np.zeros((48, 96, 3), np.uint8)
    image[12:36, 36:84] = 255  # its right edge is beside the central square
    alpha = WholeFrame(Bright(fit), Metrics(), stills=stills).mask(Frame(image, 0, 0.0)).alpha
    across = alpha[32] > 0.5
    assert alpha.shape == (64, 64)
    assert abs(int(across.argmax()) - 24) <= 1
    assert abs(int(across.sum()) - (24 if fit == "crop" else 32)) <= 2  # up to the central square's edge, at 48
    assert abs(int((alpha[:, 40] > 0.5).sum()) - 32) <= 2
    assert not alpha[:, 49:].any() or fit != "crop"


@pytest.mark.parametrize("supervised", [False, True])
@pytest.mark.parametrize(
    ("takes_frames", "stills", "seen"),
    [
        (True, False, (48, 64, 3)),
        (True, True, (64, 64, 3)),  # a photograph is scaled by its own maximum first
        (False, False, (64, 64, 3)),
        (False, True, (64, 64, 3)),
    ],
)
def test_frames_are_scaled_unless_the_engine_does_it(
    takes_frames: bool, stills: bool, seen: tuple[int, ...], supervised: bool
) -> None:
    source, inner, metrics = FakeSource(3), Recording(takes_frames=takes_frames), Metrics()
    source.info = replace(source.info, stills=stills)

    def never(event: Event) -> None:
        raise AssertionError(event)

    engine: Engine = SupervisedEngine(inner, lambda: inner, on_event=never) if supervised else inner
    sink = CollectingSink()
    compositor = Compositor(ColourBackground("#00FF00"))
    pipeline_of(source, WholeFrame(engine, metrics, stills=stills), compositor, [sink], metrics).run()
    engine.close()
    assert inner.shapes == {seen}
    assert [shown.image.shape for shown in sink.pictures] == [picture().shape] * 3
    assert (Stage.PREPROCESS in metrics.snapshot()["stage_ms"]) == (seen == (64, 64, 3))
