"""One suite for every implementation of ``Source``."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from rtsod.drawing.scene import DrawnScene
from rtsod.frames import Frame
from rtsod.interfaces import Source
from rtsod.sources.camera import CameraSource
from rtsod.sources.demo import DemoSource
from rtsod.sources.pipe import PipeSource
from rtsod.sources.scene import SceneSource
from rtsod.sources.stills import stills_from_folder
from rtsod.sources.video import video_from_file
from rtsod.system.pipes import PipeReader
from tests.support.source_fixtures import FakeCapture, pictures, write_video

LENGTH = 12


def _camera(_: Path) -> Source:
    fake = FakeCapture(pictures(3))
    return CameraSource(0, width=64, height=48, fps=30, capture=lambda _: fake)


def _video(folder: Path) -> Source:
    return video_from_file(write_video(folder / "clip.mp4", pictures(LENGTH)))


def _variable_rate(folder: Path) -> Source:
    stamps = [500, *itertools.accumulate([40, 7, 90, 33, 33, 120, 1, 50, 40, 40, 300], initial=0)][1:]
    return video_from_file(write_video(folder / "vfr.mkv", pictures(LENGTH), stamps=stamps))


def _folder(folder: Path) -> Source:
    for i, image in enumerate(pictures(LENGTH)):
        cv2.imwrite(str(folder / f"{i}.png"), image)
    return stills_from_folder(folder)


def _demo(_: Path) -> Source:
    return DemoSource()


def _scene_live(_: Path) -> Source:
    return SceneSource(DrawnScene(64, 48, 240), live=True)


def _scene_file(_: Path) -> Source:
    return SceneSource(DrawnScene(64, 48, 30), live=False, frames=LENGTH)


def _pipe(folder: Path, *, live: bool = False) -> Source:
    """A live pipe has one picture more, because the first is stale once it is open."""
    path = write_video(folder / "clip.nut", pictures(LENGTH + live), codec="ffv1")
    return PipeSource(PipeReader(os.open(path, os.O_RDONLY)), live=live)


OPENERS: dict[str, Callable[[Path], Source]] = {
    "camera": _camera,
    "video": _video,
    "variable rate": _variable_rate,
    "folder": _folder,
    "demo": _demo,
    "pipe": _pipe,
    "pipe, live": partial(_pipe, live=True),
    "scene, live": _scene_live,
    "scene, as a file": _scene_file,
}


FRAMES_IN_INFO = {
    "camera": None,
    "video": LENGTH,
    "variable rate": 20,  # its header gives 0.79 s at 25 frames per second
    "folder": LENGTH,
    "demo": None,
    "pipe": None,
    "pipe, live": None,
    "scene, live": None,
    "scene, as a file": LENGTH,
}


@pytest.fixture(params=OPENERS, ids=lambda name: name.replace(", ", "-").replace(" ", "-"))
def opener(request: pytest.FixtureRequest) -> Callable[[Path], Source]:
    return OPENERS[request.param]


def _read_some(source: Source) -> list[Frame]:
    frames: list[Frame] = []
    while len(frames) < LENGTH and (frame := source.read()) is not None:
        frames.append(frame)
    return frames


def test_frames_keep_the_protocols_contract(opener: Callable[[Path], Source], tmp_path: Path) -> None:
    source = opener(tmp_path)
    info = source.info
    frames = _read_some(source)
    assert len(frames) == LENGTH
    assert source.skipped == 0
    for frame in frames:
        assert frame.image.dtype == np.uint8
        assert frame.image.flags.c_contiguous
        assert frame.image.shape == ((info.height, info.width, 3) if info.name == "demo clip" else (48, 64, 3))
    for before, after in itertools.pairwise(frames):
        assert after.index > before.index
        assert after.captured_at >= before.captured_at
        assert not np.shares_memory(before.image, after.image)
    assert source.info == info
    source.close()


def test_a_finite_source_stays_at_its_end(opener: Callable[[Path], Source], tmp_path: Path) -> None:
    source = opener(tmp_path)
    if source.info.live:
        source.close()
        pytest.skip("a live source has no end")
    frames = _read_some(source)
    assert [frame.index for frame in frames] == list(range(LENGTH))
    assert source.read() is None
    assert source.read() is None
    source.close()


@pytest.mark.parametrize("kind", OPENERS)
def test_info_gives_the_number_of_frames_where_it_is_known(kind: str, tmp_path: Path) -> None:
    source = OPENERS[kind](tmp_path)
    assert source.info.frames == FRAMES_IN_INFO[kind]
    source.close()


def test_only_files_have_time_stamps(opener: Callable[[Path], Source], tmp_path: Path) -> None:
    source = opener(tmp_path)
    stamps = [frame.pts for frame in _read_some(source)]
    source.close()
    if source.info.live or source.info.stills:
        assert stamps == [None] * LENGTH
        return
    times = [pts for pts in stamps if pts is not None]
    assert times[0] == Fraction(0)
    assert len(times) == LENGTH
    assert all(after > before for before, after in itertools.pairwise(times))


def test_durations_fill_a_files_time_line(opener: Callable[[Path], Source], tmp_path: Path) -> None:
    source = opener(tmp_path)
    frames = _read_some(source)
    source.close()
    if source.info.live or source.info.stills:
        assert [(frame.duration, frame.is_last) for frame in frames] == [(None, False)] * LENGTH
        return
    assert [frame.is_last for frame in frames] == [False] * (LENGTH - 1) + [True]
    for before, after in itertools.pairwise(frames):
        assert before.pts is not None
        assert before.duration is not None
        assert before.pts + before.duration == after.pts
    assert frames[-1].duration is not None
    assert frames[-1].duration > 0


def test_after_close_read_returns_none(opener: Callable[[Path], Source], tmp_path: Path) -> None:
    source = opener(tmp_path)
    assert source.read() is not None
    source.close()
    assert source.read() is None
    source.close()
    assert source.read() is None


def test_closing_unread_leaves_no_thread(opener: Callable[[Path], Source], tmp_path: Path) -> None:
    before = set(threading.enumerate())
    opener(tmp_path).close()
    assert set(threading.enumerate()) <= before


def _ends_pending_read(source: Source, pending: threading.Event, unblock: Callable[[], None]) -> None:
    got: list[Frame | None] = []
    reader = threading.Thread(target=lambda: got.append(source.read()))
    reader.start()
    assert pending.wait(20)
    closer = threading.Thread(target=source.close)
    closer.start()
    reader.join(20)
    assert not reader.is_alive()
    assert got == [None]
    unblock()
    closer.join(20)
    assert not closer.is_alive()


def test_close_ends_a_read_that_waits_for_a_stuck_camera() -> None:
    fake = FakeCapture(pictures(1), block_at=1)  # the first grab belongs to opening
    source = CameraSource(0, width=64, height=48, fps=30, capture=lambda _: fake)
    _ends_pending_read(source, fake.blocked, fake.unblock.set)
    assert fake.released == 1


def test_close_ends_a_read_that_waits_for_the_scene() -> None:
    source = SceneSource(DrawnScene(16, 16, Fraction(1, 3600)), live=True)
    assert source.read() is not None
    pending = threading.Event()
    pace = source._pace
    real_wait = pace._wait

    def wait(seconds: float) -> None:
        assert seconds > 3000
        pending.set()
        real_wait(seconds)

    pace._wait = wait
    _ends_pending_read(source, pending, lambda: None)
