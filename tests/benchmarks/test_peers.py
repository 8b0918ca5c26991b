"""The comparison with other programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.peers.__main__ import check_names, least_iou, result_lines
from benchmarks.peers.worker import Array, protocol_of_the_authors
from rtsod.config import PRECISIONS
from rtsod.errors import UsageError


def test_masks_are_compared_by_their_worst_pair(tmp_path: Path) -> None:
    masks = np.zeros((2, 10, 10), np.uint8)
    masks[:, :, :5] = 255
    other = masks.copy()
    other[1, :, 5] = 255
    np.save(tmp_path / "a.npy", masks)
    np.save(tmp_path / "b.npy", other)
    assert least_iou(tmp_path / "a.npy", tmp_path / "a.npy") == 1.0
    assert least_iou(tmp_path / "a.npy", tmp_path / "b.npy") == pytest.approx(5 / 6)


def test_masks_that_differ_are_marked() -> None:
    def numbers(runs: str, ms: float, rate: float, overlap: float) -> dict[str, object]:
        return {"runs": runs, "median_ms": ms, "rate_against": {"rembg": rate}, "least_iou": {"rembg": overlap}}

    printed = result_lines(
        {
            "rembg": numbers("fp32", 200, 1, 1),
            "rtsod:auto": numbers("openvino int8", 50, 4, 0.991),
            "rtsod:bf16": numbers("openvino bf16", 40, 5, 0.97),
        }
    )
    assert "openvino int8" in printed[1]
    assert "4.00 x rembg, lowest mask IoU 0.9910" in printed[1]
    assert "the masks differ" not in printed[1]
    assert "the masks differ" in printed[2]


@pytest.mark.parametrize(
    ("names", "message"), [(["abacus"], "unknown contestant"), (["rembg", "rembg"], "name each contestant once")]
)
def test_wrong_names_are_refused_before_anything_is_opened(names: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_names(names)
    check_names(["rembg", "rtsod:auto", *(f"rtsod:{precision}" for precision in PRECISIONS if precision != "auto")])


def test_the_protocol_is_that_of_the_authors_test_script() -> None:
    given: list[Array] = []

    def run(pixels: Array) -> Array:
        given.append(pixels)
        return np.linspace(0.2, 0.7, 320 * 320, dtype=np.float32).reshape(1, 1, 320, 320)

    image = np.full((48, 64, 3), 100, np.uint8)
    mask = protocol_of_the_authors(run)(image)
    assert mask.shape == (48, 64)
    assert (float(mask.min()), float(mask.max())) == pytest.approx((0, 1), abs=0.02)
    assert given[0].shape == (1, 3, 320, 320)
    # Divided by its own maximum, every channel of a grey picture is 1 before it is normalised.
    assert given[0][0, :, 0, 0] == pytest.approx(
        (1 - np.array([0.485, 0.456, 0.406])) / [0.229, 0.224, 0.225], rel=1e-5
    )
