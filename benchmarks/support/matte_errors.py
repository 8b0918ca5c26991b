"""How far an alpha is from the exact one: the measures of the matting literature."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from rtsod.frames import Alpha, Image

_SIGMA: Final = 1.4
"""Of the gradient error's Gaussian derivative, pixels, as on alphamatting.com."""
_NEAR_EDGE: Final = 7
"""Side of the square that widens the exact edge to where fringes are seen, pixels."""


def mad(alpha: Alpha, exact: Alpha) -> float:
    """Mean absolute difference, in thousandths."""
    return float(np.abs(alpha - exact).mean() * 1e3)


def gradient_error(alpha: Alpha, exact: Alpha) -> float:
    """Rhemann et al., "A perceptually motivated online benchmark for image matting" (CVPR 2009), in thousands.

    The sum over all pixels of the squared difference of the gradients' magnitudes, the gradients by first-order
    Gaussian derivatives of sigma 1.4 (q = 2).
    """
    return float(np.square(_gradient(alpha) - _gradient(exact)).sum() / 1e3)


def dtssd(alpha: Alpha, before: Alpha, exact: Alpha, exact_before: Alpha) -> float:
    """Erofeev et al. (BMVC 2015) as in RobustVideoMatting: how wrongly alpha changes between two frames, in hundredths.

    The root of the mean over all pixels of the squared difference of the changes.
    """
    return float(np.sqrt(np.square((alpha - before) - (exact - exact_before)).mean()) * 1e2)


def fringe(composite: Image, exact_composite: Image, exact: Alpha) -> float:
    """Mean absolute colour error of a composite about the subject's edge, in levels of 255."""
    mixed = ((exact > 0.0) & (exact < 1.0)).astype(np.uint8)
    near = cv2.dilate(mixed, np.ones((_NEAR_EDGE, _NEAR_EDGE), np.uint8)) > 0
    difference = cv2.absdiff(composite, exact_composite)[near]
    return float(difference.mean())


def _gradient(alpha: Alpha) -> Alpha:
    reach = int(np.ceil(3 * _SIGMA))
    x = np.arange(-reach, reach + 1)
    gaussian = np.exp(-(x**2) / (2 * _SIGMA**2)) / (_SIGMA * np.sqrt(2 * np.pi))
    derivative = -x * gaussian / _SIGMA**2
    norm = np.sqrt(np.square(np.outer(gaussian, derivative)).sum())
    across = cv2.sepFilter2D(alpha, cv2.CV_32F, derivative / norm, gaussian, borderType=cv2.BORDER_REPLICATE)
    down = cv2.sepFilter2D(alpha, cv2.CV_32F, gaussian, derivative / norm, borderType=cv2.BORDER_REPLICATE)
    return np.hypot(across, down)
