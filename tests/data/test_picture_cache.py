"""A cache that speeds things up, and is never needed."""

from __future__ import annotations

import errno
import logging
import os
import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from rtsod.data import picture_cache
from rtsod.data.picture_cache import PictureCache
from rtsod.data.reading import read_image
from rtsod.errors import DataError
from rtsod.frames import Image
from tests.support.dataset_fixtures import picture, save


class Maker:
    """Counts how often it is called."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, path: Path) -> Image:
        self.calls += 1
        return read_image(path)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return save(tmp_path / "a.png", picture())


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.u8"))


def test_a_picture_is_made_once(tmp_path: Path, source: Path) -> None:
    make = Maker()
    for _ in range(2):  # two runs
        cache = PictureCache(tmp_path / "cache")
        for _ in range(2):
            np.testing.assert_array_equal(cache.get(source, "whole", make), read_image(source))
    assert make.calls == 1
    assert pickle.loads(pickle.dumps(cache)).get(source, "whole", make) is not None
    assert make.calls == 1


def test_the_content_and_the_variant_count_and_the_name_does_not(tmp_path: Path, source: Path) -> None:
    make = Maker()
    cache = PictureCache(tmp_path / "cache")
    cache.get(source, "whole", make)
    copy = tmp_path / "b.png"
    copy.write_bytes(source.read_bytes())
    cache.get(copy, "whole", make)
    assert make.calls == 1
    cache.get(source, "half", make)
    assert make.calls == 2
    save(source, picture(5))
    os.utime(source, ns=(1, 1))
    np.testing.assert_array_equal(cache.get(source, "whole", make)[:, :, ::-1], picture(5))
    assert make.calls == 3


@given(
    arrays.arrays(
        np.uint8,
        st.one_of(
            arrays.array_shapes(min_dims=2, max_dims=2), st.tuples(st.integers(1, 5), st.integers(1, 5), st.just(3))
        ),
    )
)
def test_every_picture_comes_back(pixels: Image) -> None:
    np.testing.assert_array_equal(picture_cache._picture(np.frombuffer(picture_cache._bytes(pixels), np.uint8)), pixels)


def test_only_pictures_are_stored() -> None:
    with pytest.raises(ValueError, match="float32 of 2 dimensions is no picture"):
        picture_cache._bytes(np.zeros((2, 2), np.float32))


@pytest.mark.parametrize("damage", ["cut", "empty", "bit", "folder"])
def test_damage_is_noticed_and_repaired(
    tmp_path: Path, source: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    make = Maker()
    PictureCache(tmp_path / "cache").get(source, "whole", make)
    (entry,) = _entries(tmp_path / "cache")
    content = bytearray(entry.read_bytes())
    content[-7] ^= 4
    entry.write_bytes({"cut": bytes(content[:-1]), "bit": bytes(content)}.get(damage, b""))
    if damage == "folder":
        entry.unlink()
        entry.mkdir()
    cache = PictureCache(tmp_path / "cache")
    with caplog.at_level(logging.WARNING, "rtsod.cache"):
        for _ in range(3):
            np.testing.assert_array_equal(cache.get(source, "whole", make), read_image(source))
    assert make.calls == (4 if damage == "folder" else 2)
    assert caplog.text.count("a stored picture is made again") == 1


def test_a_full_disk_does_not_stop_training(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(picture_cache, "replace_file", full)
    cache = PictureCache(tmp_path / "cache")
    with caplog.at_level(logging.WARNING, "rtsod.cache"):
        for variant in "abc":
            np.testing.assert_array_equal(cache.get(source, variant, read_image), read_image(source))
    assert caplog.text.count("no longer stored") == 1
    assert "No space left on device" in caplog.text


def test_a_folder_that_cannot_be_made(tmp_path: Path, source: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING, "rtsod.cache"):
        cache = PictureCache(tmp_path / "file")
        assert cache.get(source, "whole", read_image).shape == read_image(source).shape
    assert caplog.text.count("no longer stored") == 1


def test_without_a_folder_nothing_is_stored(source: Path) -> None:
    make = Maker()
    cache = PictureCache(None)
    for _ in range(2):
        cache.get(source, "whole", make)
    assert make.calls == 2


def test_the_limit_holds(tmp_path: Path, source: Path, caplog: pytest.LogCaptureFixture) -> None:
    size = read_image(source).size + 100
    cache = PictureCache(tmp_path / "cache", limit=3 * size)
    with caplog.at_level(logging.WARNING, "rtsod.cache"):
        for variant in "abcdef":
            cache.get(source, variant, read_image)
    assert len(_entries(tmp_path / "cache")) == 3
    assert caplog.text.count("no longer stored") == 1
    PictureCache(tmp_path / "cache", limit=2 * size)
    assert len(_entries(tmp_path / "cache")) == 1, "a fifth of the room is made free"


def test_the_oldest_go_first(tmp_path: Path, source: Path) -> None:
    cache = PictureCache(tmp_path / "cache")
    for age, variant in enumerate("abcd"):
        before = set(_entries(tmp_path / "cache"))
        cache.get(source, variant, read_image)
        (new,) = set(_entries(tmp_path / "cache")) - before
        os.utime(new, ns=(age, age))
    PictureCache(tmp_path / "cache", limit=2 * (read_image(source).size + 100) + 200)
    make = Maker()
    fresh = PictureCache(tmp_path / "cache")
    fresh.get(source, "d", make)
    assert make.calls == 0
    fresh.get(source, "a", make)
    assert make.calls == 1


def test_room_is_left_for_others(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = shutil.disk_usage(tmp_path)._replace(free=1 << 29)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    PictureCache(tmp_path / "cache").get(source, "whole", read_image)
    assert _entries(tmp_path / "cache") == []


def test_two_runs_at_once(tmp_path: Path, source: Path) -> None:
    caches = [PictureCache(tmp_path / "cache") for _ in range(4)]
    expected = read_image(source)
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(cache.get, source, f"{number % 5}", read_image) for number in range(40) for cache in caches]
        for job in jobs:
            np.testing.assert_array_equal(job.result(), expected)
    assert len(_entries(tmp_path / "cache")) == 5
    assert list((tmp_path / "cache").rglob("*.part")) == []


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*gone\.png"):
        PictureCache(tmp_path / "cache").get(tmp_path / "gone.png", "whole", read_image)
