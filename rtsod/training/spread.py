"""Chooses some of many things, evenly spread."""

from __future__ import annotations

import numpy as np


def evenly(count: int, most: int) -> list[int]:
    """Which of ``count`` things are chosen, in their order: at most so many, the first and the last among them."""
    return [round(place) for place in np.linspace(0, count - 1, min(most, count))]
