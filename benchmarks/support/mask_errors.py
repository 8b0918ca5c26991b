"""Errors of masks of people against an alpha: as the matting literature measures them, and as people notice them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from rtsod.evaluation.matting import gradient_error, mad, mse
from rtsod.frames import Alpha
from rtsod.imaging.iou import iou

INTERIOR_PX: Final = 8
"""A pixel belongs to the subject's interior if it is at least this far from its outline."""
RIM_PX: Final = 16
"""Background up to this far from the outline is a rim; what is further away is something else that was kept."""


def mask_errors(masks: Sequence[Alpha], truth: Sequence[Alpha]) -> dict[str, float]:
    """The errors of a sequence of masks.

    Args:
        masks: ``(H, W)`` float32 in [0, 1] each.
        truth: the alphas to compare with, in the same order.

    Returns:
        Means over the frames: ``mad`` and ``mse`` times 1000; ``gradient``, see :mod:`rtsod.evaluation.matting`;
        ``iou`` at one half, and ``iou_p5``, its 5th percentile; ``outline_px``, the mean distance in pixels of the
        mask's outline from the true one; ``holes_percent``, the share of the subject's interior that is left out;
        ``rim_px``, the mean width in pixels of the background kept beside the outline; ``elsewhere_percent``, the share
        of the frame that is kept although it is further away.
    """
    rows = [_errors(mask, alpha) for mask, alpha in zip(masks, truth, strict=True)]
    found = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    found["iou_p5"] = float(np.percentile([row["iou"] for row in rows], 5))
    return {name: round(value, 4) for name, value in found.items()}


def _errors(mask: Alpha, truth: Alpha) -> dict[str, float]:
    subject, kept = truth > 0.5, mask > 0.5
    inside = cv2.distanceTransform(subject.astype(np.uint8), cv2.DIST_L2, 5)
    outside = cv2.distanceTransform((~subject).astype(np.uint8), cv2.DIST_L2, 5)
    interior = inside > INTERIOR_PX
    true_line, line = _outline(subject), _outline(kept)
    near = kept & (outside > 0) & (outside <= RIM_PX)
    far = kept & (outside > RIM_PX)
    line_near = line & (outside <= RIM_PX) & (inside <= RIM_PX)
    distance = np.maximum(inside, outside) - 0.5
    return {
        "mad": mad(mask, truth),
        "mse": mse(mask, truth),
        "gradient": gradient_error(mask, truth),
        "iou": iou(mask, truth),
        "outline_px": float(distance[line_near].mean()) if line_near.any() else float(RIM_PX),
        "holes_percent": float((interior & ~kept).sum() / max(interior.sum(), 1) * 100),
        "rim_px": float(near.sum() / max(true_line.sum(), 1)),
        "elsewhere_percent": float(far.mean() * 100),
    }


def _outline(mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """The pixels of a mask that touch the background; those at the frame's border do not count."""
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1)
    return np.asarray(mask & (inner == 0), np.bool_)
