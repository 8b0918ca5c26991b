"""``rtsod devices``: the cameras with what they can do, the virtual cameras with who holds them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from fractions import Fraction
from itertools import groupby
from typing import Final

from rtsod.cli.common import answer
from rtsod.sinks.loopback import reports_readers, setup_hint
from rtsod.system import v4l2

DECODED: Final = ("MJPG", "YUYV", "NV12", "YU12", "H264", "GREY", "BGR3", "RGB3", "UYVY")
"""Formats worth a line; a driver may list dozens."""
_ELSEWHERE: Final = (
    "only Linux lists its cameras without a further library: try --source 0, 1, ...; a virtual camera is OBS's"
)


def device_lines(devices: Iterable[v4l2.Device]) -> list[str]:
    """What ``rtsod devices`` prints."""
    devices = list(devices)
    cameras = [device for device in devices if device.captures and not device.is_virtual]
    virtual = [device for device in devices if device.is_virtual]
    lines = ["cameras:"] if cameras else ["no camera"]
    for device in cameras:
        lines.append(f"  {device.index}  {device.name or 'unknown'}  ({device.path}{_links(device)})")
        lines += [f"       {line}" for line in _camera_details(device)]
    lines.append("virtual cameras:" if virtual else f"no virtual camera: {setup_hint()}")
    lines += [f"  {device.path}  {device.name}, {_virtual_details(device)}" for device in virtual]
    return lines


def show() -> int:
    """Print them; the exit code."""
    if sys.platform != "linux":
        answer(_ELSEWHERE)
        return 0
    answer("\n".join(device_lines(v4l2.devices())))
    return 0


def mode_lines(modes: Iterable[v4l2.Mode]) -> list[str]:
    """One line for each pixel format: its sizes, largest first, each with its fastest rate."""
    known = [mode for mode in modes if mode.pixel_format in DECODED]
    known.sort(key=lambda mode: (DECODED.index(mode.pixel_format), -mode.width * mode.height))
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
    if not device.readable:
        return v4l2.no_permission(device.path)
    exclusive = not (device.captures and device.outputs)
    parts = ["exclusive_caps=1" if exclusive else "no exclusive_caps=1, so browsers do not list it"]
    parts.append(f"held by {who}" if (who := v4l2.held_by(device.path)) else "free")
    if reports_readers(device.path):
        parts.append("tells who reads")
    return ", ".join(parts)


def _links(device: v4l2.Device) -> str:
    identity = v4l2.identity(device.index)
    return "".join(f", by-id {link}" for link in sorted(identity.links)) if identity is not None else ""


def _rate(fps: Fraction | None) -> str:
    return f"@{float(fps):.4g}" if fps is not None else ""
