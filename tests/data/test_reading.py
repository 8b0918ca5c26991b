"""The decode table: what files hold, and what training and evaluation see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from rtsod.data.pairs import Pair
from rtsod.data.reading import read_image, read_label, read_pair
from rtsod.errors import DataError
from rtsod.imaging.stills.image_file import has_colours, read_header
from tests.support.dataset_fixtures import HEIGHT, WIDTH, disc, picture, save
from tests.support.still_fixtures import STORED, encoded, quarters

RGB = picture(1)
GREY = np.asarray(Image.fromarray(RGB).convert("L"), np.uint8)
MASK = disc(1)
INSIDE = MASK[:, :, None] > 0
GREY_ALPHA = Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(MASK)])
SOFT = np.linspace(0, 255, WIDTH * HEIGHT).round().astype(np.uint8).reshape(HEIGHT, WIDTH)


def _grey_rgb(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(levels[:, :, None], 3, axis=2)


def _palette(levels: NDArray[np.uint8], colours: list[int]) -> Image.Image:
    image = Image.fromarray((levels > 0).astype(np.uint8), "L")
    image.putpalette(colours)
    return image


def _written(path: Path, image: Image.Image | NDArray[Any], **options: Any) -> Path:
    if isinstance(image, np.ndarray):
        if image.dtype == np.uint16:
            data = cv2.imencode(path.suffix, image[:, :, ::-1] if image.ndim == 3 else image)[1]
            path.write_bytes(data.tobytes())
            return path
        image = Image.fromarray(image)
    image.save(path, **options)
    return path


@pytest.mark.parametrize(
    ("name", "stored", "expected"),
    [
        ("rgb.png", RGB, RGB),
        ("rgb.bmp", RGB, RGB),
        ("rgb.tif", RGB, RGB),
        ("grey.png", GREY, _grey_rgb(GREY)),
        ("one.png", Image.fromarray(MASK).convert("1"), _grey_rgb(MASK)),
        ("palette.png", _palette(MASK, [10, 20, 30, 200, 100, 50]), np.where(INSIDE, [200, 100, 50], [10, 20, 30])),
        ("deep.png", RGB.astype(np.uint16) * 257, RGB),
        ("deep.tif", RGB.astype(np.uint16) * 257, RGB),
        ("deep-grey.png", GREY.astype(np.uint16) * 257, _grey_rgb(GREY)),
        ("rgba.png", np.dstack([RGB, np.full_like(GREY, 255)]), RGB),
        ("half.png", np.dstack([RGB, np.full_like(GREY, 100)]), RGB),
        ("cut.png", np.dstack([RGB, MASK]), np.where(INSIDE, RGB, 255)),
        ("grey-alpha.png", GREY_ALPHA, np.where(INSIDE, _grey_rgb(GREY), 255)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_pictures(tmp_path: Path, name: str, stored: Image.Image | NDArray[Any], expected: NDArray[Any]) -> None:
    image = read_image(_written(tmp_path / name, stored))
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    np.testing.assert_array_equal(image[:, :, ::-1], expected)


def test_a_cmyk_jpeg_has_the_colours_of_its_rgb(tmp_path: Path) -> None:
    flat = np.full((HEIGHT, WIDTH, 3), (200, 40, 60), np.uint8)
    path = _written(tmp_path / "cmyk.jpg", Image.fromarray(flat).convert("CMYK"), quality=100)
    assert np.abs(read_image(path)[:, :, ::-1].astype(int) - flat).max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("kind", "suffix"), [("JPEG", "jpg"), ("PNG", "png"), ("TIFF", "tif"), ("WEBP", "webp")])
def test_exif_turns_picture_mask_and_header_alike(tmp_path: Path, orientation: int, kind: str, suffix: str) -> None:
    upright = quarters()
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(encoded(kind, STORED[orientation](upright), orientation=orientation))
    image = read_image(path)
    assert image.shape == upright.shape
    assert np.abs(image[:, :, ::-1].astype(int) - upright).mean() < 3
    header = read_header(path)
    assert (header.height, header.width) == upright.shape[:2]
    if kind != "TIFF":
        assert header.orientation == orientation
    soft = np.zeros(upright.shape[:2], np.uint8)
    soft[:20, :30] = 255
    mask = tmp_path / f"m.{suffix}"
    mask.write_bytes(encoded(kind, STORED[orientation](soft), orientation=orientation))
    assert np.abs(read_label(mask).astype(int) - soft).mean() < 2


MASKS: list[tuple[str, Image.Image | NDArray[Any], NDArray[np.uint8]]] = [
    ("grey.png", SOFT, SOFT),
    ("grey.bmp", SOFT, SOFT),
    ("grey.gif", MASK, MASK),
    ("one.png", Image.fromarray(MASK).convert("1"), MASK),
    ("one.tif", Image.fromarray(MASK).convert("1"), MASK),
    ("palette.png", _palette(MASK, [0, 0, 0, 255, 255, 255]), MASK),
    ("class.png", _palette(MASK, [0, 0, 0, 128, 0, 0]), MASK // 2 + (MASK > 0)),
    ("deep.png", SOFT.astype(np.uint16) * 257, SOFT),
    ("deep.tif", SOFT.astype(np.uint16) * 257, SOFT),
    ("shallow.png", SOFT.astype(np.uint16), SOFT),
    ("ones.png", (MASK > 0).astype(np.uint16), (MASK > 0).astype(np.uint8)),
    ("rgb.png", _grey_rgb(SOFT), SOFT),
    ("red.png", np.dstack([SOFT, SOFT * 0, SOFT * 0]), SOFT),
    ("green.png", np.dstack([SOFT * 0, SOFT, SOFT * 0]), SOFT),
    ("cut-out.png", np.dstack([RGB, SOFT]), SOFT),
    ("black-with-alpha.png", np.dstack([RGB * 0, MASK]), MASK),
    ("opaque.png", np.dstack([_grey_rgb(SOFT), np.full_like(SOFT, 255)]), SOFT),
    ("grey-alpha.png", Image.merge("LA", [Image.fromarray(SOFT), Image.fromarray(MASK)]), MASK),
    ("empty.png", MASK * 0, MASK * 0),
    ("empty-rgb.png", RGB * 0, MASK * 0),
]  # fmt: skip


@pytest.mark.parametrize(("name", "stored", "expected"), MASKS, ids=[name for name, _, _ in MASKS])
def test_masks(tmp_path: Path, name: str, stored: Image.Image | NDArray[Any], expected: NDArray[np.uint8]) -> None:
    label = read_label(_written(tmp_path / name, stored))
    assert label.dtype == np.uint8
    np.testing.assert_array_equal(label, expected)


def test_a_mask_has_levels_and_no_colour_space(tmp_path: Path) -> None:
    """A PNG's gamma would brighten soft levels; that of a picture does change its colours."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add(b"gAMA", (100000).to_bytes(4, "big"))
    path = tmp_path / "linear.png"
    Image.fromarray(SOFT).save(path, pnginfo=info)
    np.testing.assert_array_equal(read_label(path), SOFT)
    assert int(read_image(path)[HEIGHT // 2, 0, 0]) > int(SOFT[HEIGHT // 2, 0]) + 20


def test_a_jpeg_mask_keeps_its_grey(tmp_path: Path) -> None:
    smooth = np.asarray(Image.fromarray(MASK).resize((96, 64), Image.Resampling.BICUBIC))
    for name, pixels in (("grey.jpg", smooth), ("rgb.jpg", _grey_rgb(smooth))):
        label = read_label(_written(tmp_path / name, pixels, quality=95))
        assert np.abs(label.astype(int) - smooth).max() < 16


def test_a_colour_picture_is_no_mask(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a colour picture, not a mask: save the mask as grey"):
        read_label(_written(tmp_path / "a.png", quarters()))


def test_ones_are_scaled_and_inverted_masks_turned(tmp_path: Path) -> None:
    path = _written(tmp_path / "a.png", (MASK > 0).astype(np.uint8))
    np.testing.assert_array_equal(read_label(path, white=1), MASK)
    np.testing.assert_array_equal(read_label(path, white=1, inverted=True), 255 - MASK)
    pair = Pair("a", _written(tmp_path / "a.bmp", RGB), path, white=1, inverted=True)
    image, label = read_pair(pair)
    np.testing.assert_array_equal(image[:, :, ::-1], RGB)
    np.testing.assert_array_equal(label, 255 - MASK)


@pytest.mark.parametrize("read", [read_image, read_label])
def test_damage_is_refused(tmp_path: Path, read: Any) -> None:
    large = np.random.default_rng(0).integers(0, 255, (200, 200), np.uint8)
    for name, cut in (("a.jpg", 0.6), ("a.png", 0.6), ("b.jpg", 0.0), ("c.png", 0.01)):
        path = _written(tmp_path / name, large)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * cut)])
        with pytest.raises(DataError, match=f"cannot read .*{name}"):
            read(path)
    for path in (tmp_path / "missing.png", tmp_path):
        with pytest.raises(DataError, match="cannot read"):
            read(path)


