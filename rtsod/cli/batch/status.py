"""``rtsod batch status``: what is done in an output folder, and what failed."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Final

from rtsod.batch.places import in_words
from rtsod.cli.batch.options import PROGRAM, place_to_read
from rtsod.cli.common import Parser, answer
from rtsod.errors import ExitCode, UsageError
from rtsod.system.names import printable

_EPILOG: Final = """\
examples:
  rtsod batch status cut-outs/             how much is done
  rtsod batch status cut-outs/ --failures  what failed, where, and why
  rtsod batch status cut-outs/ --json      every row, for programs

exit codes:
  0 nothing failed   2 usage   3 an address cannot be read   6 the rows cannot
  be read   8 some items failed   70 internal error
  129, 130, 143 ended by SIGHUP, Ctrl-C, SIGTERM
"""


def status(arguments: list[str]) -> ExitCode:
    """Run the command."""
    parser = Parser(
        f"{PROGRAM} status", None, "Say what is done in an output folder of rtsod batch, and what failed.",
        _EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("folder", type=place_to_read, metavar="DIR", help="an output folder, or its address")
    parser.add_argument("--failures", action="store_true", help="name what failed, and say why")
    parser.add_argument("--json", action="store_true", help="print every row as JSON, for programs")
    options = parser.parse_args(arguments)
    from rtsod.batch.manifest import is_done, read_rows
    from rtsod.batch.places import results_at
    from rtsod.batch.settings import digest_of_folder

    results = results_at(options.folder)
    results.receive("")
    settings = digest_of_folder(results.records)
    if settings is None:
        raise UsageError(f"{in_words(options.folder)}: is no output folder of rtsod batch")
    found = read_rows(results.records)
    rows = sorted(found.items.values(), key=lambda row: row.name)
    failed = [row for row in rows if row.state == "failed"]
    if options.json:
        answer(json.dumps([asdict(row) for row in rows], indent=2))
    elif options.failures:
        lines = [printable(f"{row.name}: {row.stage}, {row.attempts} attempts: {row.message}") for row in failed]
        answer("\n".join(lines) or "nothing has failed")
    else:
        size_of = results.size_of()
        gone = sum(row.state == "done" and not is_done(row, settings, size_of) for row in rows)
        said = [f"{len(rows) - len(failed) - gone} done, {len(failed)} failed"]
        if gone:
            what = "result is" if gone == 1 else "results are"
            said.append(f"{gone} {what} gone, changed, or made with other settings: the same command makes them again")
        if parts := _parts(results.records, found.parts):
            said.append(parts)
        answer("; ".join(said))
    return ExitCode.ITEMS_FAILED if failed else ExitCode.DONE


def _parts(records: Path, names: Iterable[str]) -> str:
    """What there is of videos that are not finished."""
    there = sum((records / name).exists() for name in names)
    return f"{there} part{'s' if there > 1 else ''} of unfinished videos" if there else ""
