"""What counts as a change of the scene, and what as a static picture."""

from __future__ import annotations

import numpy as np
import pytest

from rtsod.frames import Image
from rtsod.masking.roi import GRID_CELLS, Box
from rtsod.masking.scene_change import (
    CELL_CHANGE_LEVELS,
    MIN_CHANGED_CELLS,
    STATIC_LEVELS,
    SceneChangeDetector,
    is_static,
    thumbnail,
)

CELL = 8
"""Pixels."""
SIDE = GRID_CELLS * CELL
MAP = 80
"""Side of the map that boxes refer to: two of its cells make one of the grid's."""
SUBJECT = Box(20, 20, 60, 80)
ROOM: Image = np.full((SIDE, SIDE, 3), 90, np.uint8)


def changed(cells: int, *, row: int = 0, levels: int = round(CELL_CHANGE_LEVELS)) -> Image:
    """The room with some cells of a row brightened."""
    image = ROOM.copy()
    image[row * CELL : (row + 1) * CELL, : cells * CELL] += np.uint8(levels)
    return image


def detects(image: Image, box: Box = SUBJECT) -> bool:
    detector = SceneChangeDetector()
    detector.remember(ROOM)
    return detector.has_changed(image, box, MAP)


def test_a_thumbnail_holds_the_mean_grey_of_each_cell() -> None:
    image = np.zeros((SIDE, 2 * SIDE, 3), np.uint8)
    image[:, SIDE:] = 200
    small = thumbnail(image)
    assert small.shape == (GRID_CELLS, GRID_CELLS)
    assert small.dtype == np.int16, "differences may be negative"
    assert set(np.unique(small)) == {0, 200}


@pytest.mark.parametrize(("cells", "found"), [(0, False), (MIN_CHANGED_CELLS - 1, False), (MIN_CHANGED_CELLS, True)])
def test_enough_changed_cells_are_a_change(cells: int, found: bool) -> None:
    assert detects(changed(cells)) is found


def test_a_slight_change_is_none() -> None:
    assert not detects(changed(10, levels=round(CELL_CHANGE_LEVELS) - 1))


def test_a_darker_cell_counts_like_a_brighter_one() -> None:
    image = ROOM.copy()
    image[:CELL, : MIN_CHANGED_CELLS * CELL] -= np.uint8(CELL_CHANGE_LEVELS)
    assert detects(image)


def test_changes_inside_the_box_do_not_count() -> None:
    image = ROOM.copy()
    image[10 * CELL : 40 * CELL, 10 * CELL : 30 * CELL] = 255
    assert not detects(image)
    assert detects(image, Box(20, 20, 58, 80)), "a box that is one column of the grid narrower"


def test_light_that_changes_everywhere_does_not_count() -> None:
    assert not detects(ROOM + np.uint8(40))
    assert detects(changed(MIN_CHANGED_CELLS) + np.uint8(40)), "but what changes beyond it does"


@pytest.mark.parametrize("levels", range(STATIC_LEVELS + 2))
def test_a_picture_is_static_while_every_cell_differs_by_less_than_the_limit(levels: int) -> None:
    assert is_static(thumbnail(ROOM), thumbnail(changed(1, levels=levels))) is (levels < STATIC_LEVELS)
    assert is_static(thumbnail(changed(1, levels=levels)), thumbnail(ROOM)) is (levels < STATIC_LEVELS)
