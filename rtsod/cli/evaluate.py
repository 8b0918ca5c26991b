"""``rtsod evaluate``: measures a network, or a folder of its maps, on data sets."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from rtsod.cli.common import Parser, answer, require, run_command
from rtsod.config import ENGINES, MODELS, PRECISIONS, EngineConfig
from rtsod.errors import RtsodError, UsageError
from rtsod.system.machine import let_waiting_threads_sleep
from rtsod.system.names import path_to_write
from rtsod.system.signals import Interrupted, StopSignals

if TYPE_CHECKING:
    from pathlib import Path

    from rtsod.app.console import Reporter
    from rtsod.data.dataset import Dataset
    from rtsod.evaluation.evaluate import Plan
    from rtsod.evaluation.predict import Predictor
    from rtsod.evaluation.result import Evaluation
    from rtsod.evaluation.subjects import Subject
    from rtsod.progress import BuildProgress

_PROGRAM: Final = "rtsod evaluate"
_DEFAULTS: Final = EngineConfig()
_DESCRIPTION: Final = """\
Measure a network, or a folder with its maps, on pictures with masks.

You get the numbers that papers report, with 95 % intervals, as a page, tables
for Markdown and LaTeX, JSON, plots and the worst maps. For the paper's six
data sets its own numbers stand beside yours.
"""
_EPILOG: Final = """\
examples:
  rtsod evaluate lite ECSSD                       the authors' lite weights
  rtsod evaluate runs/mine/best.safetensors DUTS-TE ECSSD --against full=full
  rtsod evaluate me mine --against lite=lite      a model of your own
  rtsod evaluate maps/mine ECSSD --against BASNet=maps/basnet
  rtsod evaluate full ECSSD --save-maps maps      keep the maps; run it again
                                                  to go on after Ctrl-C
  rtsod evaluate lite scene:                      a drawn scene: needs no data

protocols:
  paper  as the paper's authors made and measured their maps: to compare with
         the paper
  fan    as PySODMetrics measures by default: to compare with other papers
  plain  nothing is stretched: what a camera gets

A data set is a folder with pictures and masks in any usual layout. Maps have
the names of their pictures; with several data sets, each has a folder of maps
of its name.

exit codes:
  0 done   2 usage   3 data   4 weights   5 engine, or the extra bench is not
  installed   6 output
  70 internal error   129, 130, 143 ended by SIGHUP, Ctrl-C, SIGTERM; what was
  measured is saved
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run_command(_PROGRAM, lambda signals: _evaluate(arguments, signals))


def parser() -> Parser:
    """The parser of all options."""
    parser = Parser(_PROGRAM, None, _DESCRIPTION, _EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "subject", metavar="WEIGHTS|MAPS",
        help="full, lite, another model that rtsod models lists, a file of weights, or a folder of maps (PNG)",
    )  # fmt: skip
    parser.add_argument("data", nargs="*", metavar="DATA", help="a data set; scene: is a drawn one")
    parser.add_argument(
        "--protocol", choices=("paper", "fan", "plain"), default="paper", help="see below (default: %(default)s)"
    )
    parser.add_argument(
        "--against",
        action="append",
        default=[],
        metavar="NAME=MAPS",
        help="compare with these maps or weights on the same pictures; can be repeated",
    )
    parser.add_argument(
        "--out", type=path_to_write, metavar="FOLDER", help="for the results; must be new (default: eval, eval-2, ...)"
    )
    parser.add_argument("--save-maps", type=path_to_write, metavar="FOLDER", help="keep the network's maps as PNG")
    parser.add_argument(
        "--alpha",
        choices=("auto", "on", "off"),
        default="auto",
        help="measure matting errors: masks are exact alphas; auto: those with wide soft areas (default: %(default)s)",
    )
    parser.add_argument("--workers", type=int, metavar="N", help="threads that measure (default: one for each core)")
    parser.add_argument("--resamples", type=int, metavar="N", help="of the bootstrap, at least 100 (default: 2000)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the bootstrap (default: %(default)s)")
    network = parser.add_argument_group("network")
    network.add_argument("--engine", choices=ENGINES, default=_DEFAULTS.engine, help="(default: %(default)s)")
    network.add_argument(
        "--precision",
        choices=[precision for precision in PRECISIONS if precision != "auto"],
        default="fp32",
        help="(default: %(default)s)",
    )
    network.add_argument("--device", default=_DEFAULTS.device, metavar="D", help="(default: %(default)s)")
    network.add_argument(
        "--input-size", type=int, metavar="S", help="a multiple of 32 (default: what the weights were trained at)"
    )
    network.add_argument("--model", choices=MODELS, help="for a file of weights that does not say what it is of")
    return parser


