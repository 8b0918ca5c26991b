"""Edges guided by the picture: nearer to the exact alpha, flat where it is flat, and no colour of the old room."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from benchmarks.support.matte_errors import dtssd, fringe, gradient_error, mad
from benchmarks.support.soft_subject import SoftSubject, moving_background
from rtsod.composite.compositor import Compositor, blend
from rtsod.composite.light_wrap import light_wrapped
from rtsod.config import REFINES, PictureConfig
from rtsod.demo.scene import DemoScene
from rtsod.errors import UsageError
from rtsod.frames import Alpha, Frame, Image, Mask, MaskedFrame
from rtsod.interfaces import Transparent
from rtsod.refine import Refine, kernel, refiner, unrefined
from rtsod.refine.guided import BEST, FAST, guided_matte
from rtsod.refine.islands import suppress_weak_components

DARK = np.full((720, 1280, 3), (40, 30, 20), np.uint8)
FAST_AND_BEST = pytest.mark.parametrize("refine", [refiner("fast"), refiner("best")], ids=["fast", "best"])


def noise(seed: int, width: int, height: int) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def scaled_down(alpha: Alpha, size: int = 320) -> Alpha:
    return np.asarray(np.clip(cv2.resize(alpha, (size, size), interpolation=cv2.INTER_AREA), 0, 1), np.float32)


@cache
def hair_before_a_landscape(dark: bool = False) -> tuple[Image, Alpha]:
    rough = cv2.resize(noise(4, 64, 36), (640, 360), interpolation=cv2.INTER_CUBIC)
    landscape = np.asarray(cv2.GaussianBlur(rough, (0, 0), 4) // 2 + 100, np.uint8)
    subject = SoftSubject(1280, 720)
    return subject.render(3, DARK if dark else moving_background(landscape, 1280, 720, 3), noise=not dark)


# What it is for.


@FAST_AND_BEST
@pytest.mark.parametrize("subject", ["hair", "demo"])
def test_its_gradient_error_is_at_most_sixty_percent_of_bilinear(refine: Refine, subject: str) -> None:
    image, exact = hair_before_a_landscape() if subject == "hair" else DemoScene(1280, 720).render(50)
    mask = scaled_down(exact)
    ours, plain = refine(image, mask).alpha, unrefined(image, mask).alpha
    assert gradient_error(ours, exact) <= 0.6 * gradient_error(plain, exact)
    assert mad(ours, exact) < mad(plain, exact)


def test_best_is_better_than_fast() -> None:
    image, exact = hair_before_a_landscape()
    fast, best = (guided_matte(image, scaled_down(exact), effort).alpha for effort in (FAST, BEST))
    assert gradient_error(best, exact) < 0.9 * gradient_error(fast, exact)


def test_the_old_background_leaves_less_fringe_than_in_the_frames_own_colours() -> None:
    image, exact = hair_before_a_landscape()
    wanted, _ = hair_before_a_landscape(dark=True)
    matte = guided_matte(image, scaled_down(exact))
    plain = fringe(blend(image, DARK, unrefined(image, scaled_down(exact)).alpha), wanted, exact)
    uncleaned = fringe(blend(image, DARK, matte.alpha), wanted, exact)
    cleaned = fringe(blend(matte.foreground, DARK, matte.alpha), wanted, exact)
    assert cleaned < 0.95 * uncleaned
    assert cleaned < 0.6 * plain


def test_where_subject_and_background_look_alike_the_map_stands() -> None:
    grey = np.full((360, 640, 3), 128, np.uint8)
    _, exact = DemoScene(640, 360).render(0)
    ours, plain = guided_matte(grey, scaled_down(exact)).alpha, unrefined(grey, scaled_down(exact)).alpha
    assert mad(ours, exact) <= mad(plain, exact)
    assert np.abs(ours - plain).max() < 0.6


# What it must never do.


@st.composite
def inputs(draw: st.DrawFn) -> tuple[Image, Alpha]:
    width, height, size = draw(st.integers(1, 700)), draw(st.integers(1, 400)), draw(st.integers(1, 400))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    mask = np.clip(random.random((size, size), np.float32) * 3 - draw(st.floats(0, 3)), 0, 1).astype(np.float32)
    return random.integers(0, 256, (height, width, 3), np.uint8), mask


@settings(deadline=None, max_examples=60)
@given(inputs(), st.sampled_from([FAST, BEST, replace(FAST, grid=32)]))
def test_any_size_and_any_map_give_a_valid_matte(given_: tuple[Image, Alpha], effort: object) -> None:
    image, mask = given_
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
        assert (matte.foreground[flat] == image[flat]).all()  # colours change where they are mixed, nowhere else
    assert not np.shares_memory(matte.foreground, image)
    assert not np.shares_memory(matte.alpha, mask)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_alpha_stays_within_twice_the_maps_doubt_so_nothing_sure_is_eaten(seed: int) -> None:
    random = np.random.default_rng(seed)
    rough = cv2.GaussianBlur(random.normal(0.5, 4, (320, 320)).astype(np.float32), (0, 0), 5)
    mask: Alpha = np.clip(rough, 0, 1).astype(np.float32)
    mask[0, 0] = 1.0  # at this size, the map and the frame have the same pixels
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
    image, exact = DemoScene(1280, 720).render(50)
    doubt = scaled_down(exact) * np.float32(0.985) + np.float32(0.007)  # as networks are: never quite 0 or 1
    alpha = refine(image, doubt).alpha
    reach = np.ones((41, 41), np.uint8)
    inside, outside = (cv2.erode((exact == v).astype(np.uint8), reach) > 0 for v in (1, 0))
    assert (alpha[inside] == 1).all()
    assert (alpha[outside] == 0).all()


@settings(deadline=None, max_examples=12)
@given(st.integers(0, 2**32 - 1), st.tuples(*[st.integers(0, 255)] * 3), st.booleans())
def test_the_room_away_from_the_edge_makes_no_difference(
    seed: int, watermark: tuple[int, int, int], transparent: bool
) -> None:
    """Near the edge, the background's colour tells where it ends; what is further off changes no bit of the output."""
    scene = DemoScene(640, 360, seed=seed % 7)
    image, exact = scene.render(seed % 300)
    mask = scaled_down(exact)
    near = cv2.dilate((exact > 0).astype(np.uint8), np.ones((129, 129), np.uint8)) > 0
    marked = image.copy()
    marked[~near] = watermark
    backdrop = Transparent() if transparent else Card()
    one, other = (
        Compositor([backdrop], refine=refiner("fast")).compose(
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
    image, exact = DemoScene(640, 360).render(20)
    flipped = guided_matte(np.ascontiguousarray(image[:, ::-1]), np.ascontiguousarray(scaled_down(exact)[:, ::-1]))
    straight = guided_matte(image, scaled_down(exact))
    assert np.abs(flipped.alpha[:, ::-1] - straight.alpha).max() < 1e-3


# Faint islands.


def islands(peak: float) -> Alpha:
    mask = np.zeros((64, 64), np.float32)
    mask[8:40, 8:30] = 1.0
    mask[10:20, 44:56] = peak
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), 1), np.float32)


