"""A virtual camera on Linux without a kernel module: a node of PipeWire, made by GStreamer.

A child process (:mod:`rtsod.system.gstreamer_child`) keeps the node and reads raw pictures from a pipe. If it ends,
:class:`rtsod.sinks.virtual_camera.VirtualCameraSink` opens the camera again, as it does with all others.
"""

from __future__ import annotations

import errno
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from fractions import Fraction
from typing import Any, Final

import cv2
import numpy as np

from rtsod.errors import OutputError
from rtsod.frames import Availability, Image
from rtsod.sinks.pixels import bring_to
from rtsod.system import gstreamer_child
from rtsod.system.gstreamer_child import PLAYING, READER_LEFT
from rtsod.system.pipes import set_pipe_size
from rtsod.system.pipewire import (
    INSTALL,
    START_MANAGER,
    Session,
    connect,
    has_hung_up,
    require_programs,
    session,
)

NAME: Final = "pipewire"
"""The device's name, as ``--virtual-camera`` takes it."""
LABEL: Final = "rtsod"
"""How other programs list the camera."""
START_SECONDS: Final = 5.0
"""How long the first picture waits for the node to exist."""
STALL_SECONDS: Final = 1.0
"""How long the child may take no picture. Then it is given up, because what it holds is too old to be shown."""
LINGER_SECONDS: Final = 0.2
"""How long the node stays after the last picture. It takes readers with it, and they must have seen the last slate."""
END_SECONDS: Final = 0.5
"""How long the child may take to end by itself before it is killed."""

FIRST_LOOK_SECONDS: Final = 4.0
"""After opening: a session manager that starts together with the daemon is there by then."""
LOOK_SECONDS: Final = 20.0
"""Between two looks for the session manager; one takes 0.02 s."""

_UNMANAGED: Final = f"no session manager of PipeWire runs, so programs get no picture of a camera: {START_MANAGER}"
_CHILD: Final = (sys.executable, "-I", gstreamer_child.__file__)
_MAX_PIPE: Final = 1 << 20  # what Linux lets a user have
_LOOK_AT_PIPE_SECONDS: Final = 0.002  # nothing tells when a pipe is empty
_KEPT_OUTPUT: Final = 4000


