"""``rtsod devices``: lists cameras with their modes, and virtual cameras with the programs that use them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import groupby
from typing import Final

from rtsod.cli.common import Parser, answer, run_command
from rtsod.system import v4l2

PIXEL_FORMATS: Final = ("MJPG", "YUYV", "NV12", "YU12", "H264", "GREY", "BGR3", "RGB3", "UYVY")
"""The formats to list, in this order; a driver may offer dozens."""
_PROGRAM: Final = "rtsod devices"
_NOT_LINUX: Final = (
    "cameras can be listed on Linux only: try --source 0, 1, ...; for a virtual camera, install OBS Studio"
)
_DESCRIPTION: Final = """\
List cameras with their pixel formats, sizes and frame rates, and virtual
cameras with the programs that use them.
"""
_EPILOG: Final = """\
Give a camera's number, path, or part of its name to rtsod run --source.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run_command(_PROGRAM, lambda _: _devices(arguments))


def _devices(arguments: Sequence[str] | None) -> None:
    parser().parse_args(arguments)
    answer("\n".join(device_lines(v4l2.devices())) if sys.platform == "linux" else _NOT_LINUX)


def parser() -> Parser:
    """The parser of all options."""
    return Parser(_PROGRAM, None, _DESCRIPTION, _EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)


def device_lines(devices: Iterable[v4l2.Device]) -> list[str]:
    """The page that ``rtsod devices`` prints."""
    from rtsod.sinks.loopback import setup_hint  # late: --help must not wait for OpenCV
    from rtsod.sinks.pipewire import pipewire_available

    devices = list(devices)
    cameras = [device for device in devices if device.captures and not device.is_virtual]
    virtual = [device for device in devices if device.is_virtual]
    lines = ["cameras:"] if cameras else ["no camera"]
    for device in cameras:
        lines.append(f"  {device.index}  {device.name or 'unknown'}  ({device.path}{_links(device)})")
        lines += [f"       {line}" for line in _camera_details(device)]
    lines.append("virtual cameras:" if virtual else f"no virtual camera: {setup_hint()}")
    lines += [f"  {device.path}  {device.name}, {_virtual_details(device)}" for device in virtual]
    pipewire = pipewire_available()
    lines.append(
        "PipeWire camera: --virtual-camera pipewire" if pipewire.available else f"no PipeWire camera: {pipewire.reason}"
    )
    return lines


def mode_lines(modes: Iterable[v4l2.Mode]) -> list[str]:
    """One line per pixel format: its sizes, largest first, each with its highest frame rate."""
    known = [mode for mode in modes if mode.pixel_format in PIXEL_FORMATS]
    known.sort(key=lambda mode: (PIXEL_FORMATS.index(mode.pixel_format), -mode.width * mode.height))
    lines = []
    for pixel_format, group in groupby(known, key=lambda mode: mode.pixel_format):
        sizes = dict.fromkeys(f"{mode.width}x{mode.height}{_rate(mode.fps)}" for mode in group)
        lines.append(f"{pixel_format}  {', '.join(sizes)}")
    return lines


def _camera_details(device: v4l2.Device) -> list[str]:
    if not device.readable:
        return [v4l2.no_permission(device.path)]
    lines = mode_lines(v4l2.modes(device.path))
    if who := v4l2.held_by(device.path):
        lines.append(f"in use by {who}")
    return lines


def _virtual_details(device: v4l2.Device) -> str:
    from rtsod.sinks.loopback import reports_readers

    if not device.readable:
        return v4l2.no_permission(device.path)
    exclusive = not (device.captures and device.outputs)
    parts = ["exclusive_caps=1" if exclusive else "no exclusive_caps=1, so browsers do not list it"]
    parts.append(f"in use by {who}" if (who := v4l2.held_by(device.path)) else "free")
    if reports_readers(device.path):
        parts.append("reports its readers")
    return ", ".join(parts)


def _links(device: v4l2.Device) -> str:
    identity = v4l2.identity(device.index)
    return "".join(f", by-id {link}" for link in sorted(identity.links)) if identity is not None else ""


def _rate(fps: Fraction | None) -> str:
    return f"@{float(fps):.4g}" if fps is not None else ""