def test_only_headers_are_read_for_colours(tmp_path: Path) -> None:
    assert has_colours(save(tmp_path / "a.png", RGB))
    assert not has_colours(save(tmp_path / "b.png", MASK))
    assert not has_colours(_written(tmp_path / "c.png", _palette(MASK, [0, 0, 0, 255, 0, 0])))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -0.1, 1.1, 255])
def test_a_float_mask_must_be_from_0_to_1(tmp_path: Path, bad: float) -> None:
    levels = SOFT.astype(np.float32) / 255
    path = tmp_path / "mask.tif"
    cv2.imwrite(str(path), levels)
    np.testing.assert_array_equal(read_label(path), SOFT)
    levels[3, 4] = 1.001  # as arithmetic leaves it
    cv2.imwrite(str(path), levels)
    assert read_label(path)[3, 4] == 255
    levels[3, 4] = bad
    cv2.imwrite(str(path), levels)
    with pytest.raises(DataError, match=r"mask\.tif: its floating-point levels must be from 0 to 1, and are from"):
        read_label(path)
    with pytest.raises(DataError, match="must be from 0 to 1"):
        read_label(path, damage="ignore")


def test_a_dark_float_mask_is_dark(tmp_path: Path) -> None:
    """Not taken for 8 bits that were stored in 16."""
    cv2.imwrite(str(tmp_path / "dark.tif"), np.full((8, 8), 0.003, np.float32))
    assert read_label(tmp_path / "dark.tif").max() == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_float_picture_must_be_finite(tmp_path: Path, bad: float) -> None:
    pixels = np.full((8, 8, 3), 2.0, np.float32)
    pixels[0, 0] = -0.5
    path = tmp_path / "picture.tif"
    cv2.imwrite(str(path), pixels)
    assert (read_image(path).min(), read_image(path).max()) == (0, 255)  # HDR is clipped
    pixels[3, 4, 1] = bad
    cv2.imwrite(str(path), pixels)
    with pytest.raises(DataError, match=r"picture\.tif: not all of its samples are finite"):
        read_image(path)
