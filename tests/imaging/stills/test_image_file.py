"""Photographs: every format with its orientation, colours, transparency and depth, and files not to be trusted."""

from __future__ import annotations

import io
import logging
import struct
import tracemalloc
import warnings
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from rtsod.config import MAX_STILL_PIXELS, MAX_STILL_SIDE
from rtsod.errors import SourceError
from rtsod.frames import BLANK, Picture
from rtsod.imaging.stills.animation import is_still
from rtsod.imaging.stills.image_file import load
from rtsod.imaging.stills.jpeg_damage import is_damaged
from rtsod.imaging.stills.still_format import format_of, still_format
from tests.support.still_fixtures import (
    BEST,
    BLUE,
    GREEN,
    HEIC,
    HEIGHT,
    P3,
    RED,
    STORED,
    WIDTH,
    YELLOW,
    chunk,
    encoded,
    icc,
    png,
    quarters,
    right_half_hidden,
    tiff,
    with_clean_aperture,
)

LOSSLESS = ("PNG", "WEBP", "TIFF", "BMP", "GIF", "JPEG2000", "PPM", "QOI")
LOSSY = {"JPEG": 3, "MPO": 3, "AVIF": 3}
"""The largest error of a level."""
WITH_ORIENTATION = ("JPEG", "MPO", "PNG", "TIFF", "WEBP", "AVIF")
WITH_ALPHA = ("PNG", "WEBP", "TIFF", "AVIF", "JPEG2000", "QOI", "GIF", "BMP")
HIDDEN = (BLANK,) * 3
WITH_ICC = ("JPEG", "PNG", "TIFF", "WEBP", "AVIF")


@pytest.fixture
def read(tmp_path: Path) -> Callable[[bytes], Picture]:
    """Loads a file of that content; its name says nothing."""

    def load_bytes(data: bytes) -> Picture:
        (tmp_path / "photograph").write_bytes(data)
        return load(tmp_path / "photograph")

    return load_bytes


Read = Callable[[bytes], Picture]


def corners(picture: Picture) -> list[list[int]]:
    """RGB in the middle of the four quarters, left to right, top to bottom."""
    height, width = picture.image.shape[:2]
    return [
        picture.image[y, x, ::-1].tolist() for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)
    ]


def expect(picture: Picture, colours: Any, within: int = 0) -> None:
    assert np.abs(np.array(corners(picture)) - np.array(colours)).max() <= within


# What every format shows.


@pytest.mark.parametrize("kind", [*LOSSLESS, *LOSSY])
def test_colours_of_every_format(kind: str, read: Read) -> None:
    picture = read(encoded(kind, quarters()))
    assert picture.image.dtype == np.uint8
    assert picture.image.flags.c_contiguous
    assert picture.alpha is None
    assert np.abs(picture.image[:, :, ::-1].astype(int) - quarters()).mean() <= LOSSY.get(kind, 0)
    expect(picture, (RED, GREEN, BLUE, YELLOW), LOSSY.get(kind, 0))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "BMP", "JPEG2000", "AVIF"])
def test_grey_becomes_bgr(kind: str, read: Read) -> None:
    picture = read(encoded(kind, quarters()[:, :, 1]))
    expect(picture, [(c[1],) * 3 for c in (RED, GREEN, BLUE, YELLOW)], 3)


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("kind", WITH_ORIENTATION)
def test_all_orientations(kind: str, orientation: int, read: Read) -> None:
    picture = read(encoded(kind, STORED[orientation](quarters()), orientation=orientation))
    assert picture.image.shape == (HEIGHT, WIDTH, 3)
    expect(picture, (RED, GREEN, BLUE, YELLOW), 6)


