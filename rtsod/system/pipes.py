"""Standard input and output as pipes for pictures, whose waits another thread can end."""

from __future__ import annotations

import errno
import math
import os
import re
import select
import stat
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, TextIO

from rtsod.errors import OutputError, SourceError, UsageError
from rtsod.interfaces import Clock

HEAD_BYTES: Final = 12
"""As many tell what a file is."""
INPUT_NAME: Final = "standard input"
OUTPUT_NAME: Final = "standard output"
_ATOMIC_BYTES: Final = 4096
"""A pipe that is ready takes this much without blocking (``PIPE_BUF`` on Linux; POSIX demands 512)."""
_PIPE_BYTES: Final = 1 << 20
"""How much a pipe is asked to hold, on Linux: fewer changes between the processes."""
_STANDARD: Final = {"/dev/stdout": 1, "/dev/stderr": 2}
_DESCRIPTOR: Final = re.compile(r"/(?:dev|proc/([^/]+))/fd/([0-9]{1,9})")
_MOST_LINKS: Final = 40
"""How many links lead on from each other at most, as on Linux."""
_CAN_POLL: Final = hasattr(select, "poll")  # not on Windows


def check_stdin() -> None:
    """Refuse a terminal, in which nobody types a video.

    Raises:
        UsageError: standard input is a terminal.
        SourceError: it is closed.
    """
    if not _is_open(0, sys.stdin):
        raise SourceError(f"cannot read {INPUT_NAME}: it is closed")
    if not os.isatty(0):
        return
    raise UsageError(
        f"--source -: {INPUT_NAME} is a terminal: send a video into it, for example ffmpeg -i FILE -f nut - | "
        "rtsod run --source -"
    )


def check_stdout() -> None:
    """Refuse a terminal, which pictures would fill with characters.

    Raises:
        UsageError: standard output is a terminal.
        OutputError: it is closed.
    """
    if not _is_open(1, sys.stdout):
        raise OutputError(f"{OUTPUT_NAME}: is closed")
    if not os.isatty(1):
        return
    raise UsageError(
        f"--output -: {OUTPUT_NAME} is a terminal: send it to a program, for example rtsod run --output - | ffplay -, "
        "or to a file"
    )


def take_stdin() -> int:
    """Take standard input over: the descriptor is the caller's to close, and what else reads there finds its end.

    So no process that is started later takes a part of the video.

    Raises:
        UsageError, SourceError: see :func:`check_stdin`.
    """
    check_stdin()
    return _taken(0, os.open(os.devnull, os.O_RDONLY))


def take_stdout() -> int:
    """Take standard output over: the descriptor is the caller's to close, and what else is printed goes to stderr.

    That holds for libraries in C and for processes that are started later, and stays so: the reader sees the end of the
    pictures as soon as the descriptor is closed.

    Raises:
        UsageError, OutputError: see :func:`check_stdout`.
    """
    check_stdout()
    sys.stdout.flush()
    try:
        instead = os.dup(2)
    except OSError:  # stderr is closed
        instead = os.open(os.devnull, os.O_WRONLY)
    return _taken(1, instead)


def _is_open(descriptor: int, stream: TextIO | None) -> bool:
    """Whether a standard stream was open when the program began. If not, its number may be another file's by now."""
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return stream is not None


def _taken(descriptor: int, instead: int) -> int:
    """A private copy of a descriptor, in whose place there is another one from now on."""
    taken = os.dup(descriptor)  # not inherited by processes
    os.dup2(instead, descriptor)
    os.close(instead)
    if sys.platform == "win32":
        import msvcrt

        msvcrt.setmode(taken, os.O_BINARY)  # where text would get other line ends
    return taken


def open_descriptor(path: Path) -> int | None:
    """The number of the descriptor that a path stands for, itself or as a link: 1 for ``/dev/stdout``; None elsewhere.

    Such a path must be written to as it is open. Its name must not get another file: ``/dev/stdout`` is everybody's.
    """
    try:
        text = os.path.abspath(path)
    except OSError:  # the current folder was deleted
        return None
    for _ in range(_MOST_LINKS):
        if text in _STANDARD:
            return _STANDARD[text]
        if (found := _DESCRIPTOR.fullmatch(text)) and found[1] in (None, "self", "thread-self", str(os.getpid())):
            return int(found[2])
        try:
            text = os.path.normpath(os.path.join(os.path.dirname(text), os.readlink(text)))
        except (OSError, ValueError):  # it is no link
            return None
    return None


def set_pipe_size(descriptor: int, size: int) -> None:
    """Ask for a pipe that holds so many bytes, where the system has a say in that: Linux."""
    if sys.platform == "linux":
        import fcntl

        with suppress(OSError):  # no pipe, or no room for one that large
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, size)


