"""``rtsod doctor``: checks this machine, and explains how to fix what is wrong."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Final

from rtsod.cli.common import Parser, run_command
from rtsod.config import EngineConfig
from rtsod.errors import ExitCode
from rtsod.system.names import path_to_read

_PROGRAM: Final = "rtsod doctor"
_DESCRIPTION: Final = """\
Check this machine: cameras, virtual cameras, the display, GPUs, engines,
caches, weights and models of your own. At the end, take every step of the main
job on a few pictures.

Findings that matter say how to fix them. Unless one says FAIL, the main job,
rtsod run --lite, would run.
"""
_EPILOG: Final = """\
examples:
  rtsod doctor
  rtsod doctor --json > doctor.json     to attach to a report
  rtsod doctor --weights mine.safetensors

exit codes:
  0 the main job would run   1 it would not run   2 usage
  6 the page cannot be written   70 internal error
  129, 130, 143 ended by SIGHUP, Ctrl-C, SIGTERM
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run_command(_PROGRAM, lambda _: _doctor(arguments))


def parser() -> Parser:
    """The parser of all options."""
    parser = Parser(_PROGRAM, None, _DESCRIPTION, _EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.add_argument(
        "--weights", type=path_to_read, metavar="FILE", help="check your own weights, and run the main job with them"
    )
    return parser


def _doctor(arguments: Sequence[str] | None) -> ExitCode | None:
    options = parser().parse_args(arguments)

    # Late: --help and a mistyped option must not wait for OpenCV.
    from rtsod.cli.doctor.report import CHECKS, checks_with, report

    checks = CHECKS if options.weights is None else checks_with(EngineConfig(weights=options.weights))
    return None if report(as_json=options.json, checks=checks) else ExitCode.CHECK_FAILED