@pytest.mark.parametrize("orientation", [2, 6])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "AVIF"])
def test_the_alpha_is_turned_with_the_colours(kind: str, orientation: int, read: Read) -> None:
    picture = read(encoded(kind, STORED[orientation](right_half_hidden()), orientation=orientation))
    assert picture.alpha is not None
    assert picture.alpha[:, : WIDTH // 2 - 2].min() == 255
    assert picture.alpha[:, WIDTH // 2 + 2 :].max() == 0


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_makes_no_sense_is_none(value: int, read: Read) -> None:
    expect(read(encoded("PNG", quarters(), orientation=value)), (RED, GREEN, BLUE, YELLOW))


@pytest.mark.parametrize("kind", WITH_ALPHA)
def test_transparency_is_kept_and_hides_nothing(kind: str, read: Read) -> None:
    picture = read(encoded(kind, right_half_hidden()))
    assert picture.alpha is not None
    assert picture.alpha[5].tolist() == [255] * (WIDTH // 2) + [0] * (WIDTH // 2)
    expect(picture, (RED, HIDDEN, BLUE, HIDDEN), 3)


def test_a_picture_that_is_opaque_everywhere_has_no_alpha(read: Read) -> None:
    opaque = right_half_hidden()
    opaque[:, :, 3] = 255
    for kind in WITH_ALPHA:
        assert read(encoded(kind, opaque)).alpha is None, kind


def test_half_transparent_colours_are_straight(read: Read) -> None:
    pixels = np.full((8, 8, 4), (200, 100, 40, 128), np.uint8)
    for kind in ("PNG", "WEBP", "TIFF", "JPEG2000", "QOI", "BMP"):
        picture = read(encoded(kind, pixels))
        assert picture.alpha is not None
        assert picture.image[0, 0].tolist() == [40, 100, 200], kind
        assert picture.alpha[0, 0] == 128


def test_palettes_and_single_colours_can_be_transparent(read: Read) -> None:
    buffer = io.BytesIO()
    palette = Image.fromarray(quarters()).quantize(8)
    red = palette.getpixel((0, 0))
    assert isinstance(red, int)
    palette.save(buffer, "PNG", transparency=red)
    for data in (
        buffer.getvalue(),
        png(quarters(), chunk(b"tRNS", struct.pack(">3H", *RED))),
        png(quarters()[:, :, :1].copy() + np.uint8(0), chunk(b"tRNS", struct.pack(">H", RED[0]))),
    ):
        picture = read(data)
        assert picture.alpha is not None
        assert picture.alpha[HEIGHT // 4, WIDTH // 4] == 0
        assert picture.alpha[3 * HEIGHT // 4, WIDTH // 4] == 255


# HEIC and AVIF: the container turns the picture, and EXIF has no say.


def test_tiles_are_joined() -> None:
    picture = load(HEIC / "tiles.heic")
    assert picture.image.shape == (HEIGHT, WIDTH, 3)
    expect(picture, (RED, GREEN, BLUE, YELLOW), 4)


def test_transparent_heic() -> None:
    picture = load(HEIC / "transparent.heic")
    assert picture.alpha is not None
    assert picture.alpha[5, [10, 40, 56, 80]].tolist() == [255, 255, 0, 0]
    expect(picture, (RED, HIDDEN, BLUE, HIDDEN), 4)


def test_deep_heic() -> None:
    expect(load(HEIC / "deep.heic"), (RED, GREEN, BLUE, YELLOW), 2)


def turned(data: bytes, angle: int, axis: int) -> bytes:
    """Set ``irot`` and ``imir``, which the file has; EXIF keeps another orientation."""
    irot, imir = data.index(b"irot") + 4, data.index(b"imir") + 4
    whole = bytearray(data)
    whole[irot], whole[imir] = angle, axis
    return bytes(whole)


def laid(pixels: NDArray[Any], angle: int, axis: int) -> NDArray[Any]:
    """ISO/IEC 23008-12: turned by quarters counter-clockwise, then mirrored: 0 top to bottom, 1 left to right."""
    pixels = np.rot90(pixels, angle)
    return pixels[::-1] if axis == 0 else pixels[:, ::-1]


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("angle", [0, 1, 2, 3])
def test_all_turns_of_heic_and_avif(angle: int, axis: int, read: Read) -> None:
    upright = laid(quarters(), angle, axis)
    height, width = upright.shape[:2]
    colours = [upright[y, x] for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    # Both files hold the quarters as they are; an orientation of 5 made the encoders write irot and imir.
    for data in ((HEIC / "turned.heic").read_bytes(), encoded("AVIF", quarters(), orientation=5)):
        picture = read(turned(data, angle, axis))
        assert picture.image.shape == upright.shape
        expect(picture, colours, 4)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_avif_shows_its_clean_aperture_only(orientation: int, read: Read) -> None:
    # What is shown is the blue quarter and a strip of each of its neighbours, before it is turned.
    width, height, left, top = 58, 42, 8, 20
    right_by, down_by = left + width // 2 - WIDTH // 2, top + height // 2 - HEIGHT // 2
    avif = encoded("AVIF", quarters(), orientation=orientation)
    shown = read(with_clean_aperture(avif, width, height, right_by, down_by)).image
    whole = read(encoded("AVIF", quarters()[top : top + height, left : left + width], orientation=orientation)).image
    assert shown.shape == whole.shape
    assert np.abs(shown.astype(int) - whole).mean() < 2


def test_avif_obeys_its_container_and_not_exif(read: Read) -> None:
    exif = Image.Exif()
    exif[0x128] = 6
    buffer = io.BytesIO()
    Image.fromarray(quarters()).save(buffer, "AVIF", quality=98, subsampling="4:4:4", exif=exif)
    stored = struct.pack(">HHIHH", 0x128, 3, 1, 6, 0)
    assert stored in buffer.getvalue()
    data = buffer.getvalue().replace(stored, struct.pack(">HHIHH", 0x112, 3, 1, 6, 0))
    expect(read(data), (RED, GREEN, BLUE, YELLOW), 4)


def test_an_avif_may_call_itself_a_still_of_some_kind(read: Read) -> None:
    data = encoded("AVIF", quarters())
    assert data[8:12] == b"avif"
    assert b"mif1" in data[16:32]
    expect(read(data[:8] + b"mif1" + data[12:]), (RED, GREEN, BLUE, YELLOW), 4)


# Colour.

P3_TO_SRGB = np.array([[1.2249401, -0.2249404, 0], [-0.0420569, 1.0420571, 0], [-0.0196376, -0.0786361, 1.0982735]])


def decoded(code: NDArray[Any]) -> NDArray[Any]:
    code = np.asarray(code) / 255
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)


def coded(light: NDArray[Any]) -> NDArray[Any]:
    light = np.clip(light, 0, 1)
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def from_p3(*colours: tuple[int, int, int]) -> NDArray[Any]:
    return coded(decoded(np.array(colours)) @ P3_TO_SRGB.T)


def xyz(x: float, y: float, z: float) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(65536 * value) for value in (x, y, z)))


def gamma(value: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(256 * value))


SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
"""Parameters of ``((a X + b)^g`` above d, ``c X`` below it."""
P3_PROFILE = icc(
    b"RGB ",
    b"XYZ ",
    {
        b"rXYZ": xyz(0.51512, 0.24120, -0.00105),
        b"gXYZ": xyz(0.29198, 0.69225, 0.04189),
        b"bXYZ": xyz(0.15710, 0.06657, 0.78407),
        b"wtpt": xyz(0.9642, 1, 0.8249),
        **{
            tag: b"para" + bytes(4) + struct.pack(">HH5i", 3, 0, *(round(65536 * v) for v in SRGB_CURVE))
            for tag in (b"rTRC", b"gTRC", b"bTRC")
        },
    },
)  # fmt: skip


@pytest.mark.parametrize("kind", WITH_ICC)
def test_a_profile_is_converted_to_srgb(kind: str, read: Read) -> None:
    picture = read(encoded(kind, quarters(), icc=P3_PROFILE))
    expect(picture, from_p3(RED, GREEN, BLUE, YELLOW), 1 if kind not in LOSSY else 4)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "AVIF"])
def test_a_profile_and_transparency_go_together(kind: str, read: Read) -> None:
    picture = read(encoded(kind, right_half_hidden(), icc=P3_PROFILE))
    red, blue = from_p3(RED, BLUE)
    expect(picture, (red, HIDDEN, blue, HIDDEN), 4)


def test_code_points_are_converted(read: Read) -> None:
    expect(load(HEIC / "p3.heic"), from_p3(RED, GREEN, BLUE, YELLOW), 4)
    avif = encoded("AVIF", quarters())
    at = avif.index(b"nclx") + 4
    assert struct.unpack(">HH", avif[at : at + 4]) == (1, 13)
    expect(read(avif[:at] + struct.pack(">HH", *P3) + avif[at + 4 :]), from_p3(RED, GREEN, BLUE, YELLOW), 4)
    expect(read(png(quarters(), chunk(b"cICP", bytes((*P3, 0, 1))))), from_p3(RED, GREEN, BLUE, YELLOW), 1)


def test_code_points_in_png_outweigh_its_profile(read: Read) -> None:
    profile = chunk(b"iCCP", b"x\0\0" + zlib.compress(P3_PROFILE))
    expect(read(png(quarters(), profile, chunk(b"cICP", bytes((1, 13, 0, 1))))), (RED, GREEN, BLUE, YELLOW))


@pytest.mark.parametrize("primaries", [1, 12])
def test_hdr_is_clipped_at_paper_white(primaries: int, read: Read) -> None:
    grey = np.full((8, 8, 3), 128, np.uint8)
    # SMPTE ST 2084: 128/255 is 92 cd/m2; paper is white at 203 cd/m2.
    picture = read(png(grey, chunk(b"cICP", bytes((primaries, 16, 0, 1)))))
    assert picture.image[0, 0].tolist() == pytest.approx([coded(np.array(93.1 / 203))] * 3, abs=2)
    assert read(png(grey + 70, chunk(b"cICP", bytes((primaries, 16, 0, 1))))).image.min() == 255
    # Hybrid log-gamma: paper is at 75 % of the signal.
    assert read(png(grey + 63, chunk(b"cICP", bytes((primaries, 18, 0, 1))))).image[0, 0].tolist() == pytest.approx(
        [255] * 3, abs=2
    )


def test_gamma_and_chromaticities_of_png(read: Read) -> None:
    linear = chunk(b"gAMA", struct.pack(">I", 100_000))
    expect(read(png(quarters(), linear)), coded(np.array([RED, GREEN, BLUE, YELLOW]) / 255), 1)
    p3 = chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000))
    usual = chunk(b"gAMA", struct.pack(">I", 45455))
    expect(read(png(quarters(), usual, p3)), from_p3(RED, GREEN, BLUE, YELLOW), 1)
    expect(read(png(quarters(), usual)), (RED, GREEN, BLUE, YELLOW))
    expect(read(png(quarters(), linear, chunk(b"sRGB", b"\0"))), (RED, GREEN, BLUE, YELLOW))
    nonsense = chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 0, 0, 0, 0, 0, 0))
    expect(read(png(quarters(), linear, nonsense)), (RED, GREEN, BLUE, YELLOW))


