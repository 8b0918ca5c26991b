"""What makes a look worth while before its time has come."""

from __future__ import annotations

import numpy as np
import pytest

from rtsod.frames import Alpha, Image
from rtsod.masking.look_cues import LookCues

SIZE = 80


def scene(left: int = 120, *, light: int = 0, seed: int = 0) -> tuple[Image, Alpha]:
    """A subject in a room, with a camera's noise, and its mask."""
    image = np.full((240, 320, 3), 90, np.uint8)
    image[:, 200:] = 140
    image[60:, left : left + 90] = 30
    noise = np.random.default_rng(seed).integers(-12, 13, image.shape)
    alpha = np.zeros((SIZE, SIZE), np.float32)
    alpha[20:, left // 4 : (left + 90) // 4] = 1
    return np.clip(image + noise + light, 0, 255).astype(np.uint8), alpha


@pytest.fixture
def cues() -> LookCues:
    cues = LookCues()
    cues.remember(*scene())
    return cues


def test_before_the_first_look_everything_is_new() -> None:
    assert LookCues().has_changed(*scene())


@pytest.mark.parametrize("left", [112, 120, 140, 180])
def test_noise_and_a_subject_that_moves_are_nothing_new(cues: LookCues, left: int) -> None:
    assert not cues.has_changed(*scene(left, seed=left))


def test_exposure_wavers_but_a_lamp_is_noticed(cues: LookCues) -> None:
    assert not cues.has_changed(*scene(light=8))
    assert cues.has_changed(*scene(light=-40))


def test_something_else_in_the_room_is_noticed(cues: LookCues) -> None:
    image, alpha = scene()
    image[40:90, 20:60] = 220
    assert cues.has_changed(image, alpha)


def test_a_mask_that_loses_or_wins_half_is_noticed(cues: LookCues) -> None:
    image, alpha = scene()
    alpha[50:] = 0
    assert cues.has_changed(image, alpha)


def test_a_new_look_makes_it_all_known(cues: LookCues) -> None:
    cues.remember(*scene(light=-40))
    assert not cues.has_changed(*scene(light=-40, seed=3))
