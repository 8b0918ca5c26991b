"""``rtsod blocks``: compares the paper's block with others, in operations and in milliseconds."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rtsod.cli.common import Parser, answer, require, run_command
from rtsod.config import MODELS
from rtsod.errors import ExitCode, RtsodError, UsageError
from rtsod.progress import BuildProgress, Notify
from rtsod.system.files import check_writable, file_to_write, output_error, write_json, write_text
from rtsod.system.machine import let_waiting_threads_sleep
from rtsod.system.names import path_to_write
from rtsod.system.signals import Interrupted, StopSignals

if TYPE_CHECKING:
    from rtsod.blocks.comparison import Plan
    from rtsod.blocks.result import Comparison, Training
    from rtsod.blocks.trained import TrainPlan

_PROGRAM: Final = "rtsod blocks"
_DESCRIPTION: Final = """\
Compare the paper's residual U-block (RSU) with plain, residual, dense and
inception-like blocks and with a U without residual: operations, parameters,
activation memory, receptive field, and time on this machine in OpenVINO and in
PyTorch; each block alone, and in every stage of the whole network. With
--train, also what small networks of each learn from the same data.
"""
_EPILOG: Final = """\
examples:
  rtsod blocks                         about six minutes on two cores
  rtsod blocks --mid 16,32 --network lite
  rtsod blocks --size 256 --mid 4..64 --seconds 30 --out blocks-256
  rtsod blocks --train 300 --data DUTS-TR --out blocks-trained

Close other programs first. The page needs the extra train or bench, --train
the extra train; see docs/blocks.md for what the numbers mean.

exit codes:
  0 done   2 usage   3 the data of --train   5 a block cannot be run, memory is
  short, or an extra is not installed   6 the output cannot be written
  70 internal error
  129, 130, 143 ended by SIGHUP, Ctrl-C, SIGTERM; what was measured is saved
"""
_FILES: Final = ("blocks.json", "blocks.md", "blocks.html", "blocks.svg")
"""In the folder of ``--out``."""
_RANGE: Final = re.compile(r"(\d{1,5})\.\.(\d{1,5})", re.ASCII)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run_command(_PROGRAM, lambda signals: _blocks(arguments, signals))


def parser() -> Parser:
    """The parser of all options."""
    parser = Parser(_PROGRAM, None, _DESCRIPTION, _EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, metavar="S", help="blocks see SxS pixels, a multiple of 32 (default: 320)")
    parser.add_argument(
        "--mid", type=middle_channels, metavar="M", dest="mids",
        help="middle channels: 4..128 (powers of two), a list such as 16,24, or none (default: 4..128)",
    )  # fmt: skip
    parser.add_argument(
        "--network", choices=(*MODELS, "both", "none"), default="both",
        help="also measure the whole network with each block in every stage (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--seconds", type=float, metavar="N", help="how long to time each group (default: 10)")
    training = parser.add_argument_group("training", "six small networks for each seed")
    training.add_argument("--train", type=int, metavar="STEPS", help="train each network for so many steps")
    training.add_argument("--data", metavar="DATA", help="pictures with masks, as for rtsod train")
    training.add_argument("--seeds", type=int, metavar="N", help="networks of each kind, at least 3 (default: 3)")
    training.add_argument("--train-size", type=int, metavar="S", help="pictures are scaled to SxS (default: 96)")
    parser.add_argument("--out", type=path_to_write, metavar="FOLDER", help="(default: blocks)")
    parser.add_argument("--json", type=file_to_write, metavar="FILE", help="write only this file, without the page")
    return parser


def middle_channels(text: str) -> tuple[int, ...]:
    """Parse ``--mid``: ``4..128`` for the powers of two between, numbers with commas, or ``none``.

    Raises:
        argparse.ArgumentTypeError: it is neither.
    """
    if text == "none":
        return ()
    if (ends := _RANGE.fullmatch(text)) is not None:
        low, high = int(ends[1]), int(ends[2])
        powers = tuple(2**power for power in range(high.bit_length()) if low <= 2**power <= high)
        if not powers:
            raise argparse.ArgumentTypeError(f"{text}: holds no power of two; give numbers, such as 24,48")
        return powers
    try:
        return tuple(sorted({int(number) for number in text.split(",")}))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text}: give a range such as 4..128, or numbers such as 16,24") from error


def _blocks(arguments: Sequence[str] | None, signals: StopSignals) -> ExitCode | None:
    options = parser().parse_args(arguments)
    if options.json is not None and options.out is not None:
        raise UsageError("--json: writes one file instead of the folder of --out: give one of them")
    require("torch")
    if options.train is not None:
        let_waiting_threads_sleep()
    from rtsod.blocks.comparison import Plan  # late: --help and a mistyped option must not wait for PyTorch

    networks: dict[str, Any] = {"both": MODELS[::-1], "none": ()}
    given = {"size": options.size, "mids": options.mids, "seconds": options.seconds}
    plan = Plan(
        networks=networks.get(options.network, (options.network,)),
        **{name: value for name, value in given.items() if value is not None},
    )
    train = _train_plan(options)
    folder = None if options.json is not None else options.out or Path("blocks")
    if folder is None:
        check_writable("--json", options.json)
    else:
        require("matplotlib", instead="give --json FILE")
        _make(folder)
    given_line = sys.argv[1:] if arguments is None else arguments
    _measure(plan, train, _Output(folder, options.json), given_line, signals)
    return None


def _train_plan(options: argparse.Namespace) -> TrainPlan | None:
    """What ``--train`` and its companions ask for.

    Raises:
        UsageError: a value is out of range, or one is given without another.
    """
    given = {"data": options.data, "steps": options.train, "size": options.train_size, "seeds": options.seeds}
    given = {name: value for name, value in given.items() if value is not None}
    if options.train is None:
        if given:
            raise UsageError("--data, --seeds and --train-size say how to train: add --train STEPS")
        return None
    if options.data is None:
        raise UsageError("--train: say on what: add --data DATA, a folder of pictures with masks")
    from rtsod.blocks.trained import TrainPlan

    return TrainPlan(**given)


@dataclass(frozen=True, slots=True)
class _Output:
    """Where the result goes: exactly one of them is given."""

    folder: Path | None
    json: Path | None


def _make(folder: Path) -> None:
    """Make the folder, or find out that what it holds may be replaced: an earlier comparison.

    Raises:
        UsageError: it holds something else.
        OutputError: it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        others = sorted(path.name for path in folder.iterdir() if path.name not in _FILES)
        if others:
            raise UsageError(f"--out {folder}: holds {others[0]}, which is not of rtsod blocks: give another folder")
    except OSError as error:
        raise output_error(folder, error) from error
    check_writable("--out", folder / _FILES[0])


