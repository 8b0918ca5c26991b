"""A video's own transparency: read from every format that has it, without the colours hidden beneath."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from rtsod.composite.backgrounds import VideoBackground
from rtsod.frames import BLANK, Frame, Image
from rtsod.sources.video import video_from_file
from tests.support.container_patches import crop_in_container
from tests.support.source_fixtures import write_video

WIDTH, HEIGHT = 64, 48


def picture() -> tuple[Image, Image]:
    """Green, a quarter each: opaque, half transparent, wholly transparent; there red is hidden beneath."""
    image = np.full((HEIGHT, WIDTH, 3), (0, 255, 0), np.uint8)
    alpha = np.full((HEIGHT, WIDTH), 255, np.uint8)
    alpha[:, 32:48] = 128
    alpha[:, 48:] = 0
    image[:, 48:] = (0, 0, 255)
    return image, alpha


def write_alpha(
    path: Path,
    codec: str,
    pix_fmt: str,
    *,
    alpha: Image | None = None,
    sample_aspect_ratio: Fraction | None = None,
    rotation: int = 0,
) -> Path:
    image, usual = picture()
    alpha = usual if alpha is None else alpha
    with av.open(str(path), "w") as container:
        options = {"libvpx": {"crf": "4", "b": "5M"}, "libvpx-vp9": {"lossless": "1"}}.get(codec, {})
        if codec.startswith("libvpx"):
            options["auto-alt-ref"] = "0"
        stream = container.add_stream(codec, 25, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pix_fmt
        if sample_aspect_ratio:
            stream.codec_context.sample_aspect_ratio = sample_aspect_ratio
        if rotation:
            stream.set_display_rotation(rotation)
        for i in range(4):
            frame = av.VideoFrame.from_ndarray(np.dstack([image, alpha]), format="bgra")
            frame.pts = i
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def read_all(path: Path) -> list[Frame]:
    source = video_from_file(path)
    assert source.info.has_alpha
    frames = [frame for frame in iter(source.read, None) if frame is not None]
    source.close()
    return frames


FORMATS = [
    ("a.webm", "libvpx", "yuva420p"),
    ("b.webm", "libvpx-vp9", "yuva420p"),
    ("a.mkv", "libvpx-vp9", "yuva420p"),
    ("a.mov", "prores_ks", "yuva444p10le"),
    ("b.mov", "qtrle", "argb"),
    ("c.mov", "png", "rgba"),
    ("d.mov", "rawvideo", "argb"),
    ("b.mkv", "ffv1", "bgra"),
    ("c.mkv", "ffv1", "yuva420p"),
    ("d.mkv", "ffv1", "yuva444p16le"),
    ("e.mkv", "ffv1", "gbrap16le"),
    ("a.avi", "utvideo", "gbrap"),
    ("a.apng", "apng", "rgba"),
    ("a.nut", "rawvideo", "rgba64le"),
]


@pytest.mark.parametrize(("name", "codec", "pix_fmt"), FORMATS)
def test_every_format_with_alpha(tmp_path: Path, name: str, codec: str, pix_fmt: str) -> None:
    frames = read_all(write_alpha(tmp_path / name, codec, pix_fmt))
    assert len(frames) == 4
    _, expected = picture()
    inside = np.s_[8:-8, [4, 20, 38, 42, 56, 60]]  # away from the steps, where lossy encoders ring
    for frame in frames:
        assert frame.alpha is not None
        assert np.abs(frame.alpha[inside].astype(int) - expected[inside]).max() <= 3
        assert (frame.image[frame.alpha == 0] == BLANK).all()
        assert np.abs(frame.image[8:-8, [4, 20, 38, 42]].astype(int) - (0, 255, 0)).max() <= 12


def test_grey_with_alpha(tmp_path: Path) -> None:
    (first, *_) = read_all(write_alpha(tmp_path / "a.apng", "apng", "ya8"))
    assert first.alpha is not None
    assert np.abs(first.alpha.astype(int) - picture()[1]).max() <= 1


def test_a_palette_with_a_transparent_entry(tmp_path: Path) -> None:
    _, alpha = picture()
    path = tmp_path / "a.gif"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("gif", 10)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "pal8"
        indexes = np.where(alpha == 0, 1, 0).astype(np.uint8)
        palette = np.zeros((256, 4), np.uint8)  # alpha, red, green, blue
        palette[:] = (255, 0, 0, 0)
        palette[0], palette[1] = (255, 0, 255, 0), (0, 0, 0, 0)
        frame = av.VideoFrame.from_ndarray((indexes, palette), format="pal8")  # type: ignore[arg-type]
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    source = video_from_file(path)
    read = source.read()
    source.close()
    assert read is not None
    assert read.alpha is not None
    assert np.array_equal(read.alpha == 0, alpha == 0)
    assert (read.image[alpha > 0] == (0, 255, 0)).all()


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"), [("a.webm", "libvpx-vp9", "yuva420p"), ("b.mkv", "ffv1", "bgra")]
)
def test_alpha_is_laid_down_and_scaled_with_its_picture(tmp_path: Path, name: str, codec: str, pix_fmt: str) -> None:
    path = write_alpha(tmp_path / name, codec, pix_fmt, rotation=-90)  # PyAV: counter-clockwise
    if name.endswith(".mkv"):
        crop_in_container(path, left=16, right=0, top=0, bottom=0, width=WIDTH, height=HEIGHT)
    for frame in read_all(path):
        expected = np.rot90(picture()[1][:, 16 if name.endswith(".mkv") else 0 :], -1)
        assert frame.alpha is not None
        assert frame.alpha.shape == expected.shape
        assert np.abs(frame.alpha.astype(int) - expected).max() <= 3


def test_scaling_brings_no_hidden_colour_into_view(tmp_path: Path) -> None:
    (first, *_) = read_all(write_alpha(tmp_path / "a.mov", "png", "rgba", sample_aspect_ratio=Fraction(4, 3)))
    assert first.image.shape == (HEIGHT, round(WIDTH * 4 / 3), 3)
    assert first.alpha is not None
    assert set(np.unique(first.alpha)) > {0, 128, 255}  # there are pixels on the border
    assert (first.image[first.alpha > 0] == (0, 255, 0)).all()


def test_the_fourth_byte_of_uncompressed_avi_is_not_an_alpha(tmp_path: Path) -> None:
    path = write_alpha(tmp_path / "a.avi", "rawvideo", "bgra", alpha=np.zeros((HEIGHT, WIDTH), np.uint8))
    source = video_from_file(path)
    assert not source.info.has_alpha
    frame = source.read()
    source.close()
    assert frame is not None
    assert frame.alpha is None
    assert np.array_equal(frame.image, picture()[0])


def test_an_opaque_video_has_no_alpha(tmp_path: Path) -> None:
    source = video_from_file(write_video(tmp_path / "a.mkv", [picture()[0]], pix_fmt="yuv444p"))
    assert not source.info.has_alpha
    source.close()


@pytest.mark.parametrize(("name", "codec", "pix_fmt"), FORMATS)
def test_a_background_is_laid_over_black(tmp_path: Path, name: str, codec: str, pix_fmt: str) -> None:
    background = VideoBackground(write_alpha(tmp_path / name, codec, pix_fmt))
    image = background.picture(WIDTH, HEIGHT, 0.0)
    background.close()
    for column, level in ((4, 255), (20, 255), (38, 128), (42, 128), (56, 0), (60, 0)):
        assert np.abs(image[8:-8, column].astype(int) - (0, level, 0)).max() <= 12, column
