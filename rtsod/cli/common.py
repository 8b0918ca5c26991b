"""What all commands share: the argument parser, the exit code, and output that fails cleanly."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from typing import Any, Final, NoReturn

from rtsod.config import AUTHORS_SIZE, DEFAULT_MODEL, MODEL_NAME_RULE, MODELS, is_model_name
from rtsod.errors import EngineUnavailable, ExitCode, OutputError, RtsodError, UsageError, internal_error, is_shortage
from rtsod.system.extras import install_extra
from rtsod.system.names import path_to_read, printable, without_secrets
from rtsod.system.signals import Interrupted, StopSignals

_log = logging.getLogger(__name__)

EXTRAS: Final = {
    "accelerate": "train",
    "fsspec": "remote",
    "matplotlib": "bench",  # train has it, too, with PyTorch
    "onnxruntime": "onnxruntime",
    "onnxruntime_ep_webgpu": "webgpu",
    "onnxscript": "export",
    "psutil": "bench",
    "pycuda": "pycuda",
    "pyvirtualcam": "virtualcam",
    "ray": "ray",
    "starlette": "control",
    "supervision": "supervision",
    "uvicorn": "control",
    "cuda": "tensorrt-rtx",  # cuda-python's module
    "tensorrt": "tensorrt",
    "torch": "torch",
    "tensorrt_rtx": "tensorrt-rtx",
}
"""Package, as it is imported -> the extra of pyproject.toml that installs it. A test compares the two."""


class Parser(argparse.ArgumentParser):
    """An argument parser that reports wrong usage as a :class:`UsageError`, without printing the usage block."""

    def error(self, message: str) -> NoReturn:
        """Called by argparse when the arguments are wrong.

        Raises:
            UsageError: always.
        """
        raise UsageError(f"{message} (see {self.prog} --help)")

    def _print_message(self, message: str, file: Any = None) -> None:
        """Called by argparse to print the help and the version, where it would ignore an error.

        Raises:
            OutputError: standard output cannot be written.
        """
        if file is sys.stdout:
            answer(message.removesuffix("\n"))
        else:
            super()._print_message(message, file)


def add_weights_options(parser: Parser) -> None:
    """Add the options that say which network a command works on: ``--model``, ``--weights`` and ``--input-size``."""
    parser.add_argument(
        "--model",
        type=model_name,
        metavar="NAME",
        help=f"{', '.join(MODELS)}, or another that rtsod models lists (default: what --weights say, or "
        f"{DEFAULT_MODEL})",
    )
    parser.add_argument(
        "--weights",
        type=path_to_read,
        metavar="FILE",
        help="your own weights (default: the authors' weights, downloaded once)",
    )
    parser.add_argument(
        "--input-size",
        type=int,
        metavar="S",
        help="the network's input is SxS pixels, a multiple of 32 (default: the size that the weights were trained at, "
        f"{AUTHORS_SIZE} for the authors')",
    )


def model_name(text: str) -> str:
    """Parse ``--model``; the ``type`` of an argparse argument. Whether there is one is found out later.

    Raises:
        argparse.ArgumentTypeError: it cannot be a name.
    """
    if not is_model_name(text):
        raise argparse.ArgumentTypeError(f"{text!r}: is not a name: give {MODEL_NAME_RULE}")
    return text


def run_command(program: str, work: Callable[[StopSignals], ExitCode | None]) -> int:
    """Run a command and turn whatever ends it into an exit code and at most one line on stderr.

    Every command and every study goes through this function.

    Args:
        program: the name that begins the line on stderr, such as ``rtsod build``.
        work: the whole command, parsing its arguments included. SIGINT, SIGTERM and SIGHUP raise
            :class:`~rtsod.system.signals.Interrupted` in it until it calls ``hold()`` on the object it is given. It
            returns an exit code, or None for success. To add to the line "interrupted", it re-raises ``Interrupted``
            with the text.

    Returns:
        The exit code of the process, one of :class:`rtsod.errors.ExitCode`. A signal takes precedence over what
        ``work`` returns.
    """
    with StopSignals() as signals:
        try:
            code = work(signals)
        except RtsodError as error:
            complain(program, str(error))
            return int(error.exit_code)
        except Interrupted as interrupted:
            details = str(interrupted)
            complain(program, f"interrupted; {details}" if details else "interrupted")
            # A second signal may end the line above in a command within this one, whose signals are not known here.
            return int(signals.exit_code or ExitCode.INTERRUPTED)
        except Exception as error:
            if _wraps_interruption(error):
                complain(program, "interrupted")
                return int(signals.exit_code)
            _log.debug("internal error", exc_info=True)  # shown with --verbose
            package = error.name if isinstance(error, ModuleNotFoundError) else None
            if package is not None and package.partition(".")[0] != "rtsod":
                complain(program, _missing(package))
                return int(ExitCode.ENGINE)
            complain(program, internal_error(error))
            return int(ExitCode.ENGINE if is_shortage(error) else ExitCode.INTERNAL)
    return int(signals.exit_code or code or ExitCode.DONE)


def require(*packages: str, instead: str = "") -> None:
    """End the command if one of these is not installed, before it works for minutes and needs it.

    Args:
        packages: as they are imported.
        instead: what to do without them.

    Raises:
        EngineUnavailable: one is missing.
    """
    for package in packages:
        if find_spec(package) is None:
            raise EngineUnavailable(_missing(package) + (f"; or {instead}" if instead else ""))


def _missing(module: str) -> str:
    """What to say of a module that is not installed."""
    package = module.partition(".")[0]
    if (extra := EXTRAS.get(package)) is None:
        return f"the package {package} is missing: activate rtsod's environment, or pip install rtsod again"
    return f"the package {package} is missing: {install_extra(extra)}"


def _wraps_interruption(error: BaseException | None) -> bool:
    """Whether a library wrapped :class:`Interrupted` in an error of its own, as Python 3.11 does within a class."""
    while error is not None:
        if isinstance(error, Interrupted):
            return True
        error = error.__cause__ or error.__context__
    return False


def answer(text: str) -> None:
    """Print a command's result to standard output and flush it. A closed pipe (``| head``) is not an error.

    Raises:
        OutputError: standard output cannot be written, for example because the disk is full.
    """
    try:
        print(text, flush=True)
    except OSError as error:
        # Python flushes what is left in the buffer at exit, which would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise OutputError(f"standard output cannot be written: {error.strerror or error}") from error


def complain(program: str, line: str) -> None:
    """Print an error to stderr, without what is secret in addresses.

    If stderr cannot be written, the exit code still tells.
    """
    with suppress(OSError):
        print(f"{program}: {printable(without_secrets(line))}", file=sys.stderr, flush=True)
