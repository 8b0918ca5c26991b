"""``rtsod batch``: the same as ``rtsod run`` for many files, on every core, resumed where it ended."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rtsod.batch.config import VIDEO_SUFFIXES, BatchConfig, Limit, Shard
from rtsod.cli.common import Parser, answer, run_command
from rtsod.cli.run_config import config_from
from rtsod.cli.run_options import add_network_options, add_picture_options
from rtsod.cli.run_options import parser as run_parser
from rtsod.errors import ExitCode, UsageError
from rtsod.system.names import path_to_read, path_to_write, printable
from rtsod.system.signals import Interrupted, StopSignals

if TYPE_CHECKING:
    from rtsod.batch.session import Summary, Todo

_PROGRAM: Final = "rtsod batch"
_DESCRIPTION: Final = """\
Make a result of each of many photographs and videos.

The results lie in the output folder under their inputs' names. What is done
stays done: the same command again makes what is missing, after Ctrl-C, a crash
or a reboot. What fails is tried once more in a process of its own, and then
noted; the rest goes on.
"""
_EPILOG: Final = """\
examples:
  rtsod batch photos/ --out cut-outs/ --bg transparent
      every photograph, in subfolders too, with its background removed
  rtsod batch photos/ --out masks/ --masks --include "*.jpg"
      the masks alone, of some
  rtsod batch clips/ --out blurred/ --lite --bg blur --video .mkv
  find . -name "*.png" | rtsod batch - --out results/
  rtsod batch photos/ --out cut-outs/ --plan
      what there is and what would be done
  rtsod batch photos/ --out cut-outs/ --shard 0/10
      a tenth of it; other machines do 1/10 to 9/10
  rtsod batch status cut-outs/ --failures
      what is done, and what failed and why

exit codes:
  0 done   2 usage   3 an input cannot be read   4 weights   5 engine
  6 the output folder cannot be written   8 finished, but some items failed
  70 internal error   129, 130, 143 ended by SIGHUP, Ctrl-C, SIGTERM
"""
_STATUS_EPILOG: Final = """\
examples:
  rtsod batch status cut-outs/             how much is done
  rtsod batch status cut-outs/ --failures  what failed, where, and why
  rtsod batch status cut-outs/ --json      every row, for programs

exit codes:
  0 nothing failed   2 usage   6 the rows cannot be read   8 some items failed
  70 internal error   129, 130, 143 ended by SIGHUP, Ctrl-C, SIGTERM
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["status"]:
        return run_command(f"{_PROGRAM} status", lambda _: _status(given[1:]))
    return run_command(_PROGRAM, lambda signals: _batch(given, signals))


def _batch(arguments: list[str], signals: StopSignals) -> ExitCode:
    options = parser().parse_intermixed_args(arguments)
    config = batch_config_from(options)
    listed = map(os.fsdecode, sys.stdin.buffer) if config.inputs == ("-",) else ()
    from rtsod.app.console import Reporter  # late: --help and a mistyped option must not wait for these
    from rtsod.batch.session import look, run_batch
    from rtsod.batch.settings import check_settings

    if options.plan:
        check_settings(config)
        answer(_plan(config, look(config, listed)))
        return ExitCode.DONE
    signals.hold(forced=2)
    summary = run_batch(config, Reporter(), listed=listed, stop=lambda: signals.received)
    if summary.stopped:
        raise Interrupted(f"{_in_words(summary)}; the same command again makes the rest")
    if summary.too_many:
        answer(f"{_in_words(summary)}; ended, because more failed than --max-failures allows{_names(config)}")
        return ExitCode.ITEMS_FAILED
    answer(_in_words(summary) + (_names(config) if summary.failed else ""))
    return ExitCode.ITEMS_FAILED if summary.failed else ExitCode.DONE


def batch_config_from(options: argparse.Namespace) -> BatchConfig:
    """The batch that parsed options describe.

    Raises:
        UsageError: an option is not valid, or options do not fit together.
    """
    if options.out is None:  # not required in the parser, which would then say nothing of a mistyped option
        raise UsageError(f"--out: give the folder of the results (see {_PROGRAM} --help)")
    of_run = {**vars(run_parser(_PROGRAM).parse_args([])), **vars(options)}
    return BatchConfig(
        inputs=tuple(options.inputs),
        out=options.out,
        run=config_from(argparse.Namespace(**of_run)),
        masks=options.masks,
        video_suffix=options.video,
        include=tuple(options.include or ()),
        exclude=tuple(options.exclude or ()),
        shard=options.shard,
        workers=options.workers,
        retry_failed=options.retry_failed,
        force=options.force,
        max_failures=options.max_failures,
    )


