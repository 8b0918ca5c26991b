"""``rtsod learn``: a network of your own, learned from the full one in minutes."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rtsod.cli.common import Parser, answer, require, run_command
from rtsod.config import MODELS
from rtsod.learning.config import DEFAULT_MINUTES, LearnConfig
from rtsod.system.machine import let_waiting_threads_sleep
from rtsod.system.signals import Interrupted, StopSignals

if TYPE_CHECKING:
    from rtsod.learning.learn import Learnt

_PROGRAM: Final = "rtsod learn"
_DEFAULTS: Final = LearnConfig()
_DESCRIPTION: Final = """\
Learn a network of your own: you in your room, many times as fast as lite.

It records you for a minute and says what to do when; the last seconds show
the room without you. The full network labels the frames, a small one learns
from them, and it is measured on frames that it never saw. Nothing leaves this
machine, and the recording is deleted at the end. Then:
  rtsod run --model me
"""
_EPILOG: Final = """\
examples:
  rtsod learn                              your camera for a minute
  rtsod learn --source 2 --name evening --train-minutes 5
  rtsod learn --source talk.mp4 room.mp4   from clips instead
  rtsod learn --keep                       and keep the recording
  rtsod models                             what you have learned

While it records, Ctrl-C ends it and nothing is learned. While it trains,
Ctrl-C ends the training: what was learned so far is measured and saved. See
docs/learning.md.

exit codes:
  0 done   2 usage   3 the source cannot be read, or shows nobody   4 weights
  5 an engine failed, too little was learned, or the extra train is missing
  6 the recording or the model cannot be written   70 internal error
  129, 130, 143 ended by SIGHUP, Ctrl-C, SIGTERM
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run_command(_PROGRAM, lambda signals: _learn(arguments, signals))


def _learn(arguments: Sequence[str] | None, signals: StopSignals) -> None:
    given = vars(parser().parse_args(arguments))
    config = LearnConfig(**{name: value for name, value in given.items() if value is not None})
    require("accelerate", "torch")
    let_waiting_threads_sleep()
    from rtsod.app.train_console import TrainConsole  # late: --help and a mistyped option must not wait for these
    from rtsod.learning.learn import learn

    console = TrainConsole()
    told = False

    def begun(recording: Path | None) -> None:
        def last_words() -> str:
            deleted = ""
            if recording is not None:
                shutil.rmtree(recording, ignore_errors=True)
                deleted = ", and the recording is deleted"
            return f"{_PROGRAM}: ended at once; nothing was saved{deleted}"

        signals.hold(forced=2, last_words=last_words)

    def stop() -> bool:
        nonlocal told
        if signals.received and not told:
            told = True
            console.notify("ending: what was learned so far is measured and saved; Ctrl-C once more ends at once")
        return signals.received

    with console.bar():
        result = learn(config, console, begun=begun, stop=stop)
    if result.stopped:
        raise Interrupted(f"what was learned so far is saved: {_summary(result)}")
    answer(_summary(result))


def _summary(result: Learnt) -> str:
    """The last line: how good, how fast, and how to use it."""
    found, engine = result.measured.score, result.measured.engine
    kept = "" if result.kept is None else f"; the recording is in {result.kept}"
    return (
        f"{result.model.name}: IoU {found.mean:.3f} with {result.card.teacher}'s masks (5th percentile "
        f"{found.low:.3f}) on {result.card.held_out} frames it never saw, {result.before:.3f} before; "
        f"{result.measured.milliseconds:.1f} ms a mask in {engine.precision}{kept}; "
        f"try it: rtsod run --model {result.model.name}"
    )


def parser() -> Parser:
    """Every option's default is None: :class:`LearnConfig` has the defaults."""
    parser = Parser(_PROGRAM, None, _DESCRIPTION, _EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add(
        "--source", dest="sources", nargs="+", type=str, metavar="S",
        help="a camera, or clips, folders of pictures, kept recordings (default: camera 0)",
    )  # fmt: skip
    add("--minutes", type=float, metavar="M", help=f"how long to record a camera (default: {DEFAULT_MINUTES:g})")
    add("--name", metavar="NAME", help=f"of the network (default: {_DEFAULTS.name})")
    add(
        "--train-minutes", type=float, metavar="M",
        help=f"how long to train (default: {_DEFAULTS.train_minutes:g})",
    )  # fmt: skip
    add("--teacher", choices=MODELS, help=f"whose masks to learn (default: {_DEFAULTS.teacher})")
    add("--keep", action="store_true", default=None, help="keep the recording, in your data folder")
    add("--seed", type=int, metavar="N", help=f"(default: {_DEFAULTS.seed})")
    return parser