class PipeWireCamera:
    """A camera that programs find through PipeWire. It shows YUY2, BT.601, limited range.

    The node appears with the first picture. While nobody reads it, the child throws pictures away, so a reader never
    gets one that has waited.

    A second camera is called ``rtsod 2``, and so on.

    Args:
        width: pixels, even.
        height: pixels.
        fps: the frame rate that readers are told.
        environment: says where PipeWire's socket is.

    Raises:
        OutputError: something is missing; the message says what, and how to get it.
    """

    def __init__(self, width: int, height: int, fps: Fraction, *, environment: Mapping[str, str] = os.environ) -> None:
        require_programs()
        self.width, self.height = width, height
        self._output, self._playing, self._taken_at = b"", False, time.monotonic()
        self._dropped: Image | None = None
        # The child may outlive the daemon without a word (0.3.65 does), so this connection tells that it has gone.
        self._daemon = connect(environment)
        self._environment, self._look_at = environment, self._taken_at + FIRST_LOOK_SECONDS
        found = session(environment)
        self._number = number = _free_number(found)
        self.notes = _notes(number, found)
        self.name, self.label = NAME, LABEL if number == 1 else f"{LABEL} {number}"
        try:
            self._child: subprocess.Popen[bytes] | None = subprocess.Popen(
                _command(width, height, fps, number),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                env={**environment, "LC_ALL": "C"},  # what it says is read
                process_group=0,  # Ctrl-C in a terminal does not reach it: the last slate is still to come
            )
        except OSError as error:
            self._daemon.close()
            raise OutputError(f"GStreamer does not start ({error.strerror or error}): {INSTALL}") from error
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        os.set_blocking(self._child.stdin.fileno(), False)
        os.set_blocking(self._child.stdout.fileno(), False)
        # A picture goes through in few pieces, but no second one waits behind it.
        set_pipe_size(self._child.stdin.fileno(), min(width * height * 2, _MAX_PIPE))

    def prepare(self, image: Image) -> Image:
        """Fit a BGR picture to the camera and convert it to YUY2, ``(height, width, 2)`` uint8."""
        return yuy2_from_bgr(image, self.width, self.height)

    def send(self, prepared: Image) -> None:
        """Show a prepared picture, or drop it while the child still has one to take.

        The first call returns when the node exists.

        Raises:
            OSError: the child ended, or took nothing for ``STALL_SECONDS``; nothing more can be sent.
        """
        if self._child is None or self._child.stdin is None:
            raise OSError(errno.ENODEV, "it is closed")
        self._read_output()
        if self._child.poll() is not None:
            raise self._ended()
        if has_hung_up(self._daemon):
            raise OSError(errno.EPIPE, "PipeWire ended")
        pipe, now = self._child.stdin.fileno(), time.monotonic()
        waits, self._dropped = bool(_unread(pipe)), None
        if not waits:
            self._write(pipe, prepared.data.cast("B"), now + STALL_SECONDS)
            self._taken_at = now
        elif now - self._taken_at > STALL_SECONDS:
            raise _stalled()
        else:
            self._dropped = prepared
        if not self._playing:
            self._wait_for_node()
        if now > self._look_at:  # the session manager may end, or begin, at any time
            self._look_at = now + LOOK_SECONDS
            if (found := session(self._environment)) is not None:
                self.notes = _notes(self._number, found)

    def close(self) -> None:
        """Take the camera away; readers lose it. Idempotent."""
        child = self._child
        if child is None:
            return
        with suppress(OSError):
            self._send_last(child)
        self._child = None
        self._daemon.close()
        if self._playing:
            with suppress(subprocess.TimeoutExpired):
                child.wait(LINGER_SECONDS)
        if child.stdin is not None:
            child.stdin.close()  # it ends when its input does
        try:
            child.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        if child.stdout is not None:
            child.stdout.close()

    def _send_last(self, child: subprocess.Popen[bytes]) -> None:
        """Send the last picture, if it was dropped: it is the slate at the end."""
        if self._dropped is None or child.stdin is None:
            return
        pipe, until = child.stdin.fileno(), time.monotonic() + STALL_SECONDS
        while _unread(pipe):
            if child.poll() is not None or time.monotonic() > until:
                return
            time.sleep(_LOOK_AT_PIPE_SECONDS)
        self._write(pipe, self._dropped.data.cast("B"), until)

    def is_read(self) -> bool | None:
        """Return None: the child does not say who reads the node."""
        return None

    def _write(self, pipe: int, left: memoryview, until: float) -> None:
        """Write a whole picture: half of one would shift all that follow."""
        writable = select.poll()
        writable.register(pipe, select.POLLOUT)
        while left:
            try:
                left = left[os.write(pipe, left) :]
            except BlockingIOError:
                wait = until - time.monotonic()
                if wait <= 0:
                    raise _stalled() from None
                writable.poll(wait * 1000)
            except BrokenPipeError as error:
                raise self._ended() from error

    def _wait_for_node(self) -> None:
        """Wait until the child says that PipeWire has taken it in: only then is the camera known to work."""
        assert self._child is not None
        assert self._child.stdout is not None
        until = time.monotonic() + START_SECONDS
        readable = select.poll()
        readable.register(self._child.stdout.fileno(), select.POLLIN)
        while not self._playing:
            wait = until - time.monotonic()
            if wait <= 0:
                raise OSError(errno.ETIMEDOUT, f"PipeWire does not take the camera within {START_SECONDS:.0f} s")
            readable.poll(wait * 1000)
            if not self._read_output():
                raise self._ended()

    def _read_output(self) -> bool:
        """Read what the child has said, so that it never waits for that; False if it will say nothing more."""
        assert self._child is not None
        assert self._child.stdout is not None
        try:
            while said := os.read(self._child.stdout.fileno(), 65536):
                self._output = (self._output + said)[-_KEPT_OUTPUT:]
                self._playing = self._playing or PLAYING.encode() in self._output
        except BlockingIOError:
            return True
        return False

    def _ended(self) -> OSError:
        """The error to raise when the child has ended, in its own words if it left any."""
        assert self._child is not None
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(END_SECONDS)
        self._read_output()
        said = [line.strip() for line in self._output.decode(errors="replace").splitlines()]
        errors = [line for line in said if line.startswith("ERROR")]
        if any(READER_LEFT in line for line in errors):
            return OSError(errno.EPIPE, "the program that read it left, and GStreamer ended with it")
        code = self._child.returncode
        how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        return OSError(errno.EPIPE, f"GStreamer ended ({errors[0].rpartition(': ')[2] if errors else how})")


