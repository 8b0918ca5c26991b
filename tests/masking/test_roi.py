"""The subject's box, and the correction of what is seen in it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rtsod.frames import Alpha
from rtsod.masking.roi import GRID_CELLS, MARGIN_RATIO, MAX_GAIN, Box, RoiMap, RoiTracker, around, extent

SIZE, PART = 80, 32
MAPS = arrays(np.float32, (SIZE, SIZE), elements=st.floats(0, 1, width=32))
PARTS = arrays(np.float32, (PART, PART), elements=st.floats(0, 1, width=32))
EDGES = st.tuples(st.integers(0, SIZE - 1), st.integers(1, SIZE)).map(lambda pair: (min(pair), max(pair)))
BOXES = st.tuples(EDGES, EDGES).filter(lambda pair: all(low < high for low, high in pair))


def last_of(region: RoiTracker) -> RoiMap:
    assert region.last is not None
    return region.last


def subject(left: int, top: int, right: int, bottom: int) -> Alpha:
    alpha = np.zeros((SIZE, SIZE), np.float32)
    alpha[top:bottom, left:right] = 1.0
    return alpha


def following(*alphas: Alpha) -> RoiTracker:
    region = RoiTracker(SIZE, PART)
    for alpha in alphas:
        region.update_box(alpha)
    return region


def boxed(region: RoiTracker) -> Box:
    assert region.box is not None
    return region.box


@given(whole=MAPS, first=PARTS, later=PARTS, sides=BOXES)
def test_only_what_this_frames_inference_finds_is_visible(
    whole: Alpha, first: Alpha, later: Alpha, sides: tuple[tuple[int, int], tuple[int, int]]
) -> None:
    (left, right), (top, bottom) = sides
    region = following(subject(left, top, right, bottom))
    region.paste(first)
    region.update_gain(last_of(region), whole)
    later = np.where(later < 0.5, np.float32(0), later)
    placed = region.paste(later)
    box = boxed(region)
    assert placed.dtype == np.float32
    assert 0 <= placed.min() <= placed.max() <= 1
    outside = placed.copy()
    outside[box.cells] = 0
    assert not outside.any()
    plain = following(subject(left, top, right, bottom)).paste(later)
    assert not placed[plain == 0].any()
    bound = MAX_GAIN * 1.001
    odds, plain_odds = placed * (1 - plain), plain * (1 - placed)
    assert (odds <= plain_odds * bound + 1e-6).all()
    assert (plain_odds <= odds * bound + 1e-6).all()


@given(sides=BOXES, size=st.integers(64, 400), least=st.integers(1, 64))
def test_a_box_has_room_around_the_subject_and_lies_in_the_map(
    sides: tuple[tuple[int, int], tuple[int, int]], size: int, least: int
) -> None:
    (left, right), (top, bottom) = (tuple(edge * size // SIZE for edge in pair) for pair in sides)
    inner, margin = Box(left, top, max(right, left + 1), max(bottom, top + 1)), MARGIN_RATIO * size
    box = around(inner, margin, size, min_side=least)
    assert Box(0, 0, size, size).contains(box)
    assert box.contains(inner)
    assert min(box.right - box.left, box.bottom - box.top) >= least
    assert box.left <= max(0, inner.left - margin + 1)
    assert box.bottom >= min(size, inner.bottom + margin - 1)
    for edge in (box.left, box.top, box.right, box.bottom):
        assert abs(edge / (size / GRID_CELLS) - round(edge / (size / GRID_CELLS))) * size / GRID_CELLS <= 0.51


def test_a_map_is_pasted_where_the_roi_was_cropped() -> None:
    image = np.zeros((240, 320, 3), np.uint8)
    image[120:180, 160:240] = 255
    region = following(subject(36, 36, 64, 64))
    cut = region.crop(image)
    box = boxed(region)
    assert cut.shape[:2] == ((box.bottom - box.top) * 3, (box.right - box.left) * 4)
    assert np.shares_memory(cut, image)
    shrunk = cut[:: cut.shape[0] // PART or 1, :: cut.shape[1] // PART or 1, 0][:PART, :PART].astype(np.float32) / 255
    assert shrunk.any()
    rows, columns = np.nonzero(region.paste(np.ones((PART, PART), np.float32)))
    assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == (box.top, box.bottom, box.left, box.right)


def test_the_gain_makes_the_rois_map_agree_with_the_whole_map() -> None:
    """A strip that only the whole frame makes half salient, as a book's edge on a table."""
    alpha = subject(10, 10, 60, 70)
    region = following(alpha)
    part = np.full((PART, PART), 0.9, np.float32)
    plain = region.paste(part)
    whole = np.where(plain > 0, np.float32(0.4), np.float32(0))
    region.update_gain(last_of(region), whole)
    assert np.abs(region.paste(part) - whole).max() < 0.01
    assert np.abs(plain - whole).max() > 0.4


