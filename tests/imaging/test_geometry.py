"""A video is shown as players show it: cropped, with square pixels, upright. The same as a source and a background."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext

from rtsod.composite.backgrounds import VideoBackground
from rtsod.frames import Image
from rtsod.imaging.geometry import orientation_of
from rtsod.sources.video import video_from_file
from tests.support.container_patches import crop_in_container, display_in_matroska
from tests.support.source_fixtures import write_video

WIDTH, HEIGHT = 64, 48
LOSSLESS = {"qp": "0"}
CONTAINERS = (".mp4", ".mov", ".mkv")


class Case(NamedTuple):
    matrix: tuple[int, int, int, int]
    """a, b, c, d: the pixel (x, y) is shown at (a x + c y, b x + d y)."""
    shown: Callable[[Image], Image]


CASES = {
    "as it is": Case((1, 0, 0, 1), lambda image: image),
    "mirrored": Case((-1, 0, 0, 1), lambda image: image[:, ::-1]),
    "half a turn": Case((-1, 0, 0, -1), lambda image: image[::-1, ::-1]),
    "upside down": Case((1, 0, 0, -1), lambda image: image[::-1]),
    "transposed": Case((0, 1, 1, 0), lambda image: image.transpose(1, 0, 2)),
    "clockwise": Case((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
    "transversed": Case((0, -1, -1, 0), lambda image: image.transpose(1, 0, 2)[::-1, ::-1]),
    "counter-clockwise": Case((0, -1, 1, 0), lambda image: np.rot90(image)),
}


def corners(width: int = WIDTH, height: int = HEIGHT) -> Image:
    """Red, green, blue, white: from left to right, from top to bottom."""
    image = np.full((height, width, 3), 255, np.uint8)
    image[: height // 2, : width // 2] = (0, 0, 255)
    image[: height // 2, width // 2 :] = (0, 255, 0)
    image[height // 2 :, : width // 2] = (255, 0, 0)
    return image


def as_source(path: Path) -> Image:
    source = video_from_file(path)
    frame = source.read()
    assert frame is not None
    assert (source.info.height, source.info.width) == frame.image.shape[:2]
    source.close()
    return frame.image


def as_background(path: Path) -> Image:
    height, width = as_source(path).shape[:2]
    background = VideoBackground(path)
    image = background.picture(width, height, 0.0)
    background.close()
    return image


READERS = {"source": as_source, "background": as_background}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("suffix", CONTAINERS)
@pytest.mark.parametrize("case", CASES)
def test_every_orientation(tmp_path: Path, case: str, suffix: str, reader: str) -> None:
    matrix, shown = CASES[case]
    path = tmp_path / f"a{suffix}"
    write_video(path, [corners()] * 2, codec="libx264", pix_fmt="yuv444p", options=LOSSLESS, display_matrix=matrix)
    image, expected = READERS[reader](path), shown(corners())
    assert image.shape == expected.shape
    assert image.flags.c_contiguous
    assert np.abs(image.astype(int) - expected).max() <= 3


def test_later_frames_and_those_after_a_seek_are_laid_down_too(tmp_path: Path) -> None:
    matrix, shown = CASES["transversed"]
    path = tmp_path / "a.mp4"
    options = {**LOSSLESS, "g": "3"}
    write_video(path, [corners()] * 9, codec="libx264", pix_fmt="yuv444p", options=options, display_matrix=matrix)
    source = video_from_file(path)
    images = [frame.image for frame in iter(source.read, None) if frame is not None]
    source.close()
    assert len(images) == 9
    for image in images:
        assert np.abs(image.astype(int) - shown(corners())).max() <= 3
    with av.open(str(path)) as container:
        first = orientation_of(next(container.decode(video=0)))
        container.seek(200_000)
        assert orientation_of(next(container.decode(video=0))) == first != (False, False, False)


@pytest.mark.parametrize("reader", READERS)
def test_the_orientation_within_an_h264_stream_counts(tmp_path: Path, reader: str) -> None:
    upright, path = tmp_path / "upright.h264", tmp_path / "turned.h264"
    write_video(upright, [corners()] * 2, codec="libx264", pix_fmt="yuv444p", options=LOSSLESS)
    with av.open(str(upright)) as given, path.open("wb") as turned:
        insert = BitStreamFilterContext("h264_metadata=display_orientation=insert:rotate=90", given.streams.video[0])
        for packet in given.demux(video=0):
            for changed in insert.filter(packet if packet.size else None):
                turned.write(bytes(changed))
    image = READERS[reader](path)
    assert np.abs(image.astype(int) - np.rot90(corners())).max() <= 3


def test_an_odd_angle_becomes_the_nearest_quarter_turn(tmp_path: Path) -> None:
    for degrees, shown in ((70, np.rot90(corners())), (-20, corners()), (160, corners()[::-1, ::-1])):
        path = tmp_path / "a.mp4"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", 25, options=LOSSLESS)
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv444p"
            stream.set_display_rotation(degrees)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(corners(), format="bgr24")))
            container.mux(stream.encode())
        image = as_source(path)
        assert image.shape == shown.shape, degrees
        assert np.abs(image.astype(int) - shown).max() <= 3


def disc(image: Image) -> tuple[float, float]:
    """Width and height of the bright disc."""
    rows, columns = np.nonzero(image[:, :, 1] > 128)
    return float(columns.max() - columns.min() + 1), float(rows.max() - rows.min() + 1)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("suffix", [*CONTAINERS, ".ts", ".avi"])
@pytest.mark.parametrize(
    ("ratio", "size"),
    [
        (Fraction(4, 3), (160, 90)),
        (Fraction(64, 45), (171, 90)),
        (Fraction(1, 2), (120, 180)),
        (Fraction(10, 11), (120, 99)),
        (Fraction(1), (120, 90)),
    ],
)
def test_pixels_become_square(tmp_path: Path, ratio: Fraction, size: tuple[int, int], suffix: str, reader: str) -> None:
    # A disc as an anamorphic camera records it: drawn round, then squeezed into 120 x 90.
    round_disc = np.zeros((90 * 4, round(120 * 4 * ratio), 3), np.uint8)
    cv2.circle(round_disc, (round_disc.shape[1] // 2, 180), min(160, round_disc.shape[1] // 3), (255, 255, 255), -1)
    squeezed = np.asarray(cv2.resize(round_disc, (120, 90), interpolation=cv2.INTER_AREA), np.uint8)
    codec = "mpeg4" if suffix == ".avi" else "libx264"
    path = write_video(tmp_path / f"a{suffix}", [squeezed], codec=codec, sample_aspect_ratio=ratio)
    image = READERS[reader](path)
    assert image.shape[1::-1] == size
    across, down = disc(image)
    assert across == pytest.approx(down, abs=3)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(("name", "codec"), [("a.webm", "libvpx"), ("a.mkv", "ffv1")])
def test_matroska_states_the_size_at_which_it_is_shown(tmp_path: Path, name: str, codec: str, reader: str) -> None:
    path = display_in_matroska(write_video(tmp_path / name, [corners()], codec=codec), 8, 3)
    image = READERS[reader](path)
    assert image.shape == (HEIGHT, 2 * WIDTH, 3)
    assert np.abs(image.astype(int) - corners(2 * WIDTH, HEIGHT))[8::16, 8::16].max() <= 16


@pytest.mark.parametrize("case", CASES)
def test_a_turned_picture_has_its_pixel_aspect_turned(tmp_path: Path, case: str) -> None:
    matrix, shown = CASES[case]
    path = write_video(
        tmp_path / "a.mp4", [corners()], sample_aspect_ratio=Fraction(2), display_matrix=matrix, options=LOSSLESS
    )
    image = as_source(path)
    expected = shown(corners(2 * WIDTH, HEIGHT))
    assert image.shape == expected.shape
    near = np.s_[8::16, 8::16]  # away from the borders between the colours
    assert np.abs(image[near].astype(int) - expected[near]).max() <= 12


@pytest.mark.parametrize("ratio", [Fraction(1, 20), Fraction(9)])
def test_an_absurd_pixel_aspect_is_ignored_with_a_note(tmp_path: Path, ratio: Fraction) -> None:
    path = write_video(tmp_path / "a.mp4", [corners()], sample_aspect_ratio=ratio)
    source = video_from_file(path)
    assert (source.info.width, source.info.height) == (WIDTH, HEIGHT)
    (note,) = source.info.notes
    assert f"{ratio.numerator}:{ratio.denominator}" in note
    source.close()


def test_a_pixel_aspect_that_leads_beyond_the_limits_is_ignored_with_a_note(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", [np.zeros((16, 4000, 3), np.uint8)], sample_aspect_ratio=Fraction(6))
    source = video_from_file(path)
    assert (source.info.width, source.info.height) == (4000, 16)
    assert len(source.info.notes) == 1
    source.close()


def test_nothing_is_resampled_for_a_single_pixel(tmp_path: Path) -> None:
    # 854 x 480 from 16:9: FFmpeg notes 1280:1281 when it scales. The same at 426 x 240 would add a column.
    path = write_video(tmp_path / "a.mp4", [corners(426, 240)], sample_aspect_ratio=Fraction(640, 639))
    assert as_source(path).shape == (240, 426, 3)


@pytest.mark.parametrize("size", [(63, 47), (64, 47), (1, 1), (17, 64)])
def test_odd_sizes_stay(tmp_path: Path, size: tuple[int, int]) -> None:
    width, height = size
    path = write_video(tmp_path / "a.mkv", [corners(width, height)], pix_fmt="bgr0")
    for reader in READERS.values():
        assert np.array_equal(reader(path), corners(width, height))


def test_interlaced_video_is_read(tmp_path: Path) -> None:
    path = write_video(
        tmp_path / "a.mkv", [corners()] * 3, codec="libx264", options={"x264-params": "tff=1", "qp": "0"}
    )
    assert np.abs(as_source(path).astype(int) - corners())[8::16, 8::16].max() <= 12


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("suffix", CONTAINERS)
@pytest.mark.parametrize("case", ["as it is", "clockwise", "mirrored"])
def test_the_container_crops_first(tmp_path: Path, suffix: str, case: str, reader: str) -> None:
    matrix, shown = CASES[case]
    path = tmp_path / f"a{suffix}"
    write_video(path, [corners()], codec="libx264", pix_fmt="yuv444p", options=LOSSLESS, display_matrix=matrix)
    crop_in_container(path, left=20, right=4, top=2, bottom=16, width=WIDTH, height=HEIGHT)
    image = READERS[reader](path)
    expected = shown(corners()[2:32, 20:60])
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).max() <= 3
