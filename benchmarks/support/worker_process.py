"""A process that answers lines with lines of JSON: a contestant that runs in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rtsod.errors import EngineError

ROOT: Final = Path(__file__).parents[2]


class WorkerProcess:
    """The process.

    Args:
        name: for messages.
        command: its program and arguments.
        environment: variables beside this process's own.
        folder: where it works; None for this process's folder.
        show_errors: let it write to this process's stderr.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        show_errors: bool = True,
    ) -> None:
        self._name = name
        self._process = subprocess.Popen(
            command,
            env={**os.environ, **(environment or {}), "PYTHONPATH": str(ROOT)},
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=folder,
            stderr=None if show_errors else subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches this process only, which then ends the others
        )

    def receive(self) -> Any:
        """Its next message.

        Raises:
            EngineError: it ended.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise EngineError(
                f"{self._name}: its process ended (exit code {self._process.wait()}): see its message above"
            )
        return json.loads(line)

    def ask(self, question: str) -> Any:
        """Send a line, and return its answer.

        Raises:
            EngineError: it ended.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(f"{question}\n")
        self._process.stdin.flush()
        return self.receive()

    def end(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.communicate()
