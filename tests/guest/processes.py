"""Programs under test, and their output line by line.

They are forked from a process that has imported everything, because imports take longest on an emulated processor.
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

TIMEOUT_SECONDS: Final = 180.0
"""How long any wait may take: the processor is emulated."""

_FORKS: Final = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        "rtsod.app.run",
        "rtsod.cli.run",
        "rtsod.sources.camera",
        "rtsod.sources.demo",
        "rtsod.sources.scene",
        "rtsod.backends.constant",
    ]
)


class Program:
    """A module run as a program, or a script run by a new interpreter, and the lines it has printed so far."""

    def __init__(self, program: str | Path, *arguments: str) -> None:
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._all_read = threading.Event()
        self._output, write_end = _FORKS.Pipe(duplex=False)
        self._process = _FORKS.Process(target=_run, args=(program, arguments, write_end))
        self._process.start()
        write_end.close()
        threading.Thread(target=self._read_lines, daemon=True).start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.exitcode is None

    def wait(self, ready: Callable[[], bool], what: str, timeout: float = TIMEOUT_SECONDS) -> None:
        with self._changed:
            assert self._changed.wait_for(ready, timeout), f"{what}: never; the last lines:\n  " + "\n  ".join(
                self.lines[-12:]
            )

    def wait_for_line(self, pattern: str, since: int = 0) -> None:
        self.wait(lambda: any(re.search(pattern, line) for line in self.lines[since:]), pattern)

    def exit_status(self) -> int:
        """Wait for the exit status; if the program does not end, fail with the stacks of its threads."""
        self._process.join(TIMEOUT_SECONDS)
        if self._process.exitcode is None:
            os.kill(self.pid, signal.SIGABRT)
            self._process.join(TIMEOUT_SECONDS)
            raise AssertionError("it does not end:\n  " + "\n  ".join(self.lines))
        self._all_read.wait(TIMEOUT_SECONDS)
        return self._process.exitcode

    def end(self, number: int = signal.SIGTERM) -> int:
        os.kill(self.pid, number)
        return self.exit_status()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self.running:
            self.end(signal.SIGKILL)

    def _read_lines(self) -> None:
        with open(self._output.fileno(), closefd=False) as lines:
            for line in lines:
                with self._changed:
                    self.lines.append(line.rstrip())
                    self._changed.notify_all()
        self._all_read.set()


def _run(program: str | Path, arguments: tuple[str, ...], output: Connection) -> None:
    for stream in (1, 2):
        os.dup2(output.fileno(), stream)
    output.close()
    faulthandler.enable()
    if isinstance(program, Path):
        os.execv(sys.executable, [sys.executable, "-X", "faulthandler", str(program), *arguments])
    sys.argv = [program, *arguments]
    runpy.run_module(program, run_name="__main__")
