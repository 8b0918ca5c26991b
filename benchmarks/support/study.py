"""The frame around every study: runs it, saves what it measured, and reports how it ended."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from rtsod.cli.common import complain, run_command
from rtsod.errors import RtsodError
from rtsod.system.files import check_writable, write_json
from rtsod.system.interference import InterferenceMonitor, interference_warning
from rtsod.system.provenance import command_line, describe
from rtsod.system.signals import Interrupted, StopSignals

MAX_SECONDS: Final = 86_400.0
"""The longest time that an option may ask for: a day."""


def run_study(
    module: str, output: Path | None, about: dict[str, Any], measure: Callable[[dict[str, Any]], None]
) -> int:
    """Run a study and save its record, with the machine it ran on, its load and the command.

    If the study fails or is interrupted, what was measured by then is saved. If nothing was, an older result stays.
    What went wrong, and a busy machine, are reported on standard error.

    Args:
        module: the module as it is run, ``benchmarks.studies.growth``.
        output: the JSON file to write; None for none.
        about: what is measured, for the record.
        measure: fills the record that it is given, part by part.

    Returns:
        The exit code of the process.
    """
    return run_command(module, lambda signals: _measure_and_save(module, output, about, measure, signals))


def _measure_and_save(
    module: str,
    output: Path | None,
    about: dict[str, Any],
    measure: Callable[[dict[str, Any]], None],
    signals: StopSignals,
) -> None:
    machine = describe()
    record = {"command": command_line(module), "end": "done", "machine": machine, "others_cores": None, **about}
    heading = len(record)
    monitor = InterferenceMonitor()
    ended: RtsodError | Interrupted | None = None
    try:
        if output is not None:
            check_writable("--json", output)
        measure(record)
    except RtsodError as error:
        record["end"], ended = str(error), error
    except Interrupted as interrupted:
        record["end"], ended = "interrupted", interrupted
    signals.hold()
    record["others_cores"] = monitor.busy_cores()
    measured = len(record) > heading
    where = []
    if output is not None and measured:
        try:
            write_json(output, record)
        except RtsodError:
            if ended is not None:
                complain(module, record["end"])
            raise
        where = [f"what was measured is in {output}"]
    cores = machine["cores"]
    assert isinstance(cores, int)
    if measured and (warning := interference_warning(record["others_cores"], cores)) is not None:
        complain(module, warning)
    if isinstance(ended, RtsodError):
        raise type(ended)("; ".join([str(ended), *where])) from ended
    if ended is not None:
        raise Interrupted(*where) from ended


def positive_int(text: str) -> int:
    """The argparse type of an option that counts something."""
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text}: must be at least 1")
    return count


def positive_seconds(text: str) -> float:
    """The argparse type of an option that is a time in seconds."""
    seconds = float(text)
    if not 0 < seconds <= MAX_SECONDS:
        raise argparse.ArgumentTypeError(f"{text}: must be more than 0 and at most {MAX_SECONDS:g} seconds")
    return seconds
