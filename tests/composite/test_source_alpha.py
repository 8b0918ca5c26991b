"""What is transparent in the source: over each backdrop, mirrored, held; with values computed in float64."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rtsod.composite.compositor import Compositor, blurred_background
from rtsod.composite.light_wrap import light_wrapped
from rtsod.frames import BLANK, Alpha, Composited, Frame, Image, Mask, MaskedFrame
from rtsod.imaging.transparency import picture_of
from rtsod.interfaces import Backdrop, Blur, PassThrough, Transparent
from rtsod.refine import refiner
from tests.support.fakes import Card

WIDTH, HEIGHT = 60, 40
Exact = NDArray[np.float64]


def noise(seed: int, channels: int = 3) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, channels), np.uint8)


def ladder() -> Image:
    """An alpha in six columns: 0, 1, 64, 128, 254, 255."""
    return np.ascontiguousarray(np.tile(np.repeat(np.array([0, 1, 64, 128, 254, 255], np.uint8), 10), (HEIGHT, 1)))


def frame_of(seed: int, alpha: Image | None, index: int = 0) -> Frame:
    if alpha is None:
        return Frame(noise(seed), index, 1.0)
    picture = picture_of(noise(seed), alpha)
    return Frame(picture.image, index, 1.0, alpha=picture.alpha)


def masked(frame: Frame, mask: Alpha) -> MaskedFrame:
    return MaskedFrame(frame, Mask(mask, frame.index, frame.captured_at))


def halves() -> Alpha:
    """A mask of the frame's size: 0.6 above, 1 in the middle, 0 below."""
    rows = np.repeat(np.array([0.6, 1.0, 0.0, 0.0], np.float32), HEIGHT // 4)
    return np.ascontiguousarray(np.tile(rows[:, None], (1, HEIGHT)))


def upright(mask: Alpha) -> Exact:
    return np.asarray(cv2.resize(mask, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR), np.float64)


def compose(backdrop: Backdrop, frame: Frame, *, mirror: bool = False) -> Composited:
    return Compositor(backdrop, mirror=mirror).compose(masked(frame, halves()), 0.0)


@pytest.mark.parametrize("mirror", [False, True])
def test_another_background_shows_where_the_source_is_transparent(mirror: bool) -> None:
    card, own = Card(noise(2)), ladder()
    shown = compose(card, frame_of(1, own), mirror=mirror)
    alpha, front = upright(halves()) * own / 255, noise(1).astype(np.float64)
    if mirror:
        alpha, front = alpha[:, ::-1], front[:, ::-1]
    exact = alpha[..., None] * front + (1 - alpha[..., None]) * card.image
    assert np.abs(shown.image - exact).max() <= 1.01
    assert np.abs(shown.alpha8 - alpha * 255).max() <= 1
    assert shown.opacity is None
    hidden = (own[:, ::-1] if mirror else own) == 0
    assert (shown.image[hidden] == card.image[hidden]).all()


@pytest.mark.parametrize("mirror", [False, True])
def test_without_a_background_mask_and_source_are_multiplied(mirror: bool) -> None:
    own = ladder()
    shown = compose(Transparent(), frame_of(1, own), mirror=mirror)
    alpha, front = upright(halves()) * own / 255, noise(1)
    if mirror:
        alpha, front = alpha[:, ::-1], front[:, ::-1]
    assert shown.opacity is not None
    assert np.abs(shown.opacity - alpha * 255).max() <= 1
    assert (shown.opacity == shown.alpha8).all()
    assert (shown.image == np.where(shown.opacity[..., None] == 0, 0, front)).all(), "straight colours"


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("backdrop", [PassThrough(), Blur()], ids=["none", "blur"])
def test_with_its_own_background_a_picture_keeps_its_own_alpha(backdrop: Backdrop, mirror: bool) -> None:
    own = ladder()
    shown = compose(backdrop, frame_of(1, own), mirror=mirror)
    laid = own[:, ::-1] if mirror else own
    assert shown.opacity is not None
    assert (shown.opacity == laid).all()
    assert not np.shares_memory(shown.opacity, own)
    alpha = upright(halves()) * own / 255
    assert np.abs(shown.alpha8 - (alpha[:, ::-1] if mirror else alpha) * 255).max() <= 1, "of the subject alone"
    front = noise(1)[:, ::-1] if mirror else noise(1)
    assert not shown.image[laid == 0].any()
    subject = np.zeros((HEIGHT, WIDTH), np.bool_)
    subject[14:17] = True  # where the mask is 1
    seen = (laid > 0) & (subject | isinstance(backdrop, PassThrough))
    assert (shown.image[seen] == front[seen]).all(), "not darkened where it is half transparent"


def test_a_held_picture_keeps_the_alpha_of_the_frame_that_is_shown() -> None:
    shown_frame, later = frame_of(1, ladder()), frame_of(2, np.ascontiguousarray(ladder()[:, ::-1]), index=5)
    for backdrop in (Card(noise(3)), Transparent(), PassThrough(), Blur()):
        one = Compositor(backdrop).compose(masked(shown_frame, halves()), 0.0)
        held = Compositor(backdrop).compose(masked(shown_frame, halves()), 0.0, stands_for=later)
        assert held.index == 5
        assert (held.image == one.image).all()
        assert (held.alpha8 == one.alpha8).all()
        assert (held.opacity is None) is (one.opacity is None)
        assert held.opacity is None or one.opacity is None or (held.opacity == one.opacity).all()


def test_a_slate_has_nothing_of_the_frames_alpha() -> None:
    frame = frame_of(1, ladder())
    for backdrop in (Card(noise(3)), PassThrough(), Blur()):
        assert Compositor(backdrop).slate(WIDTH, HEIGHT, 0.0, frame=frame, now=0.0).opacity is None
    slate = Compositor(Transparent()).slate(WIDTH, HEIGHT, 0.0, frame=frame, now=0.0)
    assert slate.opacity is not None
    assert not slate.opacity.any()


@pytest.mark.parametrize("light_wrap", [False, True])
@pytest.mark.parametrize("refine", ["off", "fast"])
def test_an_opaque_frame_is_not_changed_by_a_bit(refine: str, light_wrap: bool) -> None:
    """An alpha of 255 everywhere, which no source hands on, gives what no alpha gives."""
    image = noise(1)
    frames = [Frame(image, 0, 1.0), Frame(image, 0, 1.0, alpha=np.full((HEIGHT, WIDTH), 255, np.uint8))]
    chosen = refiner("fast" if refine == "fast" else "off")
    for backdrop in (Card(noise(3)), Transparent(), PassThrough()):
        compositor = Compositor(backdrop, refine=chosen, light_wrap=light_wrap)
        one, other = (compositor.compose(masked(frame, halves()), 0.0) for frame in frames)
        assert (one.image == other.image).all()
        assert (one.alpha8 == other.alpha8).all()


@settings(max_examples=100)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.tuples(st.integers(16, 120), st.integers(16, 120)),
    levels=st.lists(st.integers(0, 255), min_size=1, max_size=6),
    backdrop=st.sampled_from(["card", "transparent", "none", "blur"]),
    refine=st.sampled_from(["off", "fast"]),
    mirror=st.booleans(),
    light_wrap=st.booleans(),
)
def test_hidden_colours_change_no_bit_and_no_picture_has_any(
    seed: int,
    size: tuple[int, int],
    levels: list[int],
    backdrop: str,
    refine: str,
    mirror: bool,
    light_wrap: bool,
) -> None:
    """Two files that differ in what they hide give the same output; where it is wholly transparent, it is black."""
    width, height = size
    random = np.random.default_rng(seed)
    small = random.choice(np.array([0, *levels], np.uint8), (5, 5))
    alpha = np.asarray(cv2.resize(small, size, interpolation=int(random.choice([0, 1]))), np.uint8)
    pixels = random.integers(0, 256, (height, width, 3), np.uint8)
    marked = pixels.copy()
    marked[alpha == 0] = random.integers(0, 256, 3, np.uint8)
    mask = np.clip(random.random((32, 32), np.float32) * 2 - 0.5, 0, 1).astype(np.float32)
    card = Card(random.integers(0, 256, (height, width, 3), np.uint8))
    backdrops: dict[str, Backdrop] = {"card": card, "transparent": Transparent(), "none": PassThrough(), "blur": Blur()}
    shown = []
    for image in (pixels, marked):
        picture = picture_of(image, alpha)
        frame = Frame(picture.image, 0, 1.0, alpha=picture.alpha)
        compositor = Compositor(
            backdrops[backdrop],
            mirror=mirror,
            refine=refiner("fast" if refine == "fast" else "off"),
            light_wrap=light_wrap,
        )
        shown.append(compositor.compose(masked(frame, mask), 0.0))
    one, other = shown
    assert (one.image == other.image).all()
    assert (one.alpha8 == other.alpha8).all()
    assert (one.alpha8[(alpha[:, ::-1] if mirror else alpha) == 0] == 0).all()
    if one.opacity is None:
        assert backdrop == "card" or (alpha == 255).all()
    else:
        assert not one.image[one.opacity == 0].any()
        assert other.opacity is not None
        assert (one.opacity == other.opacity).all()


