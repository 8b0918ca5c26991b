"""The clean plate: what is surely the room goes from the labels, and nothing of whoever sits in it."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from rtsod.frames import Alpha
from rtsod.learning.evidence import evidence
from rtsod.learning.light import PlateRefused
from rtsod.learning.plate import Plate, matched, plate_from
from tests.support.empty_room import CHAIR, WALL, Room, shifted, teachers_label, to_label_side

NOBODY_LOST = 0.002
FURNITURE_LEFT = 0.13
"""What is left is the chair's rim along the sitter, where compression mixes both. The torso hides most of the chair, so
the rim is much of the rest."""
FLAT_AND_MOVED_LEFT = 0.4
"""Without any texture there are only the chair's edges to go by."""
PLACES = (-60, 45)


def plate_of(room: Room, **camera: Any) -> Plate:
    return plate_from([room.taken(room.picture, **camera) for _ in range(6)])


def left_and_lost(room: Room, plate: Plate, furniture: Alpha | None = None, **options: Any) -> tuple[float, float]:
    """Shares, over frames: of the furniture beside them, what the label still shows; of somebody, what is lost."""
    somebody = {name: options.pop(name) for name in ("shirt", "shading", "holds") if name in options}
    moved = options.get("moved", (0, 0))
    left = there = lost = subject = 0.0
    known = to_label_side(room.chair if furniture is None else furniture) > 0.5
    for x in PLACES:
        picture, alpha = room.with_somebody(x, **somebody)
        look = room.taken(picture, **options)
        alpha, chair = shifted(alpha, moved), shifted(room.chair, moved)
        label = teachers_label(alpha, chair)
        found = evidence(look, matched(plate, look, label), label)
        corrected = np.where(found.room(label, known), 0, label)
        truth = to_label_side(alpha)
        beside = to_label_side(chair) * (1 - truth)
        left, there = left + np.minimum(corrected, beside).sum(), there + beside.sum()
        lost, subject = lost + np.maximum(np.minimum(truth, label) - corrected, 0).sum(), subject + truth.sum()
    return left / there, lost / subject


@pytest.mark.parametrize(
    ("cloth", "camera"),
    [
        (0.0, {}), (0.0, {"moved": (3, -2)}), (3.0, {"gain": 1.15, "offset": -6}), (3.0, {"moved": (11.5, 6.2)}),
        (12.0, {"gain": 0.8, "offset": 5, "noise": 8}), (12.0, {"moved": (3, -2)}),
        (12.0, {"gain": 1.4}),
    ],
    ids=["flat", "flat, nudged", "faint, brighter", "faint, moved", "darker, noisy", "nudged", "overexposed"],
)  # fmt: skip
def test_a_chair_that_touches_somebody_goes_and_they_stay(cloth: float, camera: dict[str, Any]) -> None:
    room = Room(cloth=cloth)
    left, lost = left_and_lost(room, plate_of(room), **camera)
    assert lost <= NOBODY_LOST
    assert left <= (FLAT_AND_MOVED_LEFT if not cloth and "moved" in camera else FURNITURE_LEFT)


@pytest.mark.parametrize(
    ("room", "camera"),
    [
        (Room(cloth=50.0, grain=0.7), {"moved": (3, -2)}),
        (Room(cloth=50.0, grain=4.0, plain=True), {"gain": 1.3, "offset": -40, "noise": 7}),
    ],
    ids=["finer than pixels, nudged", "before a wall too plain to tell the exposure by"],
)
def test_a_patterned_chair_goes(room: Room, camera: dict[str, Any]) -> None:
    left, lost = left_and_lost(room, plate_of(room), **camera)
    assert lost <= NOBODY_LOST
    assert left <= FURNITURE_LEFT


@pytest.mark.parametrize("wall_texture", [0.0, 2.0], ids=["flat", "textured"])
@pytest.mark.parametrize("shading", [0.0, 12.0], ids=["unshaded", "shaded"])
def test_a_shirt_of_the_walls_colour_is_not_the_wall(wall_texture: float, shading: float) -> None:
    room = Room(wall_texture=wall_texture)
    _, lost = left_and_lost(room, plate_of(room), shirt=WALL, shading=shading)
    assert lost <= NOBODY_LOST


@pytest.mark.parametrize(
    ("cloth", "levels", "most"), [(12.0, 0, NOBODY_LOST), (3.0, 6, NOBODY_LOST), (3.0, 0, 0.03)],
    ids=["textured", "faint and a little brighter", "faint and the same"],
)  # fmt: skip
def test_a_jacket_of_the_chairs_colour_is_not_the_chair(cloth: float, levels: int, most: float) -> None:
    """Where even the eye finds no seam, a few pixels along it are lost, and no more."""
    room = Room(cloth=cloth)
    blue, green, red = CHAIR
    _, lost = left_and_lost(room, plate_of(room), shirt=(blue + levels, green + levels, red + levels))
    assert lost <= most


def test_what_is_held_stays() -> None:
    room = Room()
    plate = plate_of(room)
    picture, alpha = room.with_somebody()
    without, _ = room.with_somebody(holds=False)
    held = to_label_side(np.abs(picture.astype(np.float32) - without).max(axis=2)) > 60
    look, label = room.taken(picture), teachers_label(alpha, room.chair)
    found = evidence(look, matched(plate, look, label), label)
    gone = found.room(label, to_label_side(room.chair) > 0.5)
    assert held.sum() > 500
    assert not gone[held].any()


def test_a_soft_shadow_on_the_chair_is_still_the_chair() -> None:
    room = Room()
    plate = plate_of(room)
    picture, alpha = room.with_somebody()
    shade = 1 - 0.15 * np.clip(cv2.GaussianBlur(alpha, (0, 0), 40), 0, 1)[..., None]
    shaded = np.where(alpha[..., None] > 0.01, picture, picture * shade).astype(np.uint8)
    look, label = room.taken(shaded), teachers_label(alpha, room.chair)
    found = evidence(look, matched(plate, look, label), label)
    corrected = np.where(found.room(label, to_label_side(room.chair) > 0.5), 0, label)
    beside = to_label_side(room.chair) * (1 - to_label_side(alpha))
    assert np.minimum(corrected, beside).sum() <= 2 * FURNITURE_LEFT * beside.sum()


@pytest.mark.parametrize(
    "camera",
    [{"moved": (60, 0)}, {"gain": 0.3}, {"moved": (0, -45)}],
    ids=["moved far", "dark", "tilted"],
)
def test_another_view_is_refused(camera: dict[str, Any]) -> None:
    room = Room()
    with pytest.raises(PlateRefused):
        left_and_lost(room, plate_of(room), **camera)


def test_another_room_is_refused() -> None:
    with pytest.raises(PlateRefused):
        left_and_lost(Room(seed=1, wall_texture=25), plate_of(Room(seed=2, wall_texture=25)))


def test_a_room_that_does_not_keep_still_is_refused() -> None:
    rooms = [Room(seed=seed, wall_texture=30) for seed in range(5)]
    with pytest.raises(PlateRefused, match="keep still"):
        plate_from([room.taken(room.picture) for room in rooms])


def test_two_pictures_are_too_few() -> None:
    room = Room()
    with pytest.raises(PlateRefused, match="only 2"):
        plate_from([room.taken(room.picture)] * 2)
