"""What every study here does beside its measuring: says what it ran on, keeps what it has, ends with one line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from rtsod.bench.interference import InterferenceMonitor, interference_warning
from rtsod.bench.machine import describe
from rtsod.bench.record import command_line, write_json
from rtsod.errors import ExitCode, RtsodError
from rtsod.system.files import check_writable

LONGEST: Final = 86_400.0
"""Seconds: a day."""


def carry_out(
    module: str, kept: Path | None, about: dict[str, Any], measure: Callable[[dict[str, Any]], None]
) -> ExitCode:
    """Measure and keep; whatever ends it, what was measured by then is kept, and an older result is not lost for none.

    Args:
        module: as it is run, ``benchmarks.studies.growth``.
        kept: the JSON file, None for none.
        about: what is measured, for the record.
        measure: fills the record that it is given, part by part.

    Returns:
        What the process ends with.
    """
    machine = describe()
    record = {"command": command_line(module), "end": "done", "machine": machine, "others_cores": None, **about}
    heading = len(record)
    code = ExitCode.DONE
    monitor = InterferenceMonitor()
    try:
        if kept is not None:
            check_writable("--json", kept)
        measure(record)
    except RtsodError as error:
        record["end"], code = str(error), error.exit_code
    except KeyboardInterrupt:
        record["end"], code = "interrupted", ExitCode.INTERRUPTED
    record["others_cores"] = monitor.busy_cores()
    said = [] if code is ExitCode.DONE else [record["end"]]
    if kept is not None and len(record) > heading:
        try:
            write_json(kept, record)
            said = [f"{line}; what was measured is in {kept}" for line in said]
        except RtsodError as error:
            said, code = [*said, str(error)], error.exit_code
    cores = machine["cores"]
    assert isinstance(cores, int)
    warning = interference_warning(record["others_cores"], cores)
    if warning is not None and len(record) > heading:
        said.append(warning)
    for line in said:
        print(f"{module}: {line}", file=sys.stderr)
    return code


def at_least_one(text: str) -> int:
    """An argument that counts something."""
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text}: must be at least 1")
    return count


def some_seconds(text: str) -> float:
    """An argument that is a time."""
    seconds = float(text)
    if not 0 < seconds <= LONGEST:
        raise argparse.ArgumentTypeError(f"{text}: must be more than 0 and at most {LONGEST:g} seconds")
    return seconds
