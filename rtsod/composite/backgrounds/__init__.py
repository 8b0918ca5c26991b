"""Opens what ``--bg`` names: a picture, a video, a colour, or a way to treat the camera's own background."""

from __future__ import annotations

import difflib
import logging
from pathlib import Path
from typing import Final

from rtsod.composite.backgrounds.colour import ColourBackground
from rtsod.composite.backgrounds.image import ImageBackground
from rtsod.composite.backgrounds.video import VideoBackground
from rtsod.errors import SourceError, UsageError
from rtsod.imaging.stills.still_format import still_format
from rtsod.interfaces import Backdrop, Background, Blur, PassThrough, Transparent
from rtsod.system.names import path_named

__all__ = [
    "ColourBackground",
    "ImageBackground",
    "VideoBackground",
    "bundled_backgrounds",
    "check_background",
    "open_background",
]

_log = logging.getLogger(__name__)

_BUNDLED: Final = Path(__file__).parents[2] / "assets" / "backgrounds"


def bundled_backgrounds() -> list[Path]:
    """The bundled pictures, sorted by name."""
    return sorted(_BUNDLED.glob("*.jpg"))


def open_background(spec: str) -> Backdrop:
    """Open what ``--bg`` names.

    Args:
        spec: ``blur``, ``blur:SIGMA``, ``transparent``, ``none``, ``#RRGGBB``, ``#RGB``, or a picture or video file: a
            path, or else the name of a bundled picture, with or without ``.jpg``.

    Returns:
        A backdrop for the compositor. The caller closes it.

    Raises:
        UsageError: ``spec`` is not valid, or there is no such file.
        SourceError: the file exists but cannot be read as a picture or video.
    """
    meant = _meant(spec)
    if not isinstance(meant, Path):
        return meant
    try:
        return _open_file(meant)
    except SourceError as error:
        raise SourceError(f"--bg: {error}") from error


def check_background(spec: str) -> None:
    """Find out whether ``--bg`` names something, without opening it.

    Raises:
        UsageError: ``spec`` is not valid, or there is no such file.
    """
    _meant(spec)


def _meant(spec: str) -> Backdrop | Path:
    kind, colon, argument = spec.partition(":")
    if kind == "blur":
        return _blur(spec, argument) if colon else Blur()
    if spec == "transparent":
        return Transparent()
    if spec == "none":
        return PassThrough()
    if spec.startswith("#"):
        return ColourBackground(spec)
    return _find(spec)


def _blur(spec: str, argument: str) -> Blur:
    try:
        sigma = float(argument)
    except ValueError as error:
        raise UsageError(f"--bg {spec}: give a number of pixels after 'blur:', for example blur:25") from error
    return Blur(sigma)


def _find(spec: str) -> Path:
    try:
        path = path_named(spec)
        if path.is_file():
            return path
        if path.is_dir() and spec:
            raise UsageError(f"--bg {spec}: this is a folder; name one picture or video in it")
        if path.exists() and spec:
            raise UsageError(f"--bg {spec}: not a regular file")
    except PermissionError as error:
        raise UsageError(f"--bg {spec}: cannot be accessed: {error.strerror}") from error
    except (OSError, ValueError) as error:  # a name too long, a NUL
        raise UsageError(f"--bg {spec!r}: not a file name") from error
    bundled = {name: path for path in bundled_backgrounds() for name in (path.stem, path.name)}
    if spec in bundled:
        return bundled[spec]
    raise UsageError(f"--bg {spec}: no such file{_suggestion(spec, list(bundled))}")


def _suggestion(spec: str, names: list[str]) -> str:
    close = difflib.get_close_matches(spec.lower(), ["blur", "transparent", "none", *names], n=1)
    meant = f"; did you mean {close[0]}?" if close else "."
    return f"{meant} Bundled: {', '.join(name for name in names if name.endswith('.jpg'))}"


def _open_file(path: Path) -> Background:
    from rtsod.imaging.stills.animation import is_still  # with Pillow, only where it is needed

    if is_still(path):
        return ImageBackground(path)
    try:
        return VideoBackground(path)
    except SourceError:
        if still_format(path) is None:
            raise
    _log.warning("--bg %s: its animation cannot be decoded: this is its first picture", path)
    return ImageBackground(path)
