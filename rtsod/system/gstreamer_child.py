"""Runs a pipeline as ``gst-launch-1.0`` does, and survives one error that is none. Meant to be a process of its own.

``pipewiresink`` of some versions (1.4.2 does, 0.3.65 and newer ones do not) posts an error when the last reader of its
camera leaves, though it would serve the next one. ``gst-launch-1.0`` ends at every error; a camera that goes with its
reader breaks all calls that open it twice, first to ask for the permission.

Needs no package: it talks to GStreamer's library itself. Where that cannot be loaded, ``gst-launch-1.0`` takes over.
"""

from __future__ import annotations

import ctypes
import os
import sys
from ctypes import POINTER, byref, c_char_p, c_int, c_uint, c_uint64, c_void_p
from typing import Final

LAUNCH: Final = "gst-launch-1.0"
"""The program that runs a pipeline."""
PLAYING: Final = "Setting pipeline to PLAYING"
"""What is printed once every sink has its first buffer."""
READER_LEFT: Final = "all buffers have been removed"
"""The error that is survived."""

_LIBRARY: Final = "libgstreamer-1.0.so.0"
_STATE_NULL, _STATE_PLAYING = 1, 4
_EOS, _ERROR, _ASYNC_DONE = 1 << 0, 1 << 1, 1 << 21
_FOREVER: Final = 2**64 - 1


class _Error(ctypes.Structure):
    _fields_ = (("domain", c_uint), ("code", c_int), ("message", c_char_p))


def main(elements: list[str]) -> int:
    """Run a pipeline until its end or an error.

    Args:
        elements: as ``gst-launch-1.0`` takes them.

    Returns:
        The exit code.
    """
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError:
        os.execvp(LAUNCH, [LAUNCH, "--no-fault", *elements])
    _declare(library)
    library.gst_init(None, None)
    error = POINTER(_Error)()
    words = (c_char_p * (len(elements) + 1))(*map(os.fsencode, elements), None)
    pipeline = library.gst_parse_launchv(words, byref(error))
    if error:
        _complain(error)
        return 1
    bus = library.gst_element_get_bus(pipeline)
    library.gst_element_set_state(pipeline, _STATE_PLAYING)
    code = None
    while code is None:
        message = library.gst_bus_timed_pop_filtered(bus, _FOREVER, _EOS | _ERROR | _ASYNC_DONE)
        code = _exit_code(library, message)
        library.gst_mini_object_unref(message)
    library.gst_element_set_state(pipeline, _STATE_NULL)
    return code


def _exit_code(library: ctypes.CDLL, message: int) -> int | None:
    """Read a message; None if the pipeline goes on."""
    structure = library.gst_message_get_structure(message)
    kind = library.gst_structure_get_name(structure) if structure else b""  # the end has none
    if kind == b"GstMessageAsyncDone":
        print(PLAYING, "...", flush=True)
        return None
    if kind != b"GstMessageError":
        return 0
    error = POINTER(_Error)()
    library.gst_message_parse_error(message, byref(error), None)
    if error.contents.message == READER_LEFT.encode():
        return None
    _complain(error)
    return 1


def _complain(error: ctypes._Pointer[_Error]) -> None:
    said = error.contents.message or b""
    print("ERROR:", said.decode(errors="replace"), flush=True)


def _declare(library: ctypes.CDLL) -> None:
    """Tell the types, because ctypes cuts pointers to 32 bits otherwise."""
    functions = {
        "gst_init": (None, c_void_p, c_void_p),
        "gst_parse_launchv": (c_void_p, c_void_p, c_void_p),
        "gst_element_get_bus": (c_void_p, c_void_p),
        "gst_element_set_state": (c_int, c_void_p, c_int),
        "gst_bus_timed_pop_filtered": (c_void_p, c_void_p, c_uint64, c_int),
        "gst_message_get_structure": (c_void_p, c_void_p),
        "gst_message_parse_error": (None, c_void_p, c_void_p, c_void_p),
        "gst_structure_get_name": (c_char_p, c_void_p),
        "gst_mini_object_unref": (None, c_void_p),
    }
    for name, (result, *arguments) in functions.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
