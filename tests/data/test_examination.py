"""Whatever is wrong with a data set is one line and exit code 3, before anything is trained or measured."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from rtsod.data import examination
from rtsod.data.dataset import open_dataset
from rtsod.data.examination import AREA_EDGES, Examined, examine
from rtsod.data.reading import read_pair
from rtsod.errors import DataError, ExitCode
from rtsod.frames import Image as Image8
from tests.support.dataset_fixtures import HEIGHT, WIDTH, disc, make_pairs, picture, save


def _examined(root: Path, spec: str | None = None, **options: object) -> Examined:
    cache = root.parent / "cache"
    return examine(open_dataset(spec or str(root)), cache=cache, **options)  # type: ignore[arg-type]


def _remask(root: Path, change: Callable[[Image8], Image8], count: int = 3) -> Path:
    """Replace the first masks by something made of them."""
    for path in sorted((root / "gt").iterdir())[:count]:
        save(path, change(np.asarray(Image.open(path))))
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three good pairs."""
    return make_pairs(tmp_path / "mine")


def test_a_good_data_set(root: Path) -> None:
    examined = _examined(root)
    assert examined.notes == ()
    assert examined.empty == 0
    assert [(image.width, image.height) for image in examined.images] == [(WIDTH, HEIGHT)] * 3
    expected = [np.count_nonzero(disc(seed)) / (WIDTH * HEIGHT) for seed in range(3)]
    np.testing.assert_allclose(examined.areas, expected)
    histogram = examined.area_histogram()
    assert histogram["edges"] == list(AREA_EDGES)
    assert histogram["counts"] == np.histogram(expected, AREA_EDGES)[0].tolist()
    json.dumps(histogram)


