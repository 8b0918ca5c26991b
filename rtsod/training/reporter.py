"""What a training run tells whoever started it."""

from __future__ import annotations

from typing import Protocol


class TrainReporter(Protocol):
    """Lines and progress. :class:`rtsod.app.train_console.TrainConsole` shows them in a terminal."""

    def notify(self, line: str) -> None:
        """Take one line for the user."""

    def preparing(self, phase: str, done: int, total: int) -> None:
        """Take how far something is that comes before the first step: see :data:`rtsod.progress.BuildProgress`."""

    def progress(self, share: float, text: str) -> None:
        """Take how far the run is, 0 to 1, and its newest numbers."""


class SilentTrainReporter:
    """Discards everything: for processes but the first, and for the tests."""

    def notify(self, line: str) -> None:
        """Discard a line."""

    def preparing(self, phase: str, done: int, total: int) -> None:
        """Discard progress."""

    def progress(self, share: float, text: str) -> None:
        """Discard progress."""
