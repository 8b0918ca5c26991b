"""Calls a function in a new Python process, so that its memory and threads are gone when it returns.

Unlike :mod:`multiprocessing` this does not import the program's main module again, so it also works in a script without
an ``if __name__ == "__main__"`` guard.
"""

from __future__ import annotations

import importlib
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NoReturn, ParamSpec, Self, TypeVar, cast

from rtsod.errors import EngineError, RtsodError, internal_error

_POLL_SECONDS: Final = 0.1
"""How long one wait for the result lasts. Python runs signal handlers between two waits: on Windows, and where the
system delivers a signal to another thread than the main one."""

_SIGKILL_CODE: Final = -9
"""``Popen.returncode`` of a process that SIGKILL ended."""

P = ParamSpec("P")
T = TypeVar("T")


class ProcessDied(Exception):
    """The process ended without a result; the text says how."""


class UnexpectedError(Exception):
    """The function raised something other than :class:`rtsod.errors.RtsodError`.

    The text is that of :func:`rtsod.errors.internal_error`. The exception itself stays in the process, since not every
    exception can be pickled.
    """


class SubprocessCall:
    """A function call running in another Python process; as a context manager it kills that process at the end.

    The process also ends with this one, however this one ends. Ctrl-C in a terminal does not reach it: this process
    receives it and decides.

    Args:
        work: a module-level function. If it belongs to the main module, that must have been started by ``python -m``.
        args: its positional arguments; they and the result must be picklable.
        kwargs: its keyword arguments.
        show_errors: let the process write to this one's stderr; otherwise the last line appears in
            :class:`ProcessDied`. Its stdout goes the same way, since the real one carries the result.

    Raises:
        OSError: no process can be started, for example because Python is embedded in another program.
    """

    def __init__(
        self, work: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], *, show_errors: bool = False
    ) -> None:
        message = pickle.dumps(_main_module(work)) + pickle.dumps((work, args, kwargs))
        theirs, ours = os.pipe()
        self._lifeline = open(ours, "wb", buffering=0)  # noqa: SIM115  # the process ends when this is closed
        try:
            try:
                serve = "from rtsod.system.subprocess_call import serve; serve()"
                self._process = start_python(serve, stdin=theirs, stderr=None if show_errors else subprocess.PIPE)
            finally:
                os.close(theirs)
        except BaseException:
            self._lifeline.close()
            raise
        try:
            with suppress(OSError):  # it has died already, which result() reports
                _write_all(self._lifeline, message)
        except BaseException:
            self._end()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end()

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the process to end and return what the function returned.

        Args:
            timeout: seconds to wait; None waits until the process ends.

        Raises:
            TimeoutError: the process still runs.
            RtsodError: the function raised it.
            UnexpectedError: the function raised anything else.
            ProcessDied: there is no result.
        """
        ends = None if timeout is None else time.monotonic() + timeout
        while True:
            try:
                reply, errors = self._process.communicate(timeout=_POLL_SECONDS)
                break
            except subprocess.TimeoutExpired:
                if ends is not None and time.monotonic() >= ends:
                    raise TimeoutError(f"the process still runs after {timeout:g} s") from None
        try:
            outcome = pickle.loads(reply)
        except (EOFError, pickle.UnpicklingError):
            raise ProcessDied(_describe_end(self._process.returncode, errors or b"")) from None
        if isinstance(outcome, (RtsodError, UnexpectedError)):
            raise outcome
        return outcome

    def terminate(self) -> None:
        """Send SIGTERM. A function that handles it can still return a result."""
        self._process.terminate()

    def _end(self) -> None:
        self._lifeline.close()
        self._process.kill()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
        self._process.wait()


def call_in_subprocess(what: str, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call ``work`` in a new Python process and return its result; see :class:`SubprocessCall`.

    Args:
        what: is being done, for error messages: ``"converting the network"``.
        work: the function.
        args: its positional arguments.
        kwargs: its keyword arguments.

    Raises:
        RtsodError: ``work`` raised it; an EngineError if ``work`` raised anything else or the process died.
        OSError: no process can be started.
    """
    try:
        with SubprocessCall(work, args, kwargs) as call:
            return cast(T, call.result())
    except UnexpectedError as error:
        raise EngineError(f"{what}: {error}") from None
    except ProcessDied as error:
        raise EngineError(f"{what}: {error}") from None


def _main_module(work: Callable[..., Any]) -> str | None:
    """The name under which the process can import the main module, if ``work`` is defined there."""
    if getattr(work, "__module__", None) != "__main__":
        return None
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return None if spec is None else spec.name


def start_python(code: str, *, stdin: int, stderr: int | None, **variables: str) -> subprocess.Popen[bytes]:
    """Start a Python process with the same modules as this one, which Ctrl-C in a terminal does not reach.

    Args:
        code: what it runs.
        stdin: as :class:`subprocess.Popen` takes it.
        stderr: the same.
        variables: of its environment, beside those of this process.

    Raises:
        OSError: no process can be started, for example because Python is embedded in another program.
    """
    if not sys.executable or getattr(sys, "frozen", False):
        raise OSError("there is no Python to start")
    # The same modules as here, but none from the current folder (-P), which is the user's.
    paths = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
    options: dict[str, Any] = {"process_group": 0}
    if sys.platform == "win32":
        options = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return subprocess.Popen(
        [sys.executable, "-P", "-c", code],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env={**os.environ, "PYTHONPATH": paths, **variables},
        **options,
    )


def _write_all(pipe: FileIO, message: bytes) -> None:
    left = memoryview(message)
    while left:
        left = left[pipe.write(left) :]  # a signal can cut one write short


def _describe_end(code: int, errors: bytes) -> str:
    last_line = errors.decode(errors="replace").strip().splitlines()[-1:]
    hint = ["it was killed, as systems do when memory runs out"] if code == _SIGKILL_CODE else []
    return ": ".join([f"its process died (exit code {code})", *hint, *last_line])


def serve() -> NoReturn:
    """Run in the new process: receive one call, send its outcome, end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    reply = open(os.dup(1), "wb")  # noqa: SIM115
    os.dup2(2, 1)  # what libraries print must not get into the reply
    try:
        main = pickle.load(sys.stdin.buffer)
        if main is not None:
            sys.modules["__main__"] = importlib.import_module(main)
        work, args, kwargs = pickle.load(sys.stdin.buffer)
    except (EOFError, pickle.UnpicklingError):  # the caller was interrupted while it sent this
        os._exit(1)
    threading.Thread(target=_end_with_the_caller, daemon=True).start()
    try:
        outcome = work(*args, **kwargs)
    except RtsodError as error:
        outcome = error
    except Exception as error:
        outcome = UnexpectedError(internal_error(error))
    with reply:
        pickle.dump(outcome, reply)
    os._exit(0)  # skips unloading libraries, which takes time and changes nothing


def _end_with_the_caller() -> NoReturn:
    while os.read(0, 1):
        pass
    os._exit(1)
