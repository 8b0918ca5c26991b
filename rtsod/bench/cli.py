"""The command line of ``python -m rtsod.bench``: options to a plan, and the exit code."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from rtsod.app.console import Reporter
from rtsod.bench.machine import describe
from rtsod.bench.record import command_line
from rtsod.bench.result import Result
from rtsod.bench.session import Plan, Session
from rtsod.bench.sources import BACKGROUND
from rtsod.bench.target import Subject
from rtsod.cli.common import Parser, answer, complain
from rtsod.composite.backgrounds import open_background
from rtsod.config import ENGINES, MODELS, PRECISIONS, SYNCS, EngineConfig, SourceConfig
from rtsod.errors import ExitCode, OutputError, RtsodError, UsageError, internal_error
from rtsod.model.weights import resolve
from rtsod.system.files import check_writable, file_to_write
from rtsod.system.signals import Interrupted, StopSignals

_DEFAULTS: Final = EngineConfig()
_SIZES: Final = ("1280x720", "1920x1080")
_PROBE_SECONDS: Final = 0.5
_CONSTANT: Final = "constant"
_PACES: Final = {"camera": (True,), "free": (False,), "both": (True, False)}
_OF_WHOLE: Final = ("source", "size", "fps", "pace", "sync", "bg")
"""All there are: where ``auto`` is one of them, it is another one in disguise."""
_EXIT_CODES: Final = """exit codes: 0 done (with --check: every target reached), 1 --check: a target was not reached,
2 usage, 3 input, 4 weights, 5 engine, 6 output, 70 internal error, 130 ended by Ctrl-C, 143 ended by SIGTERM
(what was measured by then is kept)"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark.

    Returns:
        The exit code, one of :class:`rtsod.errors.ExitCode`.
    """
    plan: Plan | None = None
    screen = _Screen()
    result = Result(command_line("rtsod.bench", argv), {})
    with StopSignals() as signals:
        try:
            options = _parser().parse_args(argv)
            plan = _plan(options)
            result.machine = describe()
            _fetch_weights(plan)
            Session(plan, result, screen.notify, signals.hold).run()
            if signals.received:  # while the last of it was kept
                raise Interrupted
            screen.check()
            return ExitCode.BELOW_TARGET if options.check and not result.reached else ExitCode.DONE
        except RtsodError as error:
            complain("rtsod.bench", str(error))
            return error.exit_code
        except Interrupted:
            kept = [] if plan is None or result.empty else [str(path) for path in (plan.json, plan.report) if path]
            where = f"; what was measured is in {' and '.join(kept)}" if kept else ""
            complain("rtsod.bench", f"interrupted{where}")
            return signals.exit_code
        except Exception as error:
            complain("rtsod.bench", internal_error(error))
            return ExitCode.INTERNAL


class _Screen:
    """Standard output; where it cannot be written the files still matter, so that is an error at the end."""

    def __init__(self) -> None:
        self._lost: OutputError | None = None

    def notify(self, line: str) -> None:
        """Print it."""
        try:
            answer(line)
        except OutputError as error:
            self._lost = error

    def check(self) -> None:
        """Whether all that was said could be read.

        Raises:
            OutputError: it could not.
        """
        if self._lost is not None:
            raise self._lost


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m rtsod.bench",
        description="How fast this machine runs the networks (30 fps full and 40 fps lite are the paper's, on a GTX "
        "1080 Ti), and how much of what it could do at most that is.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    network = parser.add_argument_group("network")
    network.add_argument("--model", choices=(*MODELS, "both"), default="both", help="(default: %(default)s)")
    network.add_argument(
        "--engine",
        choices=(*ENGINES, _CONSTANT),
        default=_DEFAULTS.engine,
        help="constant is no network at all: what is left is everything else (default: %(default)s)",
    )
    network.add_argument("--precision", choices=PRECISIONS, default=_DEFAULTS.precision, help="(default: %(default)s)")
    network.add_argument("--device", default=_DEFAULTS.device, metavar="D", help="(default: %(default)s)")
    network.add_argument(
        "--input-size", type=int, default=_DEFAULTS.input_size, metavar="S", help="(default: %(default)s)"
    )
    network.add_argument("--weights", type=Path, metavar="FILE", help="(default: the authors')")
    network.add_argument(
        "--seconds", type=float, default=10.0, metavar="N", help="for each measurement (default: %(default)g)"
    )
    whole = parser.add_argument_group("whole path", "only with --pipeline")
    whole.add_argument(
        "--pipeline", action="store_true", help="also measure from capture to sink; needs the extra rtsod[bench]"
    )
    whole.add_argument("--source", metavar="SOURCE", help="demo, a file or a folder (default: demo)")
    whole.add_argument(
        "--size", action="append", metavar="WxH", help=f"of the demo scene, any number (default: {', '.join(_SIZES)})"
    )
    whole.add_argument(
        "--fps", type=int, metavar="N", help=f"of the demo scene and of folders (default: {SourceConfig().fps})"
    )
    whole.add_argument("--pace", choices=tuple(_PACES), help="like a camera, or as fast as it goes (default: both)")
    whole.add_argument(
        "--sync",
        choices=(*SYNCS, "all"),
        help="auto: as the program runs by itself; locked, tracked: masks of the whole frame (default: all)",
    )
    whole.add_argument("--bg", metavar="BG", help=f"as of the program (default: {BACKGROUND})")
    kept = parser.add_argument_group("results")
    kept.add_argument("--json", type=file_to_write, metavar="FILE", help="everything, for programs")
    kept.add_argument(
        "--report", type=file_to_write, metavar="FILE.html", help="one page for people; needs the extra rtsod[bench]"
    )
    kept.add_argument("--check", action="store_true", help="exit code 1 when a network is below the paper's rate")
    return parser


def _plan(options: argparse.Namespace) -> Plan:
    if not 0 < options.seconds <= 3600:
        raise UsageError(f"--seconds {options.seconds:g}: must be more than 0 and at most 3600")
    if options.pipeline:
        _require("psutil", "--pipeline")
    elif useless := [option for option in _OF_WHOLE if getattr(options, option) is not None]:
        raise UsageError(f"--{useless[0]}: is about the whole path: add --pipeline")
    if options.report is not None:
        _require("matplotlib", "--report")
    config = EngineConfig(
        engine="auto" if options.engine == _CONSTANT else options.engine,
        precision=options.precision,
        device=options.device,
        input_size=options.input_size,
        weights=options.weights,
    )
    models: tuple[Any, ...] = MODELS if options.model == "both" else (options.model,)
    subjects = tuple(Subject(replace(config, model=model), options.engine == _CONSTANT) for model in models)
    if options.check and (why := subjects[0].no_verdict) is not None:
        raise UsageError(f"--check: {why}")
    syncs: tuple[Any, ...] = SYNCS if options.sync in (None, "all") else (options.sync,)
    plan = Plan(
        subjects=subjects,
        seconds=options.seconds,
        probe_seconds=min(_PROBE_SECONDS, options.seconds),
        sources=_sources(options) if options.pipeline else (),
        paces=_PACES[options.pace or "both"],
        syncs=syncs,
        background=BACKGROUND if options.bg is None else options.bg,
        json=options.json,
        report=options.report,
    )
    if options.pipeline:
        backdrop = open_background(plan.background)
        getattr(backdrop, "close", lambda: None)()
    _check_results(plan)
    return plan


def _check_results(plan: Plan) -> None:
    """What is kept can be written, and replaces nothing that is read."""
    read = [Path(plan.background), *(Path(source.spec) for source in plan.sources)]
    read += [subject.config.weights for subject in plan.subjects if subject.config.weights is not None]
    for option, path in (("--json", plan.json), ("--report", plan.report)):
        if path is None:
            continue
        check_writable(option, path)
        if any(path.is_file() and other.is_file() and path.samefile(other) for other in read):
            raise UsageError(f"{option} {path}: is read by this run: choose another name")
    if plan.json is not None and plan.report is not None and plan.json.resolve() == plan.report.resolve():
        raise UsageError(f"--report {plan.report}: is the --json file too: choose another name")


def _sources(options: argparse.Namespace) -> tuple[SourceConfig, ...]:
    from rtsod.bench.end_to_end import open_paceable  # needs the extra

    fps = SourceConfig().fps if options.fps is None else options.fps
    if options.source not in (None, "demo"):
        if options.size:
            raise UsageError(f"--size {options.size[0]}: is of the demo scene; {options.source} has its own size")
        config = SourceConfig(options.source, fps=fps)
        source = open_paceable(config)  # a mistyped name is told before anything is measured
        source.close()
        if options.fps is not None and source.info.fps is not None:
            raise UsageError(f"--fps {options.fps}: {options.source} has its own rate: leave --fps out")
        return (config,)
    sources = []
    for size in options.size or _SIZES:
        width, _, height = size.lower().partition("x")
        if not (width.isdecimal() and height.isdecimal()):
            raise UsageError(f"--size {size}: is not WIDTHxHEIGHT, such as 1280x720")
        sources.append(SourceConfig("demo", int(width), int(height), fps))
    return tuple(sources)


def _fetch_weights(plan: Plan) -> None:
    """Before anything is timed, and where a bar can be shown."""
    for subject in plan.subjects:
        if not subject.constant:
            with Reporter().download(f"fetching the weights of the {subject.model} model, once") as progress:
                resolve(subject.config, progress).file()


def _require(library: str, option: str) -> None:
    if find_spec(library) is None:
        raise UsageError(f'{option} needs {library}: pip install -e ".[bench]"')
