"""The source that behaves like a camera."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.support.camera import PacedCamera
from rtsod.frames import Image
from rtsod.sources.pace import to_and_fro
from tests.support.fakes import Ticks


class _Picture:
    """Each picture takes as long as it is told."""

    def __init__(self, clock: Ticks) -> None:
        self.seconds = 0.0
        self._clock = clock

    def __call__(self, index: int) -> Image:
        self._clock.now += self.seconds
        return np.full((4, 6, 3), index, np.uint8)


def _camera(clock: Ticks, buffers: int) -> tuple[PacedCamera, _Picture]:
    def wait(seconds: float) -> None:
        clock.now += seconds

    picture = _Picture(clock)
    return PacedCamera(picture, (6, 4), 10, buffers=buffers, clock=clock, wait=wait), picture


def _read(camera: PacedCamera) -> tuple[int, float]:
    frame = camera.read()
    assert frame is not None
    assert frame.image[0, 0, 0] == frame.index
    return frame.index, round(frame.captured_at, 6)


def test_a_reader_in_time_gets_every_frame_when_it_is_due() -> None:
    clock = Ticks()
    clock.now = 5.0
    camera, picture = _camera(clock, buffers=1)
    picture.seconds = 0.09
    assert [_read(camera) for _ in range(4)] == [(0, 5.0), (1, 5.1), (2, 5.2), (3, 5.3)]
    assert camera.started_at == 5.0
    assert camera.info.live
    assert camera.info.fps == 10


def test_a_frame_that_waits_keeps_the_time_at_which_it_was_due() -> None:
    clock = Ticks()
    camera, _ = _camera(clock, buffers=1)
    _read(camera)
    clock.now = 0.17
    assert _read(camera) == (1, 0.1)
    assert clock.now == 0.17, "it was there already"


@pytest.mark.parametrize(("buffers", "expected"), [(1, [4, 5]), (2, [3, 4]), (4, [1, 2]), (9, [1, 2])])
def test_the_driver_keeps_the_newest_frames_and_loses_the_others(buffers: int, expected: list[int]) -> None:
    clock = Ticks()
    camera, _ = _camera(clock, buffers)
    _read(camera)
    clock.now = 0.45
    assert [_read(camera)[0] for _ in range(2)] == expected


def test_a_reader_that_is_always_too_slow_loses_a_constant_share() -> None:
    clock = Ticks()
    camera, picture = _camera(clock, buffers=1)
    picture.seconds = 0.2
    assert [_read(camera)[0] for _ in range(4)] == [0, 2, 4, 6]


def test_closing_ends_a_wait() -> None:
    camera = PacedCamera(lambda index: np.zeros((4, 6, 3), np.uint8), (6, 4), 1)
    assert camera.read() is not None
    camera.close()
    assert camera.read() is None


def test_pictures_play_forwards_and_backwards_without_a_jump() -> None:
    assert [to_and_fro(index, 4) for index in range(9)] == [0, 1, 2, 3, 2, 1, 0, 1, 2]
    assert [to_and_fro(index, 1) for index in range(3)] == [0, 0, 0]
