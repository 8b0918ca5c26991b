"""A call made in a process of its own: what it took in memory is gone when it ends.

Unlike multiprocessing it does not import the program's main file again, so it also works within a script of the user's
that guards nothing.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn, ParamSpec, TypeVar, cast

from rtsod.errors import EngineError, RtsodError, internal_error

_POLL: Final = 0.1
"""Seconds; on Windows a waiting thread hears of Ctrl-C only between two waits."""

_KILLED: Final = -9
"""How Popen tells of SIGKILL."""

P = ParamSpec("P")
T = TypeVar("T")


def call_in_subprocess(what: str, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call ``work`` in a new interpreter, and give back what it returns.

    The process ends with this one, however that ends. Ctrl-C does not reach it: this process hears it, and ends both.

    Args:
        what: is being done, for messages.
        work: a function at the top of a module, not of the main one.
        args: of the function; everything that crosses must be picklable.
        kwargs: likewise.

    Raises:
        RtsodError: what ``work`` raised; an EngineError for whatever is none, or where the process died.
        OSError: no process can be started: Python is embedded in another program, say.
    """
    theirs, ours = os.pipe()
    with open(ours, "wb", buffering=0) as lifeline:  # it stays open as long as this process waits
        try:
            process = _start(theirs)
        finally:
            os.close(theirs)
        with process:
            try:
                with suppress(OSError):  # it is dead already, which is told below
                    lifeline.write(pickle.dumps((work, args, kwargs)))
                answer, complaints = _outcome(process)
            except BaseException:
                process.kill()
                raise
    if not answer:
        raise EngineError(f"{what}: {_end(process.returncode, complaints)}")
    outcome = pickle.loads(answer)
    if isinstance(outcome, RtsodError):
        raise outcome
    if isinstance(outcome, _Unforeseen):
        raise EngineError(f"{what}: {outcome.line}")
    return cast(T, outcome)


class _Unforeseen:
    """An error that is none of this program's, in a line: others need not survive the way."""

    def __init__(self, line: str) -> None:
        self.line = line


def _start(stdin: int) -> subprocess.Popen[bytes]:
    if not sys.executable or getattr(sys, "frozen", False):
        raise OSError("there is no Python to start")
    # The same modules as here, and none from the folder that the user happens to be in.
    paths = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
    options: dict[str, Any] = {"process_group": 0}
    if sys.platform == "win32":
        options = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return subprocess.Popen(
        [sys.executable, "-P", "-c", "from rtsod.system.subprocess_call import serve; serve()"],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": paths},
        **options,
    )


def _outcome(process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    while True:
        try:
            return process.communicate(timeout=_POLL)
        except subprocess.TimeoutExpired:
            continue


def _end(code: int, complaints: bytes) -> str:
    """How a process ended that gave no answer."""
    last = complaints.decode(errors="replace").strip().splitlines()[-1:]
    hint = ["it was killed, as systems do when memory runs out"] if code == _KILLED else []
    return ": ".join([f"the process for it died (exit code {code})", *hint, *last])


def serve() -> NoReturn:
    """The other side of :func:`call_in_subprocess`."""
    reply = open(os.dup(1), "wb")  # noqa: SIM115
    os.dup2(2, 1)  # what libraries print is no reply
    work, args, kwargs = pickle.load(sys.stdin.buffer)
    threading.Thread(target=_end_with_the_other, daemon=True).start()
    try:
        outcome = work(*args, **kwargs)
    except RtsodError as error:
        outcome = error
    except Exception as error:
        outcome = _Unforeseen(internal_error(error))
    with reply:
        pickle.dump(outcome, reply)
    os._exit(0)  # nothing is left to be done, and libraries take their time to unload


def _end_with_the_other() -> NoReturn:
    while os.read(0, 1):
        pass
    os._exit(1)
