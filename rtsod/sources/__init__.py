"""Where frames come from.

A camera, a video file, a network stream, standard input, photographs, the demo clip, or the drawn scene.

Each kind has its own module, which is imported only when it is needed.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# Import OpenCV before PyAV: both wheels bundle X libraries, and OpenCV's windows hang with PyAV's.
import cv2  # noqa: F401

from rtsod.config import SourceConfig
from rtsod.errors import SourceError, SourceGone, UsageError
from rtsod.interfaces import Clock, Source
from rtsod.metrics import Event
from rtsod.sources.supervised import SupervisedSource
from rtsod.system import v4l2
from rtsod.system.names import address_parts, path_named

__all__ = ["open_source"]

_MAX_AUTO_CAMERAS: Final = 4
"""How many cameras ``auto`` tries."""
_CAMERA_PATH: Final = re.compile(r"/dev/video(\d{1,3})")
_SCHEMES: Final = ("rtsp", "rtmp", "udp", "srt", "tcp", "http", "https")


def open_source(
    config: SourceConfig,
    *,
    clock: Clock = time.perf_counter,
    on_event: Callable[[Event], None] = lambda event: None,
    demand: Callable[[], bool] | None = None,
) -> Source:
    """Open the source that ``config.spec`` names. The caller closes it.

    ``auto``, ``demo``, ``scene``, ``-``, ``live:-`` and plain numbers take precedence over files, and files over camera
    names: write ``./demo`` for a file called ``demo``. Cameras and streams are supervised: they are opened again when
    they fail.

    Args:
        config: ``width``, ``height`` and ``fps`` apply to cameras and to the drawn scene.
        clock: stamps ``Frame.captured_at``.
        on_event: called for every event of a camera or a stream.
        demand: whether anybody is watching: a camera or a stream is open only while it returns True. None means always.

    Raises:
        UsageError: ``config.spec`` cannot name a source.
        SourceError: the source cannot be opened.
    """
    spec = config.spec if os.path.lexists(config.spec) else config.spec.strip()
    return _Opening(config, clock, on_event, demand).open(spec)


@dataclass(frozen=True, slots=True)
class _Opening:
    """The arguments of :func:`open_source`, which every kind of source needs."""

    config: SourceConfig
    clock: Clock
    on_event: Callable[[Event], None]
    demand: Callable[[], bool] | None

    def open(self, spec: str) -> Source:
        if spec == "auto":
            return self._auto()
        if spec == "demo":
            return self._demo()
        if spec == "scene":
            return self._scene()
        if re.fullmatch(r"[0-9]{1,3}", spec):
            return self._camera(int(spec))
        if spec in ("-", "live:-"):
            from rtsod.sources.pipe import source_from_stdin

            return source_from_stdin(live=spec != "-", fps=self.config.fps, clock=self.clock)
        if address := address_parts(spec):
            return self._url(*address)
        if not spec or "\0" in spec or re.fullmatch(r"[+-]?[0-9]+", spec):
            raise UsageError(
                f"--source {spec!r}: give a camera's index (0, 1, ...) or name, a file, a folder, a URL, '-', "
                "'demo' or 'auto'"
            )
        return self._path(path_named(spec), spec)

    def _auto(self) -> Source:
        linux = sys.platform == "linux"
        indexes = v4l2.capture_devices()[:_MAX_AUTO_CAMERAS] if linux else [0]
        reason = ""
        for index in indexes:
            try:
                return self._camera(index)
            except SourceError as error:
                reason = reason or f" ({error})"
        found = "no working camera" if indexes and linux else "no camera"
        return self._demo(notes=(f"{found} found{reason}: showing a short clip instead",))

    def _demo(self, notes: tuple[str, ...] = ()) -> Source:
        from rtsod.sources.demo import DemoSource

        return DemoSource(clock=self.clock, notes=notes)

    def _scene(self) -> Source:
        from rtsod.drawing.scene import DrawnScene
        from rtsod.sources.scene import SceneSource

        config = self.config
        return SceneSource(
            DrawnScene(config.width, config.height, config.live_fps, config.seed), live=True, clock=self.clock
        )

    def _camera(self, index: int) -> Source:
        from rtsod.sources.camera import CameraSource

        config = self.config
        identity = v4l2.identity(index)

        def open_it(index: int) -> Source:
            return CameraSource(
                index,
                width=config.width,
                height=config.height,
                fps=config.live_fps,
                clock=self.clock,
                on_event=self.on_event,
            )

        def reopen() -> Source:
            current = v4l2.find(identity) if identity is not None else index
            if current is None:
                raise SourceGone(f"{first.info.name} is not connected: reconnect it")
            return open_it(current)

        first = open_it(index)
        return SupervisedSource(first, reopen, on_event=self.on_event, demand=self.demand, clock=self.clock)

    def _url(self, scheme: str, rest: str) -> Source:
        if scheme not in _SCHEMES:
            known = ", ".join(_SCHEMES)
            raise UsageError(f"--source: {scheme}:// is not supported: use {known}, or the path of a file")
        if not rest.strip("/"):
            raise UsageError(f"--source {scheme}://: names no server")
        from rtsod.sources.video import video_from_url

        url = f"{scheme}://{rest}"  # FFmpeg knows only a scheme in lower case

        def open_it() -> Source:
            return video_from_url(url, clock=self.clock)

        first = open_it()
        if not first.info.live:  # a file behind http(s), whose end is not a failure
            return first
        return SupervisedSource(
            first, open_it, on_event=self.on_event, may_freeze=False, demand=self.demand, clock=self.clock
        )

    def _path(self, path: Path, spec: str) -> Source:
        try:
            resolved = path.resolve()  # follows /dev/v4l/by-id/... to its /dev/videoN
            if camera := _CAMERA_PATH.fullmatch(str(resolved)):
                return self._camera(int(camera[1]))
            if path.is_dir():
                from rtsod.sources.stills import stills_from_folder

                return stills_from_folder(path, fps=self.config.fps, clock=self.clock)
            if path.is_file():
                return self._file(path)
            exists = path.exists()
        except OSError as error:
            raise SourceError(f"cannot open {path}: {error.strerror or error}") from error
        except RuntimeError as error:  # a loop of symbolic links
            raise SourceError(f"cannot open {path}: {error}") from error
        if exists:
            raise SourceError(f"cannot open {path}: it is not a regular file, a folder or a camera")
        if cameras := v4l2.cameras_named(spec):
            return self._camera(cameras[0].index)
        raise SourceError(
            f"cannot open {path}: no file, folder or camera has this name; run 'rtsod devices' to list the cameras, or "
            "use --source demo"
        )

    def _file(self, path: Path) -> Source:
        from rtsod.imaging.stills.animation import is_still
        from rtsod.imaging.stills.still_format import still_format
        from rtsod.sources.stills import still_from_file
        from rtsod.sources.video import video_from_file

        if is_still(path):
            return still_from_file(path, fps=self.config.fps, clock=self.clock)
        try:
            return video_from_file(path, fps=self.config.fps, clock=self.clock)
        except SourceError:
            if still_format(path) is None:
                raise
        note = f"the animation of {path.name} cannot be decoded: this is its first picture"
        return still_from_file(path, notes=(note,), fps=self.config.fps, clock=self.clock)
