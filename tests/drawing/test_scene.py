"""The drawn scene: exact and reproducible at any size."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtsod.drawing.scene import DrawnScene
from rtsod.errors import UsageError
from rtsod.sources.scene import SceneSource

ONE_ROUNDING_PER_LAYER = 3 * 0.5 + 1.0


@pytest.fixture(scope="module")
def scene() -> DrawnScene:
    return DrawnScene(320, 180, 30, seed=1)


@settings(max_examples=25)
@given(
    width=st.integers(16, 300),
    height=st.integers(16, 300),
    fps=st.sampled_from([1, 24, Fraction(30000, 1001), 240]),
    index=st.integers(0, 10**7),
    seed=st.integers(0, 2**32),
)
def test_any_size_rate_and_moment(width: int, height: int, fps: int | Fraction, index: int, seed: int) -> None:
    scene = DrawnScene(width, height, fps, seed)
    image, alpha = scene.render(index)
    assert image.shape == (height, width, 3)
    assert image.dtype == np.uint8
    assert alpha.shape == (height, width)
    assert alpha.dtype == np.float32
    assert alpha.min() >= 0
    assert alpha.max() <= 1
    assert 0.01 < alpha.mean() < 0.8  # the person is visible and does not fill the picture
    again, alpha_again = DrawnScene(width, height, fps, seed).render(index)
    assert np.array_equal(image, again)
    assert np.array_equal(alpha, alpha_again)


@pytest.mark.parametrize("index", [0, 17, 101])
def test_the_picture_is_exactly_alpha_times_person_plus_the_rest_of_the_room(scene: DrawnScene, index: int) -> None:
    image, alpha = scene.render(index)
    premultiplied, _ = scene.render(index, over=np.zeros_like(scene.background))
    rest = 1 - alpha[..., None]
    assert np.abs(premultiplied + rest * scene.background - image).max() <= ONE_ROUNDING_PER_LAYER
    white, _ = scene.render(index, over=np.full_like(scene.background, 255))
    assert np.abs((white.astype(np.float32) - premultiplied) / 255 - rest).max() <= ONE_ROUNDING_PER_LAYER / 255


def test_outside_the_person_the_room_is_unchanged(scene: DrawnScene) -> None:
    image, alpha = scene.render(5)
    assert np.array_equal(image[alpha == 0], scene.background[alpha == 0])
    assert (alpha == 1).mean() > 0.1
    assert ((alpha > 0.02) & (alpha < 0.98)).sum() > 100  # edges are soft


def test_no_dark_fringe_around_the_person(scene: DrawnScene) -> None:
    """Half-covered pixels have the colours of the person beside them; a fringe would be darker."""
    premultiplied, alpha = scene.render(3, over=np.zeros_like(scene.background))
    edge = (alpha > 0.3) & (alpha < 0.6)
    beside = (cv2.dilate(edge.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0) & (alpha > 0.99)
    colours = premultiplied[edge] / alpha[edge][:, None]
    assert colours.mean() == pytest.approx(premultiplied[beside].mean(), rel=0.12)


def test_motion_is_defined_in_seconds() -> None:
    slow, fast = DrawnScene(96, 54, 10, seed=4), DrawnScene(96, 54, 60, seed=4)
    assert np.array_equal(slow.render(7)[0], fast.render(42)[0])
    assert not np.array_equal(slow.render(7)[0], slow.render(8)[0])


def test_seeds_differ(scene: DrawnScene) -> None:
    assert not np.array_equal(DrawnScene(320, 180, 30, seed=2).background, scene.background)


def test_the_caller_may_write_into_a_picture_but_not_into_the_room(scene: DrawnScene) -> None:
    image, _ = scene.render(0)
    before = scene.background.copy()
    image[:] = 0
    assert np.array_equal(scene.background, before)
    with pytest.raises(ValueError, match="read-only"):
        scene.background[0, 0] = 0


@pytest.mark.parametrize(("width", "height", "fps"), [(15, 100, 30), (100, 15, 30), (64, 64, 0), (64, 64, -1)])
def test_invalid_arguments_are_rejected(width: int, height: int, fps: int) -> None:
    with pytest.raises(UsageError):
        DrawnScene(width, height, fps)


class FakeTime:
    def __init__(self) -> None:
        self.now = 100.0
        self.waits: list[float] = []

    def clock(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def test_live_frames_arrive_when_they_are_due() -> None:
    time = FakeTime()
    source = SceneSource(DrawnScene(16, 16, 20), live=True, clock=time.clock, wait=time.wait)
    frames = [source.read() for _ in range(4)]
    assert [frame.captured_at for frame in frames if frame] == pytest.approx([100.0, 100.05, 100.1, 100.15])
    assert [frame.index for frame in frames if frame] == [0, 1, 2, 3]
    assert time.waits == pytest.approx([0.05] * 3)


def test_a_slow_reader_misses_frames_and_the_index_shows_it() -> None:
    time = FakeTime()
    scene = DrawnScene(16, 16, 20)
    source = SceneSource(scene, live=True, clock=time.clock, wait=time.wait)
    source.read()
    time.now += 0.52
    late = source.read()
    assert late is not None
    assert late.index == 10
    assert np.array_equal(late.image, scene.render(10)[0])
    following = source.read()
    assert following is not None
    assert following.index == 11


def test_as_a_file_every_frame_arrives_with_its_time() -> None:
    source = SceneSource(DrawnScene(16, 16, Fraction(30000, 1001)), live=False, frames=3)
    frames = [source.read() for _ in range(4)]
    assert [frame.pts if frame else None for frame in frames] == [0, Fraction(1001, 30000), Fraction(2002, 30000), None]
    assert source.info.frames == 3