def test_grey_with_a_grey_profile(read: Read) -> None:
    profile = icc(b"GRAY", b"XYZ ", {b"wtpt": xyz(0.9642, 1, 0.8249), b"kTRC": gamma(1)})
    for kind in ("JPEG", "PNG", "TIFF"):
        picture = read(encoded(kind, np.full((8, 8), 55, np.uint8), icc=profile))
        assert picture.image[0, 0].tolist() == pytest.approx([coded(np.array(55 / 255))] * 3, abs=1), kind


def test_grey_with_a_profile_for_colours(read: Read) -> None:
    picture = read(encoded("JPEG", np.full((8, 8), 55, np.uint8), icc=P3_PROFILE))
    assert picture.image[0, 0].tolist() == pytest.approx([55] * 3, abs=1)


def test_adobe_rgb_that_only_exif_names(read: Read) -> None:
    def directory(tag: int, kind: int, value: bytes) -> bytes:
        return struct.pack(">HHHI4sI", 1, tag, kind, 4 if kind == 2 else 1, value, 0)

    exif = b"MM\0*" + struct.pack(">I", 8)
    exif += directory(0x8769, 4, struct.pack(">I", 26))  # leads to the EXIF directory
    exif += directory(0xA005, 4, struct.pack(">I", 44))  # leads to the interoperability directory
    exif += directory(1, 2, b"R03\0")
    buffer = io.BytesIO()
    Image.fromarray(quarters()).save(buffer, "JPEG", exif=b"Exif\0\0" + exif, **BEST["JPEG"])
    matrix = np.array([[1.3982832, -0.3982831, 0], [0, 1, 0], [0, -0.0429383, 1.0429383]])
    light = (np.array([RED, GREEN, BLUE, YELLOW]) / 255) ** (563 / 256)
    expect(read(buffer.getvalue()), coded(light @ matrix.T), 4)
    expect(read(png(quarters(), chunk(b"eXIf", exif))), coded(light @ matrix.T), 1)


