"""Checks cameras, virtual cameras and the display."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from rtsod.app.edges import FALLBACK_OUTPUT
from rtsod.cli.doctor.finding import Finding, Verdict
from rtsod.config import SourceConfig
from rtsod.errors import RtsodError, SourceError
from rtsod.sinks import display_available, virtual_camera_available
from rtsod.sinks.loopback import RELOAD, reports_readers
from rtsod.sinks.loopback import virtual_cameras as loopback_devices
from rtsod.sinks.pipewire import pipewire_available
from rtsod.sources import open_source
from rtsod.system import v4l2
from rtsod.system.files import check_writable

_MODULE: Final = Path("/sys/module/v4l2loopback")


def cameras(devices: Callable[[], list[v4l2.Device]] = v4l2.devices) -> Iterator[Finding]:
    """Whether each camera delivers a frame."""
    if sys.platform != "linux":
        yield Finding("cameras", Verdict.INFO, "can be listed on Linux only: try --source 0")
        return
    found = [_camera(device) for device in devices() if device.captures and not device.is_virtual]
    if not found:
        yield Finding("cameras", Verdict.WARNING, "no camera: a short clip is shown instead", "connect a camera")
    works = any(finding.verdict is Verdict.OK for finding in found)
    for finding in found:
        bad = finding.verdict is not Verdict.OK and not works
        yield Finding(finding.about, Verdict.FAILURE if bad else finding.verdict, finding.found, finding.fix)


def virtual_cameras() -> Iterator[Finding]:
    """The driver's version and options, the program that uses each device, and whether PipeWire can be used instead."""
    yield from _loopback_devices()
    if sys.platform == "linux":
        probe = pipewire_available()
        found, _, fix = probe.reason.partition(": ")
        yield Finding("PipeWire camera", Verdict.OK if probe.available else Verdict.INFO, found, fix)


def _loopback_devices() -> Iterator[Finding]:
    devices = loopback_devices() if sys.platform == "linux" else []
    if not devices:
        probe = virtual_camera_available()
        found, _, fix = probe.reason.partition(": ")
        yield Finding("virtual camera", Verdict.OK if probe.available else Verdict.INFO, found, fix)
        return
    reports = reports_readers(devices[0].path)
    readers = "reports its readers" if reports else "does not report its readers, so --on-demand looks for open handles"
    yield Finding("v4l2loopback", Verdict.OK, ", ".join([*_module_options(), readers]))
    for device in devices:
        about, who = device.path.name, v4l2.held_by(device.path)
        if not device.readable:
            yield Finding(about, Verdict.WARNING, "no permission to open it", v4l2.no_permission(device.path))
        elif device.captures and device.outputs:
            found = f"{device.name} has no exclusive_caps=1: browsers do not list it"
            yield Finding(about, Verdict.WARNING, found, RELOAD)
        else:
            verdict, state = (Verdict.INFO, f"in use by {who}") if who else (Verdict.OK, "free")
            yield Finding(about, verdict, f"{device.name}, {state}")


def display() -> Iterator[Finding]:
    """Whether a window can be shown, or else a recording be written."""
    probe = display_available()
    if probe.available:
        yield Finding("display", Verdict.OK, probe.reason)
        return
    try:
        check_writable("recording", FALLBACK_OUTPUT)
    except RtsodError as error:
        fix = "change to a folder that can be written, or give --output"
        yield Finding("display", Verdict.FAILURE, f"{probe.reason}, and {error}", fix)
    else:
        reason = probe.reason.partition(";")[0]
        yield Finding("display", Verdict.INFO, f"{reason}: rtsod records a video instead of showing a window")


def _camera(device: v4l2.Device) -> Finding:
    about = f"camera {device.index}"
    if not device.readable:
        return Finding(about, Verdict.WARNING, f"no permission to open {device.path}", v4l2.no_permission(device.path))
    if who := v4l2.held_by(device.path):
        return Finding(about, Verdict.WARNING, f"{device.name} is in use by {who}", "close that program")
    try:
        source = open_source(SourceConfig(spec=str(device.index)))
    except SourceError as error:
        found, _, fix = str(error).rpartition(": ")
        return Finding(about, Verdict.WARNING, found, fix)
    info = source.info
    source.close()
    rate = f" at {float(info.fps):.4g} fps" if info.fps else ""
    mode = f"{info.width}x{info.height}{rate}" + (f", {info.pixel_format}" if info.pixel_format else "")
    return Finding(about, Verdict.OK, f"{device.name} delivers frames, {mode}")


def _module_options() -> list[str]:
    """What the kernel reports, such as ``["version 0.12.7", "exclusive_caps=Y,N"]``."""
    options = []
    for name, text in (("version", "version "), ("parameters/exclusive_caps", "exclusive_caps=")):
        try:
            value = (_MODULE / name).read_text().strip()
        except OSError:
            continue
        # The kernel lists a value for every possible device.
        options.append(text + (",".join(value.split(",")[: len(loopback_devices())]) if "=" in text else value))
    return options
