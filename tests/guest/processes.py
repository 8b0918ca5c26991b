"""Processes under test, heard line by line.

They are forked from one that has imported everything, because imports are what takes longest on an emulated processor.
"""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import re
import runpy
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final, Self

PATIENCE: Final = 90.0
"""Seconds anything may take here: the processor is emulated."""

_FORKS: Final = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    ["rtsod.app.run", "rtsod.cli.main", "rtsod.sources.camera", "rtsod.sources.demo", "rtsod.backends.constant"]
)


class Told:
    """A module run as a program, or a script run by a new interpreter, and the lines it has said so far."""

    def __init__(self, program: str | Path, *arguments: str) -> None:
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._all_heard = threading.Event()
        self._hears, says = _FORKS.Pipe(duplex=False)
        self._process = _FORKS.Process(target=_run, args=(program, arguments, says))
        self._process.start()
        says.close()
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def runs(self) -> bool:
        return self._process.exitcode is None

    def wait(self, ready: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
        with self._changed:
            assert self._changed.wait_for(ready, patience), f"{what}: never, but\n  " + "\n  ".join(self.lines[-12:])

    def wait_for_line(self, pattern: str, since: int = 0) -> None:
        self.wait(lambda: any(re.search(pattern, line) for line in self.lines[since:]), pattern)

    def ended(self) -> int:
        """The exit status; where it does not end, what its threads are doing."""
        self._process.join(PATIENCE)
        if self._process.exitcode is None:
            os.kill(self.pid, signal.SIGABRT)
            self._process.join(PATIENCE)
            raise AssertionError("it does not end:\n  " + "\n  ".join(self.lines))
        self._all_heard.wait(PATIENCE)
        return self._process.exitcode

    def end(self, number: int = signal.SIGTERM) -> int:
        os.kill(self.pid, number)
        return self.ended()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self.runs:
            self.end(signal.SIGKILL)

    def _listen(self) -> None:
        with open(self._hears.fileno(), closefd=False) as lines:
            for line in lines:
                with self._changed:
                    self.lines.append(line.rstrip())
                    self._changed.notify_all()
        self._all_heard.set()


def _run(program: str | Path, arguments: tuple[str, ...], says: Connection) -> None:
    for stream in (1, 2):
        os.dup2(says.fileno(), stream)
    says.close()
    faulthandler.enable()
    if isinstance(program, Path):
        os.execv(sys.executable, [sys.executable, "-X", "faulthandler", str(program), *arguments])
    sys.argv = [program, *arguments]
    runpy.run_module(program, run_name="__main__")
