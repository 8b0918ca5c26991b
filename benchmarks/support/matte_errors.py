"""Errors of an alpha against the exact one, as the matting literature measures them.

All alphas are ``(H, W)`` float32 in [0, 1]. Every error is 0 for the exact alpha.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from rtsod.frames import Alpha, Image

_SIGMA_PX: Final = 1.4
"""Standard deviation of the gradient error's Gaussian derivative, in pixels, as on alphamatting.com."""
_FRINGE_SIDE_PX: Final = 7
"""Side of the square by which the mixed pixels are dilated to where fringes are seen, in pixels."""


def mad(alpha: Alpha, exact: Alpha) -> float:
    """Mean absolute difference, times 1000."""
    return float(np.abs(alpha - exact).mean() * 1e3)


def gradient_error(alpha: Alpha, exact: Alpha) -> float:
    """The gradient error of Rhemann et al., "A perceptually motivated online benchmark for image matting" (CVPR 2009).

    The sum over all pixels of the squared difference of the gradients' magnitudes (q = 2), divided by 1000. The
    gradients are first-order Gaussian derivatives of sigma 1.4.
    """
    return float(np.square(_gradient(alpha) - _gradient(exact)).sum() / 1e3)


def dtssd(alpha: Alpha, before: Alpha, exact: Alpha, exact_before: Alpha) -> float:
    """How wrongly alpha changes between two frames, times 100: dtSSD (Erofeev et al., BMVC 2015).

    The root of the mean over all pixels of the squared difference of the changes, as RobustVideoMatting reports it.
    """
    return float(np.sqrt(np.square((alpha - before) - (exact - exact_before)).mean()) * 1e2)


def fringe(composite: Image, exact_composite: Image, exact: Alpha) -> float:
    """Mean absolute colour error of a composite around the subject's edge, in levels of 255.

    Args:
        composite: ``(H, W, 3)`` uint8 BGR, in front of a new background.
        exact_composite: the same with the exact alpha and the subject's true colours.
        exact: the exact alpha.
    """
    mixed = ((exact > 0.0) & (exact < 1.0)).astype(np.uint8)
    near = cv2.dilate(mixed, np.ones((_FRINGE_SIDE_PX, _FRINGE_SIDE_PX), np.uint8)) > 0
    difference = cv2.absdiff(composite, exact_composite)[near]
    return float(difference.mean())


def _gradient(alpha: Alpha) -> Alpha:
    """The gradient's magnitude; the derivative kernel has unit energy."""
    reach = int(np.ceil(3 * _SIGMA_PX))
    x = np.arange(-reach, reach + 1)
    gaussian = np.exp(-(x**2) / (2 * _SIGMA_PX**2)) / (_SIGMA_PX * np.sqrt(2 * np.pi))
    derivative = -x * gaussian / _SIGMA_PX**2
    norm = np.sqrt(np.square(np.outer(gaussian, derivative)).sum())
    across = cv2.sepFilter2D(alpha, cv2.CV_32F, derivative / norm, gaussian, borderType=cv2.BORDER_REPLICATE)
    down = cv2.sepFilter2D(alpha, cv2.CV_32F, gaussian, derivative / norm, borderType=cv2.BORDER_REPLICATE)
    return np.hypot(across, down)