@pytest.mark.parametrize(("peak", "kept"), [(0.3, 0.0), (0.49, 0.0), (0.65, 0.5), (0.9, 1.0)])
def test_a_faint_island_is_left_out_and_a_sure_one_stays(peak: float, kept: float) -> None:
    mask = islands(peak)
    seen = suppress_weak_components(mask)
    assert seen[15, 50] / mask[15, 50] == pytest.approx(kept, abs=0.03)
    assert (seen[:, :40] == mask[:, :40]).all()


def test_a_hovering_island_does_not_pop() -> None:
    shown = [float(suppress_weak_components(islands(peak))[15, 50]) for peak in np.arange(0.3, 1.0, 0.01)]
    assert max(np.diff(shown)) < 0.06
    assert min(np.diff(shown)) >= 0


def test_what_hangs_together_with_the_subject_stays() -> None:
    mask = islands(0.3)
    mask[14:16, 28:46] = 0.3
    assert (suppress_weak_components(mask) == mask).all()


# Light wrap.


def test_light_wrap_lightens_the_rim_and_nothing_far_inside() -> None:
    _, exact = DemoScene(640, 360).render(0)
    front, white = np.full((360, 640, 3), 60, np.uint8), np.full((360, 640, 3), 255, np.uint8)
    seen = light_wrapped(front, white, exact)
    rim = (exact == 1) & (cv2.erode(exact, np.ones((5, 5))) < 1)
    inside = cv2.erode((exact == 1).astype(np.uint8), np.ones((61, 61), np.uint8)) > 0
    assert (seen >= front).all()
    assert seen[rim].mean() > 75
    assert inside.any()
    assert np.abs(seen[inside].astype(int) - 60).max() <= 1
    assert (light_wrapped(front, np.zeros_like(white), exact) == front).all()