def _measure(plan: Plan, train: TrainPlan | None, output: _Output, given: Sequence[str], signals: StopSignals) -> None:
    """Compare, and save what was found even if an error or a signal ends it."""
    from rtsod.app.console import Reporter
    from rtsod.blocks.comparison import compare, new_comparison
    from rtsod.system.provenance import command_line, describe

    result = new_comparison(plan, command_line("rtsod", ["blocks", *given]), describe())
    ended: RtsodError | Interrupted | None = None
    reporter = Reporter()
    try:
        trainings = None if train is None else _prepared(train, reporter.notify)  # bad data ends it at once
        with reporter.build() as progress:
            compare(plan, result, progress)
            if trainings is not None:
                result.training = trainings(progress)
    except RtsodError as error:
        result.end, ended = str(error), error
    except Interrupted as interrupted:
        result.end, ended = "interrupted", interrupted
    signals.hold()
    saved = "" if result.empty else _save(result, output)
    if isinstance(ended, Interrupted):
        raise Interrupted(*([f"what was measured is in {saved}"] if saved else [])) from ended
    if ended is not None:
        raise ended
    answer(summary(result, saved))


def _prepared(train: TrainPlan, notify: Notify) -> Callable[[BuildProgress], Training]:
    from rtsod.blocks.trained import data_of, train_kinds

    data = data_of(train, notify)
    return lambda progress: train_kinds(train, data, progress)


def _save(result: Comparison, output: _Output) -> str:
    """Write what was found; returns where it is."""
    if output.json is not None:
        write_json(output.json, result.to_json())
        return str(output.json)
    from rtsod.blocks.page import markdown, page
    from rtsod.blocks.plots import cost_plot

    folder = output.folder
    assert folder is not None
    data, text, html, plot = (folder / name for name in _FILES)
    write_json(data, result.to_json())
    write_text(text, markdown(result))
    write_text(html, page(result))
    if result.blocks:
        write_text(plot, cost_plot(result, for_page=False))
    else:
        plot.unlink(missing_ok=True)  # an earlier comparison's
    return str(html)


def summary(result: Comparison, saved: str) -> str:
    """What the command prints at its end."""
    from rtsod.blocks.page import remarks
    from rtsod.blocks.tables import console_tables

    return "\n".join([*(each.text() for each in console_tables(result)), *remarks(result), saved])
