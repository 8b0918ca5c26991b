"""The samples of preset ``paper`` against the authors' loader, written out pixel by pixel."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rtsod.frames import Image
from rtsod.model.u2net import Block, U2Net
from rtsod.training.losses import HEADS, PAPER, losses
from rtsod.training.order import Draw
from rtsod.training.paper import PaperRecipe, Placement, resize, resize_nearest
from rtsod.training.samples import Samples

RECORD = np.load(Path(__file__).parent / "data" / "resize.npz")
CASES = range(sum(name.startswith("image") for name in RECORD.files))
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)


def scaled_by_the_authors(image: Image, size: int) -> NDArray[np.float64]:
    """Bilinear, black beyond the picture, no darker than its darkest value; 0..1."""
    height, width = image.shape[:2]
    result = np.zeros((size, size, 3))
    for row in range(size):
        for column in range(size):
            y = (row + 0.5) * height / size - 0.5
            x = (column + 0.5) * width / size - 0.5
            for near_y in (math.floor(y), math.floor(y) + 1):
                for near_x in (math.floor(x), math.floor(x) + 1):
                    if 0 <= near_y < height and 0 <= near_x < width:
                        share = (1 - abs(y - near_y)) * (1 - abs(x - near_x))
                        result[row, column] += share * image[near_y, near_x] / 255
    return np.asarray(np.maximum(result, image.min() / 255))


def labelled_by_the_authors(label: Image, size: int) -> NDArray[np.float64]:
    """The nearest pixel, of two the later one, in whole numbers, which do not round; 0..255."""
    height, width = label.shape
    result = np.zeros((size, size))
    for row in range(size):
        for column in range(size):
            result[row, column] = label[(2 * row + 1) * height // (2 * size), (2 * column + 1) * width // (2 * size)]
    return result


def sample_of_the_authors(
    image: Image, label: Image, size: int, crop: int, placement: Placement
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scaled, flipped, cropped, divided by maxima, normalised; in RGB from BGR."""
    pixels, mask = scaled_by_the_authors(image, size), labelled_by_the_authors(label, size)
    if placement.flipped:
        pixels, mask = pixels[::-1], mask[::-1]
    pixels = pixels[placement.top : placement.top + crop, placement.left : placement.left + crop]
    mask = mask[placement.top : placement.top + crop, placement.left : placement.left + crop]
    with np.errstate(invalid="ignore"):  # the first bug
        pixels = pixels / pixels.max()
    channels = [(pixels[:, :, 2 - channel] - MEAN[channel]) / DEVIATION[channel] for channel in range(3)]
    return np.stack(channels), (mask / mask.max() if mask.max() >= 1e-6 else mask)[None]  # the second bug


def picture(random: np.random.Generator, height: int, width: int, low: int = 0) -> tuple[Image, Image]:
    image = random.integers(low, 251, (height, width, 3), dtype=np.uint8)
    label = np.where(random.random((height, width)) < 0.5, 255, random.integers(0, 256, (height, width)))
    return image, label.astype(np.uint8)


