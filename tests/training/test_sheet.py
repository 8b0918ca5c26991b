from __future__ import annotations

import numpy as np

from rtsod.model.description import PUBLISHED_DESCRIPTIONS
from rtsod.training.samples import normalised
from rtsod.training.sheet import contact_sheet, picture_of

LITE = PUBLISHED_DESCRIPTIONS["lite"]


def test_a_sheet_shows_pictures_and_their_subjects() -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    label = np.zeros((20, 20), np.uint8)
    label[:, 10:] = 255
    sample = normalised(image, label, LITE)
    np.testing.assert_array_equal(picture_of(sample, LITE), image)
    sheet = contact_sheet([sample] * 3, LITE, columns=2)
    assert sheet.shape == (2 * 26, 2 * 46, 3)
    np.testing.assert_array_equal(sheet[:20, :20], image)
    np.testing.assert_array_equal(sheet[:20, 30:40], image[:, 10:])
    assert len(np.unique(sheet[:20, 20:30].reshape(-1, 3), axis=0)) == 1, "no background shows"
    assert (sheet[26:46, 46:] == 255).all(), "an empty place"