def test_masks_of_ones_are_scaled_and_it_is_said(root: Path) -> None:
    examined = _examined(_remask(root, lambda mask: mask // 255))
    assert examined.notes == ("mine: the masks hold 0 and 1: 1 is taken for white",)
    _, label = read_pair(examined.dataset.pairs[1])
    np.testing.assert_array_equal(label, disc(1))
    np.testing.assert_allclose(examined.areas[1], np.count_nonzero(disc(1)) / (WIDTH * HEIGHT))


def test_inverted_masks_are_refused_and_can_be_turned(root: Path) -> None:
    _remask(root, lambda mask: 255 - mask)
    with pytest.raises(DataError, match=r"mine: the masks are white on 8\d% .* Add @inverted to the data set's name"):
        _examined(root)
    examined = _examined(root, f"{root}@inverted")
    _, label = read_pair(examined.dataset.pairs[0])
    np.testing.assert_array_equal(label, disc(0))
    np.testing.assert_allclose(examined.areas[0], np.count_nonzero(disc(0)) / (WIDTH * HEIGHT))
    _, label = read_pair(_examined(root, f"{root}@not-inverted").dataset.pairs[0])
    np.testing.assert_array_equal(label, 255 - disc(0))


def test_large_subjects_are_not_taken_for_inverted_masks(root: Path) -> None:
    """A person from the middle down: more than half of the picture, and half of its border."""

    def person(mask: Image8) -> Image8:
        tall = np.zeros_like(mask)
        tall[HEIGHT // 4 :, 1:-1] = 255
        return tall

    assert _examined(_remask(root, person)).areas.min() > 0.6


def test_soft_masks_stay_soft(root: Path) -> None:
    def soften(mask: Image8) -> Image8:
        ramp = np.linspace(0, 255, mask.size).reshape(mask.shape)
        return np.asarray(np.minimum(mask, ramp), np.uint8)

    examined = _examined(_remask(root, soften, 1))
    assert examined.notes == ("mine: 1 soft mask, of 3: kept soft; what is above 128 counts as foreground",)
    _, label = read_pair(examined.dataset.pairs[0])
    np.testing.assert_array_equal(label, soften(disc(0)))


def test_antialiased_edges_are_not_soft(root: Path) -> None:
    """There are levels between, but only along the edge."""

    def antialiased(mask: Image8) -> Image8:
        smooth = np.asarray(cv2.blur(mask, (2, 2)), np.uint8)
        assert np.count_nonzero((smooth > 13) & (smooth < 242)) > mask.size / 100
        return smooth

    assert _examined(_remask(root, antialiased)).notes == ()


def test_empty_and_tiny_masks_are_kept_and_counted(root: Path) -> None:
    def dot(mask: Image8) -> Image8:
        single = np.zeros_like(mask)
        single[3, 4] = 255
        return single

    save(root / "gt" / "0001.png", np.zeros_like(disc()))
    save(root / "gt" / "0002.png", dot(disc()))
    examined = _examined(root)
    assert (examined.empty, len(examined.dataset.pairs)) == (1, 3)
    assert examined.notes == (
        "mine: 1 mask without foreground, of 3: kept: nothing is there",
        "mine: 1 mask of a single pixel: kept",
    )


@pytest.mark.parametrize(
    ("change", "count", "message"),
    [
        (lambda mask: mask * 0, 3, "all masks are empty"),
        (lambda mask: mask // 255, 1, r"1 mask of 0 and 1 \(0001\.png\) among others that reach 255: multiply"),
        (lambda mask: np.arange(mask.size).reshape(mask.shape).astype(np.uint8) % 21, 3, "brighter than 20 of 255"),
        (lambda mask: mask[:-1], 2, r"2 masks of another size .*\(0001\.jpg 24x16, 0001\.png 24x15, 0002.* make masks"),
        (lambda mask: picture(), 1, r"gt/0001\.png: is a colour picture, not a mask"),
    ],
)
def test_masks_that_cannot_be_used(root: Path, change: Callable[..., object], count: int, message: str) -> None:
    _remask(root, change, count)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=message) as caught:
        _examined(root)
    assert caught.value.exit_code == ExitCode.SOURCE
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("breaks", "message"),
    [
        (lambda data: b"", r"im/0002\.jpg: the file is empty"),
        (lambda data: data[: len(data) // 2], r"cannot read .*im/0002\.jpg"),
        (lambda data: b"GIF89a" + data, r"cannot read .*im/0002\.jpg"),
        (lambda data: b"nonsense", r"it is no photograph, or it is damaged"),
    ],
)
def test_damaged_pictures(root: Path, breaks: Callable[[bytes], bytes], message: str) -> None:
    path = save(root / "im" / "0002.jpg", np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8))
    path.write_bytes(breaks(path.read_bytes()))
    with pytest.raises(DataError, match=message):
        _examined(root)


def test_damage_inside_a_picture_whose_header_is_whole(root: Path) -> None:
    large = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    path = save(root / "im" / "0002.jpg", large)
    save(root / "gt" / "0002.png", disc(1, 200, 200))
    path.write_bytes(path.read_bytes()[:-4000])
    with pytest.raises(DataError, match=r"cannot read .*im/0002\.jpg: it is damaged"):
        _examined(root)


def test_a_turned_picture_whose_mask_is_not_turned(root: Path) -> None:
    exif = Image.Exif()
    exif[0x112] = 6
    save(root / "im" / "0001.jpg", picture(), exif=exif)
    with pytest.raises(DataError, match=r"0001\.jpg 16x24, 0001\.png 24x16\): EXIF turns one of the two"):
        _examined(root)
    exif[0x112] = 1  # as the message says
    save(root / "im" / "0001.jpg", picture(), exif=exif)
    assert _examined(root).notes == ()
    exif[0x112] = 6
    save(root / "im" / "0001.jpg", picture(), exif=exif)
    save(root / "gt" / "0001.png", disc(), exif=exif)
    assert _examined(root).notes == ()
    exif[0x112] = 3
    save(root / "im" / "0001.jpg", picture(), exif=exif)
    save(root / "gt" / "0001.png", disc())
    (note,) = _examined(root).notes
    assert "EXIF turns 1 picture but not the mask (0001.jpg)" in note
    assert _examined(root).notes == (note,), "also when all is known already"


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda root: (root / "gt" / "0002.png").unlink(), r"2 pairs, but 1 picture has no mask \(0002\.jpg\): add or"),
        (lambda root: (root / "im" / "0002.jpg").unlink(), r"2 pairs, but 1 mask has no picture \(0002\.png\)"),
        (
            lambda root: (root / "im" / "0002.jpg").rename(root / "im" / "0002b.jpg"),
            r"1 picture has no mask \(0002b\.jpg\), 1 mask has no picture \(0002\.png\); nearest: 0002b\.jpg and 00",
        ),
        (lambda root: save(root / "im" / "0002.png", picture()), r"1 name is taken twice \(0002\.png\)"),
        (
            lambda root: [path.rename(path.with_stem(f"x{path.stem}")) for path in (root / "gt").iterdir()],
            r"3 pictures, 3 masks, but no pairs; nearest: 0001\.jpg and x0001\.png: .* one of avif bmp gif",
        ),
    ],
)
def test_files_without_counterparts(root: Path, prepare: Callable[[Path], object], message: str) -> None:
    prepare(root)
    with pytest.raises(DataError, match=message) as caught:
        open_dataset(root)
    assert "\n" not in str(caught.value)


