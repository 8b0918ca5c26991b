"""The contract of every sink."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rtsod.frames import Frame
from rtsod.interfaces import Sink
from rtsod.sinks import NullSink, PngFolderSink, PreviewSink, VideoFileSink, VirtualCameraSink
from tests.support.sink_fixtures import HEIGHT, WIDTH, FakeDevice, composited, patches


@dataclass
class Case:
    sink: Sink
    live: bool
    folder: Path


def _virtual_camera(folder: Path) -> Sink:
    return VirtualCameraSink(None, width=WIDTH, height=HEIGHT, fps=Fraction(30), opener=FakeDevice)


def _video(suffix: str, **options: Any) -> Callable[[Path], Sink]:
    return lambda folder: VideoFileSink(folder / f"film{suffix}", fps=Fraction(30), **options)


MAKERS: dict[str, Callable[[Path], Sink]] = {
    "null": lambda folder: NullSink(),
    "null-live": lambda folder: NullSink(live=True),
    "preview": lambda folder: PreviewSink(),
    "png": lambda folder: PngFolderSink(folder / "pictures", what="picture"),
    "png-alpha": lambda folder: PngFolderSink(folder / "masks", what="alpha"),
    "mp4": _video(".mp4"),
    "mp4-alpha": _video(".mp4", what="alpha"),
    "mkv": _video(".mkv"),
    "webm": _video(".webm"),
    "webm-transparent": _video(".webm", transparent=True),
    "mov": _video(".mov"),
    "mov-transparent": _video(".mov", transparent=True),
    "virtual-camera": _virtual_camera,
}
LIVE = {"null-live", "preview", "virtual-camera"}


@pytest.fixture(params=MAKERS)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    kind: str = request.param
    sink = MAKERS[kind](tmp_path)
    yield Case(sink, kind in LIVE, tmp_path)
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


def test_no_hidden_files_remain(case: Case) -> None:
    case.sink.write(composited())
    case.sink.close()
    assert not [path for path in case.folder.rglob("*") if path.name.startswith(".")]


def test_the_null_sink_counts() -> None:
    sink = NullSink()
    for index in range(3):
        sink.write(composited(index, is_slate=index == 0))
    assert (sink.written, sink.slates) == (3, 1)