def _evaluate(arguments: Sequence[str] | None, signals: StopSignals) -> None:
    options = parser().parse_args(arguments)
    _check(options)
    let_waiting_threads_sleep()
    from rtsod.app.console import Reporter  # late: --help and a mistyped option must not wait for rich
    from rtsod.evaluation.console_table import console_table
    from rtsod.evaluation.data_sets import open_data_sets
    from rtsod.evaluation.evaluate import evaluate
    from rtsod.evaluation.report import PAGE, check_folder, free_folder, write_report

    subjects, folder = _subjects(options), options.out or free_folder()
    check_folder(folder)
    reporter, result = Reporter(), _result(options, arguments)
    with reporter.build() as progress, open_data_sets(options.data, progress) as datasets:
        plan = _plan(options, subjects, datasets)
        try:
            evaluate(plan, result, lambda one: _open(one, options, reporter, progress), reporter.notify, progress)
        except (Interrupted, RtsodError) as error:
            lines = _what_is_left(result, folder, options, str(error) or "interrupted")
            if isinstance(error, RtsodError):
                for line in lines:
                    reporter.notify(line)
                raise
            raise Interrupted(*["; ".join(lines)] * bool(lines)) from None
    signals.hold()  # writing takes a few seconds, and what was measured shall not be lost
    write_report(folder, result)
    answer(f"{console_table(result)}\n{folder / PAGE}")


def _what_is_left(result: Evaluation, folder: Path, options: argparse.Namespace, outcome: str) -> list[str]:
    """Keep what an unfinished run has measured, and say where that is."""
    from rtsod.evaluation.report import write_partial

    left = []
    if not result.empty:
        write_partial(folder, result, outcome)
        left.append(f"what was measured is in {folder}")
    if options.save_maps is not None and result.sets:
        left.append(f"maps are in {options.save_maps}: the same command goes on from there")
    return left


def _check(options: argparse.Namespace) -> None:
    if not options.data:  # argparse would say so before it names an unknown option
        raise UsageError("DATA: give at least one data set")
    for option, least in (("workers", 1), ("resamples", 100), ("seed", 0)):
        given = getattr(options, option)
        if given is not None and given < least:
            raise UsageError(f"--{option} {given}: must be {least} or more")
    require("matplotlib")


def _subjects(options: argparse.Namespace) -> tuple[Subject, ...]:
    from rtsod.evaluation.subjects import compared_subject_of, subject_of

    subjects = subject_of(options.subject), *map(compared_subject_of, options.against)
    if options.model is not None and all(one.weights is None for one in subjects):
        raise UsageError(f"--model {options.model}: applies to a file of weights only: drop it")
    if all(one.maps is not None for one in subjects):
        defaults = parser().parse_args([options.subject, *options.data])
        for name in ("engine", "precision", "device", "input_size"):
            if getattr(options, name) != getattr(defaults, name):
                raise UsageError(f"--{name.replace('_', '-')}: applies to networks only, and these are maps: drop it")
    return subjects


def _result(options: argparse.Namespace, arguments: Sequence[str] | None) -> Evaluation:
    from rtsod.evaluation.intervals import RESAMPLES
    from rtsod.evaluation.protocols import BY_NAME
    from rtsod.evaluation.result import Evaluation
    from rtsod.system.provenance import command_line, describe

    command = command_line("rtsod", ["evaluate", *(sys.argv[2:] if arguments is None else arguments)])
    return Evaluation(BY_NAME[options.protocol], command, describe(), options.resamples or RESAMPLES, options.seed)


def _plan(options: argparse.Namespace, subjects: tuple[Subject, ...], datasets: tuple[Dataset, ...]) -> Plan:
    from rtsod.evaluation.evaluate import Plan
    from rtsod.evaluation.protocols import BY_NAME
    from rtsod.system.machine import thread_count

    workers = options.workers or thread_count()
    return Plan(subjects, datasets, BY_NAME[options.protocol], workers, options.alpha, options.save_maps)


def _open(
    subject: Subject, options: argparse.Namespace, reporter: Reporter, progress: BuildProgress
) -> tuple[Predictor, dict[str, object]]:
    """Open a subject's network; beside it, what tells its maps from those of another."""
    from rtsod.backends import open_engine
    from rtsod.evaluation.predict import Predictor
    from rtsod.evaluation.protocols import BY_NAME
    from rtsod.model.weights import resolve

    config = subject.config(
        EngineConfig(options.model, options.engine, options.precision, options.device, options.input_size)
    )
    weights = resolve(config)
    with reporter.download(f"downloading {weights.label} (once)") as report:
        engine = open_engine(config, weights, reporter.notify, progress, report)
    info = engine.info
    identity: dict[str, object] = {
        "weights": weights.sha256,
        "engine": info.name,
        "precision": info.precision,
        "input_size": info.input_size,
    }
    return Predictor(engine, BY_NAME[options.protocol]), identity
