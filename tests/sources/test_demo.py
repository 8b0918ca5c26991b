"""The demo clip: a camera that is always there."""

from __future__ import annotations

from importlib.resources import files
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtsod.sources.demo import CLIP, DemoSource
from rtsod.sources.pace import to_and_fro

FRAMES = 60


class FakeTime:
    def __init__(self) -> None:
        self.now = 100.0

    def clock(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


@given(st.integers(0, 10_000), st.integers(1, 100))
def test_forwards_and_backwards_without_a_jump(index: int, count: int) -> None:
    shown, following = to_and_fro(index, count), to_and_fro(index + 1, count)
    assert 0 <= shown < count
    assert abs(shown - following) == (1 if count > 1 else 0)


def test_each_frame_of_a_loop() -> None:
    assert [to_and_fro(index, 4) for index in range(9)] == [0, 1, 2, 3, 2, 1, 0, 1, 2]
    assert [to_and_fro(index, 1) for index in range(3)] == [0, 0, 0]


def test_a_loop_of_the_clip_moves_a_little_each_time_and_never_jumps() -> None:
    time = FakeTime()
    source = DemoSource(clock=time.clock, wait=time.wait)
    frames = [source.read() for _ in range(2 * FRAMES)]
    source.close()
    images = [frame.image.astype(np.int16) for frame in frames if frame is not None]
    assert len(images) == 2 * FRAMES
    differences = [np.abs(one - other).mean() for one, other in pairwise(images)]
    assert min(differences) > 0
    assert max(differences) < 3
    assert np.array_equal(images[0], images[2 * FRAMES - 2])
    turn = FRAMES - 1
    assert np.array_equal(images[turn - 1], images[turn + 1])
    assert time.now == pytest.approx(100 + (2 * FRAMES - 1) / 30)


def test_a_slow_reader_misses_frames_also_while_the_clip_is_still_decoded() -> None:
    time = FakeTime()
    source = DemoSource(clock=time.clock, wait=time.wait)
    assert source.read() is not None
    time.now += 0.52
    late = source.read()
    assert late is not None
    assert late.index == 15
    source.close()
    assert source.read() is None


def test_the_caller_may_write_into_a_frame() -> None:
    time = FakeTime()
    source = DemoSource(clock=time.clock, wait=time.wait)
    first = source.read()
    assert first is not None
    original = first.image.copy()
    first.image[:] = 0
    for _ in range(2 * FRAMES - 3):
        source.read()
    again = source.read()
    source.close()
    assert again is not None
    assert np.array_equal(again.image, original)


def test_the_clip_is_small_and_its_author_is_named() -> None:
    assert CLIP.stat().st_size < 2_000_000
    assert files("rtsod").joinpath("assets/clips/demo.mp4").is_file()
    notice = (CLIP.parents[3] / "NOTICE").read_text(encoding="utf-8")
    assert "rtsod/assets/clips/demo.mp4" in notice
    assert "CC BY 4.0" in notice
