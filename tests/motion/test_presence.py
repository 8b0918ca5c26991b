"""Presence: an empty room stays background, and a subject passes unchanged."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from rtsod.frames import Alpha
from rtsod.motion.background_model import BackgroundMatch
from rtsod.motion.flow import HEIGHT, WIDTH
from rtsod.motion.presence import PresenceGate
from tests.motion.drawings import SIZE, disc

NOWHERE: Final[NDArray[np.bool_]] = np.zeros((HEIGHT, WIDTH), np.bool_)
EVERYWHERE: Final[NDArray[np.bool_]] = np.ones((HEIGHT, WIDTH), np.bool_)
UNKNOWN: Final = BackgroundMatch(NOWHERE, NOWHERE)


def furniture(level: float = 0.5) -> Alpha:
    """Half sure everywhere, sure in specks."""
    alpha = np.zeros((SIZE, SIZE), np.float32)
    alpha[20:140, 100:150] = level
    alpha[30:130:8, 104:146:8] = 0.95
    return np.asarray(cv2.GaussianBlur(alpha, (0, 0), 1.0), np.float32)


def half_sure(x: float, radius: float) -> Alpha:
    """A core with a broad doubtful rim."""
    return np.asarray(np.maximum(disc(x), disc(x, radius=radius) * np.float32(0.5)), np.float32)


def test_an_empty_room_stays_background_and_a_subject_passes_as_it_is() -> None:
    gate = PresenceGate()
    assert gate.apply(furniture(), UNKNOWN).max() == 0
    assert gate.apply(np.zeros((SIZE, SIZE), np.float32), UNKNOWN).max() == 0
    assert np.abs(gate.apply(disc(50), UNKNOWN) - disc(50)).max() < 1e-6
    assert gate.apply(furniture(), UNKNOWN).max() == 0, "gone with the first mask without it"


def test_half_transparent_furniture_is_not_shown_beside_a_subject() -> None:
    shown = PresenceGate().apply(np.maximum(disc(40), furniture()), UNKNOWN)
    assert shown[:, 100:].max() == 0
    assert np.abs(shown - disc(40))[:, :85].max() < 1e-6


def test_doubt_about_a_part_of_the_subject_is_kept() -> None:
    mug = disc(78, radius=8) * np.float32(0.4)
    person = disc(45)
    assert PresenceGate().apply(np.maximum(person, mug), UNKNOWN)[80, 78] == pytest.approx(0.4)


def test_a_subject_that_was_shown_is_judged_more_mildly() -> None:
    assert PresenceGate().apply(half_sure(60, 36), UNKNOWN).max() == 0
    gate = PresenceGate()
    gate.apply(disc(60), UNKNOWN)
    assert gate.apply(half_sure(60, 36), UNKNOWN).max() > 0.9


def test_a_subject_that_was_shown_is_forgiven_one_mask_and_no_more() -> None:
    gate = PresenceGate()
    gate.apply(disc(60), UNKNOWN)
    assert gate.apply(half_sure(60, 60), UNKNOWN).max() > 0.9
    assert gate.apply(half_sure(60, 60), UNKNOWN).max() == 0


@pytest.mark.parametrize("size", [1, 5, 64, 321])
def test_maps_of_any_size_are_judged(size: int) -> None:
    assert PresenceGate().apply(np.ones((size, size), np.float32), UNKNOWN).shape == (size, size)


def test_what_looks_like_the_room_is_rejected_and_what_covers_it_is_judged_mildly() -> None:
    assert PresenceGate().apply(disc(100), BackgroundMatch(EVERYWHERE, NOWHERE)).max() == 0
    assert PresenceGate().apply(half_sure(60, 40), UNKNOWN).max() == 0
    assert PresenceGate().apply(half_sure(60, 40), BackgroundMatch(NOWHERE, EVERYWHERE)).max() > 0.9
