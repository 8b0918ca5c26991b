"""The frames to learn from, on disk: recorded from a camera by a script, or taken from clips and folders.

They are kept without loss, in a folder that is nobody else's business: see :mod:`rtsod.system.private_folder`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from rtsod.errors import SourceError
from rtsod.frames import Frame, Image
from rtsod.interfaces import Source
from rtsod.learning.config import MAX_FRAMES
from rtsod.learning.mirror import Watch
from rtsod.learning.script import Cue, Scene, cue_at
from rtsod.progress import BuildProgress
from rtsod.system.files import check_room, json_from_text, output_error, read_text, write_json
from rtsod.training.spread import evenly

INDEX: Final = "recording.json"
"""In the folder: what each picture is. A kept recording can be learned from again."""
_MAX_SIDE: Final = 1280
"""Larger frames are scaled down to this longer side, as cameras deliver it."""
_COMPRESSION: Final = 1
"""Of PNG: a frame must be written before the next one comes."""
_STILL_SECONDS: Final = 0.25
"""Between two pictures of a folder, which has no clock: as between two frames of a minute's recording."""
_EMPTY_SECONDS: Final = 0.5
"""The longest time between two pictures of the empty room, in however long a recording."""
_MARGIN: Final = 1.2
"""Later pictures may have more detail than the first one."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One kept frame."""

    file: str
    """In the recording's folder."""
    seconds: float
    """Since the beginning of its take."""
    take: int
    """Number of the recording or clip it is from."""
    empty: bool = False
    """True: the script had asked for the empty room."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Frames in a folder, in their order."""

    folder: Path
    shots: tuple[Shot, ...]
    scripted: bool
    """True: somebody followed the script, so that ``empty`` is known."""

    def image(self, shot: Shot) -> Image:
        """``(H, W, 3)`` uint8 BGR.

        Raises:
            SourceError: the picture is gone or damaged.
        """
        found = cv2.imread(str(self.folder / shot.file), cv2.IMREAD_COLOR)
        if found is None:
            raise SourceError(f"{self.folder / shot.file}: cannot be read any more")
        return np.asarray(found, np.uint8)

    def write_index(self) -> None:
        """Write :data:`INDEX`.

        Raises:
            OutputError: it cannot be written.
        """
        record = {"scripted": self.scripted, "shots": [asdict(shot) for shot in self.shots]}
        write_json(self.folder / INDEX, record)


