"""From a file with transparency to every output: what the file hides is seen nowhere, and what it shows is.

Each file shows a blue subject on the left and a green wall on the right. In the middle it is transparent and keeps red.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
import pytest
from av.video.stream import VideoStream
from numpy.typing import NDArray

from rtsod import sinks
from rtsod.app import edges
from rtsod.app.assembly import build_run
from rtsod.composite.backgrounds import ColourBackground
from rtsod.config import AppConfig, OutputConfig, PictureConfig, SourceConfig
from rtsod.errors import UsageError
from rtsod.frames import Alpha, Availability, Composited, Image
from rtsod.interfaces import Backdrop, Blur, PassThrough
from rtsod.mask_plan import MaskPlan, Rung
from rtsod.masking.engine_pool import EnginePool
from rtsod.sinks import PreviewSink, VirtualCameraSink
from rtsod.sinks.preview import view
from tests.support.fakes import FakeEngine
from tests.support.sink_fixtures import FakeDevice, info, read_recording

WIDTH, HEIGHT, FRAMES = 192, 64, 3
BLUE, GREEN, RED, GREY = (230, 60, 0), (40, 200, 0), (0, 0, 250), (130, 130, 0)
PLAN: Final = MaskPlan((Rung(64),), max_mask_age=30.0)
LEFT, MIDDLE, RIGHT = (np.s_[12:-12, third * 64 + 20 : third * 64 + 44] for third in range(3))
"""The thirds of the picture, without their edges, where lossy files mix what they hide with what they show."""

Pixels = NDArray[np.uint8]


def stored() -> Pixels:
    """``(H, W, 4)`` BGRA, as a file keeps it."""
    image = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    image[:, :64], image[:, 64:128], image[:, 128:] = (*BLUE, 255), (*RED, 0), (*GREEN, 255)
    return image


class SeeingEngine(FakeEngine):
    """Takes the left two thirds for the subject, and keeps what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Image] = []

    def infer(self, image: Image) -> Alpha:
        self.seen.append(image)
        alpha = np.zeros((64, 64), np.float32)
        alpha[:, :42] = 1
        return alpha


def _photograph(path: Path) -> Path:
    cv2.imwrite(str(path), stored())
    return path


def _video(path: Path, codec: str, pixels: str) -> Path:
    options = {"auto-alt-ref": "0", "crf": "4", "b": "0"} if codec == "libvpx-vp9" else {}
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, 25, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixels
        for index in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(stored(), format="bgra")
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


SOURCES: Final[dict[str, Callable[[Path], Path]]] = {
    "photo.png": _photograph,
    "photo.webp": _photograph,
    "photo.tif": _photograph,
    "clip.webm": partial(_video, codec="libvpx-vp9", pixels="yuva420p"),
    "clip.mov": partial(_video, codec="prores_ks", pixels="yuva444p10le"),
    "clip.mkv": partial(_video, codec="ffv1", pixels="bgra"),
    "png.mov": partial(_video, codec="png", pixels="rgba"),
}


