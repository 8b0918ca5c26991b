"""Where frames come from: a camera, a file, a folder of stills, a stream, the built-in demo scene.

Each kind lives in its own module, imported only when it is asked for.
"""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import Final

# Before anything imports PyAV: both wheels bring their own X libraries, and OpenCV's windows hang on PyAV's.
import cv2  # noqa: F401

from rtsod.config import SourceConfig
from rtsod.errors import SourceError, UsageError
from rtsod.types import Clock, Source

__all__ = ["open_source"]

_AUTO_CAMERAS: Final = 4
_CAMERA_PATH: Final = re.compile(r"/dev/video(\d{1,3})")
_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://.+")
_SCHEMES: Final = ("rtsp", "rtmp", "udp", "srt", "tcp", "http", "https")


def open_source(config: SourceConfig, *, clock: Clock = time.perf_counter) -> Source:
    """Open what ``config.spec`` names; the caller closes it.

    The words ``auto`` and ``demo`` and plain numbers come first: a file of such a name is given as ``./demo``.

    Args:
        config: ``width``, ``height``, ``fps`` are asked of a camera and of the demo scene only.
        clock: stamps ``Frame.captured_at``.

    Raises:
        UsageError: the text is nothing that could be opened.
        SourceError: it cannot be opened.
    """
    spec = config.spec.strip()
    if spec == "auto":
        return _open_auto(config, clock)
    if spec == "demo":
        return _open_demo(config, clock)
    if re.fullmatch(r"[0-9]{1,3}", spec):
        return _open_camera(int(spec), config, clock)
    if url := _URL.fullmatch(spec):
        return _open_url(spec, url[1].lower(), clock)
    if not spec or "\0" in spec or re.fullmatch(r"[+-]?[0-9]+", spec):
        raise UsageError(
            f"--source {spec!r}: give a camera index (0, 1, ...), a file, a folder, a URL, 'demo' or 'auto'"
        )
    return _open_path(Path(spec).expanduser(), config, clock)


def _open_auto(config: SourceConfig, clock: Clock) -> Source:
    from rtsod.sources import v4l2

    indexes = v4l2.capture_devices()[:_AUTO_CAMERAS] if sys.platform == "linux" else [0]
    reason = ""
    for index in indexes:
        try:
            return _open_camera(index, config, clock)
        except SourceError as error:
            reason = reason or f" ({error})"
    found = "no working camera" if indexes and sys.platform == "linux" else "no camera"
    return _open_demo(config, clock, notes=(f"{found} found{reason}: showing the built-in demo scene",))


def _open_camera(index: int, config: SourceConfig, clock: Clock) -> Source:
    from rtsod.sources.camera import CameraSource

    return CameraSource(index, width=config.width, height=config.height, fps=config.fps, clock=clock)


def _open_demo(config: SourceConfig, clock: Clock, notes: tuple[str, ...] = ()) -> Source:
    from rtsod.sources.demo import DemoSource
    from rtsod.sources.scene import DemoScene

    scene = DemoScene(config.width, config.height, config.fps, config.seed)
    return DemoSource(scene, live=True, clock=clock, notes=notes)


def _open_url(url: str, scheme: str, clock: Clock) -> Source:
    if scheme not in _SCHEMES:
        raise UsageError(f"--source: {scheme}:// is not supported: use one of {', '.join(_SCHEMES)}, or a file's path")
    from rtsod.sources.video import video_from_url

    return video_from_url(url, clock=clock)


def _open_path(path: Path, config: SourceConfig, clock: Clock) -> Source:
    try:
        resolved = path.resolve()  # follows /dev/v4l/by-id/... to its /dev/videoN
        if camera := _CAMERA_PATH.fullmatch(str(resolved)):
            return _open_camera(int(camera[1]), config, clock)
        if path.is_dir():
            from rtsod.sources.folder import stills_from_folder

            return stills_from_folder(path, clock=clock)
        if path.is_file():
            from rtsod.sources.folder import is_still, still_from_file
            from rtsod.sources.video import video_from_file

            return still_from_file(path, clock=clock) if is_still(path) else video_from_file(path, clock=clock)
        exists = path.exists()
    except OSError as error:
        raise SourceError(f"cannot open {path}: {error.strerror or error}") from error
    except RuntimeError as error:  # a loop of symbolic links
        raise SourceError(f"cannot open {path}: {error}") from error
    if exists:
        raise SourceError(f"{path} is neither a regular file nor a folder nor a camera")
    raise SourceError(f"there is no file or folder {path}: check the path, or give 'demo' or a camera index")
