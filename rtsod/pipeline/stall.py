"""When input that brings no pictures has stalled, and how often viewers get a slate meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

STALL_SECONDS: Final = 0.9
"""Without a picture for as long, live input whose frames wait for no inference has stalled: viewers see slates within a
second, however long the network takes."""
STALL_PERIODS: Final = 2.5
"""As long in frame periods, where those are longer."""
FALLBACK_SLATE_FPS: Final = 30
"""Slates per second in a stall, where the source has no known rate."""


@dataclass(frozen=True, slots=True)
class StallTimes:
    """For one source."""

    timeout: float | None
    """Seconds without a picture after which the input counts as stalled; None waits, as for a file."""
    slate_period: float
    """Seconds between two slates in a stall."""


def stall_times(fps: Fraction | None, max_mask_age: float, *, live: bool, straight: bool) -> StallTimes:
    """How long to wait for a picture.

    Args:
        fps: the source's; None if unknown.
        max_mask_age: seconds after which a mask is too old to be shown.
        live: the input does not wait.
        straight: frames wait for no inference, so they come as often as the source captures them.
    """
    timeout = None
    if live and straight and fps:
        timeout = min(max_mask_age, max(STALL_SECONDS, STALL_PERIODS / float(fps)))
    elif live:
        timeout = max_mask_age
    return StallTimes(timeout, float(1 / (fps or FALLBACK_SLATE_FPS)))
