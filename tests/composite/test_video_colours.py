"""A video has the same colours as a background and as a source."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rtsod.composite.backgrounds import VideoBackground
from rtsod.sources.video import video_from_file
from tests.support.source_fixtures import write_yuv

UNTAGGED, BT709, BT601, BT2020 = 2, 1, 6, 9
RANGES = {"untagged": 0, "limited": 1, "full": 2}


@pytest.mark.parametrize("colour_range", RANGES.values(), ids=[f"{name} range" for name in RANGES])
@pytest.mark.parametrize(
    ("matrix", "height"),
    [(UNTAGGED, 96), (UNTAGGED, 720), (BT709, 96), (BT601, 720), (BT2020, 96)],
    ids=["untagged SD", "untagged HD", "BT.709 in SD", "BT.601 in HD", "BT.2020"],
)
def test_a_background_has_the_colours_of_the_source(
    tmp_path: Path, matrix: int, height: int, colour_range: int
) -> None:
    planes = np.random.default_rng(matrix).integers(16, 236, (3, height, 64), np.uint8)
    path = write_yuv(tmp_path / "clip.mkv", planes, matrix=matrix, colour_range=colour_range)
    source, background = video_from_file(path), VideoBackground(path)
    frame = source.read()
    assert frame is not None
    assert np.array_equal(background.picture(64, height, 0.0), frame.image)
    source.close()
    background.close()


def test_the_tags_make_a_difference(tmp_path: Path) -> None:
    planes = np.random.default_rng(0).integers(16, 236, (3, 96, 64), np.uint8)
    pictures = set()
    for matrix in (BT601, BT709, BT2020):
        for name, colour_range in RANGES.items():
            path = write_yuv(tmp_path / f"{matrix}-{name}.mkv", planes, matrix=matrix, colour_range=colour_range)
            background = VideoBackground(path)
            pictures.add(background.picture(64, 96, 0.0).tobytes())
            background.close()
    assert len(pictures) == 6, "three matrices, two ranges: untagged means limited"