def test_pictures_that_occur_twice_are_said(root: Path) -> None:
    save(root / "gt" / "0004.png", disc(7))
    (root / "im" / "0004.jpg").write_bytes((root / "im" / "0001.jpg").read_bytes())
    assert _examined(root).notes == ("mine: 1 picture occurs more than once: a validation share keeps equals together",)


def test_one_pair_is_a_data_set(tmp_path: Path) -> None:
    assert len(_examined(make_pairs(tmp_path / "one", 1)).images) == 1


def test_the_second_start_reads_nothing_but_what_changed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = _examined(root)
    read: list[str] = []
    lock = threading.Lock()

    def noting(name: str) -> None:
        original = getattr(examination, name)

        def wrapper(path: Path, *rest: object) -> object:
            with lock:
                read.append(path.name)
            return original(path, *rest)

        monkeypatch.setattr(examination, name, wrapper)

    for name in ("read_header", "image_facts", "mask_facts"):
        noting(name)
    assert _examined(root) == first
    assert read == []
    save(root / "im" / "0002.jpg", picture(9))
    os.utime(root / "im" / "0002.jpg", ns=(1, 1))
    second = _examined(root)
    assert set(read) == {"0002.jpg"}
    assert second.images[0] == first.images[0]
    assert second.images[1] != first.images[1]


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"\xff", b'{"version":2,"files":{"ImageFacts":3}}', b"[" * 10_000]
)
def test_a_damaged_store_costs_time_and_nothing_else(
    root: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    first = _examined(root)
    (store,) = (root.parent / "cache" / "examined").iterdir()
    good = store.read_bytes()
    store.write_bytes(content)
    with caplog.at_level(logging.WARNING, "rtsod.cache"):
        assert _examined(root) == first
    assert store.read_bytes() == good


def test_values_of_another_kind_in_the_store_are_read_anew(root: Path) -> None:
    first = _examined(root)
    (store,) = (root.parent / "cache" / "examined").iterdir()
    stored = json.loads(store.read_text())
    for entry in stored["files"].values():
        entry[1] = {"width": 3}
    store.write_text(json.dumps(stored))
    assert _examined(root) == first


def test_a_store_that_cannot_be_written(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    blocked = root.parent / "file"
    blocked.write_text("")
    with caplog.at_level(logging.WARNING, "rtsod.cache"):
        assert examine(open_dataset(root), cache=blocked).notes == ()
    assert "what is known of the pictures cannot be stored" in caplog.text


def test_progress_counts_every_file(root: Path) -> None:
    told: list[tuple[str, int, int]] = []
    _examined(root, progress=lambda *step: told.append(step))
    phases = {phase for phase, _, _ in told}
    assert phases == {"looking at the sizes in mine", "reading mine"}
    for phase in phases:
        assert [(done, total) for name, done, total in told if name == phase] == [(done, 6) for done in range(7)]
    told.clear()
    _examined(root, progress=lambda *step: told.append(step))
    assert told == []


def test_what_was_read_before_an_interruption_is_kept(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(phase: str, done: int, total: int) -> None:
        if phase == "reading mine" and done == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _examined(root, progress=interrupt)
    monkeypatch.delattr(examination, "image_facts")
    monkeypatch.delattr(examination, "mask_facts")
    assert _examined(root).notes == ()


def test_real_photographs_with_the_authors_maps(samples: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "images").symlink_to(samples / "images")
    (tmp_path / "real" / "masks").symlink_to(samples / "reference-full")
    examined = _examined(tmp_path / "real")
    assert len(examined.dataset.pairs) == 8
    assert 0.05 < examined.areas.min() < examined.areas.max() < 0.7
    for pair in examined.dataset.pairs:
        image, label = read_pair(pair)
        assert image.shape[:2] == label.shape
