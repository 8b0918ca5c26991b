"""What alphas that come from outside must be."""

from __future__ import annotations

import numpy as np

from rtsod.frames import Alpha


def check_alpha(alpha: Alpha) -> None:
    """Refuse what is no alpha.

    Raises:
        ValueError: it is not ``(H, W)`` float32, has no pixels, or has values that are not within [0, 1].
    """
    if not isinstance(alpha, np.ndarray) or alpha.ndim != 2 or alpha.dtype != np.float32 or alpha.size == 0:
        found = f"{alpha.shape} {alpha.dtype}" if isinstance(alpha, np.ndarray) else type(alpha).__name__
        raise ValueError(f"alpha must be (H, W) float32, not {found}")
    low, high = float(alpha.min()), float(alpha.max())
    if not (low >= 0 and high <= 1):  # also if one of them is NaN
        raise ValueError(f"alpha must be within 0 and 1, and is from {low:g} to {high:g}")
