"""``rtsod batch``: the same as ``rtsod run`` for many files, on every core, resumed where it ended."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rtsod.batch.config import BatchConfig
from rtsod.batch.places import in_words
from rtsod.cli.batch.options import PROGRAM, batch_config_from, parser
from rtsod.cli.batch.plan import plan
from rtsod.cli.batch.status import status
from rtsod.cli.common import answer, run_command
from rtsod.errors import ExitCode
from rtsod.system.signals import Interrupted, StopSignals

if TYPE_CHECKING:
    from rtsod.batch.session import Summary


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["status"]:
        return run_command(f"{PROGRAM} status", lambda _: status(given[1:]))
    return run_command(PROGRAM, lambda signals: _batch(given, signals))


def _batch(arguments: list[str], signals: StopSignals) -> ExitCode:
    options = parser().parse_intermixed_args(arguments)
    config = batch_config_from(options)
    listed = map(os.fsdecode, sys.stdin.buffer) if config.inputs == ("-",) else ()
    from rtsod.app.console import Reporter  # late: --help and a mistyped option must not wait for these
    from rtsod.batch.session import look, run_batch
    from rtsod.batch.settings import check_settings

    if options.plan:
        check_settings(config)
        answer(plan(config, look(config, listed)))
        return ExitCode.DONE
    signals.hold(forced=2)
    summary = run_batch(config, Reporter(), listed=listed, stop=lambda: signals.received)
    if summary.stopped:
        again = "the same command without --force" if config.force else "the same command again"
        raise Interrupted(f"{_in_words(summary)}; {again} makes the rest")
    if summary.too_many:
        answer(f"{_in_words(summary)}; ended, because more failed than --max-failures allows{_names(config)}")
        return ExitCode.ITEMS_FAILED
    answer(_in_words(summary) + (_names(config) if summary.failed else ""))
    return ExitCode.ITEMS_FAILED if summary.failed else ExitCode.DONE


def _in_words(summary: Summary) -> str:
    parts = [f"{summary.made} made in {summary.seconds:.0f} s"]
    if summary.todo.done_before:
        parts.append(f"{summary.todo.done_before} were done before")
    if summary.failed:
        parts.append(f"{len(summary.failed)} failed")
    return ", ".join(parts)


def _names(config: BatchConfig) -> str:
    return f": rtsod batch status {in_words(config.out)} --failures names them, and --retry-failed tries them again"
