from __future__ import annotations

import numpy as np
import pytest

from rtsod.frames import Alpha
from rtsod.imaging.iou import THRESHOLD, iou, iou_of_all


def _columns(count: int) -> Alpha:
    """An 8 x 8 mask whose first columns are subject."""
    mask = np.zeros((8, 8), np.float32)
    mask[:, :count] = 1
    return mask


@pytest.mark.parametrize(("one", "other", "expected"), [(4, 4, 1.0), (4, 2, 0.5), (4, 0, 0.0), (0, 0, 1.0)])
def test_iou_is_the_shared_part_of_both_masks(one: int, other: int, expected: float) -> None:
    assert iou(_columns(one), _columns(other)) == expected
    assert iou(_columns(other), _columns(one)) == expected


def test_a_pixel_at_the_threshold_is_background() -> None:
    assert iou(np.full((8, 8), THRESHOLD, np.float32), _columns(8)) == 0.0


def test_pairs_are_weighed_by_their_pixels() -> None:
    pairs = [(_columns(8), _columns(8)), (_columns(2), _columns(0))]
    assert iou_of_all(pairs) == 64 / 80
    assert iou_of_all([]) == 1.0
