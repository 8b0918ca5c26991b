"""The guided filter: nearer to the exact alpha than the map, never outside its bounds, without the old background."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.support.fringe import fringe
from benchmarks.support.soft_subject import SoftSubject, moving_background
from rtsod.composite.compositor import Compositor
from rtsod.drawing.scene import DrawnScene
from rtsod.evaluation.matting import gradient_error, mad
from rtsod.frames import Alpha, Frame, Image, Mask, MaskedFrame
from rtsod.interfaces import Transparent
from rtsod.refine import Refine, refiner, unrefined
from rtsod.refine.blend import blend
from rtsod.refine.guided import BEST, FAST, guided_matte
from rtsod.refine.islands import suppress_weak_components

DARK = np.full((720, 1280, 3), (40, 30, 20), np.uint8)
FAST_AND_BEST = pytest.mark.parametrize("refine", [refiner("fast"), refiner("best")], ids=["fast", "best"])


def noise(seed: int, width: int, height: int) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def scaled_down(alpha: Alpha, size: int = 320) -> Alpha:
    return np.asarray(np.clip(cv2.resize(alpha, (size, size), interpolation=cv2.INTER_AREA), 0, 1), np.float32)


@cache
def hair_in_front_of_a_landscape(dark: bool = False) -> tuple[Image, Alpha]:
    rough = cv2.resize(noise(4, 64, 36), (640, 360), interpolation=cv2.INTER_CUBIC)
    landscape = np.asarray(cv2.GaussianBlur(rough, (0, 0), 4) // 2 + 100, np.uint8)
    subject = SoftSubject(1280, 720)
    return subject.render(3, DARK if dark else moving_background(landscape, 1280, 720, 3), noise=not dark)


# ------------------------------------------------------------------------------ what it improves


@FAST_AND_BEST
@pytest.mark.parametrize("subject", ["hair", "scene"])
def test_its_gradient_error_is_at_most_sixty_percent_of_bilinear_upsampling(refine: Refine, subject: str) -> None:
    image, exact = hair_in_front_of_a_landscape() if subject == "hair" else DrawnScene(1280, 720).render(50)
    mask = scaled_down(exact)
    ours, plain = refine(image, mask).alpha, unrefined(image, mask).alpha
    assert gradient_error(ours, exact) <= 0.6 * gradient_error(plain, exact)
    assert mad(ours, exact) < mad(plain, exact)


def test_best_is_better_than_fast() -> None:
    image, exact = hair_in_front_of_a_landscape()
    fast, best = (guided_matte(image, scaled_down(exact), effort).alpha for effort in (FAST, BEST))
    assert gradient_error(best, exact) < 0.9 * gradient_error(fast, exact)


def test_decontaminated_colours_leave_less_fringe_than_the_frames_own() -> None:
    image, exact = hair_in_front_of_a_landscape()
    wanted, _ = hair_in_front_of_a_landscape(dark=True)
    matte = guided_matte(image, scaled_down(exact))
    plain = fringe(blend(image, DARK, unrefined(image, scaled_down(exact)).alpha), wanted, exact)
    contaminated = fringe(blend(image, DARK, matte.alpha), wanted, exact)
    decontaminated = fringe(blend(matte.foreground, DARK, matte.alpha), wanted, exact)
    assert decontaminated < 0.95 * contaminated
    assert decontaminated < 0.6 * plain


def test_where_subject_and_background_look_alike_the_map_is_used() -> None:
    grey = np.full((360, 640, 3), 128, np.uint8)
    _, exact = DrawnScene(640, 360).render(0)
    ours, plain = guided_matte(grey, scaled_down(exact)).alpha, unrefined(grey, scaled_down(exact)).alpha
    assert mad(ours, exact) <= mad(plain, exact)
    assert np.abs(ours - plain).max() < 0.6


# ------------------------------------------------------------------------------ what it must never do


@st.composite
def inputs(draw: st.DrawFn) -> tuple[Image, Alpha]:
    width, height, size = draw(st.integers(1, 700)), draw(st.integers(1, 400)), draw(st.integers(1, 400))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    mask = np.clip(random.random((size, size), np.float32) * 3 - draw(st.floats(0, 3)), 0, 1).astype(np.float32)
    return random.integers(0, 256, (height, width, 3), np.uint8), mask


@settings(max_examples=60)
@given(inputs(), st.sampled_from([FAST, BEST, replace(FAST, grid=32)]))
def test_any_size_and_any_map_give_a_valid_matte(drawn: tuple[Image, Alpha], effort: object) -> None:
    image, mask = drawn
    before = image.copy()
    image.flags.writeable = mask.flags.writeable = False
    matte = guided_matte(image, mask, effort)  # type: ignore[arg-type]
    assert matte.alpha.shape == image.shape[:2]
    assert matte.alpha.dtype == np.float32
    assert matte.foreground.shape == image.shape
    assert matte.foreground.dtype == np.uint8
    assert float(matte.alpha.min()) >= 0.0
    assert float(matte.alpha.max()) <= 1.0
    assert (image == before).all()
    for flat in (matte.alpha == 0, matte.alpha == 1):
        assert (matte.foreground[flat] == image[flat]).all()  # colours change only where they are mixed
    assert not np.shares_memory(matte.foreground, image)
    assert not np.shares_memory(matte.alpha, mask)


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_alpha_stays_within_the_bounds_of_the_map(seed: int) -> None:
    random = np.random.default_rng(seed)
    rough = cv2.GaussianBlur(random.normal(0.5, 4, (320, 320)).astype(np.float32), (0, 0), 5)
    mask: Alpha = np.clip(rough, 0, 1).astype(np.float32)
    mask[0, 0] = 1.0  # at this size a pixel of the map is a pixel of the frame
    alpha = guided_matte(noise(seed % 1000, 320, 320), mask).alpha
    sure = suppress_weak_components(mask)
    assert (alpha <= np.maximum(2 * sure, 0) + 1e-5).all()
    assert (alpha >= 1 - 2 * (1 - sure) - 1e-5).all()


@FAST_AND_BEST
@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("size", [(1280, 720), (333, 777), (17, 16)])
def test_certainty_stays_certain(refine: Refine, size: tuple[int, int], value: float) -> None:
    alpha = refine(noise(1, *size), np.full((320, 320), value, np.float32)).alpha
    assert (alpha == value).all()


@FAST_AND_BEST
def test_away_from_the_edge_alpha_is_exactly_0_or_1(refine: Refine) -> None:
    image, exact = DrawnScene(1280, 720).render(50)
    doubt = scaled_down(exact) * np.float32(0.985) + np.float32(0.007)  # like a network: never quite 0 or 1
    alpha = refine(image, doubt).alpha
    reach = np.ones((41, 41), np.uint8)
    inside, outside = (cv2.erode((exact == v).astype(np.uint8), reach) > 0 for v in (1, 0))
    assert (alpha[inside] == 1).all()
    assert (alpha[outside] == 0).all()


@settings(max_examples=12)
@given(st.integers(0, 2**32 - 1), st.tuples(*[st.integers(0, 255)] * 3), st.booleans())
def test_the_room_away_from_the_edge_does_not_change_the_output(
    seed: int, watermark: tuple[int, int, int], transparent: bool
) -> None:
    """Near the edge the background's colours tell where it ends; farther away they do not change a single bit."""
    scene = DrawnScene(640, 360, seed=seed % 7)
    image, exact = scene.render(seed % 300)
    mask = scaled_down(exact)
    near = cv2.dilate((exact > 0).astype(np.uint8), np.ones((129, 129), np.uint8)) > 0
    marked = image.copy()
    marked[~near] = watermark
    backdrop = Transparent() if transparent else Card()
    one, other = (
        Compositor(backdrop, refine=refiner("fast")).compose(
            MaskedFrame(Frame(picture, 0, 0.0), Mask(mask, 0, 0.0)), 0.0
        )
        for picture in (image, marked)
    )
    assert (one.image == other.image).all()
    assert (one.alpha8 == other.alpha8).all()
    hidden = one.alpha8 == 0
    assert (one.image[hidden] == (0 if transparent else 77)).all()


class Card:
    def picture(self, width: int, height: int, at: float) -> Image:
        return np.full((height, width, 3), 77, np.uint8)

    def close(self) -> None: ...


def test_the_picture_flips_with_the_camera() -> None:
    image, exact = DrawnScene(640, 360).render(20)
    flipped = guided_matte(np.ascontiguousarray(image[:, ::-1]), np.ascontiguousarray(scaled_down(exact)[:, ::-1]))
    straight = guided_matte(image, scaled_down(exact))
    assert np.abs(flipped.alpha[:, ::-1] - straight.alpha).max() < 1e-3