INK_LAB: dict[tuple[int, ...], tuple[int, int, int]] = {
    (255, 0, 0, 0): (55, -37, -50),
    (0, 255, 0, 0): (48, 74, -3),
    (0, 0, 0, 255): (0, 0, 0),
    (0, 0, 0, 0): (100, 0, 0),
}
"""Inks at full strength on paper, L*a*b* (near ISO Coated v2)."""


def cmyk_profile() -> bytes:
    """A look-up table with two points an ink (ICC.1:2001-04, lut8Type)."""
    table = b""
    for i in range(16):
        inks = tuple(255 * (i >> bit & 1) for bit in (3, 2, 1, 0))
        light, a, b = INK_LAB.get(inks, (0, 0, 0))
        table += bytes((round(light * 2.55), a + 128, b + 128))
    ramp = bytes(range(256))
    identity = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    lut = b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + identity + ramp * 4 + table + ramp * 3
    return icc(b"CMYK", b"Lab ", {b"wtpt": xyz(0.9642, 1, 0.8249), b"A2B0": lut, b"A2B1": lut})


def lab_to_srgb(light: float, a: float, b: float) -> NDArray[Any]:
    y = (light + 16) / 116
    white = np.array([0.9642, 1, 0.8249])
    f = np.array([y + a / 500, y, y - b / 200])
    tristimulus = white * np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29))
    from_d50 = np.array(
        [[3.1338561, -1.6168667, -0.4906146], [-0.9787684, 1.9161415, 0.0334540], [0.0719453, -0.2289914, 1.4052427]]
    )
    return coded(from_d50 @ tristimulus)


def cmyk(*inks: int) -> Image.Image:
    return Image.fromarray(np.full((16, 16, 4), inks, np.uint8), "CMYK")


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_inks_become_colours_by_their_profile(kind: str, read: Read) -> None:
    for inks, lab in INK_LAB.items():
        buffer = io.BytesIO()
        cmyk(*inks).save(buffer, kind, icc_profile=cmyk_profile(), **({"quality": 98} if kind == "JPEG" else {}))
        shown = read(buffer.getvalue()).image[8, 8, ::-1].tolist()
        assert shown == pytest.approx(lab_to_srgb(*lab).tolist(), abs=4), inks


def test_inks_without_a_profile(read: Read) -> None:
    for kind in ("JPEG", "TIFF"):
        buffer = io.BytesIO()
        cmyk(255, 0, 0, 51).save(buffer, kind)
        assert read(buffer.getvalue()).image[8, 8].tolist() == pytest.approx([204, 204, 0], abs=3), kind


def test_inks_are_inverted_only_with_adobes_marker(read: Read) -> None:
    buffer = io.BytesIO()
    cmyk(255, 0, 0, 51).save(buffer, "JPEG")
    data = buffer.getvalue()  # inverted, and marked by Adobe's marker
    at = data.index(b"\xff\xeeAdobe"[:2], 2)
    size = int.from_bytes(data[at + 2 : at + 4], "big")
    assert data[at + 4 : at + 9] == b"Adobe"
    plain = data[:at] + data[at + 2 + size :]
    assert read(plain).image[8, 8].tolist() == pytest.approx([0, 0, 51], abs=3)  # inks 0, 255, 255, 204


def test_a_broken_profile_is_ignored_with_one_line(read: Read, caplog: pytest.LogCaptureFixture) -> None:
    wrong = {
        "garbage": b"\xff" * 400,
        "cut": P3_PROFILE[:200],
        "of inks": cmyk_profile(),
        "empty": b"x",
        "huge": bytes(17_000_000),
    }
    for name, profile in wrong.items():
        caplog.clear()
        kind = "TIFF" if name == "huge" else "WEBP"
        expect(read(encoded(kind, quarters(), icc=profile)), (RED, GREEN, BLUE, YELLOW))
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert "its colour profile is ignored" in record.getMessage(), name
        assert "\n" not in record.getMessage()
    caplog.clear()
    expect(read(png(quarters(), chunk(b"iCCP", b"x\0\0no zlib stream"))), (RED, GREEN, BLUE, YELLOW))
    assert "its colour profile is ignored" in caplog.text


