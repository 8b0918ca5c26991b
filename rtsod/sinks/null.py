"""The sink that keeps nothing: for measuring and for tests."""

from __future__ import annotations

from rtsod.frames import Composited
from rtsod.sinks.pixels import require_composited


class NullSink:
    """Counts pictures and lets them go.

    Args:
        live: whether it stands for a sink that somebody watches.
    """

    name = "null"

    def __init__(self, *, live: bool = False) -> None:
        self.live = live
        self.written = 0
        """Pictures taken so far, slates included."""
        self.slates = 0
        """How many of them were slates."""

    def write(self, picture: Composited) -> None:
        """Count one picture."""
        require_composited(picture)
        self.written += 1
        self.slates += picture.is_slate

    def close(self) -> None:
        """Nothing to release."""