def test_light_wrap_is_the_compositors_option() -> None:
    image, exact = DemoScene(640, 360).render(0)
    masked = MaskedFrame(Frame(image, 0, 0.0), Mask(scaled_down(exact), 0, 0.0))
    off, on = (Compositor([Card()], light_wrap=wrap).compose(masked, 0.0) for wrap in (False, True))
    assert (off.alpha8 == on.alpha8).all()
    assert (off.image[off.alpha8 == 0] == on.image[on.alpha8 == 0]).all()
    assert (off.image != on.image).any()


# The option.


def test_auto_is_fast_for_streams_and_leaves_photographs_to_the_authors_protocol() -> None:
    assert refiner("auto", stills=True) is refiner("off") is unrefined
    fast = refiner("auto")
    assert isinstance(fast, partial)
    assert fast.keywords == {"effort": FAST}


def test_where_nothing_may_be_kept_the_kernel_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*args: Any, **options: Any) -> Any:
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return njit(*args, **options)

    monkeypatch.setattr("rtsod.refine.kernel.njit", nowhere)
    assert kernel.compile_kernel(kernel.refine_cells.py_func) is not None  # type: ignore[attr-defined]


def test_an_unknown_way_is_refused() -> None:
    with pytest.raises(UsageError, match="--refine nice: is none of auto, off, fast, best"):
        PictureConfig(refine="nice")  # type: ignore[arg-type]
    for name in REFINES:
        PictureConfig(refine=name)  # type: ignore[arg-type]


# The measures themselves.


def test_the_measures_are_nought_for_the_exact_alpha_and_grow_with_the_error() -> None:
    _, exact = DemoScene(640, 360).render(0)
    _, before = DemoScene(640, 360).render(-3)
    off = np.asarray(cv2.GaussianBlur(exact, (0, 0), 2), np.float32)
    worse = np.asarray(cv2.GaussianBlur(exact, (0, 0), 5), np.float32)
    for measure in (mad, gradient_error):
        assert measure(exact, exact) == 0
        assert 0 < measure(off, exact) < measure(worse, exact)
    assert dtssd(exact, before, exact, before) == 0
    assert dtssd(exact, exact, exact, before) > 0
    picture = noise(1, 640, 360)
    assert fringe(picture, picture, exact) == 0


def test_the_gradient_of_a_straight_step_is_the_one_of_the_definition() -> None:
    step = np.zeros((64, 64), np.float32)
    step[:, 32:] = 1
    # Normalised to unit energy, the derivative kernel's response to a step is g(x) over the norm of g(x) g'(y).
    x = np.arange(-5, 6)
    g = np.exp(-(x**2) / (2 * 1.4**2)) / (1.4 * np.sqrt(2 * np.pi))
    d = -x * g / 1.4**2
    norm = np.sqrt((np.outer(g, d) ** 2).sum())
    response = np.convolve(np.r_[np.zeros(32), np.ones(32)], d / norm)[5:-5] * g.sum()
    energy = float((response[8:-8] ** 2).sum()) * 64 / 1e3
    assert gradient_error(np.zeros_like(step), step) == pytest.approx(energy, rel=1e-3)