@settings(max_examples=25)
@given(
    height=st.integers(2, 30), width=st.integers(2, 30), size=st.integers(8, 14), cut=st.integers(0, 6),
    flipped=st.booleans(), low=st.integers(0, 100), seed=st.integers(0, 99),
)  # fmt: skip
def test_samples_are_the_authors(
    height: int, width: int, size: int, cut: int, flipped: bool, low: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    image, label = picture(random, height, width, low)
    label[0, 0] = label[-1, -1] = 255
    recipe = PaperRecipe(size, size - cut)
    placement = Placement(flipped, int(random.integers(cut + 1)), int(random.integers(cut + 1)))
    expected_image, expected_label = sample_of_the_authors(image, label, size, size - cut, placement)
    sample = recipe.sample(image, label, placement)
    np.testing.assert_allclose(sample.image, expected_image, atol=1e-6)
    if expected_label.max() > 0 and (sample.label.max() == 1):  # otherwise the second bug shows
        np.testing.assert_allclose(sample.label, expected_label, atol=1e-6)
    assert sample.image.dtype == sample.label.dtype == torch.float32


def test_a_sample_of_the_papers_size_is_the_authors() -> None:
    random = np.random.default_rng(3)
    image, label = picture(random, 300, 400, low=5)  # DUTS-TR's usual size: one side grows, the other shrinks
    recipe = PaperRecipe(320, 288)
    placement = recipe.place(random)
    expected_image, expected_label = sample_of_the_authors(image, label, 320, 288, placement)
    sample = recipe.sample(image, label, placement)
    assert sample.image.shape == (3, 288, 288)
    assert sample.label.shape == (1, 288, 288)
    np.testing.assert_allclose(sample.image, expected_image, atol=1e-6)
    np.testing.assert_allclose(sample.label, expected_label, atol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_scaling_is_that_of_scikit_image_0_14(case: int) -> None:
    image, label = RECORD[f"image{case}"], RECORD[f"label{case}"]
    size = RECORD[f"old{case}"].shape[0]
    np.testing.assert_allclose(resize(image, size) / 255, RECORD[f"old{case}"], atol=1e-6)
    assert RECORD[f"today_differs{case}"] < 1e-12, "today's without smoothing"
    nearest = resize_nearest(label, size)
    np.testing.assert_array_equal(nearest, RECORD[f"new_nearest{case}"])
    # Half way between two pixels, rounding errors decide in 0.14. For 320 pixels, only sides of 128 n pixels have that.
    tied = [(length * (2 * np.arange(size) + 1)) % (2 * size) == 0 for length in label.shape]
    clear = ~(tied[0][:, None] | tied[1])
    np.testing.assert_array_equal(nearest[clear], RECORD[f"old_nearest{case}"][clear])
    assert case or clear.all()


def test_todays_default_of_scikit_image_is_another() -> None:
    """It smooths what it shrinks, by up to a tenth of the range here."""
    assert max(RECORD[f"smoothed_differs{case}"] for case in CASES) > 0.1


def test_black_crops_are_finite() -> None:
    image, label = np.zeros((20, 20, 3), np.uint8), np.zeros((20, 20), np.uint8)
    placement = Placement(False, 0, 0)
    assert np.isnan(sample_of_the_authors(image, label, 16, 16, placement)[0]).all(), "the authors' first bug"
    sample = PaperRecipe(16, 16).sample(image, label, placement)
    black = [-mean / deviation for mean, deviation in zip(MEAN, DEVIATION, strict=True)]
    np.testing.assert_allclose(sample.image.mean((1, 2)), black, atol=1e-6)


def test_faint_labels_stay_faint() -> None:
    image, label = np.full((20, 20, 3), 9, np.uint8), np.full((20, 20), 3, np.uint8)
    placement = Placement(False, 0, 0)
    assert (sample_of_the_authors(image, label, 16, 16, placement)[1] == 1).all(), "the authors' second bug"
    np.testing.assert_allclose(PaperRecipe(16, 16).sample(image, label, placement).label, 3 / 255, atol=1e-7)


def test_a_crop_of_the_whole_square_cuts_nothing() -> None:
    random = np.random.default_rng(0)
    recipe = PaperRecipe(32, 32)
    assert {(place.top, place.left) for place in [recipe.place(random) for _ in range(9)]} == {(0, 0)}
    image, label = picture(random, 32, 32)
    assert recipe(image, label, 0, random).image.shape == (3, 32, 32)
    with pytest.raises(ValueError, match="does not fit"):
        PaperRecipe(32, 33)


def test_placements_are_the_authors() -> None:
    random = np.random.default_rng(0)
    recipe = PaperRecipe(320, 288)
    drawn = [recipe.place(random) for _ in range(2000)]
    assert {place.top for place in drawn} == {place.left for place in drawn} == set(range(32))
    assert 0.45 < np.mean([place.flipped for place in drawn]) < 0.55


def test_every_picture_is_used_as_it_is_and_mirrored() -> None:
    image, label = picture(np.random.default_rng(5), 12, 15)
    samples = Samples([(image, label)], PaperRecipe(12, 12), seed=4)
    mirrored = Samples([(image[:, ::-1], label[:, ::-1])], PaperRecipe(12, 12), seed=4)
    assert len(samples) == 2
    seen = [samples[Draw(epoch, 1)] for epoch in range(6)]
    # Other chance for another index: compare with what can be, which is flipped or not.
    can_be = [mirrored[Draw(epoch, 0)] for epoch in range(12)]
    for sample in seen:
        assert any(
            torch.equal(sample.image, other.image) and torch.equal(sample.label, other.label) for other in can_be
        )


def test_the_loss_of_the_seven_maps_is_the_authors() -> None:
    tiny = [Block(7, 3, 2, 4), *([Block(4, 4, 2, 4, dilated=True)] * 5), *([Block(4, 8, 2, 4, dilated=True)] * 5)]
    torch.manual_seed(0)
    network = U2Net(tiny).train()
    image, label = picture(np.random.default_rng(8), 40, 50)
    samples = Samples([(image, label)], PaperRecipe(64, 64), seed=0)
    batch = [samples[Draw(epoch, 0)] for epoch in range(2)]
    truth = torch.stack([sample.label for sample in batch])
    logits = [map_ * 9 for map_ in network(torch.stack([sample.image for sample in batch]))]

    expected = {}
    for head, map_ in zip(HEADS, logits, strict=True):
        p, y = 1 / (1 + np.exp(-map_.detach().double().numpy())), truth.double().numpy()
        expected[head] = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    found = losses(logits, truth, PAPER)
    for head, value in expected.items():
        assert float(found.heads[head]) == pytest.approx(value, abs=1e-6)
    assert float(found.total.detach()) == pytest.approx(sum(expected.values()), rel=1e-6)
