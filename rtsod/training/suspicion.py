"""Whether masks look inverted, or as if they belonged to other pictures: judged by the pixels, without a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.frames import Image

SIDE: Final = 128
"""Pictures are compared at this size, in pixels."""
FEWEST: Final = 8
"""Pairs below which chance could mix up masks and pictures that belong together."""
SAME_AS_CHANCE: Final = 0.6
"""Masks that lie on their pictures' edges no more often than this, against other pictures' masks, are mixed up. Chance
gives .5, within .1 for 40 pairs (three standard deviations, ``3 * sqrt(1 / 12 / 40) = .14``, less what is shared)."""
SURE: Final = 0.75
"""Another order of the masks that reaches this is the right one."""
MOSTLY: Final = 0.5
"""Share of a picture's rim, and of its area, above which masks are white where there is no subject."""

Scores: TypeAlias = NDArray[np.float64]


def suspicions(pairs: Sequence[tuple[Image, Image]]) -> list[str]:
    """What is suspicious about some pairs, one line each; empty if nothing is.

    Args:
        pairs: pictures ``(H, W, 3)`` uint8 BGR, and their labels ``(H, W)`` uint8, in the data set's order.
    """
    labels = [cv2.resize(label, (SIDE, SIDE), interpolation=cv2.INTER_AREA) >= 128 for _, label in pairs]
    found = []
    if not any(label.any() for label in labels):
        return [f"all of {len(pairs)} masks are empty: there is nothing to learn"]
    rim, area = (float(np.mean([part(label) for label in labels])) for part in (_rim, np.mean))
    if rim > MOSTLY and area > MOSTLY:
        found.append(f"the masks look inverted: {rim:.0%} of the pictures' rims are foreground")
    usable = [(pair[0], label) for pair, label in zip(pairs, labels, strict=True) if 0 < label.mean() < 1]
    if len(usable) >= FEWEST:
        mixed = _pairing(edge_scores(usable))
        if mixed is not None:
            found.append(mixed)
    return found


def edge_scores(pairs: Sequence[tuple[Image, NDArray[np.bool_]]]) -> Scores:
    """How well each mask's outline follows each picture's edges.

    Returns:
        ``(N, N)``: the mean gradient of picture i along the outline of mask j, in mean gradients of the picture.
    """
    kernel = np.ones((3, 3), np.uint8)
    edges = np.stack([_edges(image).ravel() for image, _ in pairs])
    outlines = np.stack(
        [cv2.morphologyEx(label.astype(np.uint8), cv2.MORPH_GRADIENT, kernel).ravel() for _, label in pairs]
    ).astype(np.float64)
    return np.asarray(edges @ (outlines / outlines.sum(1, keepdims=True)).T)


def agreement(scores: Scores, shift: int = 0) -> float:
    """How often a picture's mask follows its edges better than another picture's mask does: .5 by chance, 1 always.

    Args:
        scores: of :func:`edge_scores`.
        shift: which mask is taken to be a picture's: that of the picture so many places further.
    """
    count = len(scores)
    places = np.arange(count)
    own = scores[places, (places + shift) % count][:, None]
    better, equal = int((own > scores).sum()), int((own == scores).sum()) - count
    return (better + equal / 2) / (count * (count - 1))


def _pairing(scores: Scores) -> str | None:
    given = agreement(scores)
    if given >= SAME_AS_CHANCE:
        return None
    line = f"masks and pictures seem mixed up: a mask follows its picture's edges no better than others ({given:.2f})"
    for shift, whose in ((1, "next"), (-1, "previous")):
        if agreement(scores, shift) >= SURE:
            return f"{line}, but that of the {whose} picture does: a file is missing, or one too many"
    return line


def _edges(image: Image) -> NDArray[np.float64]:
    grey = cv2.cvtColor(cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
    smooth = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 1)
    strength = cv2.magnitude(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
    return np.asarray(strength / max(float(strength.mean()), 1e-6), np.float64)


def _rim(label: NDArray[np.bool_]) -> float:
    return float(np.concatenate([label[0], label[-1], label[:, 0], label[:, -1]]).mean())
