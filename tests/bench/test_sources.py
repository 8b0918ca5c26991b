"""Sources for benchmarks."""

from __future__ import annotations

from fractions import Fraction

from rtsod.bench.sources import LoopedSource, PacedSource, scene_images
from tests.support.fakes import FakeSource, Ticks


def test_looped_frames_play_forwards_and_backwards() -> None:
    images = scene_images(32, 24, count=3)
    source = LoopedSource(images, Fraction(30), frames=6)
    frames = [source.read() for _ in range(7)]
    shown = [frame.image for frame in frames if frame is not None]
    assert [next(i for i, image in enumerate(images) if image is s) for s in shown] == [0, 1, 2, 1, 0, 1]
    assert frames[6] is None
    assert frames[5] is not None
    assert frames[5].pts == Fraction(5, 30)


def test_a_paced_source_delivers_each_frame_when_it_is_due_and_is_live() -> None:
    clock = Ticks()

    def wait(seconds: float) -> None:
        clock.now += seconds

    def decode(index: int) -> None:
        clock.now += 0.25 if index == 2 else 0.01  # one frame takes longer than two periods

    source = PacedSource(FakeSource(5, before=decode), Fraction(10), clock=clock, wait=wait)
    assert source.info.live
    frames = [source.read() for _ in range(6)]
    assert [round(frame.captured_at, 3) for frame in frames if frame] == [0.01, 0.11, 0.36, 0.37, 0.41]
    assert frames[5] is None


def test_closing_a_paced_source_ends_its_wait() -> None:
    inner = FakeSource(5)
    source = PacedSource(inner, Fraction(1, 1000))
    assert source.read() is not None
    source.close()
    assert source.read() is None
    assert inner.closed.is_set()