def test_srgb_by_any_name_leaves_the_pixels_alone(read: Read) -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    assert np.array_equal(read(encoded("PNG", noise, icc=profile)).image[:, :, ::-1], noise)


# Depth.


def rounded(deep: NDArray[Any]) -> NDArray[Any]:
    return np.floor(deep.astype(np.float64) / 257 + 0.5)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", ["png", "tiff", "bigtiff"])
def test_16_bits_are_rounded(kind: str, channels: int, read: Read) -> None:
    if kind != "png" and channels == 2:
        pytest.skip("refused, see below")
    deep = np.random.default_rng(channels).integers(1, 65536, (20, 30, channels), np.uint16)
    deep[0, 0] = 0xFF7F  # truncation makes 255 of it, and rounding 255; 0x007F and 0x0080 tell them apart
    deep[0, 1, :3], deep[0, 2, :3] = 0x0080, 0x0081
    if channels in (2, 4):
        deep[:, :, -1] |= 0x8000
    if kind == "png":
        data = png(deep)
    else:
        photometric = 1 if channels < 3 else 2
        data = tiff(deep, photometric=photometric, extra=2 if channels == 4 else None, big=kind == "bigtiff")
    picture = read(data)
    expected = rounded(deep)
    colours = expected[:, :, :3] if channels > 2 else expected[:, :, :1].repeat(3, axis=2)
    assert np.array_equal(picture.image[:, :, ::-1], colours)
    if channels in (2, 4):
        assert picture.alpha is not None
        assert np.array_equal(picture.alpha, expected[:, :, -1])


def test_deep_pictures_are_turned_and_converted(read: Read) -> None:
    deep = quarters().astype(np.uint16) * 257
    exif = Image.Exif()
    exif[0x112] = 6
    turned_png = png(STORED[6](deep), chunk(b"eXIf", exif.tobytes()[6:]), chunk(b"cICP", bytes((*P3, 0, 1))))
    expect(read(turned_png), from_p3(RED, GREEN, BLUE, YELLOW), 1)
    for orientation, stored in STORED.items():
        expect(read(tiff(stored(deep), tags={274: ("H", (orientation,))})), (RED, GREEN, BLUE, YELLOW))


@pytest.mark.parametrize("channels", [1, 3])
def test_deep_shadows_have_no_bands(channels: int, read: Read) -> None:
    ramp = np.linspace(0, 65535 / 40, 400).round().astype(np.uint16)
    deep = np.tile(ramp[None, :, None], (2, 1, channels))
    linear = {b"wtpt": xyz(0.9642, 1, 0.8249), b"kTRC": gamma(1)}
    chunks = [chunk(b"gAMA", struct.pack(">I", 100_000))]
    if channels == 1:
        chunks.append(chunk(b"iCCP", b"x\0\0" + zlib.compress(icc(b"GRAY", b"XYZ ", linear))))
    shown = read(png(deep, *chunks)).image[0]
    expected = coded(ramp / 65535)
    assert np.abs(shown - expected[:, None]).max() <= 2
    assert len(np.unique(shown)) >= 40  # 8 bits have 7 levels of these shadows


def test_a_profile_in_jpeg_2000(read: Read) -> None:
    data = encoded("JPEG2000", quarters())
    at = data.index(b"jp2h") - 4
    colour = data.index(b"colr") - 4
    size = int.from_bytes(data[colour : colour + 4], "big")
    box = struct.pack(">I4s3B", 11 + len(P3_PROFILE), b"colr", 2, 0, 0) + P3_PROFILE
    whole = int.from_bytes(data[at : at + 4], "big") - size + len(box)
    with_profile = data[:at] + struct.pack(">I", whole) + data[at + 4 : colour] + box + data[colour + size :]
    expect(read(with_profile), from_p3(RED, GREEN, BLUE, YELLOW), 1)


