"""Colours of video, computed here a second time from the standards: matrices, wide gamuts, HDR. As a source and a
background."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TypeAlias

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from rtsod.composite.backgrounds import VideoBackground
from rtsod.frames import Image
from rtsod.sources.video import video_from_file
from tests.support.source_fixtures import write_tagged

Numbers: TypeAlias = NDArray[np.float64]
SIDE = 8
LEVELS = (0.06, 0.3, 0.55, 0.8, 1.0)
PATCHES = np.array([*itertools.product(LEVELS, repeat=3), (0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)])
"""``(N, 3)`` red, green, blue, of a signal from 0 to 1."""
BT709, BT601, BT2020 = (0.2126, 0.0722), (0.299, 0.114), (0.2627, 0.0593)  # KR and KB
# From linear light of other primaries to BT.709's, as published (BT.2020: ITU-R BT.2407; P3: SMPTE EG 432-1's colours).
TO_BT709 = {
    9: np.array([[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]]),
    12: np.array([[1.224940, -0.224940, 0], [-0.042057, 1.042057, 0], [-0.019638, -0.078636, 1.098274]]),
}


def read_both(path: Path) -> tuple[Image, str]:
    """The picture, which must be the same as source and as background, and the source's notes."""
    source, background = video_from_file(path), VideoBackground(path)
    frame = source.read()
    assert frame is not None
    height, width = frame.image.shape[:2]
    assert np.array_equal(background.picture(width, height, 0.0), frame.image)
    source.close()
    background.close()
    return frame.image, "; ".join(source.info.notes)


def picture_of(values: Numbers) -> Numbers:
    """``(SIDE, N * SIDE, 3)``: one square per value."""
    return np.repeat(np.repeat(values[None], SIDE, axis=0), SIDE, axis=1)


def colours_of(image: Image) -> NDArray[np.int64]:
    """``(N, 3)`` red, green, blue: the middle of each square."""
    return image[SIDE // 2, SIDE // 2 :: SIDE, ::-1].astype(np.int64)


def codes(signal: Numbers, *, full_range: bool = False, like_luma: bool = False) -> NDArray[np.uint16]:
    """16-bit codes of Y, Cb and Cr. H.273 gives the chroma of some matrices the luma's range."""
    if full_range:
        scaled = signal * 65535 + (0, 32768, 32768)
    else:
        chroma = 219 if like_luma else 224
        scaled = signal * (219 * 256, chroma * 256, chroma * 256) + (4096, 32768, 32768)
    return np.rint(np.clip(scaled, 0, 65535)).astype(np.uint16)


def ycbcr(rgb: Numbers, weights: tuple[float, float]) -> Numbers:
    kr, kb = weights
    luma = rgb @ (kr, 1 - kr - kb, kb)
    return np.column_stack([luma, (rgb[:, 2] - luma) / (2 - 2 * kb), (rgb[:, 0] - luma) / (2 - 2 * kr)])


def write(
    path: Path,
    signal: Numbers,
    *,
    like_luma: bool = False,
    full_range: bool = False,
    matrix: int = 2,
    primaries: int = 2,
    transfer: int = 2,
) -> Path:
    planes = picture_of(codes(signal, full_range=full_range, like_luma=like_luma).astype(float)).astype(np.uint16)
    return write_tagged(path, planes, matrix=matrix, primaries=primaries, transfer=transfer, full_range=full_range)


def srgb(light: Numbers) -> Numbers:
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055) * 255


def from_srgb(signal: Numbers) -> Numbers:
    return np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)


# Matrices.


def ycgco(rgb: Numbers) -> Numbers:
    red, green, blue = rgb.T
    return np.column_stack([green / 2 + (red + blue) / 4, green / 2 - (red + blue) / 4, (red - blue) / 2])


@pytest.mark.parametrize("full_range", [False, True], ids=["limited range", "full range"])
def test_ycgco(tmp_path: Path, full_range: bool) -> None:
    path = write(tmp_path / "a.mkv", ycgco(PATCHES), like_luma=True, matrix=8, full_range=full_range)
    image, notes = read_both(path)
    assert np.abs(colours_of(image) - PATCHES * 255).max() <= 2
    assert not notes


def test_green_blue_red(tmp_path: Path) -> None:
    planes = picture_of(np.rint(PATCHES[:, [1, 2, 0]] * 219 * 256 + 4096)).astype(np.uint16)
    image, _ = read_both(write_tagged(tmp_path / "a.mkv", planes, matrix=0))
    assert np.abs(colours_of(image) - PATCHES * 255).max() <= 2