class Viewing(PreviewSink):
    """A preview that keeps what its window would show."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[Image] = []

    def write(self, picture: Composited) -> None:
        super().write(picture)
        if not picture.is_slate:
            self.shown.append(view(picture))


@dataclass
class Edges:
    """The live outputs that were opened."""

    devices: list[FakeDevice] = field(default_factory=list)
    previews: list[Viewing] = field(default_factory=list)


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> Edges:
    opened = Edges()

    def device(name: str | None, width: int, height: int, fps: Fraction) -> FakeDevice:
        opened.devices.append(FakeDevice(name, width, height, fps))
        return opened.devices[-1]

    def preview() -> Viewing:
        opened.previews.append(Viewing())
        return opened.previews[-1]

    monkeypatch.setattr(sinks, "VirtualCameraSink", partial(VirtualCameraSink, opener=device))
    monkeypatch.setattr(sinks, "PreviewSink", preview)
    for module in (sinks, edges):
        monkeypatch.setattr(module, "display_available", lambda: Availability("display", True, "here"))
    return opened


def run(source: Path, backdrop: str, output: OutputConfig) -> SeeingEngine:
    """Run, and return the network."""
    engine = SeeingEngine()
    config = AppConfig(
        source=SourceConfig(str(source)), picture=PictureConfig(backgrounds=(backdrop,), steady=False), output=output
    )
    with build_run(config, pool=EnginePool(engine), plan=PLAN) as composed:
        composed.pipeline.run(interval=0.001)
    return engine


def _png(path: Path) -> Pixels:
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image is not None
    return np.asarray(image, np.uint8)


def red(image: Image) -> int:
    """Red that is not part of a grey or white: how much of what is hidden shows."""
    return int((image[:, :, 2].astype(int) - image[:, :, :2].max(2)).max())


@pytest.mark.parametrize("backdrop", ["#508200", "transparent", "none", "blur"])
@pytest.mark.parametrize("name", SOURCES)
def test_nothing_hidden_is_seen_anywhere(
    tmp_path: Path, name: str, backdrop: str, live: Edges, caplog: pytest.LogCaptureFixture
) -> None:
    source = SOURCES[name](tmp_path / name)
    is_video = name not in ("photo.png", "photo.webp", "photo.tif")
    pictures, masks = tmp_path / "pictures", tmp_path / "masks"
    films = [tmp_path / "film.webm", tmp_path / "film.mov"]
    opaque = [] if backdrop == "transparent" else [tmp_path / "film.mp4"]
    engine = run(
        source,
        backdrop,
        OutputConfig(
            preview=True,
            outputs=(pictures, *films, *opaque),
            mask_outputs=(masks, tmp_path / "mask.mp4"),
            virtual_camera="auto" if is_video and opaque else None,
        ),
    )
    assert all((image[:, 24:40] == 255).all() for image in engine.seen), "white takes the place of what is hidden"
    found = [_png(path) for path in pictures.iterdir()]
    assert len(found) == (FRAMES if is_video else 1)
    shown: dict[str, list[tuple[Image, Image | None]]] = {
        "pictures": [(p[:, :, :3], p[:, :, 3] if p.shape[2] == 4 else None) for p in found]
    }
    for film in (*films, *opaque):
        recording = read_recording(film)
        alphas: list[Image | None] = [*recording.alphas] or [None] * len(recording.images)
        shown[film.suffix] = list(zip(recording.images, alphas, strict=True))
    shown["preview"] = [(image, None) for preview in live.previews for image in preview.shown]
    shown["virtual camera"] = [(image, None) for device in live.devices for image in device.shown]
    for kind, images in shown.items():
        assert images or kind == "virtual camera"
        keeps = kind in ("pictures", ".webm", ".mov") and backdrop != "#508200"
        for image, alpha in images:
            assert red(image) <= 12, kind
            assert (alpha is not None) is keeps, kind
            assert np.abs(image[LEFT].astype(int) - BLUE).max() <= 12 or kind == "virtual camera", kind
            if backdrop == "#508200":
                assert np.abs(image[MIDDLE].astype(int) - (0, 130, 80)).max() <= 12 or kind == "virtual camera", kind
            elif alpha is not None:
                assert alpha[LEFT].min() >= 252
                assert alpha[MIDDLE].max() <= 3
                assert image[MIDDLE].max() <= 6
            elif kind not in ("preview", "virtual camera"):
                assert image[MIDDLE].max() <= 6
            if alpha is not None and backdrop in ("none", "blur"):
                assert alpha[RIGHT].min() >= 252, "its own background is opaque"
    for mask in [_png(path) for path in masks.iterdir()] + read_recording(tmp_path / "mask.mp4").images:
        assert mask[LEFT].min() >= 252
        assert mask[MIDDLE].max() <= 3
    warned = [message for message in caplog.messages if "black is behind" in message]
    assert len(warned) == (1 if backdrop in ("none", "blur") else 0)


def test_transparency_that_was_asked_for_is_never_dropped(tmp_path: Path) -> None:
    source = _photograph(tmp_path / "photo.png")
    with pytest.raises(UsageError, match=r"\.mp4 cannot keep transparency"):
        run(source, "transparent", OutputConfig(preview=False, outputs=(tmp_path / "film.mp4",)))


@pytest.mark.parametrize(
    ("has_alpha", "backdrop", "says"), [(True, Blur(), True), (True, ColourBackground("#508200"), False),
                                        (False, PassThrough(), False)],
)  # fmt: skip
def test_a_virtual_camera_says_that_it_cannot_be_transparent(
    has_alpha: bool, backdrop: Backdrop, says: bool, live: Edges
) -> None:
    lines: list[str] = []
    config = OutputConfig(preview=False, virtual_camera="auto")
    with ExitStack() as opened:
        edges.open_outputs(
            config, info(has_alpha=has_alpha), [backdrop], opened, lines.append, on_event=lambda event: None
        )
    assert ("virtual camera: black is behind what is transparent" in lines) is says
    assert len(live.devices) == 1