def test_a_transparent_grey_of_16_bits(read: Read) -> None:
    deep = np.full((8, 8, 1), 1000, np.uint16)
    deep[:4] = 1001  # the same 8 bits
    picture = read(png(deep, chunk(b"tRNS", struct.pack(">H", 1000))))
    assert picture.alpha is not None
    assert picture.alpha[:, 0].tolist() == [255] * 4 + [0] * 4


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels", [1, 3])
def test_floating_point_is_0_to_1_and_clipped(dtype: Any, channels: int, read: Read) -> None:
    values = np.array([0, 0.5, 1, 7.5, -2, np.inf, -np.inf, np.nan], dtype)
    pixels = np.tile(values[None, :, None], (4, 1, channels))
    picture = read(tiff(pixels, photometric=1 if channels == 1 else 2))
    assert picture.image[0, :, 0].tolist() == [0, 128, 255, 255, 0, 255, 0, 0]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_associated_alpha_is_divided_out(dtype: Any, read: Read) -> None:
    white = np.iinfo(dtype).max
    straight, opacity = np.array([0.8, 0.4, 0.2]), np.array([1, 0.5, 0.25, 0])
    pixels = np.zeros((4, 4, 4))
    pixels[:, :, :3] = straight * opacity[:, None, None]
    pixels[:, :, 3] = opacity[:, None]
    pixels[3, :, :3] = 0.3  # no colour can be there
    picture = read(tiff(np.rint(pixels * white).astype(dtype), extra=1))
    assert picture.alpha is not None
    assert picture.alpha[:, 0].tolist() == [255, 128, 64, 0]
    for row in range(3):
        assert picture.image[row, 0, ::-1].tolist() == pytest.approx((straight * 255).tolist(), abs=3)
    assert (picture.image[3] == BLANK).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_fourth_sample_without_a_meaning_is_no_alpha(dtype: Any, read: Read) -> None:
    white = np.iinfo(dtype).max
    pixels = np.full((4, 4, 4), (white, 0, white // 5, 0), dtype)
    picture = read(tiff(pixels, extra=0))
    assert picture.alpha is None
    assert picture.image[0, 0, ::-1].tolist() == [255, 0, 51]


def test_associated_alpha_of_grey_is_divided_out(read: Read) -> None:
    picture = read(tiff(np.full((4, 4, 2), (50, 100), np.uint8), photometric=1, extra=1))
    assert picture.alpha is not None
    assert picture.alpha[0, 0] == 100
    assert picture.image[0, 0].tolist() == pytest.approx([127.5] * 3, abs=1)


def test_white_may_be_0(read: Read) -> None:
    for dtype in (np.uint8, np.uint16):
        dark = np.full((4, 4, 1), np.iinfo(dtype).max, dtype)
        assert read(tiff(dark, photometric=0)).image.max() == 0


@pytest.mark.parametrize(
    "data",
    [
        tiff(np.zeros((4, 4, 2), np.uint16), photometric=1, extra=2),
        tiff(np.zeros((4, 4, 3), np.uint32)),
        tiff(np.zeros((4, 4, 3), np.float16)),
        tiff(np.zeros((4, 4, 3), np.int16)),
        tiff(np.zeros((4, 4, 5), np.uint16)),
    ],
    ids=["grey-alpha", "uint32", "float16", "int16", "five"],
)
def test_depths_that_cannot_be_read_are_refused(data: bytes, read: Read, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SourceError, match="save it with 8 bits a channel"):
        read(data)
    assert capfd.readouterr() == ("", "")


# What a file is.


def test_names_do_not_matter(tmp_path: Path) -> None:
    for name, kind in (("a.jpg", "PNG"), ("b", "JPEG"), ("c.mp4", "TIFF"), ("d.txt", "WEBP"), ("e.jfif", "JPEG")):
        path = tmp_path / name
        path.write_bytes(encoded(kind, quarters()))
        assert is_still(path)
        expect(load(path), (RED, GREEN, BLUE, YELLOW), 3)


def test_the_first_of_several_pictures(read: Read) -> None:
    first, second = Image.fromarray(quarters()), Image.fromarray(quarters()[::-1].copy())
    for kind in ("MPO", "TIFF", "GIF", "PNG", "WEBP", "AVIF"):
        buffer = io.BytesIO()
        first.copy().save(buffer, kind, save_all=True, append_images=[second.copy()], **BEST.get(kind, {}))
        expect(read(buffer.getvalue()), (RED, GREEN, BLUE, YELLOW), 6)


def test_what_moves_is_no_still(tmp_path: Path) -> None:
    path = tmp_path / "picture"
    frames = [Image.fromarray(np.full((16, 16, 3), level, np.uint8)) for level in (10, 200, 90)]
    for kind in ("GIF", "PNG", "WEBP", "AVIF"):
        frames[0].save(path, kind, save_all=True, append_images=frames[1:], duration=40)
        assert not is_still(path), kind
        assert still_format(path) is not None
        frames[0].save(path, kind)
        assert is_still(path), kind
    jpeg = encoded("JPEG", quarters())
    path.write_bytes(jpeg * 3)
    assert not is_still(path)  # motion JPEG
    path.write_bytes(jpeg + encoded("JPEG", quarters()[::2, ::2]))
    assert is_still(path)  # a photograph with a preview behind it
    frames[0].save(path, "MPO", save_all=True, append_images=frames[1:])
    assert is_still(path)  # several views of one scene
    path.write_bytes(jpeg + b"\0\0\0\x18ftypmp42" + bytes(500))
    assert is_still(path)  # a photograph with a film behind it


@pytest.mark.parametrize(
    "header",
    [
        b"", b"text\n", b"P", b"BM", b"BMW is not a bitmap, whatever its first letters say", b"\x1aE\xdf\xa3",
        b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41", b"\0\0\0\x18ftypmp42\0\0\0\0mif1heic", b"RIFF\0\0\0\0AVI LIST",
        b"%PDF-1.7", b"%!PS-Adobe-3.0 EPSF-3.0", b"SIMPLE  =                    T", b"<svg xmlns=",
    ],
)  # fmt: skip
def test_what_is_no_photograph(header: bytes, tmp_path: Path) -> None:
    assert format_of(header) is None
    (tmp_path / "file.jpg").write_bytes(header)
    assert not is_still(tmp_path / "file.jpg")
    with pytest.raises(SourceError, match=r"file\.jpg: (it is no photograph|the file is empty)"):
        load(tmp_path / "file.jpg")


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (b"\xff\x0a" + bytes(40), "JPEG XL.*djxl"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(40), "JPEG XL.*djxl"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "raw.*darktable"),
        (b"II*\0\x10\0\0\0CR\2\0" + bytes(40), "raw.*darktable"),
        (tiff(np.zeros((4, 4, 3), np.uint8), tags={254: ("I", (1,))}), "raw.*darktable"),
        (tiff(np.zeros((4, 4, 3), np.uint8), tags={50706: ("I", (1,))}), "raw.*darktable"),
        (b"8BPS\0\1" + bytes(40), "Photoshop.*convert it to PNG"),
        (b"\x76\x2f\x31\x01" + bytes(40), "OpenEXR.*convert it to PNG"),
    ],
)
def test_photographs_that_cannot_be_read_name_the_way_out(header: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "photo").write_bytes(header)
    assert is_still(tmp_path / "photo")
    with pytest.raises(SourceError, match=says) as error:
        load(tmp_path / "photo")
    assert "\n" not in str(error.value)


