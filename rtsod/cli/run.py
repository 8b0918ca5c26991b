"""``rtsod run``: replaces the background of a camera, a video or photographs."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from rtsod.cli.common import require, run_command
from rtsod.cli.run_config import config_from
from rtsod.cli.run_options import parser
from rtsod.cli.settings.keys import Keys
from rtsod.cli.settings.layers import Layers, read_layers, remark
from rtsod.config import AppConfig
from rtsod.errors import ExitCode

if TYPE_CHECKING:
    from rtsod.app.heartbeat import Heartbeat

_PROGRAM: Final = "rtsod"
"""Begins each line on stderr, log lines included."""


def main(arguments: Sequence[str] | None = None, *, program: str = "rtsod run") -> int:
    """Run the command.

    Args:
        arguments: what follows ``rtsod run`` on the command line; None takes the process's arguments.
        program: the program's name in its help.

    Returns:
        The exit code, one of :class:`rtsod.errors.ExitCode`.
    """
    return run_command(_PROGRAM, lambda _: _run(arguments, program))


def _run(arguments: Sequence[str] | None, program: str) -> ExitCode:
    layers = _layers(arguments, program)
    options = layers.options()
    _set_up_logging(options.verbose)
    config = config_from(options)
    if config.run.keep_learning:
        require("accelerate", "torch")
    if config.control.address is not None:
        require("starlette", "uvicorn")

    from rtsod.app.run import run  # late: --help and a mistyped option must not wait for OpenCV
    from rtsod.cli.settings.profiles import FileProfiles  # late: for NumPy neither

    profiles = FileProfiles(layers, config_from)
    return run(config, profiles=profiles, remark=remark(layers), heartbeat=_heartbeat())


def _heartbeat() -> Heartbeat | None:
    """What reports to the manager that started this process as a service; None for everybody else."""
    if "NOTIFY_SOCKET" not in os.environ:
        return None
    from rtsod.app.heartbeat import Heartbeat
    from rtsod.system.sd_notify import ServiceManager

    manager = ServiceManager.from_environment()
    return Heartbeat(manager) if manager is not None else None


def config_of(arguments: Sequence[str]) -> AppConfig:
    """The configuration that these arguments of ``rtsod run`` describe, with the configuration file and a profile.

    Raises:
        UsageError: an option, or a combination of options, is invalid, or so is the file.
    """
    return config_from(_layers(arguments, "rtsod run").options())


def _layers(arguments: Sequence[str] | None, program: str) -> Layers:
    return read_layers(Keys(lambda: parser(program)), list(sys.argv[1:] if arguments is None else arguments))


def _set_up_logging(verbose: bool) -> None:
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO if verbose else logging.WARNING,
        format="%(levelname)s %(name)s: %(message)s" if verbose else f"{_PROGRAM}: %(message)s",
    )
    if verbose:
        logging.getLogger("rtsod").setLevel(logging.DEBUG)