# Blur and light wrap: what is hidden has no weight.


@pytest.mark.parametrize("sigma", [3, 18, 60, 200])
@pytest.mark.parametrize("level", [0, 1, 255])
def test_a_plain_background_stays_plain_beside_what_is_hidden(sigma: float, level: int) -> None:
    wall = np.full((360, 640, 3), (90, 140, 60), np.uint8)
    own = np.full((360, 640), 255, np.uint8)
    own[:, :280] = 0
    own[80:240, 400:480] = level
    picture = picture_of(wall, own)
    nobody = np.zeros((360, 640), np.float32)
    seen = blurred_background(picture.image, nobody, sigma, picture.alpha)
    assert np.abs(seen.astype(int) - wall)[own > 0].max() <= 1


@pytest.mark.parametrize("subject", [0.0, 1.0])
def test_blur_of_a_wholly_transparent_picture_is_defined(subject: float) -> None:
    hidden = np.full((HEIGHT, WIDTH, 3), BLANK, np.uint8)
    own = np.zeros((HEIGHT, WIDTH), np.uint8)
    assert blurred_background(hidden, np.full((HEIGHT, WIDTH), subject, np.float32), 18, own).shape == hidden.shape


def test_a_half_transparent_subject_over_blur_keeps_its_colour() -> None:
    frame = Frame(
        np.full((HEIGHT, WIDTH, 3), (10, 200, 90), np.uint8), 0, 1.0, alpha=np.full((HEIGHT, WIDTH), 50, np.uint8)
    )
    shown = Compositor(Blur()).compose(masked(frame, halves()), 0.0)
    assert np.abs(shown.image.astype(int) - (10, 200, 90)).max() <= 1


def test_no_light_comes_from_where_the_picture_is_transparent() -> None:
    dark, bright = np.zeros((360, 640, 3), np.uint8), np.full((360, 640, 3), 255, np.uint8)
    subject = np.zeros((360, 640), np.float32)
    subject[:, 320:] = 1
    opaque = np.full((360, 640), 255, np.uint8)
    hidden = np.where(subject > 0, 255, 0).astype(np.uint8)
    assert light_wrapped(dark, bright, subject)[:, 320:].max() > 30
    assert (light_wrapped(dark, bright, subject, opaque) == light_wrapped(dark, bright, subject)).all()
    assert light_wrapped(dark, bright, subject, hidden)[:, 320:].max() == 0
