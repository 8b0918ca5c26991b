from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import get_args

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from rtsod.config import Fit
from rtsod.frames import Image
from rtsod.imaging.network_input import shrink
from rtsod.model.description import PUBLISHED_DESCRIPTIONS, Description
from rtsod.training import camera_effects
from rtsod.training.augmentation import FINETUNE, MODERN, NONE, AugmentedRecipe, PlainRecipe, fit_matrix
from rtsod.training.camera_effects import Effects, with_effects
from rtsod.training.order import Batches, Order
from rtsod.training.samples import Samples
from rtsod.training.square import fitted, unfitted

FITS: tuple[Fit, ...] = get_args(Fit)


def described(size: int, fit: Fit = "stretch") -> Description:
    return replace(PUBLISHED_DESCRIPTIONS["lite"], size=size, fit=fit)


def soft_disc(height: int, width: int, x: float, y: float, radius: float) -> Image:
    rows, columns = np.mgrid[:height, :width] + 0.5
    distance = np.hypot(rows - y, columns - x)
    return np.asarray(np.rint(255 * np.clip((radius - distance) / 4 + 0.5, 0, 1)), np.uint8)


def as_picture(label: Image) -> Image:
    return np.repeat(label[:, :, None], 3, 2)


@settings(max_examples=40)
@given(
    fit=st.sampled_from(FITS), height=st.integers(20, 90), width=st.integers(20, 90), seed=st.integers(0, 999),
    crop=st.integers(32, 64),
)  # fmt: skip
def test_labels_go_where_their_pictures_go(fit: Fit, height: int, width: int, seed: int, crop: int) -> None:
    label = soft_disc(height, width, width * 0.6, height * 0.4, min(height, width) / 4)
    black_bars = replace(described(64, fit), mean=(0, 0, 0))
    recipe = AugmentedRecipe(black_bars, crop, replace(MODERN, effects=NONE.effects))
    image, mask = recipe.varied(as_picture(label), label, np.random.default_rng(seed))
    assert image.shape == (crop, crop, 3)
    np.testing.assert_array_equal(image, as_picture(mask))


@pytest.mark.parametrize(
    ("fit", "height", "width"),
    [("stretch", 90, 160), ("stretch", 160, 90), ("pad", 90, 160), ("pad", 160, 90), ("crop", 80, 80)],
)
def test_without_augmentation_pictures_are_only_fitted(fit: Fit, height: int, width: int) -> None:
    label = soft_disc(height, width, width * 0.6, height * 0.4, 30)
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    image = np.asarray(cv2.GaussianBlur(noise, (0, 0), 6), np.uint8)
    augmented = AugmentedRecipe(described(64, fit), 64, NONE)(image, label, 0, random)
    plain = PlainRecipe(described(64, fit))(image, label, 0)
    np.testing.assert_allclose(augmented.label, plain.label, atol=0.03)
    assert float((augmented.image - plain.image).abs().mean()) < 0.02


def test_cropping_sees_all_of_a_picture_in_the_course_of_training() -> None:
    columns = np.broadcast_to(np.arange(160, dtype=np.uint8), (64, 160))
    recipe = AugmentedRecipe(described(64, "crop"), 64, NONE)
    seen = [recipe.varied(as_picture(columns), columns, np.random.default_rng(seed))[1] for seed in range(60)]
    assert min(mask.min() for mask in seen) <= 3
    assert max(mask.max() for mask in seen) >= 156
    assert all(int(mask.max()) - int(mask.min()) == 63 for mask in seen), "at one scale"


@pytest.mark.parametrize("fit", FITS)
def test_the_square_shows_what_the_fit_says(fit: Fit) -> None:
    corners = np.array([[0, 160], [0, 80], [1, 1]])
    x, y = (fit_matrix(160, 80, 64, fit) @ corners)[:2]
    expected = {"stretch": ((0, 64), (0, 64)), "pad": ((0, 64), (16, 48)), "crop": ((-32, 96), (0, 64))}[fit]
    np.testing.assert_allclose((x, y), expected)


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize(("height", "width"), [(45, 80), (80, 45), (64, 64), (63, 50)])
def test_a_map_comes_back_to_where_its_picture_was(fit: Fit, height: int, width: int) -> None:
    label = soft_disc(height, width, width * 0.5, height * 0.5, 14)
    square = fitted(label, 64, fit)
    assert square.shape == (64, 64)
    back = unfitted(np.asarray(square / 255, np.float32), width, height, fit)
    assert back.shape == (height, width)
    assert np.abs(back - label / 255).mean() < 0.01


@pytest.mark.parametrize("fit", FITS)
def test_pictures_are_fitted_as_the_engines_fit_them(fit: Fit) -> None:
    image = np.random.default_rng(0).integers(0, 256, (50, 83, 3), dtype=np.uint8)
    fitting = described(64, fit).fitting
    np.testing.assert_array_equal(fitted(image, 64, fit, fitting.bars), shrink(image, 64, fitting))


def test_padding_is_neutral_and_has_no_subject() -> None:
    image, label = np.full((32, 64, 3), 255, np.uint8), np.full((32, 64), 255, np.uint8)
    for recipe in (AugmentedRecipe(described(64, "pad"), 64, NONE), PlainRecipe(described(64, "pad"))):
        sample = recipe(image, label, 0, np.random.default_rng(0))
        assert float(sample.image[:, :15].abs().max()) < 0.01
        assert float(sample.image[:, 17:47].min()) > 2
        assert float(sample.label[0, :15].max()) == 0
        assert float(sample.label[0, 17:47].min()) == 1