@pytest.mark.parametrize("matrix", [16, 17])
def test_lossless_ycgco(tmp_path: Path, matrix: int) -> None:
    # Integers of 10 bits, as YCgCo-R lifts them (Malvar and Sullivan 2003): two bits more, or one more, than RGB's.
    bits = 10 - (2 if matrix == 16 else 1)
    red, green, blue = np.rint(PATCHES * ((1 << bits) - 1)).astype(int).T
    co = red - blue
    t = blue + (co >> 1)
    cg = green - t
    lifted = np.column_stack([t + (cg >> 1), cg + 512, co + 512])
    values = picture_of(lifted.astype(float)).astype(np.uint16)
    path = tmp_path / "a.mkv"
    write_planes(path, values, matrix)
    image, _ = read_both(path)
    assert np.abs(colours_of(image) - PATCHES * 255).max() <= 2


def write_planes(path: Path, values: NDArray[np.uint16], matrix: int) -> None:
    """10 bits, full range."""
    height, width = values.shape[:2]
    frame = av.VideoFrame(width, height, "yuv444p10le")
    for plane, channel in zip(frame.planes, np.moveaxis(values, 2, 0), strict=True):
        rows = np.zeros((height, plane.line_size // 2), np.uint16)
        rows[:, :width] = channel
        plane.update(rows.tobytes())
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", 25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv444p10le"
        stream.codec_context.colorspace, stream.codec_context.color_range = matrix, 2
        frame.colorspace, frame.color_range = matrix, 2
        container.mux([*stream.encode(frame), *stream.encode()])


def test_a_matrix_derived_from_the_primaries(tmp_path: Path) -> None:
    # KR and KB of P3's primaries with D65's white: the second row of its matrix to XYZ.
    path = write(tmp_path / "a.mkv", ycbcr(PATCHES, (0.228975, 0.079287)), matrix=12, primaries=12)
    image, notes = read_both(path)
    expected = srgb(from_srgb(PATCHES) @ TO_BT709[12].T)
    assert np.abs(colours_of(image) - expected).max() <= 2
    assert "Display P3" in notes


def test_bt2020_with_constant_luminance(tmp_path: Path) -> None:
    # ITU-R BT.2020, table 4. Greys and colours within BT.709, so that nothing is clipped.
    rgb = PATCHES[(PATCHES.min(axis=1) > 0.5) | (np.ptp(PATCHES, axis=1) == 0)]
    light = np.where(rgb < 0.081243, rgb / 4.5, ((rgb + 0.099297) / 1.099297) ** (1 / 0.45))

    def camera(linear: Numbers) -> Numbers:
        return np.where(linear < 0.018054, 4.5 * linear, 1.099297 * np.maximum(linear, 0) ** 0.45 - 0.099297)

    luma = camera(light @ (0.2627, 0.6780, 0.0593))
    blue, red = rgb[:, 2] - luma, rgb[:, 0] - luma
    chroma = [blue / np.where(blue <= 0, 1.9404, 1.5816), red / np.where(red <= 0, 1.7184, 0.9936)]
    path = write(tmp_path / "a.mkv", np.column_stack([luma, *chroma]), matrix=10, primaries=9, transfer=14)
    image, notes = read_both(path)
    expected = camera(np.clip(light @ TO_BT709[9].T, 0, 1)) * 255
    assert np.abs(colours_of(image) - expected).max() <= 2
    assert "BT.2020" in notes


def test_ydzdx(tmp_path: Path) -> None:
    x, y, z = PATCHES.T
    path = write(tmp_path / "a.mkv", np.column_stack([y, (0.986566 * z - y) / 2, (x - 0.991902 * y) / 2]), matrix=11)
    image, _ = read_both(path)
    assert np.abs(colours_of(image) - PATCHES * 255).max() <= 2


@pytest.mark.parametrize("matrix", [3, 15, 18, 100])
def test_an_unknown_matrix_is_guessed_with_a_note(tmp_path: Path, matrix: int) -> None:
    signal = ycbcr(PATCHES, BT601)
    untagged, _ = read_both(write(tmp_path / "untagged.mkv", signal))
    image, notes = read_both(write(tmp_path / "a.mkv", signal, matrix=matrix))
    assert np.array_equal(image, untagged)
    with av.open(str(tmp_path / "a.mkv")) as container:
        stated = container.streams.video[0].colorspace
    if stated == matrix:  # FFmpeg drops numbers that it does not know
        assert notes == "colours: the YCbCr matrix is not known: BT.601 is assumed"


@pytest.mark.parametrize("matrix", range(20))
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p", "gray", "bgr0"])
def test_every_matrix_gives_a_picture(tmp_path: Path, matrix: int, pix_fmt: str) -> None:
    image = np.full((SIDE, SIDE, 3), 128, np.uint8)
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", 25)
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, pix_fmt
        frame = av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format=pix_fmt)
        frame.colorspace = stream.codec_context.colorspace = matrix
        container.mux([*stream.encode(frame), *stream.encode()])
    shown, _ = read_both(path)
    assert shown.shape == (SIDE, SIDE, 3)
    if matrix not in (14, 16, 17):  # HDR, and what takes more than 8 bits
        assert np.abs(shown.astype(int) - 128).max() <= 6


# Wide gamuts.


@pytest.mark.parametrize(("primaries", "weights", "matrix"), [(9, BT2020, 9), (12, BT709, 1), (12, BT601, 6)])
@pytest.mark.parametrize("transfer", [1, 2, 13, 14])
def test_a_wide_gamut_becomes_bt709(
    tmp_path: Path, primaries: int, weights: tuple[float, float], matrix: int, transfer: int
) -> None:
    signal = ycbcr(PATCHES, weights)
    path = write(tmp_path / "a.mkv", signal, matrix=matrix, primaries=primaries, transfer=transfer)
    image, notes = read_both(path)
    expected = srgb(from_srgb(PATCHES) @ TO_BT709[primaries].T)
    assert np.abs(colours_of(image) - expected).max() <= 2
    assert notes == f"colours: {'BT.2020' if primaries == 9 else 'Display P3'} is converted to BT.709"


def test_reds_of_p3_and_whites(tmp_path: Path) -> None:
    rgb = np.array([(1, 0, 0), (1, 1, 1), (0.5, 0.5, 0.5), (0.9176, 0.2003, 0.1386)])  # the last one is BT.709's red
    for primaries in (11, 12):
        path = write(tmp_path / f"{primaries}.mkv", ycbcr(rgb, BT709), matrix=1, primaries=primaries, transfer=13)
        shown = colours_of(read_both(path)[0])
        assert shown[0].tolist() == [255, 0, 0]
        assert shown[1].tolist() == [255, 255, 255]
        assert np.abs(shown[2] - 128).max() <= 1
        if primaries == 12:
            assert np.abs(shown[3] - (255, 0, 0)).max() <= 4


@pytest.mark.parametrize("primaries", [1, 2, 3, 5, 6, 7, 22])
@pytest.mark.parametrize("transfer", [1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
def test_usual_colours_stay_as_they_are(tmp_path: Path, primaries: int, transfer: int) -> None:
    signal = ycbcr(PATCHES, BT709)
    untagged, _ = read_both(write(tmp_path / "untagged.mkv", signal, matrix=1))
    image, notes = read_both(write(tmp_path / "a.mkv", signal, matrix=1, primaries=primaries, transfer=transfer))
    assert np.array_equal(image, untagged)
    assert not notes


# HDR. Below the knee of the tone curve, at 95 nits, light is kept: 203 nits are SDR's white.


def pq(nits: Numbers) -> Numbers:
    """SMPTE ST 2084."""
    power = (np.asarray(nits) / 10000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def hlg(scene: Numbers) -> Numbers:
    """ITU-R BT.2100's OETF of HLG."""
    high = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), high)


def scene_of(nits: Numbers) -> Numbers:
    """The light of the scene that HLG shows at ``nits`` (red, green, blue) on a screen of 1000 nits."""
    luminance = nits @ (0.2627, 0.6780, 0.0593)
    return nits / 1000 * (np.maximum(luminance, 1e-9) / 1000)[:, None] ** (1 / 1.2 - 1)


DIM = np.array([(1, 1, 1), (5, 5, 5), (20, 20, 20), (60, 60, 60), (90, 90, 90), (80, 60, 50), (20, 40, 30), (9, 9, 60)])
"""Nits of red, green and blue, by BT.2020's primaries."""


@pytest.mark.parametrize("transfer", [16, 18], ids=["PQ", "HLG"])
@pytest.mark.parametrize("matrix", [9, 14], ids=["BT.2020", "ICtCp"])
def test_hdr_keeps_the_light_below_the_knee(tmp_path: Path, transfer: int, matrix: int) -> None:
    nits = DIM.astype(float)
    light = nits if transfer == 16 else scene_of(nits)
    curve = pq if transfer == 16 else hlg
    if matrix == 9:
        signal = ycbcr(curve(light), BT2020)
    else:
        cones = curve(light @ (np.array([(1688, 2146, 262), (683, 2951, 462), (99, 309, 3688)]) / 4096).T)
        from_cones = {
            16: [(2048, 2048, 0), (6610, -13613, 7003), (17933, -17390, -543)],
            18: [(2048, 2048, 0), (3625, -7465, 3840), (9500, -9212, -288)],
        }
        signal = cones @ (np.array(from_cones[transfer]) / 4096).T
    image, notes = read_both(write(tmp_path / "a.mkv", signal, matrix=matrix, primaries=9, transfer=transfer))
    expected = srgb(nits / 203 @ TO_BT709[9].T)
    assert np.abs(colours_of(image) - expected).max() <= 3
    assert notes == f"colours: BT.2020 {'PQ' if transfer == 16 else 'HLG'} (HDR) is converted to BT.709"


@pytest.mark.parametrize("transfer", [16, 18], ids=["PQ", "HLG"])
def test_hdrs_highlights_are_compressed_not_cut(tmp_path: Path, transfer: int) -> None:
    nits = np.repeat(np.array([95, 150, 203, 300, 500, 1000], float)[:, None], 3, axis=1)
    curve = pq(nits) if transfer == 16 else hlg(scene_of(nits))
    image, _ = read_both(write(tmp_path / "a.mkv", ycbcr(curve, BT2020), matrix=9, primaries=9, transfer=transfer))
    grey = colours_of(image)
    assert np.ptp(grey, axis=1).max() <= 1
    levels = grey[:, 1]
    assert (np.diff(levels) > 0).all()
    assert levels[0] == pytest.approx(srgb(np.array(95 / 203)), abs=2)
    assert 220 <= levels[2] <= 240  # diffuse white: a little below the highlights
    assert levels[-1] == 255


def test_reference_white_is_the_same_in_pq_and_hlg(tmp_path: Path) -> None:
    # ITU-R BT.2408, table 1: 58 % of PQ and 75 % of HLG.
    shown = []
    for transfer, signal in ((16, 0.5807), (18, 0.75)):
        grey = ycbcr(np.full((1, 3), signal), BT2020)
        path = write(tmp_path / f"{transfer}.mkv", grey, matrix=9, primaries=9, transfer=transfer)
        shown.append(int(colours_of(read_both(path)[0])[0, 1]))
    assert abs(shown[0] - shown[1]) <= 1


def test_a_bright_colour_keeps_its_hue(tmp_path: Path) -> None:
    nits = np.array([(700, 500, 400), (350, 250, 200), (175, 125, 100)], float)
    path = write(tmp_path / "a.mkv", ycbcr(pq(nits), BT2020), matrix=9, primaries=9, transfer=16)
    light = from_srgb(colours_of(read_both(path)[0]) / 255)
    ratios = light / light.max(axis=1, keepdims=True)
    assert np.abs(ratios - ratios[2]).max() < 0.03


@pytest.mark.parametrize("transfer", [16, 18], ids=["PQ", "HLG"])
def test_ten_bits_leave_no_bands(tmp_path: Path, transfer: int) -> None:
    ramp = np.linspace(0.3, 0.7, 400)
    codes_10_bit = np.rint((ramp * 219 + 16) * 4) * 64
    planes = np.stack([codes_10_bit, np.full(400, 32768.0), np.full(400, 32768.0)], axis=1)
    path = write_tagged(
        tmp_path / "a.mkv",
        np.repeat(planes[None], SIDE, axis=0).astype(np.uint16),
        matrix=9,
        primaries=9,
        transfer=transfer,
    )
    levels = read_both(path)[0][0, :, 1].astype(int)
    assert (np.diff(levels) >= 0).all()
    assert np.diff(levels).max() <= 2


def test_linear_light(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mkv", ycbcr(PATCHES, BT709), matrix=1, primaries=1, transfer=8)
    image, notes = read_both(path)
    assert np.abs(colours_of(image) - srgb(PATCHES)).max() <= 2
    assert "linear light" in notes


def test_rgb_and_grey_have_colours_too(tmp_path: Path) -> None:
    planes = picture_of(np.rint(PATCHES * 65535)).astype(np.uint16)
    path = write_tagged(tmp_path / "rgb.mkv", planes, matrix=0, primaries=12, transfer=13, pix_fmt="gbrp16le")
    image, _ = read_both(path)
    assert np.abs(colours_of(image) - srgb(from_srgb(PATCHES) @ TO_BT709[12].T)).max() <= 2
    greys = np.repeat(PATCHES[:5, :1], 3, axis=1)
    path = write_tagged(tmp_path / "grey.mkv", planes[:, :, 1], transfer=8, pix_fmt="gray16le", full_range=True)
    image, _ = read_both(path)
    assert greys.shape == (5, 3)
    assert np.abs(colours_of(image) - srgb(np.repeat(PATCHES[:, 1:2], 3, axis=1))).max() <= 2


def test_alpha_goes_with_a_wide_gamut(tmp_path: Path) -> None:
    planes = np.dstack([picture_of(np.rint(PATCHES * 65535)), np.full((SIDE, len(PATCHES) * SIDE), 30000.0)])
    path = write_tagged(tmp_path / "a.mkv", planes.astype(np.uint16), primaries=12, transfer=13, pix_fmt="gbrap16le")
    source = video_from_file(path)
    frame = source.read()
    source.close()
    assert frame is not None
    assert frame.alpha is not None
    assert np.abs(frame.alpha.astype(int) - 117).max() <= 1
    assert np.abs(colours_of(frame.image) - srgb(from_srgb(PATCHES) @ TO_BT709[12].T)).max() <= 2
