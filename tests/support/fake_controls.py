"""A run to control, without a camera and a network: it keeps settings, and composites a colour for each background."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction

import numpy as np

from rtsod.control.preview import PreviewStream
from rtsod.errors import SourceError, UsageError
from rtsod.frames import Composited, EngineInfo, Image, SourceInfo
from rtsod.live import Change, Choice, LiveSettings, LiveState, PrivacyError, StaleRevision
from rtsod.metrics import Metrics
from tests.support.sink_fixtures import composited

HOSTILE = '<img src=x onerror="document.title=1">"; DROP\u2028'
"""A camera's name: its maker's choice, or an attacker's."""
COLOURS = {"beach": (40, 180, 240), "office": (200, 90, 30), "blur": (120, 120, 120)}
"""BGR of the picture behind each background."""
SUBJECT = {"scene": (250, 250, 250), "2": (20, 20, 20)}
"""BGR of the subject that each source shows."""
SLATE = (38, 34, 32)


class FakeControls:
    """Keeps what it is told, and refuses what shows more of the room."""

    def __init__(self, *, may_reveal: bool = True) -> None:
        self._revision = 0
        self._changed = threading.Condition()
        self.may_reveal = may_reveal
        self.reset()

    def reset(self) -> None:
        """As it was at the start."""
        self.settings = LiveSettings("blur", False, "auto", False, False, "scene")
        self.paused = False
        self.stopped = threading.Event()
        self.calls: list[str] = []
        self.uploads: dict[str, Image] = {}
        self.labels: dict[str, str] = {}
        self.saved: dict[str, LiveSettings] = {}
        self.source_name = "drawn scene"
        self.before: Callable[[], None] = lambda: None

    def state(self) -> LiveState:
        engine = EngineInfo("openvino", "lite", "int8", "CPU (a processor)", 320, "none")
        source = SourceInfo(self.source_name, 1280, 720, Fraction(30), live=True)
        return LiveState(
            self.settings,
            self.paused,
            self._revision,
            engine,
            Metrics().snapshot(),
            source,
            "full frames",
            None,
            None,
            self.settings.background,
            self.settings.source,
        )

    def change(self, change: Change, *, revision: int | None = None, remote: bool = False) -> LiveState:
        self.calls.append("change")
        self.before()
        if revision not in (None, self._revision):
            raise StaleRevision(f"the settings are at revision {self._revision}, not {revision}")
        given = {name: value for name in Change.__slots__ if (value := getattr(change, name)) is not None}
        if remote and not self.may_reveal and (given.get("background") == "none" or "source" in given):
            raise PrivacyError("shows more of the room: start with --control-may-reveal")
        if given.get("source") == "broken":
            raise SourceError("rtsp://me:hunter2@cam/live?token=s3cret cannot be opened")
        if "background" in given and not re.fullmatch(
            r"blur(:[0-9.]+)?|#[0-9a-fA-F]{6}|none|transparent|beach|office|upload-\d", given["background"]
        ):
            raise UsageError(f"--bg {given['background']}: no such file")
        return self._set(replace(self.settings, **given))

    def pause(self) -> LiveState:
        return self._pause(True)

    def resume(self) -> LiveState:
        return self._pause(False)

    def quit(self) -> None:
        self.stopped.set()

    def backgrounds(self) -> tuple[Choice, ...]:
        labels = {"beach": "Beach", "office": "Office", **self.labels}
        return tuple(Choice(id, label, "picture") for id, label in labels.items())

    def thumbnail(self, id: str) -> Image:
        return self.uploads[id] if id in self.uploads else np.full((90, 160, 3), COLOURS[id], np.uint8)

    def add_background(self, picture: Image, name: str) -> Choice:
        id = f"upload-{len(self.uploads)}"
        self.uploads[id], self.labels[id] = picture, name
        return Choice(id, name, "picture")

    def sources(self) -> tuple[Choice, ...]:
        return (
            Choice("scene", "Drawn scene", "scene"),
            Choice("2", HOSTILE, "camera"),
            Choice("broken", "Broken", "camera"),
        )

    def profiles(self) -> tuple[str, ...]:
        return tuple(self.saved)

    def apply_profile(self, name: str, *, remote: bool = False) -> LiveState:
        return self._set(self.saved[name])

    def save_profile(self, name: str) -> None:
        self.saved[name] = self.settings

    def reload(self, *, remote: bool = False) -> LiveState:
        raise UsageError("there is no configuration file")

    def wait_for_change(self, revision: int, timeout: float) -> LiveState:
        with self._changed:
            self._changed.wait_for(lambda: self._revision != revision, timeout)
        return self.state()

    def picture(self) -> Composited:
        """What an output shows now."""
        settings = self.settings
        if self.paused:
            return composited(image=np.full((180, 320, 3), SLATE, np.uint8), is_slate=True)
        image = np.empty((180, 320, 3), np.uint8)
        image[:] = self._colour(settings.background)
        subject = slice(0, 80) if settings.mirror else slice(240, 320)
        image[60:, subject] = SUBJECT[settings.source]
        return composited(image=image)

    def _colour(self, background: str) -> tuple[int, ...]:
        if background.startswith("#"):
            return int(background[5:7], 16), int(background[3:5], 16), int(background[1:3], 16)
        if background in self.uploads:
            return tuple(int(level) for level in self.uploads[background][0, 0])
        return COLOURS.get(background.partition(":")[0], (0, 0, 255))

    def _pause(self, paused: bool) -> LiveState:
        self.calls.append("pause" if paused else "resume")
        with self._changed:
            self.paused = paused
            self._revision += 1
            self._changed.notify_all()
        return self.state()

    def _set(self, settings: LiveSettings) -> LiveState:
        with self._changed:
            self.settings = settings
            self._revision += 1
            self._changed.notify_all()
        return self.state()


@contextmanager
def showing(controls: FakeControls, preview: PreviewStream) -> Iterator[None]:
    """Write the pictures of a run to the sink, a hundred a second, as its compositor would."""
    ended = threading.Event()

    def write() -> None:
        while not ended.wait(0.01):
            preview.write(controls.picture())

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
