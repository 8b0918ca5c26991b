"""Outputs: files, pipes, live streams, a preview window and virtual cameras.

All accept only :class:`rtsod.frames.Composited`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Final, Literal

# Must come before any import of PyAV: both wheels bundle X libraries, and OpenCV's windows hang with PyAV's.
import cv2  # noqa: F401

from rtsod.config import OutputConfig
from rtsod.errors import OutputError, UsageError
from rtsod.frames import SourceInfo
from rtsod.interfaces import Sink
from rtsod.metrics import Event
from rtsod.sinks.encoders import recipe_for
from rtsod.sinks.live_stream import LiveStreamSink
from rtsod.sinks.null import NullSink
from rtsod.sinks.parts import PartSink
from rtsod.sinks.pipe import PipeSink, check_format
from rtsod.sinks.png_folder import PngFileSink, PngFolderSink
from rtsod.sinks.preview import Key, PreviewSink, PreviewWindow, display_available
from rtsod.sinks.publisher import check_protocol
from rtsod.sinks.queued import QueuedSink
from rtsod.sinks.video_file import VideoFileSink
from rtsod.sinks.virtual_camera import DEFAULT_FPS, VirtualCameraSink, virtual_camera_available
from rtsod.system.pipes import check_stdout

__all__ = [
    "Key",
    "LiveStreamSink",
    "NullSink",
    "PipeSink",
    "PngFileSink",
    "PngFolderSink",
    "PreviewSink",
    "PreviewWindow",
    "QueuedSink",
    "VideoFileSink",
    "VirtualCameraSink",
    "check_outputs",
    "check_suffixes",
    "display_available",
    "open_sinks",
    "virtual_camera_available",
]

MAX_WAIT_SHARE: Final = 0.5
"""Of a frame's duration: how long all recordings of live input together may delay the next frame. The rest is enough
for compositing it (10 of 33 ms at 1280x720 on Zen 4), so that viewers still get every picture."""

MIN_FREE_BYTES: Final = 1_000_000
"""Space that a disk must have at the start. Less holds about a second of video, and MP4 and MOV cannot be played before
their first second is complete: next to nothing, or nothing, would be left of the recording."""


def open_sinks(
    config: OutputConfig,
    info: SourceInfo,
    *,
    transparent: bool,
    source_alpha: bool = False,
    on_event: Callable[[Event], None] = lambda event: None,
) -> list[Sink]:
    """Open all sinks of a configuration, in the order of :class:`OutputConfig`, the camera and the preview last.

    Args:
        config: the outputs. ``preview`` must be resolved; None opens no preview.
        info: describes the open source.
        transparent: whether pictures have no background.
        source_alpha: whether pictures keep the source's own alpha. Outputs that cannot keep it show black instead.
        on_event: receives the events of a virtual camera, and the pictures that recordings of live input miss.

    Returns:
        The sinks, which the caller must close. Files are created with the first picture.

    Raises:
        UsageError: the outputs contradict each other or the source.
        OutputError: a folder, device or display cannot be used. Nothing stays open.
    """
    check_outputs(config, info, transparent=transparent)
    sinks: list[Sink] = [_open_file(path, info, "picture", transparent, source_alpha) for path in config.outputs]
    sinks += [_open_file(path, info, "alpha") for path in config.mask_outputs]
    if config.preview:
        display = display_available()
        if not display.available:
            raise OutputError(f"--preview: {display.reason}; or use --no-preview with --output FILE")
    rate = info.fps or Fraction(DEFAULT_FPS)
    with ExitStack() as opened:
        if config.pipe is not None:
            pipe = PipeSink(
                format=config.pipe,
                fps=info.fps if info.stills else rate,
                starts_at=info.starts_at,
                transparent=transparent or (source_alpha and config.pipe != "y4m"),
                live=info.live,
            )
            sinks.append(pipe)
        if info.live:
            patience = MAX_WAIT_SHARE * float(1 / rate) / max(1, len(sinks))
            sinks = [QueuedSink(sink, patience=patience, on_event=on_event) for sink in sinks]
        for sink in sinks:
            opened.callback(sink.close)
        if info.width is not None and info.height is not None:
            for url in config.publish:
                stream = LiveStreamSink(
                    url, width=info.width, height=info.height, fps=rate, paced=not info.live, on_event=on_event
                )
                opened.callback(stream.close)
                sinks.append(stream)
        if config.virtual_camera is not None and info.width is not None and info.height is not None:
            device = None if config.virtual_camera == "auto" else config.virtual_camera
            sinks.append(
                VirtualCameraSink(device, width=info.width, height=info.height, fps=info.fps, on_event=on_event)
            )
        opened.pop_all()
    if config.preview:
        sinks.append(PreviewSink())
    return sinks


def check_outputs(config: OutputConfig, info: SourceInfo, *, transparent: bool) -> None:
    """Check that the outputs can be written, without touching them.

    Args:
        config: the outputs.
        info: describes the open source.
        transparent: whether pictures have no background.

    Raises:
        UsageError: the outputs contradict each other or the source.
        OutputError: a folder is missing or not writable.
    """
    try:
        _check_outputs(config, info, transparent)
    except OSError as error:  # for example a parent folder without search permission
        if error.filename is None and isinstance(error, FileNotFoundError):
            raise OutputError("the current folder was deleted: change to another one") from error
        raise OutputError(f"{error.filename}: cannot be reached: {error.strerror or error}") from error


def check_suffixes(config: OutputConfig, *, transparent: bool) -> None:
    """Check that there is a format for every output, which needs no source.

    Raises:
        UsageError: there is none for a suffix, it cannot keep the alpha, or standard output is a terminal.
        OutputError: a folder cannot be reached, standard output is closed, or FFmpeg lacks a protocol.
    """
    if config.pipe is not None:
        check_format(config.pipe, transparent=transparent)
        check_stdout()
    if config.publish and transparent:
        raise UsageError(
            f"--output {_schemes(config)}: live streams cannot be transparent: choose another --bg, or --output nut:-"
        )
    for url in config.publish:
        check_protocol(url)
    for paths, alpha in ((config.outputs, transparent), (config.mask_outputs, False)):
        for path in paths:
            try:
                folder = _is_folder(path)
            except OSError as error:
                raise OutputError(f"{path}: cannot be reached: {error.strerror or error}") from error
            if not folder and not _is_picture(path):
                recipe_for(path, transparent=alpha)


def _check_outputs(config: OutputConfig, info: SourceInfo, transparent: bool) -> None:
    if config.virtual_camera is not None:
        if transparent:
            raise UsageError(
                "--virtual-camera cannot show transparency: choose another --bg, or --output to .webm, .mov or a folder"
            )
        if info.width is None or info.height is None:
            raise UsageError("--virtual-camera needs pictures of one size: write stills to an --output folder")
    if config.publish and info.stills:
        raise UsageError(f"--output {_schemes(config)}: photographs make no live stream: write them to a folder")
    check_suffixes(config, transparent=transparent)
    paths = (*config.outputs, *config.mask_outputs)
    for i, path in enumerate(paths):
        if _is_picture(path) and not (info.stills and info.path is not None and info.path.is_file()):
            raise UsageError(
                f"{path}: a .png holds one photograph, and {info.name} is none: give a folder, or a video's name"
            )
        if info.path is not None and _overwrites(path, info.path, info.stills):
            raise UsageError(f"{path}: would overwrite the input: choose another name")
        if any(_same(path, other) for other in paths[:i]):
            raise UsageError(f"{path}: is given for two outputs: choose different names")
        _check_place(path)


def _schemes(config: OutputConfig) -> str:
    return ", ".join(f"{url.partition('://')[0]}://" for url in config.publish)


def _open_file(
    path: Path,
    info: SourceInfo,
    what: Literal["picture", "alpha"],
    transparent: bool = False,
    source_alpha: bool = False,
) -> Sink:
    if _is_folder(path):
        return PngFolderSink(path, what=what)
    if _is_picture(path):
        return PngFileSink(path, what=what)
    if source_alpha and recipe_for(path, transparent=False).transparent_pixels is not None:
        transparent = True
    sink = VideoFileSink(
        path,
        fps=info.fps if info.stills else info.fps or Fraction(DEFAULT_FPS),
        carry_from=info.media,
        carry_sound=info.shown_from is None,
        transparent=transparent,
        what=what,
        of_live_input=info.live,
    )
    return sink if info.shown_from is None else PartSink(sink, info.shown_from)


def _is_folder(path: Path) -> bool:
    return path.is_dir() or not path.suffix


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() == ".png" and not path.is_dir()


def _overwrites(output: Path, source: Path, stills: bool) -> bool:
    if stills and _is_folder(output):
        # The PNG gets the still's stem, so in the same folder it may overwrite the still.
        return _same(output, source if source.is_dir() else source.parent)
    return _same(output, source)


def _same(a: Path, b: Path) -> bool:
    if os.path.normcase(a.resolve()) == os.path.normcase(b.resolve()):
        return True
    return a.exists() and b.exists() and a.samefile(b)


def _check_place(path: Path) -> None:
    if path.is_dir():
        folder = path
    elif path.exists() and not path.is_file():
        raise OutputError(f"{path}: is neither a file nor a folder: choose another name")
    elif path.exists() and not path.suffix:
        fix = "a name with a suffix for a video, or a new folder"
        raise OutputError(f"{path}: is a file, but a name without suffix means a folder of PNGs: give {fix}")
    else:
        folder = path.resolve().parent
    if not folder.is_dir():
        raise OutputError(f"{path}: its folder does not exist: create {folder}")
    usage = shutil.disk_usage(folder)
    if usage.total and usage.free < MIN_FREE_BYTES:  # some file systems know neither
        raise OutputError(
            f"{path}: disk full, with {usage.free / 1e6:.1f} MB left: free some space or write to another folder"
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"{path}: its folder is not writable: choose another, or change the permissions of {folder}")
