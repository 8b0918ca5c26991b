"""Alphas as detections of supervision."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import rtsod
from rtsod.backends.constant import ConstantEngine
from rtsod.errors import EngineError, UsageError


@pytest.fixture
def sv() -> Any:
    return pytest.importorskip("supervision", reason="supervision is not installed")


def _scene() -> NDArray[np.float32]:
    """100 x 200: a small sure square, a large doubtful rectangle, and a faint one."""
    alpha = np.zeros((100, 200), np.float32)
    alpha[10:20, 20:30] = 0.9
    alpha[40:80, 100:150] = 0.6
    alpha[60:80, 100:150] = 0.8
    alpha[85:95, 5:50] = 0.4
    return alpha


def test_each_component_is_a_detection_and_the_largest_is_first(sv: Any) -> None:
    found = rtsod.detections_from_alpha(_scene())
    assert isinstance(found, sv.Detections)
    assert found.xyxy.tolist() == [[100, 40, 150, 80], [20, 10, 30, 20]]
    assert found.mask.dtype == np.bool_
    assert found.mask.shape == (2, 100, 200)
    assert (found.mask[0] == (_scene() > 0.5) & (np.arange(200) >= 100)).all()
    assert (found.mask[1] == (_scene() > 0.85)).all()
    assert found.confidence == pytest.approx([0.7, 0.9])
    assert found.class_id.tolist() == [0, 0]
    assert found.data["class_name"].tolist() == ["salient object"] * 2
    assert found.box_area.tolist() == found.mask.sum(axis=(1, 2)).tolist(), "boxes end beyond the last pixel"


def test_the_threshold_decides_what_belongs_to_a_subject(sv: Any) -> None:
    areas = [
        sorted(rtsod.detections_from_alpha(_scene(), threshold=threshold).mask.sum(axis=(1, 2)))
        for threshold in (0.0, 0.5, 0.7, 0.95)
    ]
    assert areas == [[100, 450, 2000], [100, 2000], [100, 1000], []]
    exactly = np.full((10, 10), 0.5, np.float32)
    assert len(rtsod.detections_from_alpha(exactly)) == 0, "above, not at"


def test_small_components_are_left_out(sv: Any) -> None:
    speck = np.zeros((100, 100), np.float32)
    speck[50, 50:59] = 1
    assert len(rtsod.detections_from_alpha(speck)) == 0
    assert len(rtsod.detections_from_alpha(speck, min_area=0.0009)) == 1
    assert len(rtsod.detections_from_alpha(speck, min_area=0)) == 1


def test_diagonal_neighbours_touch(sv: Any) -> None:
    assert len(rtsod.detections_from_alpha(np.eye(20, dtype=np.float32))) == 1


def test_nothing_that_stands_out_is_no_detection(sv: Any) -> None:
    found = rtsod.detections_from_alpha(np.zeros((30, 40), np.float32))
    assert len(found) == 0
    assert found.xyxy.shape == (0, 4)
    assert found.mask.shape == (0, 30, 40)
    assert sv.MaskAnnotator().annotate(np.zeros((30, 40, 3), np.uint8), found).shape == (30, 40, 3)


def test_a_segmenter_detects_what_its_alpha_shows(sv: Any) -> None:
    half = np.zeros((64, 64), np.float32)
    half[:, 40:] = 0.9
    image = np.full((128, 128, 3), 90, np.uint8)
    with rtsod.Segmenter(ConstantEngine(64, answer=lambda image: half.copy())) as segmenter:
        found = segmenter.detections(image, stream=True, threshold=0.6)
        expected = rtsod.detections_from_alpha(segmenter(image, stream=True), threshold=0.6)
    assert (found.mask == expected.mask).all()
    assert found.xyxy.tolist() == [[80, 0, 128, 128]]


def test_supervision_draws_and_filters_them(sv: Any) -> None:
    found = rtsod.detections_from_alpha(_scene())
    picture = np.zeros((100, 200, 3), np.uint8)
    for annotator in (sv.MaskAnnotator(), sv.BoxAnnotator(), sv.LabelAnnotator()):
        picture = annotator.annotate(picture, found)
    assert picture[60, 120].any()
    assert found[found.confidence > 0.8].xyxy.tolist() == [[20, 10, 30, 20]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 1.0}, "threshold"),
        ({"threshold": -0.1}, "threshold"),
        ({"threshold": float("nan")}, "threshold"),
        ({"min_area": 30}, "min_area is a share"),
        ({"min_area": -1}, "min_area is a share"),
        ({"threshold": "0.5"}, "threshold and min_area must be numbers, not '0.5' and 0.001"),
        ({"min_area": None}, "must be numbers, not 0.5 and None"),
    ],
    ids=str,
)
def test_options_that_select_nothing_are_refused_before_the_network_runs(
    sv: Any, options: dict[str, Any], message: str
) -> None:
    def answer(image: NDArray[np.uint8]) -> NDArray[np.float32]:
        raise EngineError("it ran")

    with pytest.raises(ValueError, match=message):
        rtsod.detections_from_alpha(_scene(), **options)
    with pytest.raises(ValueError, match=message):
        rtsod.Segmenter(ConstantEngine(64, answer=answer)).detections(np.zeros((8, 8, 3), np.uint8), **options)


@pytest.mark.parametrize("alpha", [np.ones((4, 4)), np.full((4, 4), 2, np.float32)], ids=["float64", "beyond 1"])
def test_an_alpha_that_is_none_is_refused(sv: Any, alpha: NDArray[np.float32]) -> None:
    with pytest.raises(ValueError, match="alpha must be"):
        rtsod.detections_from_alpha(alpha)


def test_without_supervision_the_error_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)  # what an import then says is what it says of none

    def answer(image: NDArray[np.uint8]) -> NDArray[np.float32]:
        raise EngineError("it ran")

    with pytest.raises(UsageError, match="pip install supervision"):
        rtsod.detections_from_alpha(_scene())
    with pytest.raises(UsageError, match="pip install supervision"):
        rtsod.Segmenter(ConstantEngine(64, answer=answer)).detections(np.zeros((8, 8, 3), np.uint8))
