"""Pairs by number, as training reads them: the same with a cache and without."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from rtsod.data.dataset import open_dataset
from rtsod.data.examination import examine
from rtsod.data.picture_cache import PictureCache
from rtsod.data.pictures import CachedPictures, reduced
from tests.support.dataset_fixtures import disc, make_pairs, picture, save


@pytest.mark.parametrize("shorter", [None, 8, 100])
@pytest.mark.parametrize("change", ["", "ones", "inverted"])
def test_a_cache_changes_nothing(tmp_path: Path, shorter: int | None, change: str) -> None:
    make_pairs(tmp_path / "a", 2)
    for path in (tmp_path / "a" / "gt").iterdir():
        mask = disc(int(path.stem) - 1)
        save(path, {"ones": mask // 255, "inverted": 255 - mask}.get(change, mask))
    spec = f"{tmp_path / 'a'}{'@inverted' if change == 'inverted' else ''}"
    pairs = examine(open_dataset(spec), cache=tmp_path / "cache").dataset.pairs
    plain = CachedPictures(pairs, PictureCache(None), shorter)
    cached = CachedPictures(pairs, PictureCache(tmp_path / "cache"), shorter)
    assert len(plain) == len(cached) == 2
    for index in (0, 1):
        image, label = plain[index]
        np.testing.assert_array_equal(label, reduced(disc(index), shorter))
        assert image.shape[:2] == label.shape == ((8, 12) if shorter == 8 else (16, 24))
        for reader in (cached, cached, pickle.loads(pickle.dumps(cached))):
            again_image, again_label = reader[index]
            np.testing.assert_array_equal(again_image, image)
            np.testing.assert_array_equal(again_label, label)
            again_image[:] = 0  # the caller's own


def test_reducing_averages_areas() -> None:
    checks = np.indices((8, 12)).sum(axis=0) % 2 * 255
    np.testing.assert_array_equal(reduced(checks.astype(np.uint8), 4), np.full((4, 6), 128))
    assert reduced(picture(0, 3, 50), 2).shape == (33, 2, 3)
    assert reduced(picture(0, 1, 50), 2).shape == (50, 1, 3)
