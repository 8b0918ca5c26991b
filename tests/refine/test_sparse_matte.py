"""The sparse matte: laid over a background as the dense one is, exact at both ends, whatever the sizes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtsod.frames import Image
from rtsod.refine.matte import DenseMatte
from rtsod.refine.sparse_matte import BACKGROUND, MIXED, SUBJECT, SparseAlpha, SparseMatte

SIDES = st.integers(1, 9)


def sparse(seed: int, width: int, height: int, side: int, kinds: list[int]) -> SparseMatte:
    """A matte with random cells of the given kinds, and with every value of alpha that matters."""
    random = np.random.default_rng(seed)
    grid = -(-height // side), -(-width // side)
    cells = random.choice(np.array(kinds, np.uint8), grid)
    count = int((cells == MIXED).sum()) * side * side
    alpha = random.choice(np.array([0, 1e-3, 0.002, 0.3, 0.999, 1, 2], np.float32), count)
    alpha[alpha == 2] = random.random(int((alpha == 2).sum()), np.float32)
    image = random.integers(0, 256, (height, width, 3), np.uint8)
    image.flags.writeable = False
    colours = random.integers(0, 256, (count, 3), np.uint8)
    return SparseMatte(image, SparseAlpha(width, height, side, cells, alpha), colours)


def by_hand(matte: SparseMatte) -> DenseMatte:
    """The same matte, pixel by pixel in raster order."""
    opacity, image = matte.opacity, matte.image.copy()
    kinds = np.repeat(np.repeat(opacity.cells, opacity.side, axis=0), opacity.side, axis=1)
    alpha = (kinds == SUBJECT).astype(np.float32)
    alpha[kinds == MIXED] = opacity.mixed
    colours = np.zeros((*kinds.shape, 3), np.uint8)
    colours[kinds == MIXED] = matte.colours
    inside = np.s_[: opacity.height, : opacity.width]
    mixed = kinds[inside] == MIXED
    image[mixed] = colours[inside][mixed]
    return DenseMatte(np.ascontiguousarray(alpha[inside]), image)


@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.tuples(st.integers(1, 90), st.integers(1, 60)),
    side=SIDES,
    kinds=st.sets(st.sampled_from([int(BACKGROUND), int(SUBJECT), int(MIXED)]), min_size=1),
)
def test_it_is_the_dense_matte(seed: int, size: tuple[int, int], side: int, kinds: set[int]) -> None:
    matte = sparse(seed, *size, side, sorted(kinds))
    wanted = by_hand(matte)
    for limit in (None, 0.002):
        if limit is not None:
            matte, wanted = sparse(seed, *size, side, sorted(kinds)), by_hand(matte)
            matte.suppress(limit)
            wanted.suppress(limit)
        assert (matte.alpha == wanted.alpha).all()
        assert (matte.levels() == wanted.levels()).all()
        assert (matte.foreground == wanted.foreground).all()
        background = np.random.default_rng(seed + 1).integers(0, 256, matte.image.shape, np.uint8)
        background.flags.writeable = False
        shown, alpha = matte.over(background), wanted.alpha[..., None].astype(np.float64)
        exact = alpha * wanted.foreground + (1 - alpha) * background
        assert np.abs(shown - exact).max() <= 0.501
        assert (shown[wanted.alpha == 0] == background[wanted.alpha == 0]).all()
        assert (shown[wanted.alpha == 1] == wanted.foreground[wanted.alpha == 1]).all()
        assert shown.flags.c_contiguous
        assert shown.flags.writeable
        for array in (matte.image, background):
            assert not np.shares_memory(shown, array)


def test_between_the_ends_every_level_and_share_is_rounded_rightly() -> None:
    levels = np.arange(256, dtype=np.uint8)
    front, back = (np.repeat(plane[..., None], 3, axis=2) for plane in np.meshgrid(levels, levels))
    for share in (0.0, 0.0021, 0.25, 1 / 3, 0.5, 0.998, 1.0):
        alpha = SparseAlpha(256, 256, 8, np.full((32, 32), MIXED), np.full(256 * 256, share, np.float32))
        shown = SparseMatte(front, alpha, np.ascontiguousarray(front).reshape(-1, 3)).over(back)
        exact = share * front.astype(np.float64) + (1 - share) * back
        assert np.abs(shown - exact).max() <= 0.501
        if share in (0.0, 1.0):
            assert (shown == exact).all()


@pytest.mark.parametrize(("kind", "value"), [(BACKGROUND, 0), (SUBJECT, 255)])
def test_without_a_mixed_cell_nothing_is_stored(kind: np.uint8, value: int) -> None:
    image: Image = np.full((5, 7, 3), 9, np.uint8)
    matte = SparseMatte(
        image,
        SparseAlpha(7, 5, 4, np.full((2, 2), kind), np.empty(0, np.float32)),
        np.empty((0, 3), np.uint8),
    )
    matte.suppress(0.002)
    assert (matte.levels() == value).all()
    assert (matte.over(np.zeros_like(image)) == (9 if value else 0)).all()


def test_a_background_that_is_not_contiguous_is_no_obstacle() -> None:
    matte = sparse(3, 20, 10, 4, [0, 1, 2])
    wide = np.random.default_rng(0).integers(0, 256, (10, 40, 3), np.uint8)
    assert (matte.over(wide[:, ::2]) == matte.over(np.ascontiguousarray(wide[:, ::2]))).all()


def test_what_makes_the_levels_holds_no_pixel_of_the_frame() -> None:
    matte = sparse(3, 20, 10, 4, [0, 1, 2])
    assert matte.levels == matte.opacity.levels
    held = [getattr(matte.opacity, name) for name in ("cells", "mixed")]
    assert not any(np.shares_memory(array, matte.image) for array in held)
