"""Whatever is read as a source is read as a background, and looks the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rtsod.composite.backgrounds import VideoBackground
from rtsod.sources.video import video_from_file
from tests.support.source_fixtures import write_video

WIDTH, HEIGHT = 64, 48
FILES = [
    ("a.mp4", "libx264", "yuv420p"),
    ("a.mov", "prores_ks", "yuv422p10le"),
    ("a.mkv", "ffv1", "bgr0"),
    ("a.webm", "libvpx-vp9", "yuv420p"),
    ("a.avi", "mjpeg", "yuvj422p"),
    ("a.ts", "libx264", "yuv420p"),
    ("a.mpg", "mpeg2video", "yuv420p"),
    ("a.m2v", "mpeg2video", "yuv420p"),
    ("a.h264", "libx264", "yuv420p"),
    ("a.y4m", "wrapped_avframe", "yuv420p"),
    ("a.nut", "ffv1", "gray16le"),
    ("a.mxf", "mpeg2video", "yuv422p"),
    ("a.ivf", "libvpx", "yuv420p"),
    ("a.obu", "libsvtav1", "yuv420p"),
    ("a.flv", "flv", "yuv420p"),
    ("a.3gp", "mpeg4", "yuv420p"),
    ("a.wmv", "wmv2", "yuv420p"),
    ("a.rm", "rv20", "yuv420p"),
    ("a.mjpeg", "mjpeg", "yuvj420p"),
    ("a.gif", "gif", "rgb8"),
    ("a.apng", "apng", "rgb24"),
]


@pytest.mark.parametrize(("name", "codec", "pix_fmt"), FILES)
def test_a_background_looks_like_the_source(tmp_path: Path, name: str, codec: str, pix_fmt: str) -> None:
    image = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)  # red, green, blue, white
    image[:24, :32], image[:24, 32:], image[24:, :32] = (0, 0, 255), (0, 255, 0), (255, 0, 0)
    path = write_video(tmp_path / name, [image] * 12, codec=codec, pix_fmt=pix_fmt)
    source, background = video_from_file(path), VideoBackground(path)
    frame = source.read()
    assert frame is not None
    assert (source.info.width, source.info.height) == (WIDTH, HEIGHT)
    assert np.array_equal(background.picture(WIDTH, HEIGHT, 0.0), frame.image)
    source.close()
    background.close()
    near = np.ix_([8, 40], [8, 56])  # away from the borders between the colours
    if not pix_fmt.startswith("gray"):
        assert np.abs(frame.image[near].astype(int) - image[near]).max() <= 16
