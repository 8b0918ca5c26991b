"""Runs ``rtsod run`` and notes when its first picture was composited.

    python -m benchmarks.studies.first_picture FILE ARGUMENTS

FILE gets the time of the first picture with a mask, in seconds of ``time.perf_counter``; slates do not count. ARGUMENTS
are those of ``rtsod run``. This is the program that :mod:`benchmarks.studies.startup` measures. It is a module on its
own, because the study's own imports would count as memory of the program.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from rtsod.cli.run import main as run_program
from rtsod.frames import Compositable
from rtsod.metrics import Metrics
from rtsod.system.signals import leave


def run(note: Path, arguments: list[str]) -> int:
    """Run the program and note the time of its first picture; returns the exit code."""
    count = Metrics.composited

    def noted(metrics: Metrics, shown: Compositable, composed_at: float) -> None:
        if not note.exists():
            note.write_text(repr(time.perf_counter()))
        count(metrics, shown, composed_at)

    Metrics.composited = noted  # type: ignore[assignment, method-assign]
    return run_program(arguments)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="the file that gets the time")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="the arguments of rtsod run")
    options = parser.parse_args()
    return run(options.file, options.arguments)


if __name__ == "__main__":
    leave(main())
