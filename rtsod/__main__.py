"""The program: ``rtsod COMMAND``, or ``python -m rtsod COMMAND``.

Each command is imported when it is called, so that ``rtsod --help`` and a mistyped option answer at once.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

from rtsod.cli.common import Parser, run_command
from rtsod.errors import ExitCode, UsageError
from rtsod.system.signals import leave
from rtsod.version import __version__

_EXAMPLES: Final = """\
examples:
  rtsod run --lite --bg beach.jpg               your camera, in a window, in front of a beach
  rtsod run --lite --bg blur --virtual-camera   a camera for video calls
  rtsod run --source talk.mp4 --output out.mp4  a video with its background blurred
  rtsod run --help                              all options of a command
  rtsod doctor                                  what is missing on this machine
"""


COMMANDS: Final = {
    "run": "replace the background of a camera, a video or photographs",
    "batch": "the same for many files, on every core, resumed where it ended",
    "config": "check and show rtsod.toml, the file of options and profiles",
    "ctl": "change a run while it goes on: background, slate, camera",
    "devices": "list cameras and virtual cameras",
    "doctor": "check this machine and explain how to fix what is wrong",
    "service": "start a run at every login, and keep it alive",
    "build": "build a TensorRT engine ahead of time",
    "export": "write the network as a checked ONNX file",
    "calibrate": "measure the ranges that int8 needs for your own weights",
    "models": "list, show and remove the models that --model takes by name",
    "learn": "learn a small network of your own, from a minute of you",
    "train": "train a network on pictures with masks",
    "evaluate": "measure a network's maps, as papers do, on pictures with masks",
    "blocks": "compare the paper's block with others: operations, time, training",
    "bench": "measure the network and the whole pipeline on this machine",
    "completion": "print what makes your shell complete commands and options",
}
"""Each command with its line in ``rtsod --help``."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: the command's name and its options; None takes the process's arguments.

    Returns:
        The exit code, one of :class:`rtsod.errors.ExitCode`.
    """
    return run_command("rtsod", lambda _: _dispatch(arguments))


def _dispatch(arguments: Sequence[str] | None) -> ExitCode:
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0].startswith("-") and given[0] not in ("-h", "--help", "--version"):
        raise UsageError(f"{given[0]}: a command comes first, such as rtsod run {shlex.join(given)} (see rtsod --help)")
    options = _parser().parse_args(given)
    return ExitCode(_call(options.command, options.arguments))


def _call(name: str, arguments: Sequence[str]) -> int:
    """Import a command and run it with what follows its name."""
    match name:
        case "run":
            from rtsod.cli import run

            return run.main(arguments)
        case "batch":
            from rtsod.cli import batch

            return batch.main(arguments)
        case "config":
            from rtsod.cli import config

            return config.main(arguments)
        case "ctl":
            from rtsod.cli import ctl

            return ctl.main(arguments)
        case "devices":
            from rtsod.cli import devices

            return devices.main(arguments)
        case "doctor":
            from rtsod.cli import doctor

            return doctor.main(arguments)
        case "service":
            from rtsod.cli import service

            return service.main(arguments)
        case "build":
            from rtsod.cli import build

            return build.main(arguments)
        case "export":
            from rtsod.cli import export

            return export.main(arguments)
        case "calibrate":
            from rtsod.cli import calibrate

            return calibrate.main(arguments)
        case "models":
            from rtsod.cli import models

            return models.main(arguments)
        case "learn":
            from rtsod.cli import learn

            return learn.main(arguments)
        case "train":
            from rtsod.cli import train

            return train.main(arguments)
        case "evaluate":
            from rtsod.cli import evaluate

            return evaluate.main(arguments)
        case "blocks":
            from rtsod.cli import blocks

            return blocks.main(arguments)
        case "bench":
            from rtsod.bench import cli as bench

            return bench.main(arguments)
        case "completion":
            from rtsod.cli import completion

            return completion.main(arguments, parsers, COMMANDS)
    raise AssertionError(name)


def parsers() -> dict[str, argparse.ArgumentParser]:
    """The parser of each command, by its name. Imports all commands."""
    from rtsod.bench import cli as bench
    from rtsod.cli import (
        batch,
        blocks,
        build,
        calibrate,
        completion,
        config,
        ctl,
        devices,
        doctor,
        evaluate,
        export,
        learn,
        models,
        run_options,
        service,
        train,
    )  # fmt: skip

    return {
        "run": run_options.parser("rtsod run"),
        "batch": batch.parser(),
        "config": config.parser(),
        "ctl": ctl.parser(),
        "devices": devices.parser(),
        "doctor": doctor.parser(),
        "service": service.parser(),
        "build": build.parser(),
        "export": export.parser(),
        "calibrate": calibrate.parser(),
        "models": models.parser(),
        "learn": learn.parser(),
        "train": train.parser(),
        "evaluate": evaluate.parser(),
        "blocks": blocks.parser(),
        "bench": bench.parser(),
        "completion": completion.parser(),
    }


def _parser() -> Parser:
    summaries = "\n".join(f"  {name:<11}{summary}" for name, summary in COMMANDS.items())
    parser = Parser(
        prog="rtsod",
        usage="rtsod COMMAND [OPTIONS]",
        description=f"Real-time background replacement with U²-Net.\n\ncommands:\n{summaries}",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"rtsod {__version__}")
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help=argparse.SUPPRESS)
    rest = parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    rest.required = False  # Python 3.11 would name it when the command is missing
    return parser


def command() -> NoReturn:
    """The installed program ``rtsod``."""
    leave(main())


if __name__ == "__main__":
    command()
