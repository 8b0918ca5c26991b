"""Errors of masks of people, on shapes whose errors can be counted."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.support.mask_errors import mask_errors


def _square(left: int, right: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    alpha = np.zeros((200, 200), np.float32)
    alpha[left:right, left:right] = 1
    return alpha


def test_the_true_alpha_has_no_errors() -> None:
    errors = mask_errors([_square(50, 150)], [_square(50, 150)])
    assert errors["iou"] == errors["iou_p5"] == 1
    for name in ("mad", "mse", "gradient", "holes_percent", "rim_px", "elsewhere_percent"):
        assert errors[name] == 0
    assert errors["outline_px"] == pytest.approx(0.5, abs=0.1)


def test_a_rim_a_hole_and_furniture_are_told_apart() -> None:
    truth = _square(50, 150)
    rim = mask_errors([_square(47, 153)], [truth])
    assert rim["rim_px"] == pytest.approx(3, rel=0.1)
    assert rim["holes_percent"] == rim["elsewhere_percent"] == 0
    assert rim["mad"] == rim["mse"] == pytest.approx((106**2 - 100**2) / 200**2 * 1e3, abs=1e-3)
    holed = truth.copy()
    holed[90:110, 90:110] = 0
    hole = mask_errors([holed], [truth])
    assert hole["holes_percent"] == pytest.approx(400 / 84**2 * 100, rel=0.05)
    assert hole["rim_px"] == hole["elsewhere_percent"] == 0
    lamp = truth.copy()
    lamp[:20, :20] = 1
    kept = mask_errors([lamp], [truth])
    assert kept["elsewhere_percent"] == pytest.approx(1.0)
    assert kept["holes_percent"] == kept["rim_px"] == 0
