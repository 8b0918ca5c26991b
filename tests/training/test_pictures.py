from __future__ import annotations

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest

from rtsod.data.pairs import Pair
from rtsod.data.picture_cache import PictureCache
from rtsod.errors import DataError
from rtsod.training.pictures import PairPictures


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    random = np.random.default_rng(0)
    image, mask = tmp_path / "a.png", tmp_path / "b.png"
    cv2.imwrite(str(image), random.integers(0, 256, (60, 90, 3), dtype=np.uint8))
    cv2.imwrite(str(mask), np.where(random.random((60, 90)) < 0.5, 0, 255).astype(np.uint8))
    return Pair("a", image, mask)


@pytest.mark.parametrize("cached", [False, True])
def test_pictures_are_read_whole_or_reduced(pair: Pair, tmp_path: Path, cached: bool) -> None:
    cache = PictureCache(tmp_path / "cache" if cached else None)
    image, label = (cv2.imread(str(path), flag) for path, flag in ((pair.image, 1), (pair.mask, 0)))
    for _ in range(2):
        read_image, read_label = PairPictures([pair], cache)[0]
        np.testing.assert_array_equal(read_image, image)
        np.testing.assert_array_equal(read_label, label)
        smaller = PairPictures([pair], cache, shorter=30)
        assert [picture.shape for picture in smaller[0]] == [(30, 45, 3), (30, 45)]
        means = np.asarray(image).reshape(30, 2, 45, 2, 3).mean((1, 3))
        assert np.abs(smaller[0][0] - means).max() <= 0.5
        assert pickle.loads(pickle.dumps(smaller))[0][1].shape == (30, 45), "worker processes get a copy"


def test_an_inverted_mask_is_another_entry_of_the_cache(pair: Pair, tmp_path: Path) -> None:
    cache = PictureCache(tmp_path / "cache")
    label = PairPictures([pair], cache)[0][1]
    inverted = PairPictures([Pair("a", pair.image, pair.mask, inverted=True)], cache)[0][1]
    np.testing.assert_array_equal(inverted, 255 - label)


def test_a_picture_that_is_gone_is_an_error_with_its_name(pair: Pair, tmp_path: Path) -> None:
    pictures = PairPictures([pair], PictureCache(tmp_path / "cache"))
    pair.image.unlink()
    with pytest.raises(DataError, match=r"a\.png"):
        pictures[0]
