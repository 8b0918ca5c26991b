"""What every command does alike: refuse in one line, answer on standard output, end in order when told to."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from rtsod.errors import ExitCode, OutputError, RtsodError, UsageError, internal_error
from rtsod.system.signals import Interrupted, StopSignals


class Parser(argparse.ArgumentParser):
    """Wrong usage is an error of this program like any other: one line, and no block of usage before it."""

    def error(self, message: str) -> NoReturn:
        """Of argparse's protocol.

        Raises:
            UsageError: always.
        """
        raise UsageError(f"{message} (see {self.prog} --help)")


def carry_out(program: str, work: Callable[[], None]) -> int:
    """Do what a command is for; its exit code.

    Args:
        program: who speaks, in the one line that an error or an interruption is.
        work: everything, the reading of the options included.
    """
    with StopSignals() as signals:
        try:
            work()
        except RtsodError as error:
            complain(program, str(error))
            return int(error.exit_code)
        except Interrupted:
            complain(program, "interrupted")
        except Exception as error:
            complain(program, internal_error(error))
            return int(ExitCode.INTERNAL)
    return int(signals.exit_code)


def answer(text: str) -> None:
    """Print what was asked for, at once. Nobody who reads any more (``| head``) is no error.

    Raises:
        OutputError: standard output cannot be written: a full disk.
    """
    try:
        print(text, flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left of it would fail again at the end
        if not isinstance(error, BrokenPipeError):
            raise OutputError(f"standard output cannot be written: {error.strerror or error}") from error


def complain(program: str, line: str) -> None:
    """Tell an error; with nobody to tell, the exit code still says it."""
    with suppress(OSError):
        print(f"{program}: {line}", file=sys.stderr, flush=True)
