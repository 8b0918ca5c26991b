"""The Segmenter: one picture in, its alpha out, and plain errors."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage

import rtsod
from rtsod.backends.constant import ConstantEngine
from rtsod.config import EngineConfig
from rtsod.errors import EngineError, MaskError, UsageError
from rtsod.frames import BLANK
from tests.support.fakes import FakeEngine


def test_it_finds_a_square_on_a_plain_background(published_weights: dict[str, Path]) -> None:
    image = np.zeros((90, 120, 3), np.uint8)
    image[20:70, 30:80] = (30, 60, 220)
    with rtsod.Segmenter.open(model="lite", input_size=160) as segmenter:
        alpha = segmenter(image)
    assert alpha.shape == (90, 120)
    assert alpha.dtype == np.float32
    assert alpha[45, 55] > 0.9
    assert alpha[5, 5] < 0.1


def test_several_threads_take_turns() -> None:
    inside, most, lock = 0, 0, threading.Lock()
    gate = threading.Barrier(4)

    def answer(image: NDArray[np.uint8]) -> NDArray[np.float32]:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        alpha = np.full((64, 64), image[0, 0, 0] / 255, np.float32)
        with lock:
            inside -= 1
        return alpha

    def ask(level: int) -> float:
        gate.wait()
        return float(segmenter(np.full((64, 64, 3), level, np.uint8), stream=True)[0, 0])

    with rtsod.Segmenter(ConstantEngine(64, answer=answer)) as segmenter, ThreadPoolExecutor(4) as pool:
        levels = [10, 90, 170, 250]
        assert np.allclose(list(pool.map(ask, levels)), np.array(levels) / 255, atol=1e-6)
    assert most == 1


@pytest.mark.parametrize("size", [129, 161, 193, 225, 257, 321])
def test_at_an_odd_size_the_subject_is_where_it_is(size: int, published_weights: dict[str, Path]) -> None:
    y, x = np.mgrid[:240, :320]
    disc = (x - 205) ** 2 + (y - 130) ** 2 < 50**2
    image = np.where(disc[..., None], np.array([30, 60, 220]), 90).astype(np.uint8)
    with rtsod.Segmenter.open(model="lite", engine="openvino", input_size=size) as segmenter:
        assert segmenter.info.input_size % 32 == 0
        shown = segmenter(image, stream=True) > 0.5
    assert (shown & disc).sum() / (shown | disc).sum() > 0.97


def test_a_photograph_is_stretched_and_a_frame_of_a_stream_is_not() -> None:
    faint = np.linspace(0.2, 0.6, 64 * 64, dtype=np.float32).reshape(64, 64)
    segmenter = rtsod.Segmenter(ConstantEngine(64, answer=lambda image: faint.copy()))
    image = np.full((64, 64, 3), 100, np.uint8)
    assert np.allclose(segmenter(image, stream=True), faint, atol=1e-6)
    assert (float(segmenter(image).min()), float(segmenter(image).max())) == (0.0, 1.0)


def test_a_flat_map_is_not_stretched_to_noise() -> None:
    rng = np.random.default_rng(0)
    noise = (0.001 * rng.random((64, 64))).astype(np.float32)
    segmenter = rtsod.Segmenter(ConstantEngine(64, answer=lambda image: noise.copy()))
    assert segmenter(np.full((64, 64, 3), 100, np.uint8)).max() < 0.01


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 5), np.uint8), np.zeros((4, 4, 4), np.float32),
     np.zeros((0, 4, 3), np.uint8), None],
)  # fmt: skip
def test_an_image_of_another_shape_or_type_is_refused(image: Any) -> None:
    with pytest.raises(ValueError, match="BGR"):
        rtsod.Segmenter(ConstantEngine(64))(image)


@pytest.mark.parametrize("refine", ["off", "fast"])
@pytest.mark.parametrize("stream", [False, True])
def test_hidden_colours_are_not_seen_and_the_alpha_multiplies_the_mask(
    stream: bool, refine: Literal["off", "fast"]
) -> None:
    seen: list[NDArray[np.uint8]] = []

    def answer(image: NDArray[np.uint8]) -> NDArray[np.float32]:
        seen.append(image)
        return np.repeat(np.linspace(0, 1, 64, dtype=np.float32)[None], 64, axis=0)

    segmenter = rtsod.Segmenter(ConstantEngine(64, answer=answer))
    image = np.random.default_rng(1).integers(0, 256, (48, 80, 4), np.uint8)
    image[:, :, 3] = np.repeat([255, 102, 0], 16)[:, None]
    marked = image.copy()
    marked[image[:, :, 3] == 0, :3] = (7, 131, 249)
    one, other = (segmenter(picture, stream=stream, refine=refine) for picture in (image, marked))
    assert (seen[0] == seen[1]).all()
    assert (one == other).all()
    assert one.dtype == np.float32
    assert (one[32:] == 0).all()
    opaque = np.ascontiguousarray(image[:, :, :3])
    opaque[32:] = BLANK
    whole = segmenter(opaque, stream=stream, refine=refine)
    assert np.allclose(one, whole * (image[:, :, 3] / 255), atol=1e-6)
    assert (
        segmenter(np.dstack([opaque, np.full((48, 80), 255, np.uint8)]), stream=stream, refine=refine) == whole
    ).all()


def test_a_closed_segmenter_says_so() -> None:
    with rtsod.Segmenter(ConstantEngine(64)) as segmenter:
        pass
    with pytest.raises(EngineError, match="closed"):
        segmenter(np.zeros((8, 8, 3), np.uint8))


@pytest.mark.parametrize("refine", ["bogus", "BEST", None, True])
def test_an_unknown_refinement_is_refused(refine: Any) -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    segmenter = rtsod.Segmenter(ConstantEngine(64))
    for call in (segmenter, segmenter.cutout):
        with pytest.raises(ValueError, match=f"refine must be one of auto, off, fast, best, not {refine!r}"):
            call(image, refine=refine)


def test_lanczos_scales_as_pillow_does_both_ways() -> None:
    seen = list[NDArray[np.uint8]]()
    rng = np.random.default_rng(2)
    saliency = rng.random((64, 64), np.float32)

    def answer(image: NDArray[np.uint8]) -> NDArray[np.float32]:
        seen.append(image)
        return saliency.copy()

    image = rng.integers(0, 256, (90, 130, 3), np.uint8)
    lanczos = rtsod.Segmenter(ConstantEngine(64, answer=answer), scaling="lanczos")
    alpha = lanczos(image, stream=True)
    assert (seen[0] == np.asarray(PillowImage.fromarray(image).resize((64, 64), PillowImage.Resampling.LANCZOS))).all()
    expected = PillowImage.fromarray(saliency).resize((130, 90), PillowImage.Resampling.LANCZOS)
    assert np.allclose(alpha, np.asarray(expected).clip(0, 1), atol=1e-6)
    assert (float(alpha.min()), float(alpha.max())) == (0, 1), "it overshoots, and is clipped"
    assert lanczos(image).shape == (90, 130)
    assert seen[1].max() == 255, "a photograph is divided by its maximum"
    bilinear = rtsod.Segmenter(ConstantEngine(64, answer=answer))
    assert not np.allclose(bilinear(image, stream=True), alpha, atol=0.1)
    assert not (seen[2] == seen[0]).all()


def test_an_unknown_scaling_is_refused() -> None:
    with pytest.raises(UsageError, match="scaling nearest: choose from bilinear, lanczos"):
        rtsod.Segmenter.open(scaling="nearest")  # type: ignore[arg-type]


@pytest.mark.parametrize("option", ["model", "engine", "precision", "device"])
def test_an_unknown_choice_is_a_usage_error(option: str) -> None:
    options: dict[str, Any] = {option: "toaster"}
    with pytest.raises(UsageError, match=f"--{option} toaster"):
        rtsod.Segmenter.open(**options)


def test_an_invalid_map_is_refused() -> None:
    nan = np.full((64, 64), np.nan, np.float32)
    segmenter = rtsod.Segmenter(ConstantEngine(64, answer=lambda image: nan.copy()))
    with pytest.raises(MaskError):
        segmenter(np.zeros((8, 8, 3), np.uint8))


@pytest.mark.parametrize(
    ("options", "precision"),
    [
        ({"model": "lite"}, "fp32"),
        ({}, "fp32"),
        ({"weights": "w.pth"}, "fp32"),
        ({"model": "tiny"}, "auto"),
        ({"model": "tiny", "precision": "fp32"}, "fp32"),
        ({"model": "lite", "precision": "int8"}, "int8"),
    ],
    ids=str,
)
def test_models_by_name_run_as_they_are_measured_and_the_authors_networks_make_their_own_maps(
    options: dict[str, Any], precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[EngineConfig]()

    def open_engine(config: EngineConfig, *_: object, **__: object) -> FakeEngine:
        asked.append(config)
        return FakeEngine()

    monkeypatch.setattr("rtsod.segmenter.open_engine", open_engine)
    monkeypatch.setattr("rtsod.segmenter.resolve", lambda config: None)
    rtsod.Segmenter.open(**options).close()
    assert [config.precision for config in asked] == [precision]


def test_an_empty_name_of_weights_is_refused() -> None:
    """An unset variable gives it. The authors' weights would be another network than was meant."""
    with pytest.raises(UsageError, match="weights: is empty"):
        rtsod.Segmenter.open(model="lite", weights="")
