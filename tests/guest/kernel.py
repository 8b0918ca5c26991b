"""Loads and unloads kernel modules of the guest, and unplugs its camera, while the program runs."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

MODULES: Final = Path("/run/guest")
_CAMERA: Final = Path("/sys/bus/platform/drivers/vivid")
_BY_ID: Final = Path("/dev/v4l/by-id")
_FINIT_MODULE, _DELETE_MODULE = 313, 176  # system calls of x86-64


def load(name: str, options: str) -> None:
    """Load a module."""
    handle = os.open(MODULES / f"{name}.ko", os.O_RDONLY)
    try:
        _call(_FINIT_MODULE, handle, options.encode(), 0)
    finally:
        os.close(handle)


def unload(name: str) -> None:
    """Unload a module that is not in use."""
    _call(_DELETE_MODULE, name.encode(), os.O_NONBLOCK)


def unplug_camera() -> None:
    """Unplug the camera. Its number stays taken while any program has it open."""
    (_CAMERA / "unbind").write_text("vivid.0")


def plug_camera_in() -> None:
    """Plug the camera in again. It gets the first free number."""
    (_CAMERA / "bind").write_text("vivid.0")


def link_by_id(name: str, device: Path) -> Path:
    """Create the link that udev creates for a camera."""
    _BY_ID.mkdir(parents=True, exist_ok=True)
    link = _BY_ID / name
    with suppress(FileNotFoundError):
        link.unlink()
    link.symlink_to(device)
    return link


def _call(number: int, *arguments: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(number, *arguments):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
