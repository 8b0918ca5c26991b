"""``rtsod train``: trains a network on pictures with masks."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rtsod.cli.common import Parser, answer, require, run_command
from rtsod.config import FITS, names_model
from rtsod.errors import ExitCode
from rtsod.system.machine import let_waiting_threads_sleep
from rtsod.system.names import path_to_read, path_to_write
from rtsod.system.signals import Interrupted, StopSignals
from rtsod.training.config import PRESETS, SCHEDULES, TRAIN_PRECISIONS
from rtsod.training.options import config_from_options

if TYPE_CHECKING:
    from rtsod.training.session import TrainResult

_PROGRAM: Final = "rtsod train"
_DESCRIPTION: Final = """\
Train a network on pictures with masks.

DATA is a folder in one of the usual layouts (DUTS-TR, images/ and masks/,
X.jpg beside X.png, ...). Give several to mix them; DATA@WEIGHT draws from one
more or less often. What is trained is used at once:
  rtsod run --weights runs/NAME/best.safetensors
"""
_EPILOG: Final = """\
examples:
  rtsod train demo:                               see that training works
  rtsod train DUTS-TR --preset paper --model full
  rtsod train mine --check                        finds mistakes in a minute
  rtsod train mine --preset finetune --init lite --minutes 30
  rtsod train DUTS-TR mine@3 --model small.toml --out runs/small
  rtsod train --resume --out runs/small           go on after Ctrl-C or a crash
  torchrun --nproc-per-node 2 -m rtsod train DUTS-TR

presets:
  paper     the authors' recipe: Adam at .001, seven cross-entropies, no EMA
  modern    (default) warm-up, a rate that falls, averaged weights, augmentation
  finetune  the same at a tenth of the rate, from the weights of --init

Ctrl-C, SIGTERM or a closed terminal finishes the step, saves, and says how to
go on; a second Ctrl-C ends at once. See docs/training.md.

exit codes:
  0 done   1 --check failed   2 usage   3 data   4 weights
  5 memory is short, a worker died, a loss or gradient is not finite, or the
  extra train is not installed
  6 the run's folder cannot be written   70 internal error
  129, 130, 143 ended by SIGHUP, Ctrl-C, SIGTERM
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run_command(_PROGRAM, lambda signals: _train(arguments, signals))


def _train(arguments: Sequence[str] | None, signals: StopSignals) -> ExitCode | None:
    given = vars(parser().parse_args(arguments))
    resume, check = given.pop("resume"), given.pop("check")
    config = config_from_options(given, resume=resume)
    require("accelerate", "torch")
    let_waiting_threads_sleep()
    from rtsod.app.train_console import TrainConsole  # late: --help and a mistyped option must not wait for these
    from rtsod.training.check import check as checked
    from rtsod.training.folder import RunFolder
    from rtsod.training.run import train

    def last_words() -> str:
        if not _speaks_for_all():
            return ""
        step = RunFolder(config.out).saved_step
        saved = "nothing was saved yet" if step is None else f"saved after step {step}: {_how_to_go_on(config.out)}"
        return f"{_PROGRAM}: ended at once; {saved}"

    console = TrainConsole()
    if check:
        with console.bar():
            found = checked(config, console)
        answer(f"{'passed' if found.passed else 'failed'}: {found.text}")
        return ExitCode.DONE if found.passed else ExitCode.CHECK_FAILED
    with console.bar():
        result = train(
            config,
            console,
            resume=resume,
            begun=lambda: signals.hold(forced=2, last_words=last_words),
            stop=lambda: signals.received,
        )
    if not _speaks_for_all():
        return None
    if result.reason == "stopped":
        raise Interrupted(f"saved after step {result.steps}: {_how_to_go_on(config.out)}")
    answer(_summary(result))
    return None


def _speaks_for_all() -> bool:
    """Whether this process is the first one of torchrun's, or the only one."""
    return int(os.environ.get("RANK", "0")) == 0


def _how_to_go_on(out: Path) -> str:
    return f"go on with rtsod train --resume --out {shlex.quote(str(out))}"


