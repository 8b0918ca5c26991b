"""A Python process that works beside this one: both send each other objects for as long as they live.

For one call with one result there is :mod:`rtsod.system.subprocess_call`.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, NoReturn

from rtsod.errors import RtsodError, internal_error
from rtsod.system.subprocess_call import start_python

_END_SECONDS: Final = 5.0
"""How long to wait for a process that was killed."""


class WorkerEnded(Exception):
    """The process has ended; the text says how, in words that follow a colon."""


class Mailbox:
    """The process's end: what the other one sends, and the way back. :meth:`send` from one thread at a time."""

    def __init__(self, inbox: queue.SimpleQueue[Any], outbox: Any) -> None:
        self._inbox, self._outbox = inbox, outbox

    def receive(self, *, wait: bool) -> Any:
        """The next object, or None if there is none and nobody is to wait for one."""
        if wait:
            return self._inbox.get()
        with suppress(queue.Empty):
            return self._inbox.get_nowait()
        return None

    def send(self, message: Any) -> None:
        """Send an object that can be pickled."""
        pickle.dump(message, self._outbox)
        self._outbox.flush()


class WorkerProcess:
    """The owner's end. The process ends with :meth:`close`, and with this process, however this one ends.

    Ctrl-C in a terminal does not reach it: this process receives it and decides.

    Args:
        work: called in the process with a :class:`Mailbox` and ``args``. Not of the main module.
        args: can be pickled.
        variables: of its environment, beside those of this process.

    Raises:
        OSError: no process can be started.
    """

    def __init__(self, work: Callable[..., None], *args: Any, **variables: str) -> None:
        self._sending = threading.Lock()
        self._process = start_python(
            "from rtsod.system.worker_process import serve; serve()",
            stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, **variables,
        )  # fmt: skip
        self.send((work, args))

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def send(self, message: Any) -> None:
        """Send an object that can be pickled. Blocks while the pipe is full; safe from any thread.

        Does nothing if the process has ended, which :meth:`receive` reports.
        """
        with self._sending, suppress(OSError, ValueError):
            assert self._process.stdin is not None
            self._process.stdin.write(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))
            self._process.stdin.flush()

    def receive(self) -> Any:
        """Wait for the next object that the process sends. Called from one thread.

        Raises:
            RtsodError: the work raised it.
            WorkerEnded: the process has ended, or :meth:`close` was called.
        """
        assert self._process.stdout is not None
        try:
            message = pickle.load(self._process.stdout)
        except (EOFError, OSError, ValueError, pickle.UnpicklingError):
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_SECONDS)
            raise WorkerEnded(f"its process ended (exit code {self._process.returncode})") from None
        if isinstance(message, (RtsodError, WorkerEnded)):
            raise message
        return message

    def close(self) -> None:
        """Kill the process. Idempotent, from any thread; a pending :meth:`receive` ends."""
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(OSError):  # what was not sent yet
                pipe.close()


def serve() -> NoReturn:
    """Run in the new process: receive the work, and do it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    outbox = open(os.dup(1), "wb")  # noqa: SIM115
    os.dup2(2, 1)  # what libraries print must not get among the messages
    try:
        work, args = pickle.load(sys.stdin.buffer)
    except (EOFError, pickle.UnpicklingError):  # the owner has ended
        os._exit(1)
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_receive_all, args=(inbox,), daemon=True).start()
    mailbox = Mailbox(inbox, outbox)
    try:
        work(mailbox, *args)
    except RtsodError as error:
        mailbox.send(error)
    except Exception as error:
        mailbox.send(WorkerEnded(internal_error(error)))
    os._exit(0)  # skips unloading libraries, which takes time and changes nothing


def _receive_all(inbox: queue.SimpleQueue[Any]) -> NoReturn:
    """Pass on what the owner sends, until it has ended: then so does this process."""
    with suppress(Exception):
        while True:
            inbox.put(pickle.load(sys.stdin.buffer))
    os._exit(1)
