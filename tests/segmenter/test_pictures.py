"""What a Segmenter takes: the network sees the same pixels, whichever way a picture comes."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageCms, ImageOps

import rtsod
from rtsod.backends.constant import ConstantEngine
from rtsod.errors import SourceError
from rtsod.frames import BLANK
from rtsod.imaging.stills.icc import adobe_rgb_profile
from tests.support.still_fixtures import STORED, encoded, quarters, right_half_hidden

SIDE = 64


class Seen:
    """A Segmenter whose network remembers what it saw, and answers with the picture's green."""

    def __init__(self) -> None:
        self.image = np.zeros(0, np.uint8)
        self.segmenter = rtsod.Segmenter(ConstantEngine(SIDE, answer=self._answer))

    def _answer(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.image = image
        return np.asarray(image[:, :, 1] / 255, np.float32)

    def __call__(self, image: Any) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        alpha = self.segmenter(image, stream=True)
        return self.image, alpha


@pytest.fixture
def seen() -> Seen:
    return Seen()


def _bgr() -> NDArray[np.uint8]:
    return np.ascontiguousarray(quarters()[:, :, ::-1])


def _opened(data: bytes) -> PillowImage.Image:
    return PillowImage.open(io.BytesIO(data))


def test_a_path_an_array_and_an_image_are_one_picture(seen: Seen, tmp_path: Path) -> None:
    expected = seen(_bgr())
    path = tmp_path / "photo.png"
    path.write_bytes(encoded("PNG", quarters()))
    with PillowImage.open(path) as opened:
        for image in (path, str(path), path.read_bytes(), opened, PillowImage.fromarray(quarters())):
            pixels, alpha = seen(image)
            assert np.array_equal(pixels, expected[0]), image
            assert np.array_equal(alpha, expected[1]), image
    blue, green, red = expected[0][2, 2]
    assert (red, green, blue) == tuple(quarters()[0, 0]), "the network sees BGR"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_upright(seen: Seen, kind: str, orientation: int, tmp_path: Path) -> None:
    stored = np.ascontiguousarray(STORED[orientation](quarters()))
    data = encoded(kind, stored, orientation=orientation)
    path = tmp_path / "photo"
    path.write_bytes(data)
    upright = ImageOps.exif_transpose(_opened(data))
    for image in (path, _opened(data), upright):
        pixels, alpha = seen(image)
        assert alpha.shape == quarters().shape[:2]
        expected = cv2.resize(_bgr(), (SIDE, SIDE))
        inside = np.s_[4 : SIDE // 2 - 4], np.s_[SIDE // 2 + 4 :]
        for rows in inside:
            for columns in inside:  # the four colours, each in its quarter
                assert np.abs(pixels[rows, columns].astype(int) - expected[rows, columns]).max() < 24


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "RGBX", "RGBa", "P", "YCbCr", "HSV", "CMYK", "LAB"])
def test_colours_survive_in_every_mode(seen: Seen, mode: str) -> None:
    image = PillowImage.fromarray(quarters())
    if mode == "LAB":
        to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
        converted = ImageCms.applyTransform(image, to_lab)
        assert converted is not None
        image = converted
    elif mode == "P":
        image = image.quantize(4)
    else:
        image = (image.convert("RGBA") if mode == "RGBa" else image).convert(mode)
    pixels, _ = seen(image)
    expected = cv2.resize(_bgr(), (SIDE, SIDE))
    assert np.abs(pixels[:24, :24].astype(int) - expected[:24, :24]).max() < 8


