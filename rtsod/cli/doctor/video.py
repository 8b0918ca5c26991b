"""Cameras, virtual cameras and the display."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from rtsod.cli.doctor.finding import Finding, Verdict
from rtsod.config import SourceConfig
from rtsod.errors import SourceError
from rtsod.sinks import display_available, virtual_camera_available
from rtsod.sinks.loopback import RELOAD, reports_readers
from rtsod.sinks.loopback import virtual_cameras as loopback_devices
from rtsod.sources import open_source
from rtsod.system import v4l2

_MODULE: Final = Path("/sys/module/v4l2loopback")


def cameras(devices: Callable[[], list[v4l2.Device]] = v4l2.devices) -> Iterator[Finding]:
    """Each camera by the one test that counts: a picture."""
    if sys.platform != "linux":
        yield Finding("cameras", Verdict.INFO, "only Linux lists them without a further library: try --source 0")
        return
    found = [_camera(device) for device in devices() if device.captures and not device.is_virtual]
    if not found:
        yield Finding("cameras", Verdict.WARNING, "none: the demo scene is shown instead", "connect a camera")
    works = any(finding.verdict is Verdict.OK for finding in found)
    for finding in found:
        bad = finding.verdict is not Verdict.OK and not works
        yield Finding(finding.about, Verdict.FAILURE if bad else finding.verdict, finding.found, finding.fix)


def virtual_cameras() -> Iterator[Finding]:
    """The driver with its options, and each device with who holds it."""
    devices = loopback_devices() if sys.platform == "linux" else []
    if not devices:
        probe = virtual_camera_available()
        found, _, fix = probe.reason.partition(": ")
        yield Finding("virtual camera", Verdict.OK if probe.available else Verdict.INFO, found, fix)
        return
    tells = reports_readers(devices[0].path)
    readers = "tells who reads" if tells else "does not tell who reads, so --on-demand looks at who has it open"
    yield Finding("v4l2loopback", Verdict.OK, ", ".join([*_module_options(), readers]))
    for device in devices:
        about, who = device.path.name, v4l2.held_by(device.path)
        if not device.readable:
            yield Finding(about, Verdict.WARNING, "may not be opened", v4l2.no_permission(device.path))
        elif device.captures and device.outputs:
            yield Finding(about, Verdict.WARNING, f"{device.name} has no exclusive_caps=1: browsers hide it", RELOAD)
        else:
            verdict, state = (Verdict.INFO, f"held by {who}") if who else (Verdict.OK, "free")
            yield Finding(about, verdict, f"{device.name}, {state}")


def display() -> Iterator[Finding]:
    """Where the picture would be seen."""
    probe = display_available()
    if probe.available:
        yield Finding("display", Verdict.OK, probe.reason)
    elif os.access(Path.cwd(), os.W_OK):
        reason = probe.reason.partition(";")[0]
        yield Finding("display", Verdict.INFO, f"{reason}: a recording is made instead of a window")
    else:
        fix = "go to a folder that can be written, or give --output"
        yield Finding("display", Verdict.FAILURE, f"{probe.reason}, and {Path.cwd()} takes no recording", fix)


def _camera(device: v4l2.Device) -> Finding:
    about = f"camera {device.index}"
    if not device.readable:
        return Finding(about, Verdict.WARNING, f"{device.path} may not be opened", v4l2.no_permission(device.path))
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
    return Finding(about, Verdict.OK, f"{device.name} gives pictures, {mode}")


def _module_options() -> list[str]:
    """As the kernel tells them, e.g. ``["version 0.12.7", "exclusive_caps=Y,N"]``."""
    told = []
    for name, text in (("version", "version "), ("parameters/exclusive_caps", "exclusive_caps=")):
        try:
            value = (_MODULE / name).read_text().strip()
        except OSError:
            continue
        # The kernel lists as many as there may be devices.
        told.append(text + (",".join(value.split(",")[: len(loopback_devices())]) if "=" in text else value))
    return told