# Limits.


def bombs() -> dict[str, bytes]:
    """Small files whose headers announce a picture of 40000 x 30000."""
    size = (40000, 30000)
    black = np.zeros((4, 4, 3), np.uint8)
    header = png(black)
    jpeg = encoded("JPEG", quarters())
    frame = jpeg.index(b"\xff\xc0") + 5
    heic = (HEIC / "deep.heic").read_bytes()
    avif = encoded("AVIF", quarters())
    spatial = b"ispe" + bytes(4) + struct.pack(">II", WIDTH, HEIGHT)
    bmp = encoded("BMP", black)
    jp2 = encoded("JPEG2000", quarters())
    measures = struct.pack(">II", HEIGHT, WIDTH)
    return {
        "png": header[:8] + chunk(b"IHDR", struct.pack(">II", *size) + header[24:29]) + header[33:],
        "jpeg": jpeg[:frame] + struct.pack(">HH", size[1], size[0]) + jpeg[frame + 4 :],
        "tiff": tiff(black, tags={256: ("I", size[:1]), 257: ("I", size[1:])}),
        "deep tiff": tiff(black.astype(np.uint16), tags={256: ("I", size[:1]), 257: ("I", size[1:])}),
        "gif": b"GIF89a" + struct.pack("<HH", *size) + encoded("GIF", black)[10:],
        "bmp": bmp[:18] + struct.pack("<ii", *size) + bmp[26:],
        "heic": heic.replace(spatial, spatial[:8] + struct.pack(">II", *size)),
        "avif": avif.replace(spatial, spatial[:8] + struct.pack(">II", *size)),
        "jpeg 2000": jp2.replace(measures, struct.pack(">II", size[1], size[0]), 1),
        "ppm": b"P6 40000 30000 255\n" + bytes(100),
        "qoi": b"qoif" + struct.pack(">II", *size) + b"\3\0" + bytes(50),
    }  # fmt: skip


@pytest.mark.parametrize("kind", bombs())
def test_pictures_that_are_too_large_are_refused_before_they_are_decoded(kind: str, read: Read) -> None:
    data = bombs()[kind]
    tracemalloc.start()
    try:
        with pytest.raises(SourceError) as error:
            read(data)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
    assert "\n" not in str(error.value)
    if kind != "avif":  # libavif finds the contradiction first
        assert "40000x30000 pixels are too large: scale it down" in str(error.value)


def test_the_line_names_the_limits(read: Read) -> None:
    with pytest.raises(
        SourceError, match=f"{MAX_STILL_SIDE} pixels a side and {MAX_STILL_PIXELS // 1_000_000} megapixels"
    ):
        read(png(np.zeros((1, MAX_STILL_SIDE + 1, 1), np.uint8)))


def test_panoramas_and_large_photographs_are_read(read: Read) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wide = read(png(np.full((10, 20000, 1), 7, np.uint8)))
        assert wide.image.shape == (10, 20000, 3)
        # 108 megapixels, of which each row says what it repeats: more than Pillow's own limit.
        large = read(png(np.full((9000, 12000, 1), 7, np.uint8)))
    assert large.image.shape == (9000, 12000, 3)


# Damage.


def samples() -> dict[str, bytes]:
    small = quarters()[::4, ::4].copy()
    alpha = right_half_hidden()[::4, ::4].copy()
    files = {kind: encoded(kind, small, orientation=6, icc=P3_PROFILE) for kind in WITH_ICC}
    files |= {kind: encoded(kind, small) for kind in ("BMP", "GIF", "JPEG2000", "PPM", "QOI", "MPO")}
    files |= {
        "alpha": encoded("PNG", alpha),
        "deep png": png(small.astype(np.uint16)),
        "deep tiff": tiff(small.astype(np.float32)),
    }
    files |= {name: (HEIC / f"{name}.heic").read_bytes() for name in ("tiles", "turned", "transparent")}
    return files  # fmt: skip


SAMPLES = samples()


def problem(action: Callable[[], Picture]) -> str:
    """The error's text; empty if there was a picture."""
    try:
        action()
    except SourceError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", SAMPLES)