def kept_recording(folder: Path) -> Recording | None:
    """A recording that ``--keep`` left; None if the folder is none.

    Raises:
        SourceError: its index is damaged.
    """
    index = folder / INDEX
    if not index.is_file():
        return None
    try:
        content = json_from_text(read_text(index))
        shots = tuple(
            Shot(Path(str(each["file"])).name, float(each["seconds"]), int(each["take"]), bool(each["empty"]))
            for each in content["shots"]
        )
        return Recording(folder, shots, bool(content["scripted"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{index}: is damaged: delete it to read the folder as photographs") from error


def record(source: Source, cues: Sequence[Cue], folder: Path, watch: Watch, progress: BuildProgress) -> Recording:
    """Record from a camera.

    Args:
        source: live.
        cues: what to do; see :func:`rtsod.learning.script.script`.
        folder: to write to.
        watch: shown every frame, with its cue.
        progress: told how many seconds of each cue have passed, under its text.

    Raises:
        SourceError: the camera failed or ended, or whoever is recorded closed the window.
        OutputError: the folder cannot be written.
    """
    kept = sum(cue.seconds for cue in cues if cue.scene is not Scene.NOTHING)
    writer = _Writer(folder, MAX_FRAMES)
    begin: float | None = None
    due = 0.0
    last: Cue | None = None
    while (frame := source.read()) is not None:
        begin = frame.captured_at if begin is None else begin
        now = frame.captured_at - begin
        place = cue_at(cues, now)
        if last is not None and (place is None or place[0] is not last):
            progress(last.text, 1, 1)
        if place is None:
            return Recording(folder, tuple(writer.shots), scripted=True)
        cue, passed = place
        last = cue
        progress(cue.text, int(passed), max(int(passed) + 1, round(cue.seconds)))
        watch(frame.image, cue.text, cue.seconds - passed)
        if cue.scene is Scene.NOTHING:
            due = now
        elif now >= due:
            empty = cue.scene is Scene.EMPTY
            writer.write(frame.image, now, 0, empty=empty)
            due = max(due + (min(kept / MAX_FRAMES, _EMPTY_SECONDS) if empty else kept / MAX_FRAMES), now)
    raise SourceError(f"{source.info.name}: ended before the recording did: nothing was learned")


def take_frames(sources: Sequence[Source], folder: Path, progress: BuildProgress) -> Recording:
    """Take frames from clips and folders, evenly over the length of each, whatever that is.

    Args:
        sources: not live. Their frames are shared alike.
        folder: to write to.
        progress: told how many frames have been read.

    Raises:
        SourceError: a source failed.
        OutputError: the folder cannot be written.
    """
    shots: list[Shot] = []
    most = max(1, MAX_FRAMES // len(sources))
    for take, source in enumerate(sources):
        writer = _Writer(folder, most, first=1_000_000 * take)
        every, number = 1, 0
        phase, total = f"reading {source.info.name}", source.info.frames or 0
        while (frame := source.read()) is not None:
            if number % every == 0:
                writer.write(frame.image, _seconds(frame, number), take)
                if len(writer.shots) >= 2 * most:  # the length was not known: every second one is enough
                    writer.thin_out()
                    every *= 2
            number += 1
            progress(phase, number, max(total, number + 1))
        progress(phase, 1, 1)
        writer.reduce(most)
        shots += writer.shots
    return Recording(folder, tuple(shots), scripted=False)


def _seconds(frame: Frame, number: int) -> float:
    return float(frame.pts) if frame.pts is not None else number * _STILL_SECONDS


class _Writer:
    """Writes pictures, and drops some again."""

    def __init__(self, folder: Path, most: int, first: int = 0) -> None:
        self._folder = folder
        self._most = most
        self._next = first
        self.shots: list[Shot] = []

    def write(self, image: Image, seconds: float, take: int, *, empty: bool = False) -> None:
        path = self._folder / f"{self._next:08d}.png"
        self._next += 1
        _, data = cv2.imencode(".png", _scaled(image), [cv2.IMWRITE_PNG_COMPRESSION, _COMPRESSION])
        try:
            if not self.shots:
                need = _MARGIN * self._most * len(data)
                check_room("a recording", need, self._folder, "XDG_CACHE_HOME", named=self._folder.parent)
            path.write_bytes(data.tobytes())
        except OSError as error:
            raise output_error(self._folder, error) from error
        self.shots.append(Shot(path.name, seconds, take, empty))

    def thin_out(self) -> None:
        """Drop every second picture."""
        self._keep(self.shots[::2])

    def reduce(self, most: int) -> None:
        """Keep at most so many, evenly."""
        self._keep([self.shots[index] for index in evenly(len(self.shots), most)])

    def _keep(self, shots: list[Shot]) -> None:
        kept = {shot.file for shot in shots}
        for shot in self.shots:
            if shot.file not in kept:
                (self._folder / shot.file).unlink(missing_ok=True)
        self.shots = shots


def _scaled(image: Image) -> Image:
    height, width = image.shape[:2]
    scale = _MAX_SIDE / max(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(scale * width)), max(1, round(scale * height)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def joined(recordings: Sequence[Recording]) -> list[tuple[Recording, Shot]]:
    """The shots of several recordings, each with its own; no two takes share a number."""
    result, offset = [], 0
    for recording in recordings:
        result += [(recording, replace(shot, take=shot.take + offset)) for shot in recording.shots]
        offset += 1 + max((shot.take for shot in recording.shots), default=0)
    return result