@pytest.mark.parametrize(
    ("mode", "white"), [("1", 1), ("L", 255), ("LA", 255), ("I;16", 65535), ("I", 65535), ("F", 1.0)]
)
def test_grey_is_grey_in_every_mode(seen: Seen, mode: str, white: float) -> None:
    dark_and_light = np.zeros((20, 40))
    dark_and_light[:, 20:] = 1
    if mode in ("L", "LA", "1"):
        image = PillowImage.fromarray((dark_and_light * 255).astype(np.uint8)).convert(mode)
    else:
        kind = {"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]
        image = PillowImage.fromarray((dark_and_light * white).astype(kind))
    assert image.mode == mode
    pixels, _ = seen(image)
    assert (pixels[:, :24] == 0).all()
    assert (pixels[:, 40:] == 255).all()


def test_a_colour_profile_counts_as_in_a_file(seen: Seen, tmp_path: Path) -> None:
    data = encoded("PNG", quarters(), icc=adobe_rgb_profile())
    path = tmp_path / "photo.png"
    path.write_bytes(data)
    converted, _ = seen(path)
    assert (seen(_opened(data))[0] == converted).all()
    assert np.abs(converted.astype(int) - seen(_bgr())[0]).max() > 10, "the profile matters"


@pytest.mark.parametrize("marked", [True, False])
def test_inks_of_a_jpeg_are_inverted_only_with_adobes_marker(seen: Seen, marked: bool, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    PillowImage.new("CMYK", (64, 64), (255, 0, 0, 51)).save(buffer, "JPEG")
    data = buffer.getvalue()
    at = data.index(b"\xff\xee")
    if not marked:
        data = data[:at] + data[at + 2 + int.from_bytes(data[at + 2 : at + 4], "big") :]
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    pixels, _ = seen(_opened(data))
    assert (pixels == seen(path)[0]).all()
    assert pixels[8, 8].tolist() == pytest.approx([204, 204, 0] if marked else [0, 0, 51], abs=3)


def test_what_is_hidden_in_the_source_stays_hidden(seen: Seen, tmp_path: Path) -> None:
    pixels = right_half_hidden()
    path = tmp_path / "photo.png"
    path.write_bytes(encoded("PNG", pixels))
    palette = PillowImage.fromarray(pixels).quantize(16)
    assert palette.mode == "P"
    for image in (path, PillowImage.fromarray(pixels), palette, pixels[:, :, [2, 1, 0, 3]]):
        shown, alpha = seen(image)
        assert (shown[:, SIDE // 2 + 2 :] == BLANK).all(), "the network does not see it"
        assert (alpha[:, 48:] == 0).all()
        assert (alpha[:, :46] > 0).any()


def test_an_image_is_not_modified(seen: Seen) -> None:
    image = _opened(encoded("JPEG", STORED[6](quarters()), orientation=6))
    image.load()
    pixels, info, exif = image.tobytes(), dict(image.info), dict(image.getexif())
    seen(image)
    assert (image.mode, image.size, image.tobytes()) == ("RGB", (64, 96), pixels)
    assert (image.info, dict(image.getexif())) == (info, exif)
    avif = _opened(encoded("AVIF", quarters()))
    avif.load()
    avif.info["xmp"] = b"kept"
    seen(avif)
    assert avif.info["xmp"] == b"kept"


def test_what_cannot_be_read_is_a_source_error(seen: Seen, tmp_path: Path) -> None:
    data = encoded("PNG", quarters())
    with pytest.raises(SourceError, match="the picture"):
        seen(_opened(data[: len(data) // 2]))
    for junk in (b"", b"no picture", data[: len(data) // 2]):
        with pytest.raises(SourceError, match="cannot read the picture: "):
            seen(junk)
    with pytest.raises(SourceError, match=r"absent\.png"):
        seen(tmp_path / "absent.png")
    with pytest.raises(SourceError, match="pixels"):
        seen(PillowImage.new("RGB", (0, 5)))


def test_a_path_that_can_be_none_says_why_in_one_line(seen: Seen) -> None:
    for path, reason in (
        ("", "cannot read a picture whose path is empty"),
        ("https://example.org/a.jpg", "cannot read https://example.org/a.jpg: it is an address: download the picture"),
        ("a\0b", r"cannot read 'a\x00b': no path has a zero byte in it"),
    ):
        with pytest.raises(SourceError) as caught:
            seen(path)
        assert str(caught.value).startswith(reason)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_refused_rather_than_waited_for(seen: Seen, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(SourceError, match=r"pipe\.jpg: it is no file, but a pipe or a device"):
        seen(tmp_path / "pipe.jpg")


def test_an_image_that_is_closed_says_so(seen: Seen, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(encoded("PNG", quarters()))
    closed = PillowImage.open(path)
    closed.close()
    with PillowImage.open(path) as left:
        pass
    made = PillowImage.new("L", (4, 4))
    made.close()
    for image in (closed, left, made):
        with pytest.raises(SourceError, match="it is closed: open it anew"):
            seen(image)
    with PillowImage.open(path) as loaded:
        loaded.load()
    assert (seen(loaded)[0] == seen(path)[0]).all()


def test_8_bits_in_a_wider_mode_are_read_as_such_or_refused(seen: Seen) -> None:
    grey = PillowImage.fromarray(quarters()).convert("L")
    assert (seen(grey.convert("I"))[0] == seen(grey)[0]).all()
    assert (seen(grey.convert("I;16"))[0] == seen(grey)[0]).all()
    with pytest.raises(SourceError, match=r'mode F must be from 0 to 1, and are from \d+ to \d+: .* convert\("L"\)'):
        seen(grey.convert("F"))
    unit = PillowImage.fromarray(np.asarray(grey, np.float32) / np.float32(255))
    assert (seen(unit)[0] == seen(grey)[0]).all()


@pytest.mark.parametrize(
    ("mode", "levels"), [("I", [0, 65536]), ("I", [-1, 9]), ("F", [0, 1.01]), ("F", [-0.01, 1]), ("F", [0, np.nan])]
)
def test_levels_out_of_range_are_refused(seen: Seen, mode: str, levels: list[float]) -> None:
    image = PillowImage.fromarray(np.array([levels], np.int32 if mode == "I" else np.float32))
    assert image.mode == mode
    with pytest.raises(SourceError, match=f"levels of Pillow's mode {mode} must be from 0 to"):
        seen(image)


def test_a_dark_deep_file_stays_dark_when_pillow_opened_it(seen: Seen, tmp_path: Path) -> None:
    path = tmp_path / "dark.pgm"
    path.write_bytes(b"P5 2 1 65535 " + np.array([[3, 200]], ">u2").tobytes())
    with PillowImage.open(path) as opened:
        assert opened.mode == "I"
        assert (seen(opened)[0] == seen(path)[0]).all()
    assert seen(path)[0].max() <= 1


@pytest.mark.parametrize("image", [None, 7, bytearray(b"bytes"), [[1, 2], [3, 4]]], ids=repr)
def test_anything_else_is_refused(seen: Seen, image: Any) -> None:
    with pytest.raises(ValueError, match=r"image must be a path, bytes, \(H, W, 3\) uint8 BGR or"):
        seen(image)