def yuy2_from_bgr(image: Image, width: int, height: int) -> Image:
    """Fit a BGR picture to a size and convert it to YUY2, BT.601, limited range.

    YUY2, and not I420 as on v4l2loopback: GStreamer pads the rows of I420 unless the width is a multiple of 8, those of
    YUY2 never.

    Args:
        image: ``(h, w, 3)`` uint8, BGR.
        width: of the result, pixels, even.
        height: of the result, pixels.

    Returns:
        ``(height, width, 2)`` uint8.
    """
    return np.asarray(cv2.cvtColor(bring_to(image, width, height), cv2.COLOR_BGR2YUV_YUY2), np.uint8)


def pipewire_available(environment: Mapping[str, str] = os.environ) -> Availability:
    """Find out whether a PipeWire camera can be opened, without opening one."""
    try:
        require_programs()
        connect(environment).close()
    except OutputError as error:
        return Availability("PipeWire camera", False, str(error))
    found = session(environment)
    if found is not None and not found.managed:
        return Availability("PipeWire camera", False, _UNMANAGED)
    return Availability("PipeWire camera", True, "--virtual-camera pipewire makes one, without a kernel module")


def _free_number(session: Session | None) -> int:
    """The first number that no other camera of this program has."""
    number = 1
    while session is not None and _node_name(number) in session.nodes:
        number += 1
    return number


def _notes(number: int, session: Session | None) -> tuple[str, ...]:
    """What the user should know."""
    notes = []
    if number > 1:
        notes.append(f"virtual camera: another one is called {LABEL}, so this one is '{LABEL} {number}'")
    if session is not None and not session.managed:
        notes.append(f"virtual camera: {_UNMANAGED}")
    return tuple(notes)


def _node_name(number: int) -> str:
    return LABEL if number == 1 else f"{LABEL}-{number}"


def _command(width: int, height: int, fps: Fraction, number: int) -> list[str]:
    name = _node_name(number)
    rate = f"{fps.numerator}/{fps.denominator}"
    caps = f"video/x-raw,format=YUY2,width={width},height={height},framerate={rate},colorimetry=bt601"
    # Without "identity drop-allocation", fdsrc takes PipeWire's pool of buffers and sets their size to 0: pipewiresink
    # 0.3.65 then crashes at the first reader. "sync=false", because the sink that writes here keeps the rate.
    elements = (
        f"fdsrc fd=0 blocksize={width * height * 2}",
        "identity drop-allocation=true",
        f"{caps},interlace-mode=progressive",
        "rawvideoparse use-sink-caps=true",
        f"pipewiresink mode=provide sync=false client-name={LABEL} "
        f"stream-properties=p,media.class=Video/Source,media.role=Camera,node.name={name},node.description={name}",
    )
    command = [*_CHILD, *" ! ".join(elements).split()]
    if number > 1:
        command[-1] = command[-1].removesuffix(name) + rf'(string)"{LABEL}\ {number}"'
    return command


def _unread(pipe: int) -> int:
    """Bytes that wait in a pipe."""
    fcntl: Any = __import__("fcntl")  # does not exist on Windows, where nothing calls this
    termios: Any = __import__("termios")
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


def _stalled() -> OSError:
    return OSError(errno.ETIMEDOUT, f"GStreamer takes no picture for {STALL_SECONDS:.0f} s: a reader may hang")
