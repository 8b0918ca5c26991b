"""Errors of an alpha against the exact one, as the matting literature measures them.

All alphas are ``(H, W)`` float32 in [0, 1], and of one size. Every error is 0 for the exact alpha. Errors are scaled as
RobustVideoMatting reports them, and summed or averaged over all pixels, because there is no trimap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.frames import Alpha

_SIGMA_PX: Final = 1.4
"""Standard deviation of the gradient error's Gaussian derivative, in pixels, as on alphamatting.com."""
_STEPS: Final = 10
"""Thresholds of the connectivity error, 0.1 apart, as on alphamatting.com."""
_TOLERANCE: Final = np.float32(0.15)
"""Less than this far above the connected level, a pixel counts as connected: Rhemann's theta."""


@dataclass(frozen=True, slots=True)
class MattingErrors:
    """The errors of one alpha."""

    mad: float
    mse: float
    gradient: float
    connectivity: float

    @classmethod
    def of(cls, alpha: Alpha, exact: Alpha) -> MattingErrors:
        """Measure all of them."""
        return cls(mad(alpha, exact), mse(alpha, exact), gradient_error(alpha, exact), connectivity_error(alpha, exact))


def mad(alpha: Alpha, exact: Alpha) -> float:
    """Mean absolute difference, times 1000."""
    return float(np.abs(alpha - exact).mean() * 1e3)


def mse(alpha: Alpha, exact: Alpha) -> float:
    """Mean squared error, times 1000."""
    return float(np.square(alpha - exact).mean() * 1e3)


def gradient_error(alpha: Alpha, exact: Alpha) -> float:
    """The gradient error of Rhemann et al., "A perceptually motivated online benchmark for image matting" (CVPR 2009).

    The sum over all pixels of the squared difference of the gradients' magnitudes (q = 2), divided by 1000. The
    gradients are first-order Gaussian derivatives of sigma 1.4.
    """
    return float(np.square(_gradient(alpha) - _gradient(exact)).sum() / 1e3)


def connectivity_error(alpha: Alpha, exact: Alpha) -> float:
    """The connectivity error of Rhemann et al. (see :func:`gradient_error`), divided by 1000; 0.1 steps, p = 1.

    A pixel's connected level is the highest threshold up to which it belongs to the *source*, the largest region
    (4-connected; the first of several in reading order) where both alphas are at least the threshold. The error is the
    sum over all pixels of the difference of the two alphas' degrees of connectedness: 1 less what they have above that
    level, if that is 0.15 or more.
    """
    level = np.ones(exact.shape, np.float32)
    left = np.zeros(exact.shape, np.bool_)
    both = np.minimum(alpha, exact)
    for step in range(1, _STEPS + 1):
        source = _largest_region(both >= np.float32(step / _STEPS))
        leaves = ~source & ~left
        level[leaves] = (step - 1) / _STEPS
        left |= leaves
    return float(np.abs(_connectedness(alpha, level) - _connectedness(exact, level)).sum(dtype=np.float64) / 1e3)


def dtssd(alpha: Alpha, before: Alpha, exact: Alpha, exact_before: Alpha) -> float:
    """How wrongly alpha changes between two frames, times 100: dtSSD (Erofeev et al., BMVC 2015).

    The root of the mean over all pixels of the squared difference of the changes, as RobustVideoMatting reports it.
    """
    return float(np.sqrt(np.square((alpha - before) - (exact - exact_before)).mean()) * 1e2)


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


def _largest_region(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    if count == 1:  # the background alone
        return np.zeros_like(mask)
    areas = statistics[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    largest = areas == areas.max()
    first = int(np.argmax(largest[labels]))
    return np.asarray(labels == labels.flat[first])


def _connectedness(alpha: Alpha, level: Alpha) -> Alpha:
    above = alpha - level
    return np.asarray(1 - np.where(above >= _TOLERANCE, above, 0), np.float32)