def _summary(result: TrainResult) -> str:
    """The last line: where the weights are, how good they are, and how to use them."""
    best = result.best
    quality = "" if best is None else f" (MAE {best.mae:.4f}, maxF {best.max_f:.4f}, step {best.step})"
    why = ", ended early: nothing better came" if result.reason == "patience" else ""
    return (
        f"{result.weights}{quality} after {result.steps} steps{why}; try it: "
        f"rtsod run --weights {shlex.quote(str(result.weights))}"
    )


def parser() -> Parser:
    """Every option's default is None: what was not given is decided by the preset or, resuming, by the run."""
    parser = Parser(_PROGRAM, None, _DESCRIPTION, _EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    add: Any = parser.add_argument
    add("data", nargs="*", metavar="DATA", help="pictures with masks; DATA@WEIGHT sets how often they are drawn")
    what = parser.add_argument_group("what is trained")
    add = what.add_argument
    add("--model", metavar="M", help="full, lite (default), or a table of blocks: a .toml file")
    add("--init", type=_weights, metavar="W", help="start from weights, which must fit: a file, or a model's name")
    add("--teacher", type=_weights, metavar="W", help="learn the maps of weights as well: a file, or a model's name")
    add("--preset", choices=tuple(PRESETS), help="the recipe (default: modern)")
    data = parser.add_argument_group("data")
    add = data.add_argument
    add("--val", metavar="V", help="validate on a data set, a held-out share, or none (default: 5%%)")
    add("--size", type=int, metavar="S", help="scale pictures to SxS pixels, a multiple of 32 (default: 320)")
    add("--crop", type=int, metavar="S", help="cut a random SxS from that (default: 288)")
    add("--fit", choices=FITS, help="how a picture becomes a square (default: stretch)")
    add("--workers", type=int, metavar="N", help="processes that prepare samples (default: from the cores)")
    length = parser.add_argument_group("length")
    add = length.add_argument
    add("--steps", type=int, metavar="N", help="(default: the preset's)")
    add("--minutes", type=float, metavar="M", help="instead of --steps")
    add("--val-every", type=int, metavar="N", help="steps between validations (default: 20 times a run)")
    add("--patience", type=int, metavar="N", help="end after N validations without a better one")
    recipe = parser.add_argument_group("recipe (defaults: the preset's)")
    add = recipe.add_argument
    add("--batch", type=int, metavar="N", help="samples per step, over all processes and passes")
    add("--accumulate", type=int, metavar="N", help="passes per step: less memory, same batch (default: 1)")
    add("--lr", type=float, metavar="X", help="largest learning rate")
    add("--schedule", choices=SCHEDULES, help="of the learning rate")
    add("--warmup", type=float, metavar="X", help="share of the run in which the rate rises")
    add("--weight-decay", type=float, metavar="X")
    add("--clip", type=_number_or_none, metavar="X", help="largest norm of the gradient, or none")
    add("--ema", type=_number_or_none, metavar="X", help="decay of the averaged weights per step, or none")
    machine = parser.add_argument_group("machine")
    add = machine.add_argument
    add("--device", metavar="D", help="auto (default), cpu, cuda or cuda:N")
    add("--precision", choices=TRAIN_PRECISIONS, help="(default: fp32)")
    add("--seed", type=int, metavar="N", help="(default: 0)")
    add("--out", type=path_to_write, metavar="FOLDER", help="the run's folder (default: runs/MODEL-PRESET)")
    add("--resume", action="store_true", help="go on with the run in --out; other options must be the run's")
    add("--check", action="store_true", help="learn four pairs by heart within a minute, or say why not")
    return parser


def _weights(text: str) -> str:
    """Parse a file of weights, or a network's name.

    Raises:
        argparse.ArgumentTypeError: it is empty, or no name.
    """
    return text if names_model(text) else str(path_to_read(text))


def _number_or_none(text: str) -> float | str:
    """Parse a number or ``none``, which is kept as text, because None means that nothing was given."""
    return text if text == "none" else float(text)
