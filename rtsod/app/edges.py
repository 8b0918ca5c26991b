"""Opens the edges of a run: the source, the backdrops, the sinks; and refuses combinations that do not fit."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

from rtsod.app.plain_words import small_line, source_line
from rtsod.composite.backgrounds import check_background
from rtsod.composite.compositor import Compositor
from rtsod.config import AppConfig, OutputConfig, PictureConfig, RunConfig
from rtsod.errors import OutputError, UsageError
from rtsod.frames import Availability, SourceInfo
from rtsod.interfaces import Backdrop, Blur, PassThrough, Sink, Transparent
from rtsod.metrics import Event
from rtsod.progress import Notify
from rtsod.refine import refiner
from rtsod.sinks import check_outputs, check_suffixes, open_sinks
from rtsod.sinks.live_stream import LiveStreamSink
from rtsod.sinks.null import NullSink
from rtsod.sinks.preview import PreviewSink, display_available
from rtsod.sinks.virtual_camera import VirtualCameraSink
from rtsod.system.names import path_named

_log = logging.getLogger(__name__)

FALLBACK_OUTPUT: Final = Path("rtsod-output.mp4")
"""The recording made when no output was requested and no window can be shown."""
FALLBACK_SECONDS: Final = 10.0
"""Length of that recording."""


def check_names(config: AppConfig) -> None:
    """Refuse names that cannot be meant, before the source is opened.

    Raises:
        UsageError: a background does not exist, or an output's suffix is of no known format.
        OutputError: an output's folder cannot be reached.
    """
    for spec in config.picture.backgrounds:
        check_background(spec)
    check_suffixes(config.output, transparent="transparent" in config.picture.backgrounds)


def report_source(info: SourceInfo, notify: Notify) -> None:
    """Tell the user what is read."""
    for line in (source_line(info), *info.notes, small_line(info)):
        if line is not None:
            notify(line)
    if info.pixel_format is not None:
        _log.info("source: frames in %s", info.pixel_format)


def choose_outputs(
    output: OutputConfig, run: RunConfig, info: SourceInfo, *, page: bool = False
) -> tuple[OutputConfig, RunConfig, str]:
    """Decide on the preview, and on a recording if there is no other way to see anything.

    Args:
        output: what was requested.
        run: its limits.
        info: of the source.
        page: whether there is a control page, which shows the pictures, too.

    Returns:
        What was requested with these decisions, and a remark on the outputs for the user, often empty.

    Raises:
        OutputError: a preview was requested and cannot be shown.
    """
    others = page or output.virtual_camera is not None
    others = others or bool(output.outputs or output.mask_outputs or output.pipe or output.publish)
    if output.preview is False or (output.preview is None and others):
        display = Availability("display", False, "--no-preview")
    else:
        display = display_available()
    if output.preview and not display.available:
        raise OutputError(f"--preview: {display.reason}")
    chosen = replace(output, preview=display.available)
    if display.available or others or run.stats is not None:
        endless = info.live and run.duration is None and run.max_frames is None
        return chosen, run, ", until you press Ctrl-C" if endless and others and not display.available else ""
    why = f"because no window can be shown ({display.reason})"
    if info.stills:
        return replace(chosen, outputs=(FALLBACK_OUTPUT.with_suffix(""),)), run, f", {why}"
    seconds = run.duration or FALLBACK_SECONDS
    recorded = replace(chosen, outputs=(FALLBACK_OUTPUT,))
    return recorded, replace(run, duration=seconds), f", {seconds:g} seconds, {why}"


def build_compositor(picture: PictureConfig, backdrops: Sequence[Backdrop], info: SourceInfo) -> Compositor:
    """Build the compositor, and log what is unusual about its pictures."""
    if info.stills and picture.refine == "auto":
        _log.info("edges: off, photographs get the authors' own maps (--refine fast to let the picture guide them)")
    if any(isinstance(backdrop, PassThrough) for backdrop in backdrops):
        _log.info("background none: the camera's own background is shown")
    return Compositor(
        backdrops[0],
        mirror=picture.mirror,
        refine=refiner(picture.refine, stills=info.stills),
        light_wrap=picture.light_wrap,
    )


def open_outputs(
    output: OutputConfig,
    info: SourceInfo,
    backdrops: Sequence[Backdrop],
    opened: ExitStack,
    notify: Notify,
    *,
    on_event: Callable[[Event], None],
    remark: str = "",
    page: bool = False,
) -> list[Sink]:
    """Open the sinks, and tell the user about all of them in one line, which ends with a remark.

    Raises:
        UsageError: a combination that is not possible.
        OutputError: an output cannot be opened.
    """
    transparent = any(isinstance(backdrop, Transparent) for backdrop in backdrops)
    source_alpha = info.has_alpha and any(isinstance(backdrop, Blur | PassThrough) for backdrop in backdrops)
    opened_sinks = open_sinks(output, info, transparent=transparent, source_alpha=source_alpha, on_event=on_event)
    if page:
        from rtsod.control.preview import PreviewStream  # late: nothing of the control server where there is none

        opened_sinks = [*opened_sinks, PreviewStream()]
    sinks: list[Sink] = opened_sinks or [NullSink()]
    notify(f"output: {', '.join(_in_words(sink) for sink in sinks)}{remark}")
    for sink in sinks:
        opened.callback(sink.close)
        if isinstance(sink, VirtualCameraSink):
            for note in sink.notes:
                notify(note)
        if source_alpha and isinstance(sink, VirtualCameraSink | LiveStreamSink):
            what = "live stream" if isinstance(sink, LiveStreamSink) else "virtual camera"
            notify(f"{what}: black is behind what is transparent")
    return sinks


def _in_words(sink: Sink) -> str:
    if isinstance(sink, PreviewSink):
        return "a window (q quits, b changes the background, s shows numbers)"
    if isinstance(sink, VirtualCameraSink):
        return f"{sink.name} (choose {sink.label!r} as the camera in a call's settings)"
    return "none" if isinstance(sink, NullSink) else sink.name


def check_picture(picture: PictureConfig, info: SourceInfo) -> None:
    """Refuse picture options that do not fit the source.

    Raises:
        UsageError: an option needs a stream, and the source is photographs.
    """
    if picture.subject_lock and info.stills:
        raise UsageError(f"{info.name}: photographs share no subject to follow: drop --subject-lock")


def check_overwriting(config: AppConfig, output: OutputConfig, info: SourceInfo) -> None:
    """Refuse outputs that would replace a file this run reads, and statistics that would replace an output.

    Opening the sinks compares outputs with the source; this compares everything else.

    Raises:
        UsageError: something would be overwritten.
    """
    check_outputs(output, info, transparent="transparent" in config.picture.backgrounds)
    read = [path_named(spec) for spec in config.picture.backgrounds]
    read += [path for path in (config.engine.weights, info.path) if path is not None]
    written = [*output.outputs, *output.mask_outputs]
    stats = config.run.stats
    if stats is not None:
        if any(stats.resolve() == path.resolve() for path in written):
            raise UsageError(f"--stats {stats}: is an output of this run too: choose another name")
        if stats.is_file() and info.path is not None and stats.resolve().parent == info.path.resolve():
            raise UsageError(f"--stats {stats}: would replace a file in the folder that is read: choose another name")
        written.append(stats)
    for path in written:
        # os.path, because a name that is too long is no error here: it is one where it is opened.
        if any(os.path.isfile(other) and os.path.isfile(path) and path.samefile(other) for other in read):
            raise UsageError(f"{path}: would overwrite a file that this run reads: choose another name")