def test_a_file_that_is_cut_off_or_changed_is_one_line(
    name: str, read: Read, capfd: pytest.CaptureFixture[str]
) -> None:
    data = SAMPLES[name]
    for part in (0.02, 0.3, 0.6):
        place = int(len(data) * part)
        assert problem(partial(read, data[:place])).count("\n") == 0
        assert problem(partial(read, data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :])).count("\n") == 0
    assert capfd.readouterr() == ("", "")


# Always the same changes: what other people's decoders make of new ones must not fail an unrelated commit.
@settings(max_examples=150, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(sorted(SAMPLES)),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_damage_is_one_line_or_a_picture(name: str, changes: list[tuple[float, int]], tmp_path: Path) -> None:
    data = bytearray(SAMPLES[name])
    for place, value in changes:
        data[min(int(place * len(data)), len(data) - 1)] = value
    path = tmp_path / "damaged"
    path.write_bytes(data)
    is_still(path)
    assert problem(lambda: load(path)).count("\n") == 0


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_a_transparent_level_of_few_bits_is_found(depth: int, read: Read) -> None:
    levels, level = 1 << depth, 1
    row = np.arange(levels * 8) // 8 % levels
    packed = np.packbits((row[:, None] >> np.arange(depth)[::-1] & 1).astype(np.uint8).ravel()).tobytes()
    header = struct.pack(">IIBBBBB", len(row), 4, depth, 0, 0, 0, 0)
    data = b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"tRNS", struct.pack(">H", level)),
            chunk(b"IDAT", zlib.compress((b"\0" + packed) * 4)),
            chunk(b"IEND", b""),
        )
    )
    picture = read(data)
    assert picture.alpha is not None
    assert np.array_equal(picture.alpha, np.tile(np.where(row == level, 0, 255), (4, 1)))
    expected = np.where(row == level, BLANK, np.rint(row * 255 / (levels - 1)))
    assert np.array_equal(picture.image, np.tile(expected[None, :, None], (4, 1, 3)))


def test_an_item_whose_type_is_no_text_is_refused(read: Read) -> None:
    """It ended the whole process: pi-heif 1.4."""
    data = (HEIC / "turned.heic").read_bytes()
    at = data.index(b"Exif")
    with pytest.raises(SourceError, match="it is damaged"):
        read(data[:at] + b"E\xeaif" + data[at + 4 :])


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"gone\.png: No such file"):
        load(tmp_path / "gone.png")
    with pytest.raises(SourceError, match="Is a directory"):
        load(tmp_path)
    assert not is_still(tmp_path / "gone.png")


def test_a_jpeg_picture_that_is_damaged_inside_is_shown_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    whole = encoded("JPEG", noise)
    middle = len(whole) // 2
    for name, data in (("whole.jpg", whole), ("broken.jpg", whole[:middle] + bytes(400) + whole[middle + 400 :])):
        (tmp_path / name).write_bytes(data)
        assert load(tmp_path / name).image.shape == (96, 96, 3)
    assert [record.getMessage().partition(" is damaged")[0] for record in caplog.records] == [
        str(tmp_path / "broken.jpg")
    ]


@pytest.mark.parametrize(
    "options",
    [{"progressive": True}, {"subsampling": 0}, {"restart_marker_blocks": 2}, {"optimize": True}, {"quality": 5}],
    ids=str,
)
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_whole_jpeg_picture_is_not_called_damaged(mode: str, options: dict[str, Any]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (37, 51, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(buffer, "JPEG", **options)
    assert not is_damaged(buffer.getvalue())
    assert not is_damaged(buffer.getvalue() + b"what follows is no picture")


@pytest.mark.parametrize(
    ("compression", "fix"),
    [(50001, "compression 50001 cannot be read: save it with LZW"), (50002, "compression 50002")],
)
def test_a_tiff_whose_compression_is_unknown_is_not_called_damaged(compression: int, fix: str, read: Read) -> None:
    data = encoded("TIFF", quarters())
    entry = struct.pack("<HHI", 259, 3, 1)
    at = data.index(entry) + len(entry)
    with pytest.raises(SourceError, match=fix):
        read(data[:at] + struct.pack("<H", compression) + data[at + 2 :])


def test_a_big_endian_bigtiff_is_not_called_damaged(read: Read) -> None:
    with pytest.raises(SourceError, match="save it as an ordinary TIFF"):
        read(struct.pack(">2sHHHQ", b"MM", 43, 8, 0, 16) + bytes(100))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_the_brightest_levels_of_a_deep_jpeg_2000_stay_bright(channels: int, read: Read) -> None:
    """Pillow rounds 65408 and more to 256, which it stores as 0: white is black, and what is opaque is transparent."""
    ramp = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
    deep = np.dstack([ramp] * min(channels, 3) + [np.full_like(ramp, 65535)] * (channels == 4))
    done, data = cv2.imencode(".jp2", deep, [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000])
    assert done
    picture = read(data.tobytes())
    assert picture.alpha is None
    assert np.abs(picture.image - np.rint(ramp / 257)[:, :, None]).max() <= 1
    assert picture.image[-1, -1].tolist() == [255, 255, 255]


@pytest.mark.parametrize("share", [0.5, 0.8, 0.95])
def test_a_heic_whose_last_tiles_are_missing_is_refused(share: float, read: Read) -> None:
    data = (HEIC / "tiles.heic").read_bytes()
    with pytest.raises(SourceError, match="cut off"):
        read(data[: int(len(data) * share)])
