"""The compositor: exact where alpha is 0 or 1, within one level elsewhere; mirroring, switching, slates and blur."""

import threading
from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtsod.composite.compositor import MIN_ALPHA, SLATE_BGR, Appearance, Compositor, blurred_background
from rtsod.errors import UsageError
from rtsod.frames import Alpha, Frame, Image, Mask, MaskedFrame
from rtsod.interfaces import Backdrop, Blur, PassThrough, Transparent
from rtsod.refine.blend import blend


class Card:
    """A background that records its calls."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.asked: list[tuple[int, int, float]] = []

    def picture(self, width: int, height: int, at: float) -> Image:
        self.asked.append((width, height, at))
        return self.image

    def close(self) -> None: ...


def noise(seed: int, width: int, height: int) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def masked(image: Image, alpha: Alpha, index: int = 7) -> MaskedFrame:
    frame = Frame(image, index=index, captured_at=1.5, pts=Fraction(7, 30), name="photo")
    return MaskedFrame(frame, Mask(alpha, frame_index=index, captured_at=1.5))


def soft_mask(seed: int, size: int = 32) -> Alpha:
    rough = np.random.default_rng(seed).normal(0.5, 1.0, (size, size)).astype(np.float32)
    return np.asarray(np.clip(cv2.GaussianBlur(rough, (0, 0), 2) * 6 - 2.5, 0, 1), np.float32)


@given(st.integers(1, 130), st.integers(1, 130), st.integers(0, 10**6))
def test_blending_is_exact_at_both_ends_and_within_a_level_between(width: int, height: int, seed: int) -> None:
    front, back = noise(seed, width, height), noise(seed + 1, width, height)
    alpha = np.random.default_rng(seed).random((height, width), np.float32)
    alpha[alpha < 0.3], alpha[alpha > 0.7] = 0.0, 1.0
    result = blend(front, back, alpha)
    exact = alpha[..., None].astype(np.float64) * front + (1 - alpha[..., None].astype(np.float64)) * back
    assert (result[alpha == 0] == back[alpha == 0]).all()
    assert (result[alpha == 1] == front[alpha == 1]).all()
    assert np.abs(result - np.rint(exact)).max(initial=0) <= 1
    assert not np.shares_memory(result, back)


@pytest.mark.parametrize("size", [(64, 48), (1280, 720), (17, 16)])
def test_the_picture_keeps_the_frames_identity(size: tuple[int, int]) -> None:
    width, height = size
    front, card = noise(1, width, height), Card(noise(2, width, height))
    picture = Compositor(card).compose(masked(front, soft_mask(3)), at=2.5)
    alpha = cv2.resize(soft_mask(3), size, interpolation=cv2.INTER_LINEAR)[..., None].astype(np.float64)
    assert np.abs(picture.image - np.rint(alpha * front + (1 - alpha) * card.image)).max() <= 1
    assert np.abs(picture.alpha8 - np.rint(alpha[..., 0] * 255)).max() <= 1
    assert (picture.index, picture.captured_at, picture.pts, picture.name) == (7, 1.5, Fraction(7, 30), "photo")
    assert not picture.is_slate
    assert picture.opacity is None
    assert card.asked == [(width, height, 2.5)]


def test_alpha_below_half_a_level_counts_as_zero() -> None:
    card = Card(noise(1, 40, 30))
    picture = Compositor(card).compose(masked(noise(2, 40, 30), np.full((8, 8), MIN_ALPHA, np.float32)), at=0)
    assert (picture.image == card.image).all()
    assert (picture.alpha8 == 0).all()


@pytest.mark.parametrize(
    "backdrop",
    [Card(noise(5, 60, 40)), Blur(), Transparent(), PassThrough()],
    ids=["card", "blur", "transparent", "none"],
)
def test_inputs_are_not_modified_and_outputs_share_no_memory_with_them(backdrop: Backdrop) -> None:
    front, mask = noise(1, 60, 40), soft_mask(1)
    front.flags.writeable = mask.flags.writeable = False
    if isinstance(backdrop, Card):
        backdrop.image.flags.writeable = False
    compositor = Compositor(backdrop)
    pictures = [compositor.compose(masked(front, mask), 0), compositor.slate(60, 40, 0, now=1)]
    for picture in pictures:
        assert picture.image.flags.writeable
        assert picture.image.flags.c_contiguous
        assert not np.shares_memory(picture.image, front)
        assert not (isinstance(backdrop, Card) and np.shares_memory(picture.image, backdrop.image))


def test_pass_through_is_the_cameras_picture() -> None:
    front = noise(1, 60, 40)
    picture = Compositor(PassThrough()).compose(masked(front, soft_mask(1)), 0)
    assert (picture.image == front).all()
    assert picture.alpha8.max() > 200


def test_mirror_flips_camera_and_mask_but_not_the_background() -> None:
    front, card, mask = noise(1, 60, 40), Card(noise(2, 60, 40)), soft_mask(4)
    mirrored = Compositor(card, mirror=True).compose(masked(front, mask), 0)
    by_hand = masked(np.ascontiguousarray(front[:, ::-1]), np.ascontiguousarray(mask[:, ::-1]))
    assert (mirrored.image == Compositor(card).compose(by_hand, 0).image).all()


def test_another_appearance_takes_effect_with_the_next_picture() -> None:
    cards = [Card(np.full((40, 60, 3), value, np.uint8)) for value in (10, 20)]
    compositor = Compositor(cards[0])
    nobody = masked(noise(1, 60, 40), np.zeros((8, 8), np.float32))
    everybody = masked(noise(1, 60, 40), np.ones((8, 8), np.float32))
    assert (compositor.compose(nobody, 0).image == 10).all()
    compositor.use(Appearance(cards[1], mirror=True))
    assert (compositor.compose(nobody, 0).image == 20).all()
    assert (compositor.compose(everybody, 0).image == noise(1, 60, 40)[:, ::-1]).all()
    compositor.use(replace(compositor.appearance, mirror=False))
    assert (compositor.compose(everybody, 0).image == noise(1, 60, 40)).all()


@pytest.mark.parametrize("slate", [False, True], ids=["picture", "slate"])
def test_nothing_of_the_former_appearance_is_in_use_once_another_one_is_used(slate: bool) -> None:
    """So its backdrop may be closed then."""
    entered, go_on, replaced = threading.Event(), threading.Event(), threading.Event()

    class Slow(Card):
        def picture(self, width: int, height: int, at: float) -> Image:
            entered.set()
            assert go_on.wait(10)
            assert not replaced.is_set(), "somebody may have closed this"
            return super().picture(width, height, at)

    compositor = Compositor(Slow(noise(2, 60, 40)))
    subject = masked(noise(1, 60, 40), soft_mask(1))

    def use() -> None:
        compositor.use(Appearance(Blur()))
        replaced.set()

    def make() -> None:
        if slate:
            compositor.slate(60, 40, 0.0, now=0.0)
        else:
            compositor.compose(subject, 0.0)

    threads = [threading.Thread(target=make), threading.Thread(target=use)]
    threads[0].start()
    assert entered.wait(10)
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert replaced.is_set()


def test_slates() -> None:
    card = Card(noise(2, 60, 40))
    frame = masked(noise(1, 60, 40), soft_mask(1)).frame
    compositor = Compositor(card)
    shown = compositor.slate(60, 40, 3.0, now=9.0)
    assert (shown.image == card.image).all()
    assert (shown.index, shown.captured_at, shown.pts, shown.name) == (-1, 9.0, None, None)
    assert card.asked == [(60, 40, 3.0)]
    for backdrop, colour in ((Blur(), SLATE_BGR), (PassThrough(), SLATE_BGR), (Transparent(), (0, 0, 0))):
        compositor.use(Appearance(backdrop))
        slate = compositor.slate(60, 40, 3.0, frame=frame, now=9.0)
        assert (slate.image == colour).all()
        assert slate.is_slate
        assert (slate.opacity is not None) is isinstance(backdrop, Transparent)
        assert (slate.alpha8 == 0).all()
        assert (slate.index, slate.captured_at, slate.pts, slate.name) == (7, 1.5, Fraction(7, 30), "photo")


# Blur.


def disc(width: int, height: int, edge: float = 3.0) -> Alpha:
    y, x = np.mgrid[0:height, 0:width]
    reach = np.hypot(x - width / 2, y - height / 2)
    return np.asarray(np.clip((0.3 * height - reach) / edge + 0.5, 0, 1), np.float32)


@pytest.mark.parametrize("sigma", [0.5, 3, 18, 60, 200])
@pytest.mark.parametrize("size", [(1280, 720), (641, 363), (16, 16), (200, 20)])
def test_a_plain_background_stays_plain_whatever_the_subject(size: tuple[int, int], sigma: float) -> None:
    alpha = disc(*size)
    wall = np.full((size[1], size[0], 3), (90, 140, 60), np.uint8)
    red = np.full_like(wall, (0, 0, 255))
    seen = blurred_background(blend(red, wall, alpha), alpha, sigma)
    assert seen.shape == wall.shape
    assert np.abs(seen.astype(int) - wall)[alpha < 1].max() <= 1


@pytest.mark.parametrize("sigma", [3, 18, 60])
def test_the_subjects_colour_does_not_reach_the_background(sigma: float) -> None:
    alpha, wall = disc(640, 360), cv2.resize(noise(1, 16, 9), (640, 360)).astype(np.uint8)
    seen = [
        blurred_background(blend(np.full_like(wall, colour), wall, alpha), alpha, sigma).astype(int)
        for colour in (0, 255)
    ]
    assert np.abs(seen[0] - seen[1])[alpha < 1].max() <= 2


def test_blur_has_the_same_strength_at_every_size() -> None:
    edge = np.zeros((720, 1280, 3), np.uint8)
    edge[:, 640:] = 255
    nobody = np.zeros((720, 1280), np.float32)
    large = blurred_background(edge, nobody, 18)
    # A blurred edge reaches 16 % and 84 % one sigma from its middle; resizing widens it a little.
    assert 0.14 < large[360, 640 - 18, 0] / 255 < 0.19
    assert 0.81 < large[360, 640 + 18, 0] / 255 < 0.86
    small = blurred_background(np.ascontiguousarray(edge[::2, ::2]), np.ascontiguousarray(nobody[::2, ::2]), 18)
    assert np.abs(small.astype(int) - large[::2, ::2]).mean() < 2


def test_blur_works_where_the_subject_covers_everything() -> None:
    image = np.full((90, 160, 3), (40, 80, 120), np.uint8)
    assert np.abs(blurred_background(image, np.ones((90, 160), np.float32), 18).astype(int) - (40, 80, 120)).max() <= 1


def test_sizes_may_change_from_frame_to_frame() -> None:
    for backdrop in (Blur(), Transparent(), PassThrough()):
        compositor = Compositor(backdrop)
        for width, height in ((64, 48), (16, 16), (33, 200), (64, 48)):
            assert compositor.compose(masked(noise(1, width, height), soft_mask(1)), 0).image.shape == (
                height,
                width,
                3,
            )


@pytest.mark.parametrize("sigma", [0.0, -1.0, float("nan"), float("inf"), 200.1])
def test_impossible_blurs_are_refused(sigma: float) -> None:
    with pytest.raises(UsageError, match="must be more than 0"):
        Blur(sigma)