@settings(max_examples=50)
@given(fit=st.sampled_from(FITS), seed=st.integers(0, 9999), x=st.floats(4, 96), y=st.floats(4, 56))
def test_a_window_on_the_subject_holds_some_of_it(fit: Fit, seed: int, x: float, y: float) -> None:
    label = soft_disc(60, 100, x, y, 4)
    augmentation = replace(MODERN, on_subject=1, rotation=0, effects=NONE.effects)
    recipe = AugmentedRecipe(described(64, fit), 64, augmentation)
    assert recipe.varied(as_picture(label), label, np.random.default_rng(seed))[1].max() > 60


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("radius", [8, 16, 28])
def test_subjects_are_enlarged_until_they_fill_the_window(fit: Fit, radius: float) -> None:
    label = soft_disc(64, 64, 32, 32, radius)
    recipe = AugmentedRecipe(
        described(64, fit), 64, replace(MODERN, zoom=(0.25, 1.25), rotation=0, effects=NONE.effects)
    )
    sizes = []
    for seed in range(60):
        matrix = recipe.window(label, np.random.default_rng(seed))
        sizes.append(2 * radius / abs(matrix[0, 0]))
    assert 0.7 * 64 < max(sizes) <= 65
    assert min(sizes) < 2 * radius


def test_no_camera_takes_the_bars() -> None:
    image, label = np.full((32, 64, 3), 90, np.uint8), np.full((32, 64), 255, np.uint8)
    recipe = AugmentedRecipe(described(64, "pad"), 64, replace(MODERN, effects=Effects(1, 1, 1, 1, 1)))
    for seed in range(9):
        square, mask = recipe.varied(image, label, np.random.default_rng(seed))
        bars = square[mask == 0]
        assert len(bars) > 500
        np.testing.assert_array_equal(np.unique(bars, axis=0), [[104, 116, 124]])


def test_windows_elsewhere_often_miss_a_small_subject() -> None:
    """The reason for the option."""
    label = soft_disc(60, 100, 90, 50, 4)
    recipe = AugmentedRecipe(described(64), 64, replace(MODERN, on_subject=0, effects=NONE.effects))
    masks = [recipe.varied(as_picture(label), label, np.random.default_rng(seed))[1] for seed in range(200)]
    assert np.mean([mask.max() < 128 for mask in masks]) > 0.2


def test_mirroring_swaps_left_and_right() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    label = image[:, :, 0]
    always = AugmentedRecipe(described(64), 64, replace(NONE, mirror=1))
    mirrored, mask = always.varied(image, label, np.random.default_rng(0))
    np.testing.assert_array_equal(mirrored, image[:, ::-1])
    np.testing.assert_array_equal(mask, label[:, ::-1])


@pytest.mark.parametrize("level", [0, 255])
@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (200, 3), (64, 64)])
@pytest.mark.parametrize("fit", FITS)
def test_any_picture_gives_a_finite_sample(level: int, shape: tuple[int, int], fit: Fit) -> None:
    image, label = np.full((*shape, 3), level, np.uint8), np.full(shape, level, np.uint8)
    for seed in range(5):
        sample = AugmentedRecipe(described(64, fit), 48, MODERN)(image, label, 0, np.random.default_rng(seed))
        assert torch.isfinite(sample.image).all()
        assert 0 <= float(sample.label.min()) <= float(sample.label.max()) <= 1


EFFECTS: list[Callable[[Image, np.random.Generator], Image]] = [
    lambda image, random: camera_effects.coloured(image, 1, random),
    camera_effects.blurred,
    camera_effects.shrunk,
    camera_effects.noisy,
    camera_effects.compressed,
]


@pytest.mark.parametrize("effect", EFFECTS)
def test_an_effect_changes_a_copy_a_little(effect: Callable[[Image, np.random.Generator], Image]) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    image = np.asarray(cv2.GaussianBlur(noise, (0, 0), 2), np.uint8)
    image.flags.writeable = False
    for seed in range(12):
        changed = effect(image, np.random.default_rng(seed))
        assert changed.shape == image.shape
        assert changed.dtype == np.uint8
        assert not np.array_equal(changed, image)
        assert np.abs(changed.astype(int) - image).mean() < 90
        np.testing.assert_array_equal(changed, effect(image, np.random.default_rng(seed)))


def test_no_effects_change_nothing() -> None:
    image = np.random.default_rng(1).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    assert with_effects(image, Effects(0, 0, 0, 0, 0), np.random.default_rng(0)) is image


@pytest.mark.parametrize("augmentation", [MODERN, FINETUNE])
@pytest.mark.parametrize("workers", [0, 2])
def test_samples_do_not_depend_on_workers(augmentation: object, workers: int) -> None:
    assert augmentation in (MODERN, FINETUNE)
    label = soft_disc(40, 60, 30, 20, 12)
    image = np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    recipe = AugmentedRecipe(described(64), 64, MODERN if augmentation is MODERN else FINETUNE)
    samples = Samples([(image, label), (image[::-1], label[::-1])], recipe, seed=7)
    batches = Batches(Order.of_sets([2], batch=2, seed=7), 0, 5)
    loaded = list(DataLoader(samples, batch_sampler=batches, num_workers=workers))
    alone = [[samples[draw] for draw in batch] for batch in batches]
    for batch, parts in zip(loaded, alone, strict=True):
        assert torch.equal(batch.image, torch.stack([part.image for part in parts]))
        assert torch.equal(batch.label, torch.stack([part.label for part in parts]))
    assert not torch.equal(loaded[0].image, loaded[1].image), "each epoch has chance of its own"
