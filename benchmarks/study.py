"""What every study here does beside its measuring: says what it ran on, keeps what it has, ends with one line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rtsod.bench.machine import describe
from rtsod.bench.others import Others, busy_note
from rtsod.bench.record import command_line, write_json
from rtsod.errors import ExitCode, RtsodError
from rtsod.text_file import check_writable


def carry_out(
    module: str, kept: Path | None, about: dict[str, Any], measure: Callable[[dict[str, Any]], None]
) -> ExitCode:
    """Measure and keep; whatever ends it, what was measured by then is kept, and an older result is not lost for none.

    Args:
        module: as it is run, ``benchmarks.growth``.
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
    others = Others()
    try:
        if kept is not None:
            check_writable("--json", kept)
        measure(record)
    except RtsodError as error:
        record["end"], code = str(error), error.exit_code
    except KeyboardInterrupt:
        record["end"], code = "interrupted", ExitCode.INTERRUPTED
    record["others_cores"] = others.cores()
    said = [] if code is ExitCode.DONE else [record["end"]]
    if kept is not None and len(record) > heading:
        try:
            write_json(kept, record)
            said = [f"{line}; what was measured is in {kept}" for line in said]
        except RtsodError as error:
            said, code = [*said, str(error)], error.exit_code
    cores = machine["cores"]
    assert isinstance(cores, int)
    note = busy_note(record["others_cores"], cores)
    for line in [*said, *([] if note is None else [note])]:
        print(f"{module}: {line}", file=sys.stderr)
    return code
