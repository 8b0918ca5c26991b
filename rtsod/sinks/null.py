"""A sink that discards every picture, for benchmarks and tests."""

from __future__ import annotations

from rtsod.frames import Composited
from rtsod.sinks.pixels import require_composited


class NullSink:
    """Counts pictures and discards them.

    Args:
        live: whether it stands for a live sink, such as a window, or for a file.
    """

    name = "null"

    def __init__(self, *, live: bool = False) -> None:
        self.live = live
        self.written = 0
        """Pictures received so far, including slates."""
        self.slates = 0
        """Slates received so far."""

    def write(self, picture: Composited) -> None:
        """Count one picture; see :meth:`rtsod.interfaces.Sink.write`."""
        require_composited(picture)
        self.written += 1
        self.slates += picture.is_slate

    def close(self) -> None:
        """Do nothing."""
