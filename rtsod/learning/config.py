"""What ``rtsod learn`` is told: :class:`LearnConfig`. Every default stands here; the command line only fills it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rtsod.config import ModelName
from rtsod.errors import UsageError

MINUTES: Final = (0.25, 10.0)
"""Shortest and longest recording. A shorter one has no time for its cues; a longer one adds no frames, since
:data:`MAX_FRAMES` are kept whatever its length."""
DEFAULT_MINUTES: Final = 1.0
MAX_TRAIN_MINUTES: Final = 24 * 60.0
MAX_FRAMES: Final = 240
"""Frames to learn from. Full labels as many in a minute and a half on two cores with VNNI, and neighbours of a frame in
a video tell little that is new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnConfig:
    """One network to learn.

    Raises:
        UsageError: a value is not valid; the message names the option.
    """

    sources: Sequence[str] = ("0",)
    """A camera, as :class:`rtsod.config.SourceConfig` names it; or clips, or folders of pictures, any number."""
    minutes: float | None = None
    """Length of a camera's recording; None is ``DEFAULT_MINUTES``. Clips and folders have a length of their own."""
    name: str = "me"
    """Of the network; an older one of this name is replaced once the new one is whole."""
    train_minutes: float = 10.0
    """Length of the training, its validations included."""
    keep: bool = False
    """Keep the recording, in the user's data folder."""
    teacher: ModelName = "full"
    """Whose maps are learned."""
    seed: int = 0
    """Of the samples and of random weights."""

    def __post_init__(self) -> None:
        if not self.sources:
            raise UsageError("--source is empty: give a camera, clips, or folders of pictures")
        shortest, longest = MINUTES
        if self.minutes is not None and not shortest <= self.minutes <= longest:
            raise UsageError(f"--minutes {self.minutes:g}: must be {shortest:g} to {longest:g}")
        if self.seed < 0:
            raise UsageError(f"--seed {self.seed}: must be 0 or more")
        if not (math.isfinite(self.train_minutes) and 0 < self.train_minutes <= MAX_TRAIN_MINUTES):
            raise UsageError(
                f"--train-minutes {self.train_minutes:g}: must be more than 0 and at most {MAX_TRAIN_MINUTES:g}"
            )