class _Alarm:
    """Wakes a thread that polls a descriptor. On Windows, which cannot poll pipes, nothing is woken."""

    def __init__(self) -> None:
        self.read, self._write = os.pipe()

    def ring(self) -> None:
        os.write(self._write, b"!")

    def hush(self) -> None:
        """Let the next wait begin in silence. It has rung."""
        os.read(self.read, 1)

    def close(self) -> None:
        os.close(self.read)
        os.close(self._write)


class PipeReader:
    """A file to read from start to end. It cannot seek.

    Args:
        descriptor: closed together with this object.
    """

    name = INPUT_NAME

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._alarm = _Alarm()
        self._stopped = False
        self.head = b""
        """The first bytes that came, up to ``HEAD_BYTES``."""
        self.received = 0
        """How many bytes came."""
        self.ended = False
        """Whether the sender has closed its end."""

    def readable(self) -> bool:
        """Whether :meth:`read` can be called."""
        return True

    def seekable(self) -> bool:
        """Whether there is a way back."""
        return False

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes, as soon as there are some; none at the end, and after :meth:`stop`.

        Raises:
            OSError: it cannot be read.
        """
        if _CAN_POLL:
            poll = select.poll()
            poll.register(self._descriptor, select.POLLIN)
            poll.register(self._alarm.read, select.POLLIN)
            poll.poll()
        data = b"" if self._stopped else os.read(self._descriptor, size)
        self.head += data[: HEAD_BYTES - len(self.head)]
        self.received += len(data)
        self.ended = not data and not self._stopped
        return data

    def stop(self) -> None:
        """End a pending read, and let every later one find the end. Idempotent; from any thread."""
        if not self._stopped:
            self._stopped = True
            self._alarm.ring()

    def close(self) -> None:
        """Close the descriptor. No thread may be inside :meth:`read`."""
        self._stopped = True
        os.close(self._descriptor)
        self._alarm.close()


class PipeWriter:
    """A file to write from start to end. It cannot seek.

    Args:
        descriptor: closed together with this object.
        clock: monotonic, in seconds.
    """

    name = OUTPUT_NAME

    def __init__(self, descriptor: int, *, clock: Clock = time.monotonic) -> None:
        self._descriptor = descriptor
        self._clock = clock
        self._alarm = _Alarm()
        self._patience: float | None = None
        self._silent_until = self._until = math.inf
        # What is ready takes a whole picture, unless it is a pipe, which takes a little at a time without blocking.
        self._most = _ATOMIC_BYTES if _CAN_POLL and not stat.S_ISREG(os.fstat(descriptor).st_mode) else sys.maxsize
        set_pipe_size(descriptor, _PIPE_BYTES)

    def writable(self) -> bool:
        """Whether :meth:`write` can be called."""
        return True

    def seekable(self) -> bool:
        """Whether there is a way back."""
        return False

    def write(self, data: bytes | memoryview) -> int:
        """Write all of it, however long the reader takes; return its length.

        Raises:
            BrokenPipeError: the reader has closed the pipe.
            TimeoutError: the time of :meth:`limit_silence` or of :meth:`finish_within` is over.
            OSError: it cannot be written, for example because a disk is full.
        """
        rest = memoryview(data)
        while rest:
            self._wait()
            rest = rest[os.write(self._descriptor, rest[: self._most]) :]
            if self._patience is not None:
                self._silent_until = self._clock() + self._patience
        return len(data)

    def limit_silence(self, seconds: float) -> None:
        """From now on, wait no longer than this for the reader to take something. From any thread; the first counts."""
        if self._patience is None:
            self._silent_until = self._clock() + seconds
            self._patience = seconds
            self._alarm.ring()

    def finish_within(self, seconds: float) -> None:
        """From now on, wait for the reader no longer than this, all in all. From any thread; the first call counts."""
        if self._until == math.inf:
            self._until = self._clock() + seconds
            self._alarm.ring()

    def close(self) -> None:
        """Close the descriptor, so that the reader sees the end. No thread may be inside :meth:`write`."""
        os.close(self._descriptor)
        self._alarm.close()

    def _wait(self) -> None:
        """Wait until the descriptor takes something."""
        if not _CAN_POLL:
            return
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        poll.register(self._alarm.read, select.POLLIN)
        while True:
            until = min(self._silent_until, self._until)
            left = None if until == math.inf else max(0.0, until - self._clock()) * 1e3
            ready = [descriptor for descriptor, _ in poll.poll(left)]
            if self._alarm.read in ready:
                self._alarm.hush()
            if self._descriptor in ready:
                return
            if left == 0.0:
                raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
