"""What can be chosen while a run goes on: backgrounds and cameras, by ids that are no paths."""

from __future__ import annotations

import hashlib
import re
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from rtsod.composite.backgrounds import bundled_backgrounds, open_background
from rtsod.config import names_picture
from rtsod.errors import OutputError, UsageError
from rtsod.frames import Image, SourceInfo
from rtsod.interfaces import Blur, PassThrough, Transparent
from rtsod.live import Change, Choice
from rtsod.system import v4l2
from rtsod.system.data_folder import data_folder
from rtsod.system.files import replace_file
from rtsod.system.names import path_named, printable

THUMBNAIL: Final = (160, 90)
"""Width and height of a thumbnail, in pixels."""
_FOLDER: Final = "backgrounds"
"""Of the user's data folder: holds pictures that were added."""
_MAX_ADDED: Final = 200
"""Pictures in that folder from which on no more are taken: some are forgotten ones."""


@dataclass(frozen=True, slots=True)
class _Background:
    choice: Choice
    spec: str
    """A value of ``--bg``."""


class LiveChoices:
    """Lists what can be chosen, and finds what an id stands for. Thread-safe.

    Args:
        specs: the run's own values of ``--bg``.
        source: the run's own value of ``--source``.
        info: of that source.
    """

    def __init__(self, specs: tuple[str, ...], source: str, info: SourceInfo) -> None:
        self._source, self._info = source, info
        self._lock = threading.Lock()
        self._source_id: tuple[str, str] | None = None
        """The source that was asked for last, and its id."""
        own = [spec for spec in specs if names_picture(spec) and _bundled(spec) is None]
        self._own = [
            _Background(Choice(f"own-{number}", printable(Path(spec).stem), "picture"), spec)
            for number, spec in enumerate(own)
        ]

    def backgrounds(self) -> tuple[Choice, ...]:
        """See :meth:`rtsod.live.LiveControls.backgrounds`."""
        return tuple(each.choice for each in self._backgrounds())

    def thumbnail(self, id: str) -> Image:
        """See :meth:`rtsod.live.LiveControls.thumbnail`."""
        backdrop = open_background(self._spec(id))
        try:
            assert not isinstance(backdrop, Blur | Transparent | PassThrough)
            return np.ascontiguousarray(backdrop.picture(*THUMBNAIL, 0.0))
        finally:
            backdrop.close()

    def add(self, picture: Image, name: str) -> Choice:
        """Keep another picture, ``(H, W, 3)`` uint8 BGR, in the user's data folder.

        Raises:
            OutputError: it cannot be written.
        """
        _, data = cv2.imencode(".png", picture)
        content = data.tobytes()
        digest = hashlib.sha256(content).hexdigest()[:12]
        letters = "-".join(re.findall("[a-z0-9]+", name.lower()))[:40].strip("-")
        with self._lock:
            try:
                folder = data_folder() / _FOLDER
                folder.mkdir(0o700, parents=True, exist_ok=True)
                if len(list(folder.iterdir())) >= _MAX_ADDED:
                    raise OutputError(f"{folder} holds {_MAX_ADDED} pictures: delete some")
                path = folder / f"{letters or 'picture'}-{digest}.png"
                replace_file(path, content, mode=0o600)
            except OSError as error:
                raise OutputError(f"the picture cannot be kept: {error.strerror or error}") from error
        return _added(path).choice

    def sources(self) -> tuple[Choice, ...]:
        """See :meth:`rtsod.live.LiveControls.sources`."""
        cameras = v4l2.capture_devices() if sys.platform == "linux" else []
        found = [
            Choice(f"camera-{index}", printable(v4l2.device_name(index) or f"camera {index}"), "camera")
            for index in cameras
        ]
        if self._source not in map(str, cameras):
            kind = "scene" if self._source == "scene" else "camera"
            found.insert(0, Choice("start", printable(self._info.name), kind))
        return tuple(found)

    def without_ids(self, change: Change) -> Change:
        """A change from elsewhere, with the values that its ids stand for.

        Raises:
            UsageError: there is no such background or source.
        """
        if change.background is not None and names_picture(change.background):
            change = replace(change, background=self._spec(change.background))
        if change.source is not None:
            change = replace(change, source=self._source_of(change.source))
        return change

    def background_id(self, spec: str) -> str:
        """What a value of ``--bg`` is called from elsewhere: never a path."""
        if not names_picture(spec):
            return spec
        meant = _bundled(spec) or spec
        return next((each.choice.id for each in self._backgrounds() if each.spec == meant), Path(spec).stem)

    def source_id(self, spec: str) -> str:
        """The choice that a value of ``--source`` is.

        It is found once, until another source is asked for: that opens every camera's device, and pages ask for the
        state twice a second.
        """
        known = self._source_id
        if known is None or known[0] != spec:
            found = f"camera-{spec}"
            listed = spec != self._source or found in {choice.id for choice in self.sources()}
            known = self._source_id = spec, found if listed else "start"
        return known[1]

    def _source_of(self, id: str) -> str:
        if id not in {choice.id for choice in self.sources()}:
            raise UsageError(f"--source {id}: there is no such camera: choose from {_ids(self.sources())}")
        return self._source if id == "start" else id.removeprefix("camera-")

    def _spec(self, id: str) -> str:
        found = next((each.spec for each in self._backgrounds() if each.choice.id == id), None)
        if found is None:
            raise UsageError(f"--bg {id}: there is no such background: choose from {_ids(self.backgrounds())}")
        return found

    def _backgrounds(self) -> list[_Background]:
        bundled = [
            _Background(Choice(path.stem, path.stem.replace("-", " ").capitalize(), "picture"), str(path))
            for path in bundled_backgrounds()
        ]
        try:
            added = [_added(path) for path in sorted((data_folder() / _FOLDER).glob("*.png"))]
        except OSError:  # there is no home folder
            added = []
        return [*self._own, *bundled, *added]


def _added(path: Path) -> _Background:
    label = path.stem.rpartition("-")[0].replace("-", " ")
    return _Background(Choice(f"added-{path.stem}", label, "picture"), str(path))


def _bundled(spec: str) -> str | None:
    """The path of the bundled picture that a value of ``--bg`` names, which a file of that very name would hide."""
    bundled = bundled_backgrounds()
    if spec not in map(str, bundled) and path_named(spec).is_file():
        return None
    return next((str(path) for path in bundled if spec in (str(path), path.name, path.stem)), None)


def _ids(choices: tuple[Choice, ...]) -> str:
    return ", ".join(choice.id for choice in choices) or "none"
