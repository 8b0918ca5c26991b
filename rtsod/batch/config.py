"""What ``rtsod batch`` is told: :class:`BatchConfig`. Every default stands here; the command line only fills it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rtsod.batch.places import Place, Results, results_at
from rtsod.config import AppConfig
from rtsod.errors import UsageError

PICTURE_SUFFIX: Final = ".png"
"""Of the result of a photograph."""
VIDEO_SUFFIXES: Final = (".mp4", ".mkv", ".webm", ".mov")
"""What the result of a video may be: the keys of :data:`rtsod.sinks.encoders.RECIPES`. A test compares the two."""
ATTEMPTS: Final = 2
"""How often an item is tried: the second time alone, in a fresh process."""
SEGMENT_SECONDS: Final = 600.0
"""Videos of one and a half times this, and longer ones, are divided into parts of about this."""
LOCAL: Final = "local"
RAY: Final = "ray"


@dataclass(frozen=True, slots=True)
class Limit:
    """How many items may fail: a number, or a share of all."""

    number: int | None = None
    share: float | None = None

    def exceeded(self, failed: int, total: int) -> bool:
        """Whether so many failures of so many items are too many."""
        return failed > (self.number if self.number is not None else (self.share or 0.0) * total)


@dataclass(frozen=True, slots=True)
class Shard:
    """Which part of all items: those whose name's hash is this, modulo how many parts there are."""

    number: int = 0
    of: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.number < self.of:
            raise UsageError(f"--shard {self.number}/{self.of}: must be 0/{self.of} to {self.of - 1}/{self.of}")

    @property
    def label(self) -> str:
        """A part of its files' names."""
        return f"{self.number}-of-{self.of}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchConfig:
    """One batch.

    Raises:
        UsageError: a value is not valid; the message names the option.
    """

    inputs: tuple[str, ...]
    """Folders, files, their addresses, or ``-`` for a list of files on standard input."""
    out: Place
    """Folder of the results, or its address."""
    run: AppConfig = field(default_factory=AppConfig)
    """Network, speed and picture, as of a run; its source and outputs are not used."""
    masks: bool = False
    """Write the alpha alone."""
    video_suffix: str | None = None
    """Of the results of videos; None is ``.webm`` for transparent pictures, else ``.mp4``."""
    include: tuple[str, ...] = ()
    """Patterns of names, relative to the input; none takes everything."""
    exclude: tuple[str, ...] = ()
    """Patterns of names to leave out, and of folders."""
    shard: Shard = Shard()
    segment: float | None = SEGMENT_SECONDS
    """Seconds of the parts that long videos are divided into; None divides none."""
    on: str = LOCAL
    """What runs the processes: ``local``, ``ray``, or ``ray:ADDRESS``."""
    workers: int | None = None
    """Processes; None is as many as there are cores and memory for."""
    retry_failed: bool = False
    """Try again what failed in an earlier run."""
    force: bool = False
    """Make everything again, also with other settings."""
    max_failures: Limit | None = None
    """More of them end the batch; None goes on to the end."""

    def __post_init__(self) -> None:
        if not self.inputs:
            raise UsageError("INPUT: give folders, files, or - for a list on standard input")
        if "" in self.inputs:
            raise UsageError("INPUT: is empty: give a name")
        if "-" in self.inputs and len(self.inputs) > 1:
            raise UsageError("-: the list on standard input stands alone: drop the other inputs")
        if len(self.run.picture.backgrounds) > 1:
            raise UsageError(f"--bg {self.run.picture.backgrounds[1]}: a batch has one background")
        if self.run.picture.backgrounds == ("none",) and not self.masks:
            raise UsageError("--bg none: the results would be the inputs: choose another, or --masks")
        if self.video_suffix is not None and self.video_suffix not in VIDEO_SUFFIXES:
            raise UsageError(f"--video {self.video_suffix}: choose from {', '.join(VIDEO_SUFFIXES)}")
        if self.segment is not None and not self.segment >= 1:
            raise UsageError(f"--segment {self.segment:g}: must be at least 1 s, or none")
        if self.workers is not None and self.workers < 1:
            raise UsageError(f"--workers {self.workers}: must be at least 1")
        if self.retry_failed and self.force:
            raise UsageError("--retry-failed: --force makes everything again: drop one of the two")

    @property
    def suffix(self) -> str:
        """Of the results of videos."""
        transparent = "transparent" in self.run.picture.backgrounds and not self.masks
        return self.video_suffix or (".webm" if transparent else ".mp4")

    @property
    def results(self) -> Results:
        """Where results go."""
        return results_at(self.out)

    @property
    def records(self) -> Path:
        """The folder here of settings, rows, parts and unfinished files."""
        return self.results.records

    @property
    def unfinished(self) -> Path:
        """The folder of this shard's unfinished files."""
        return self.records / f"unfinished-{self.shard.label}"
