"""The contract of every sink."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from rtsod.control.preview import PreviewStream
from rtsod.frames import Frame, Image
from rtsod.interfaces import Sink
from rtsod.sinks import (
    LiveStreamSink,
    NullSink,
    PipeSink,
    PngFolderSink,
    PreviewSink,
    QueuedSink,
    VideoFileSink,
    VirtualCameraSink,
)
from rtsod.system.pipes import PipeWriter
from tests.support.sink_fixtures import HEIGHT, WIDTH, FakeDevice, FakeServer, composited, patches, read_recording


@dataclass
class Case:
    sink: Sink
    live: bool
    folder: Path
    device: FakeDevice

    def seen(self) -> list[Image]:
        """What the sink, which is closed, shows or has written, each as ``(H, W, 3)`` over black."""
        match self.sink:
            case PipeSink() if "rgba" in self.sink.name:
                pixels = np.fromfile(_piped(self.folder), np.uint8).reshape(-1, HEIGHT, WIDTH, 4)
                return [_over_black(image[:, :, [2, 1, 0, 3]]) for image in pixels]
            case PngFolderSink():
                return [_over_black(_read(path)) for path in sorted(self.folder.rglob("*.png"))]
            case QueuedSink() | VideoFileSink() | PipeSink():
                piped = _piped(self.folder)
                recording = read_recording(piped if piped.exists() else next(self.folder.glob("film.*")))
                if not recording.alphas:
                    return recording.images
                return [_over_black(np.dstack(pair)) for pair in zip(recording.images, recording.alphas, strict=True)]
            case VirtualCameraSink() | LiveStreamSink():
                return self.device.shown
        return []


def _read(path: Path) -> Image:
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image is not None
    return np.asarray(image if image.ndim == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), np.uint8)


def _over_black(image: Image) -> Image:
    return image if image.shape[2] == 3 else (image[:, :, :3] * (image[:, :, 3:] / 255)).astype(np.uint8)


def _virtual_camera(folder: Path, device: FakeDevice) -> Sink:
    return VirtualCameraSink(None, width=WIDTH, height=HEIGHT, fps=Fraction(30), opener=lambda *_: device)


def _video(suffix: str, **options: Any) -> Callable[[Path, FakeDevice], Sink]:
    return lambda folder, device: VideoFileSink(folder / f"film{suffix}", fps=Fraction(30), **options)


def _piped(folder: Path) -> Path:
    """Where a reader has put what came out of a pipe."""
    return folder.with_name(f"{folder.name}.piped")


def _pipe(**options: Any) -> Callable[[Path, FakeDevice], PipeSink]:
    def make(folder: Path, _: FakeDevice) -> PipeSink:
        descriptor = os.open(_piped(folder), os.O_WRONLY | os.O_CREAT)
        return PipeSink(lambda: PipeWriter(descriptor), fps=Fraction(30), **options)

    return make


def _live_stream(_: Path, device: FakeDevice) -> Sink:
    return LiveStreamSink(
        "rtmp://h/x", width=WIDTH, height=HEIGHT, fps=Fraction(30), connection=lambda *_: FakeServer(device)
    )


MAKERS: dict[str, Callable[[Path, FakeDevice], Sink]] = {
    "null": lambda folder, device: NullSink(),
    "null-live": lambda folder, device: NullSink(live=True),
    "preview": lambda folder, device: PreviewSink(),
    "png": lambda folder, device: PngFolderSink(folder / "pictures", what="picture"),
    "png-alpha": lambda folder, device: PngFolderSink(folder / "masks", what="alpha"),
    "mp4": _video(".mp4"),
    "mp4-alpha": _video(".mp4", what="alpha"),
    "mkv": _video(".mkv"),
    "webm": _video(".webm"),
    "webm-transparent": _video(".webm", transparent=True),
    "mov": _video(".mov"),
    "mov-transparent": _video(".mov", transparent=True),
    "mp4-queued": lambda folder, device: QueuedSink(_video(".mp4", of_live_input=True)(folder, device), patience=60.0),
    "mov-queued": lambda folder, device: QueuedSink(_video(".mov", of_live_input=True)(folder, device), patience=60.0),
    "virtual-camera": _virtual_camera,
    "pipe-nut": _pipe(),
    "pipe-nut-transparent": _pipe(transparent=True),
    "pipe-nut-live": _pipe(live=True),
    "pipe-y4m": _pipe(format="y4m"),
    "pipe-rgba": _pipe(format="rgba"),
    "pipe-queued": lambda folder, device: QueuedSink(_pipe(live=True)(folder, device), patience=60.0),
    "live stream": _live_stream,
    "control page": lambda folder, device: PreviewStream(),
}
LIVE = {"control page", "live stream", "null-live", "pipe-nut-live", "pipe-queued", "preview", "virtual-camera"}


@pytest.fixture(params=MAKERS)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    kind: str = request.param
    device = FakeDevice(None, WIDTH, HEIGHT, Fraction(30))
    sink = MAKERS[kind](tmp_path, device)
    yield Case(sink, kind in LIVE, tmp_path, device)
    sink.close()


def test_only_composited_pictures_are_accepted(case: Case) -> None:
    for other in (Frame(patches(), 0, 0.0), patches(), None):
        with pytest.raises(TypeError, match="Composited"):
            case.sink.write(other)  # type: ignore[arg-type]
    case.sink.close()
    assert list(case.folder.iterdir()) == []


def test_closing_without_pictures_leaves_nothing(case: Case) -> None:
    case.sink.close()
    assert list(case.folder.iterdir()) == []


def test_closing_is_idempotent(case: Case) -> None:
    case.sink.write(composited())
    case.sink.close()
    before = {path: path.stat().st_mtime_ns for path in case.folder.rglob("*")}
    case.sink.close()
    assert {path: path.stat().st_mtime_ns for path in case.folder.rglob("*")} == before


def test_every_sink_has_a_live_flag_and_a_name(case: Case) -> None:
    assert case.sink.live is case.live
    assert case.sink.name
    assert "\n" not in case.sink.name


def test_sizes_can_change_in_mid_stream(case: Case) -> None:
    for index, (width, height) in enumerate([(WIDTH, HEIGHT), (50, 120), (33, 17), (WIDTH, HEIGHT)]):
        case.sink.write(composited(index, image=patches(width, height)))
    case.sink.close()


def test_slates_are_accepted(case: Case) -> None:
    alpha = np.zeros((HEIGHT, WIDTH), np.float32)
    case.sink.write(composited(-1, alpha=alpha, is_slate=True))
    case.sink.write(composited(0))
    case.sink.close()


def _thirds(height: int = HEIGHT, width: int = WIDTH) -> Image:
    """An opacity of 255, 128 and 0, from left to right."""
    opacity = np.zeros((height, width), np.uint8)
    opacity[:, : width // 3], opacity[:, width // 3 : 2 * width // 3] = 255, 128
    return opacity


@pytest.mark.parametrize("order", ["first", "second"])
def test_pictures_may_be_transparent(case: Case, order: str) -> None:
    """Their colours are as bright as they are opaque, and where they are wholly transparent nothing is hidden."""
    white = np.full((HEIGHT, WIDTH, 3), (240, 240, 240), np.uint8)
    opacities = (_thirds(), None) if order == "first" else (None, _thirds())
    alpha = _thirds().astype(np.float32) / np.float32(255)
    pictures = [composited(i, image=white, alpha=alpha, opacity=opacity) for i, opacity in enumerate(opacities)]
    for picture in pictures:
        case.sink.write(picture)
        if isinstance(case.sink, VirtualCameraSink | LiveStreamSink):
            case.device.wait_for(len(case.device.shown) + 2)
    case.sink.close()
    found = case.seen()
    shown = [found[0], found[-1]] if found else []
    for picture, image in zip(pictures, shown, strict=bool(shown)):
        masks = isinstance(case.sink, PngFolderSink | VideoFileSink) and "mask" in case.sink.name
        levels = (255, 128, 0) if masks else (240, 120, 0) if picture.opacity is not None else (240, 240, 240)
        for column, level in zip((16, 48, 80), levels, strict=True):
            assert np.abs(image[8:-8, column - 6 : column + 6].astype(int) - level).max() <= 4, column


def test_transparent_pictures_may_change_their_size(case: Case) -> None:
    """A smaller picture is fitted: its edges do not turn dark, and beside it nothing is seen."""
    for index, (width, height) in enumerate([(WIDTH, HEIGHT), (48, HEIGHT), (WIDTH + 1, HEIGHT - 1)]):
        image = np.full((height, width, 3), (240, 240, 240), np.uint8)
        case.sink.write(composited(index, image=image, opacity=_thirds(height, width)))
    case.sink.close()
    for image in case.seen():
        assert image[:, -8:].max() <= 4


def test_no_hidden_files_remain(case: Case) -> None:
    case.sink.write(composited())
    case.sink.close()
    assert not [path for path in case.folder.rglob("*") if path.name.startswith(".")]


def test_the_null_sink_counts() -> None:
    sink = NullSink()
    for index in range(3):
        sink.write(composited(index, is_slate=index == 0))
    assert (sink.written, sink.slates) == (3, 1)
