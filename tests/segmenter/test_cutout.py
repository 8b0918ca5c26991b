"""The subject as a Pillow image: colours, alpha, and nothing hidden beneath."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage

import rtsod
from rtsod.backends.constant import ConstantEngine
from rtsod.errors import EngineError, SourceError
from rtsod.frames import to_levels
from tests.support.still_fixtures import STORED, encoded, quarters, right_half_hidden

RAMP = np.repeat(np.linspace(0, 1, 64, dtype=np.float32)[None], 64, axis=0)
"""From nothing at the left to everything at the right."""


@pytest.fixture
def segmenter() -> rtsod.Segmenter:
    return rtsod.Segmenter(ConstantEngine(64, answer=lambda image: RAMP.copy()))


def test_a_cutout_has_the_pictures_colours_and_the_masks_alpha(segmenter: rtsod.Segmenter) -> None:
    image = np.ascontiguousarray(quarters()[:, :, ::-1])
    cutout = segmenter.cutout(image)
    assert (cutout.mode, cutout.size) == ("RGBA", (96, 64))
    pixels = np.asarray(cutout)
    assert (pixels[:, :, 3] == to_levels(segmenter(image))).all()
    visible = pixels[:, :, 3] > 0
    assert (pixels[visible][:, :3] == quarters()[visible]).all(), "straight colours, also where it is half transparent"
    assert not visible.all()
    assert (pixels[~visible] == 0).all(), "nothing of the room is beneath"


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_a_cutout_is_upright(segmenter: rtsod.Segmenter, orientation: int, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(encoded("PNG", STORED[orientation](quarters()), orientation=orientation))
    with PillowImage.open(path) as opened:
        for cutout in (segmenter.cutout(path), segmenter.cutout(opened)):
            assert cutout.size == (96, 64)
            assert cutout.getpixel((90, 5)) == (*quarters()[5, 90], np.asarray(cutout)[5, 90, 3])
            assert cutout.getexif().get(0x112, 1) == 1


def test_what_the_source_hides_is_not_in_the_cutout(segmenter: rtsod.Segmenter) -> None:
    pixels = np.asarray(segmenter.cutout(PillowImage.fromarray(right_half_hidden())))
    assert (pixels[:, 48:] == 0).all()
    assert (pixels[:, 20:48, 3] > 0).all()
    half = right_half_hidden()
    half[:, :, 3] = 128
    assert np.asarray(segmenter.cutout(PillowImage.fromarray(half)))[:, :, 3].max() == 128


def test_refined_edges_lose_the_old_background(segmenter: rtsod.Segmenter) -> None:
    subject, room = np.array((30, 60, 220)), np.array((40, 200, 40))
    share = np.zeros((240, 320), np.float32)
    share[60:180, 90:230] = 1
    share = np.asarray(cv2.GaussianBlur(share, (0, 0), 3), np.float32)
    image = np.rint(share[..., None] * subject + (1 - share[..., None]) * room).astype(np.uint8)
    small = np.asarray(cv2.resize(share, (64, 64), interpolation=cv2.INTER_AREA), np.float32)
    network = rtsod.Segmenter(ConstantEngine(64, answer=lambda image: small.copy()))
    edge = (share > 0.4) & (share < 0.6)

    def distance(cutout: PillowImage.Image) -> float:
        return float(np.abs(np.asarray(cutout)[edge][:, 2::-1] - subject).mean())

    assert distance(network.cutout(image, refine="fast")) < 0.5 * distance(network.cutout(image))


def test_a_cutout_of_an_alpha_that_is_there_is_the_same(segmenter: rtsod.Segmenter, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    half = right_half_hidden()
    half[:, :40, 3] = 100
    path.write_bytes(encoded("PNG", half))
    for image in (path, half[:, :, [2, 1, 0, 3]], PillowImage.fromarray(half)):
        one, other = segmenter.cutout(image), rtsod.cutout_from_alpha(image, segmenter(image))
        assert one.tobytes() == other.tobytes()


def test_no_alpha_shows_what_the_source_hides() -> None:
    cutout = rtsod.cutout_from_alpha(PillowImage.fromarray(right_half_hidden()), np.ones((64, 96), np.float32))
    pixels = np.asarray(cutout)
    assert (pixels[:, :48] == np.dstack([quarters(), np.full((64, 96), 255)])[:, :48]).all()
    assert (pixels[:, 48:] == 0).all()


@pytest.mark.parametrize(
    ("alpha", "message"),
    [
        (np.ones((96, 64), np.float32), "for a picture of 96x64"),
        (np.ones((64, 96)), "float32"),
        (np.full((64, 96), 255, np.uint8), "float32"),
        (np.full((64, 96), 1.5, np.float32), "within 0 and 1"),
        (np.full((64, 96), np.nan, np.float32), "within 0 and 1"),
        (None, "float32"),
    ],
    ids=["turned", "float64", "uint8", "beyond 1", "NaN", "None"],
)
def test_an_alpha_that_is_none_is_refused(alpha: NDArray[np.float32], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rtsod.cutout_from_alpha(quarters(), alpha)


def test_errors_are_those_of_the_alpha(segmenter: rtsod.Segmenter, tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        segmenter.cutout(tmp_path / "absent.png")
    segmenter.close()
    with pytest.raises(EngineError, match="closed"):
        segmenter.cutout(quarters())
