"""Where frames to learn from come from: one camera, or clips, folders and kept recordings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rtsod.config import SourceConfig
from rtsod.errors import SourceError, UsageError
from rtsod.frames import Image
from rtsod.interfaces import Source
from rtsod.learning.config import DEFAULT_MINUTES, LearnConfig
from rtsod.learning.mirror import Watch, mirror
from rtsod.learning.recording import INDEX, Recording, kept_recording, record, take_frames
from rtsod.learning.script import script
from rtsod.sources import open_source
from rtsod.sources.demo import DEMO_NAME
from rtsod.system.names import path_named
from rtsod.training.reporter import TrainReporter


@contextmanager
def opened_sources(specs: Sequence[str]) -> Iterator[list[Source]]:
    """Open all sources but kept recordings, and close them at the end of the block.

    Raises:
        UsageError: one is live, and there are others.
        SourceError: one cannot be opened.
    """
    opened: list[Source] = []
    try:
        opened.extend(open_source(SourceConfig(spec=spec)) for spec in specs if kept(spec) is None)
        if "auto" in specs and any(source.info.name == DEMO_NAME for source in opened):
            raise SourceError("--source auto: no camera was found: connect one, or give clips of you")
        live = [source for source in opened if source.info.live]
        if live and len(specs) > 1:
            raise UsageError(f"--source: {live[0].info.name} is live: give it alone, or clips and folders alone")
        yield opened
    finally:
        for source in opened:
            source.close()


def kept(spec: str) -> Recording | None:
    """The recording that ``--keep`` left in a folder, if that is what is named.

    Raises:
        SourceError: it is damaged.
    """
    path = path_named(spec) if spec and "\0" not in spec else Path()
    return kept_recording(path) if (path / INDEX).is_file() else None


def recorded(config: LearnConfig, folder: Path, reporter: TrainReporter) -> list[Recording]:
    """Record a camera, or take the frames of clips and folders.

    Args:
        config: which.
        folder: to write frames to.
        reporter: told how far it is.

    Raises:
        UsageError, SourceError: see :func:`opened_sources`; a source failed.
        OutputError: the folder cannot be written.
    """
    recordings = [found for spec in config.sources if (found := kept(spec)) is not None]
    with opened_sources(config.sources) as sources:
        if not sources:
            return recordings
        for source in sources:
            for note in source.info.notes:
                reporter.notify(note)
        if sources[0].info.live:
            cues = script(60 * (config.minutes or DEFAULT_MINUTES))
            reporter.notify(
                f"recording {sources[0].info.name} for {sum(cue.seconds for cue in cues):.0f} s: nothing leaves this "
                "machine; do as the lines say; Ctrl-C ends it and deletes the recording"
            )
            with mirror() as watch:
                taken = record(sources[0], cues, folder, _spoken(watch, reporter), reporter.preparing)
        else:
            if config.minutes is not None:
                raise UsageError(
                    f"--minutes {config.minutes:g}: is how long a camera is recorded, and {sources[0].info.name} is "
                    "none: drop it"
                )
            taken = take_frames(sources, folder, reporter.preparing)
    if config.keep:
        taken.write_index()
    if not taken.shots:
        raise SourceError(f"{sources[0].info.name}: has no frames")
    return [taken, *recordings]


def _spoken(watch: Watch, reporter: TrainReporter) -> Watch:
    """The same, and a line for each new cue."""
    said = ""

    def both(image: Image, text: str, remaining: float) -> None:
        nonlocal said
        if text != said:
            said = text
            reporter.notify(f"{remaining:3.0f} s: {text}")
        watch(image, text, remaining)

    return both