def test_the_gain_moves_with_the_map_not_with_the_box() -> None:
    region = following(subject(20, 20, 50, 50))
    region.paste(np.full((PART, PART), 0.5, np.float32))
    whole = subject(0, 0, SIZE, 35) * 0.2 + 0.5
    region.update_gain(last_of(region), whole)
    before = region.paste(np.full((PART, PART), 0.5, np.float32))
    old = boxed(region)
    region.update_box(subject(28, 20, 60, 50))
    new = boxed(region)
    assert new != old
    after = region.paste(np.full((PART, PART), 0.5, np.float32))
    both = np.zeros((SIZE, SIZE), bool)
    both[max(old.top, new.top) : min(old.bottom, new.bottom), max(old.left, new.left) : min(old.right, new.right)] = (
        True
    )
    assert np.allclose(before[both], after[both])
    only_new = np.zeros_like(both)
    only_new[new.cells] = True
    only_new[old.cells] = False
    assert only_new.any()
    assert np.allclose(after[only_new], 0.5)


def test_the_box_stays_while_it_fits() -> None:
    region = following(subject(20, 20, 50, 50))
    first = boxed(region)
    region.update_box(subject(21, 20, 50, 51))
    assert boxed(region) == first
    region.update_box(subject(30, 20, 60, 50))
    assert boxed(region) != first
    region.update_box(subject(30, 20, 34, 24))
    assert boxed(region).area < first.area


def test_without_a_subject_the_box_is_everything() -> None:
    assert boxed(following(np.zeros((SIZE, SIZE), np.float32))) == Box(0, 0, SIZE, SIZE)
    assert extent(np.full((SIZE, SIZE), 0.2, np.float32)) is None


def test_a_small_subject_is_not_magnified() -> None:
    box = boxed(following(subject(40, 40, 43, 43)))
    assert min(box.right - box.left, box.bottom - box.top) >= PART


@pytest.mark.parametrize(
    ("now", "doubtful"),
    [
        ((20, 20, 50, 50), False),
        ((22, 20, 52, 50), False),
        ((20, 20, 56, 50), True),  # beyond the box on the right, cut off there
        ((20, 20, 30, 30), True),  # shrank
        ((0, 0, 0, 0), True),  # vanished
    ],
)
def test_a_map_may_contradict_its_box(now: tuple[int, int, int, int], doubtful: bool) -> None:
    region = following(subject(20, 20, 50, 50))
    seen = np.zeros_like(subject(*now))
    seen[boxed(region).cells] = subject(*now)[boxed(region).cells]
    assert region.is_doubtful(seen) is doubtful


def test_a_subject_at_the_frames_own_edge_is_not_doubtful() -> None:
    region = following(subject(20, 20, 50, SIZE))
    assert not region.is_doubtful(subject(20, 20, 50, SIZE))


def test_a_subject_that_appears_from_nothing_is_doubtful() -> None:
    region = following(np.zeros((SIZE, SIZE), np.float32))
    assert region.is_doubtful(subject(20, 20, 40, 40))
    assert not region.is_doubtful(np.zeros((SIZE, SIZE), np.float32))


def test_the_box_expands_to_what_a_look_at_the_whole_frame_found() -> None:
    region = RoiTracker(SIZE, PART)
    region.update_box(subject(10, 10, 40, 40))
    before = region.box
    assert before is not None
    region.include(subject(12, 12, 30, 30))
    assert region.box == before, "what it contains changes nothing"
    region.include(subject(60, 60, 70, 70))
    assert region.box is not None
    assert region.box.contains(before)
    assert region.box.contains(Box(60, 60, 70, 70))
    region.include(np.zeros((SIZE, SIZE), np.float32))
    assert region.box.contains(Box(60, 60, 70, 70)), "an empty look takes nothing away"