def _plan(config: BatchConfig, todo: Todo) -> str:
    from rtsod.batch.items import in_words
    from rtsod.batch.session import processes_in_words, shares

    lines = [f"found: {in_words(todo.found.items)}, and {todo.found.passed_over} other files"]
    if config.shard.of > 1:
        lines.append(f"shard {config.shard.number}/{config.shard.of}: {in_words(todo.items)}")
    lines.append(f"done: {todo.done_before}; failed earlier: {len(todo.failed_before)}; to make: {in_words(todo.left)}")
    lines.append(f"would run in {processes_in_words(*shares(config, len(todo.left)))}")
    lines += [printable(f"  {item.path} -> {config.out / item.result(config.suffix)}") for item in todo.left[:3]]
    if len(todo.left) > 3:
        lines.append(f"  and {len(todo.left) - 3} more")
    return "\n".join(lines)


def _in_words(summary: Summary) -> str:
    parts = [f"{summary.made} made in {summary.seconds:.0f} s"]
    if summary.todo.done_before:
        parts.append(f"{summary.todo.done_before} were done before")
    if summary.failed:
        parts.append(f"{len(summary.failed)} failed")
    return ", ".join(parts)


def _names(config: BatchConfig) -> str:
    return f": rtsod batch status {config.out} --failures names them, and --retry-failed tries them again"


def _status(arguments: list[str]) -> ExitCode:
    parser = Parser(
        f"{_PROGRAM} status", None, "Say what is done in an output folder of rtsod batch, and what failed.",
        _STATUS_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("folder", type=path_to_read, metavar="DIR", help="an output folder")
    parser.add_argument("--failures", action="store_true", help="name what failed, and say why")
    parser.add_argument("--json", action="store_true", help="print every row as JSON, for programs")
    options = parser.parse_args(arguments)
    from rtsod.batch.config import RECORDS
    from rtsod.batch.manifest import is_done, read_rows

    folder: Path = options.folder
    if not (folder / RECORDS).is_dir():
        raise UsageError(f"{folder}: is no output folder of rtsod batch")
    rows = sorted(read_rows(folder / RECORDS).values(), key=lambda row: row.name)
    failed = [row for row in rows if row.state == "failed"]
    if options.json:
        answer(json.dumps([asdict(row) for row in rows], indent=2))
    elif options.failures:
        answer(
            "\n".join(printable(f"{row.name}: {row.stage}, {row.attempts} attempts: {row.message}") for row in failed)
        )
    else:
        gone = sum(row.state == "done" and not is_done(row, folder) for row in rows)
        missing = f"; {gone} result{'s are' if gone > 1 else ' is'} gone or changed" if gone else ""
        missing += ": the same command makes what is missing" if gone else ""
        answer(f"{len(rows) - len(failed) - gone} done, {len(failed)} failed{missing}")
    return ExitCode.ITEMS_FAILED if failed else ExitCode.DONE


def parser() -> Parser:
    """The parser of all options."""
    parser = Parser(
        _PROGRAM, "%(prog)s INPUT... --out DIR [OPTIONS]", _DESCRIPTION, _EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("inputs", nargs="*", metavar="INPUT", help="folders, files, or - for a list on standard input")
    group = parser.add_argument_group("files")
    group.add_argument("--out", type=path_to_write, metavar="DIR", help="folder of the results")
    group.add_argument("--include", action="append", metavar="PATTERN", help="names to take, such as *.jpg; repeatable")
    group.add_argument("--exclude", action="append", metavar="PATTERN", help="names and folders to leave out")
    group.add_argument("--masks", action="store_true", help="write the masks alone")
    group.add_argument(
        "--video", metavar="SUFFIX",
        help=f"of the results of videos: {', '.join(VIDEO_SUFFIXES)} (default: .mp4, or .webm if transparent)",
    )  # fmt: skip
    add_network_options(parser)
    add_picture_options(parser)
    group = parser.add_argument_group("batch")
    group.add_argument("--plan", action="store_true", help="say what there is and what would be done, and do nothing")
    group.add_argument(
        "--shard",
        type=_shard,
        default=Shard(),
        metavar="K/N",
        help="do one of N parts, 0 to N - 1: one for each machine",
    )
    group.add_argument("--workers", type=int, metavar="N", help="processes (default: as cores and memory allow)")
    group.add_argument("--retry-failed", action="store_true", help="try again what failed in an earlier run")
    group.add_argument("--force", action="store_true", help="make everything again, also with other settings")
    group.add_argument("--max-failures", type=_limit, metavar="N|P%", help="end when more items than this have failed")
    return parser


def _shard(text: str) -> Shard:
    number, _, of = text.partition("/")
    try:
        return Shard(int(number), int(of))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not K/N, such as 0/10") from None


def _limit(text: str) -> Limit:
    try:
        if text.endswith("%"):
            share = float(text[:-1]) / 100
            if 0 <= share <= 1:
                return Limit(share=share)
        elif (number := int(text)) >= 0:
            return Limit(number)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is no number of items, and no share such as 5%")
