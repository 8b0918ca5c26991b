"""The command line of ``python -m rtsod.bench``: turns options into a plan and the outcome into an exit code."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from rtsod.app.console import Reporter
from rtsod.bench.result import Result
from rtsod.bench.session import BenchmarkPlan, Session
from rtsod.bench.sources import DEFAULT_BACKGROUND
from rtsod.bench.target import Target
from rtsod.cli.common import Parser, answer, model_name, run_command
from rtsod.composite.backgrounds import open_background
from rtsod.config import AUTHORS_SIZE, ENGINES, MODELS, PRECISIONS, SYNCS, EngineConfig, SourceConfig
from rtsod.errors import ExitCode, OutputError, UsageError
from rtsod.model import description
from rtsod.model.weights import fetch, resolve
from rtsod.system.extras import install_extra
from rtsod.system.files import check_writable, file_to_write
from rtsod.system.names import path_to_read
from rtsod.system.provenance import command_line, describe
from rtsod.system.signals import Interrupted, StopSignals

_PROGRAM: Final = "rtsod bench"
_DEFAULTS: Final = EngineConfig()
_SCENE_SIZES: Final = ("1280x720", "1920x1080")
_PROBE_SECONDS: Final = 0.5
_CONSTANT: Final = "constant"
_BOTH: Final = "both"
_PACES: Final = {"camera": (True,), "free": (False,), "both": (True, False)}
"""Values of ``BenchmarkPlan.paces`` by option."""
_PIPELINE_OPTIONS: Final = ("source", "size", "fps", "pace", "sync", "bg")
"""Options that need ``--pipeline``."""
_EXIT_CODES: Final = """\
exit codes:
  0 done (with --check: every network reaches the paper's rate)
  1 --check: a network is slower
  2 usage   3 source   4 weights   5 engine   6 output   70 internal error
  129, 130, 143 ended by SIGHUP, Ctrl-C, SIGTERM; what was measured is saved"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark.

    Returns:
        The exit code, one of :class:`rtsod.errors.ExitCode`.
    """
    return run_command(_PROGRAM, lambda signals: _bench(argv, signals))


def _bench(argv: Sequence[str] | None, signals: StopSignals) -> ExitCode:
    options = parser().parse_args(argv)
    plan = _plan(options)
    console = _Console()
    result = Result(command_line("rtsod.bench", argv), describe())
    try:
        _fetch_weights(plan)
        Session(plan, result, console.notify, signals.hold).run()
        if signals.received:  # during the final save
            raise Interrupted
    except Interrupted:
        saved = [] if result.empty else [str(path) for path in (plan.json, plan.report) if path]
        raise Interrupted(*([f"completed measurements are in {' and '.join(saved)}"] if saved else [])) from None
    console.check()
    return ExitCode.CHECK_FAILED if options.check and not result.reached else ExitCode.DONE


class _Console:
    """Standard output. If it cannot be written the benchmark still completes its files, then reports the error."""

    def __init__(self) -> None:
        self._error: OutputError | None = None

    def notify(self, line: str) -> None:
        """Print a line."""
        try:
            answer(line)
        except OutputError as error:
            self._error = error

    def check(self) -> None:
        """Check that every line was printed.

        Raises:
            OutputError: one was not.
        """
        if self._error is not None:
            raise self._error


def parser() -> argparse.ArgumentParser:
    """The parser of all options."""
    parser = Parser(
        prog=_PROGRAM,
        description="Measure how fast this machine runs the networks, and how close that is\n"
        "to the machine's limits. The paper reports 30 fps for full and 40 fps for\nlite on a GTX 1080 Ti.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    network = parser.add_argument_group("network")
    network.add_argument(
        "--model",
        type=model_name,
        metavar="NAME",
        help="full, lite, both, or another that rtsod models lists (default: what --weights say, or both)",
    )
    network.add_argument(
        "--engine",
        choices=(*ENGINES, _CONSTANT),
        default=_DEFAULTS.engine,
        help="constant runs no network, to measure everything else (default: %(default)s)",
    )
    network.add_argument("--precision", choices=PRECISIONS, default=_DEFAULTS.precision, help="(default: %(default)s)")
    network.add_argument("--device", default=_DEFAULTS.device, metavar="D", help="(default: %(default)s)")
    network.add_argument(
        "--input-size",
        type=int,
        metavar="S",
        help="side of the network's input in pixels, a multiple of 32 (default: the size that the weights were trained "
        f"at, {AUTHORS_SIZE} for the authors')",
    )
    network.add_argument("--weights", type=path_to_read, metavar="FILE", help="(default: the authors' weights)")
    network.add_argument(
        "--seconds", type=float, default=10.0, metavar="N", help="duration of each measurement (default: %(default)g)"
    )
    pipeline = parser.add_argument_group("end to end", "need --pipeline")
    pipeline.add_argument(
        "--pipeline", action="store_true", help="also measure from capture to sink; needs the extra rtsod[bench]"
    )
    pipeline.add_argument("--source", metavar="SOURCE", help="scene (drawn), a file or a folder (default: scene)")
    pipeline.add_argument(
        "--size",
        action="append",
        metavar="WxH",
        help=f"size of the drawn scene; can be repeated (default: {', '.join(_SCENE_SIZES)})",
    )
    pipeline.add_argument(
        "--fps",
        type=int,
        metavar="N",
        help=f"frame rate of the drawn scene and of folders (default: {SourceConfig().live_fps})",
    )
    pipeline.add_argument(
        "--pace", choices=tuple(_PACES), help="deliver frames like a camera, or as fast as possible (default: both)"
    )
    pipeline.add_argument(
        "--sync",
        choices=(*SYNCS, "all"),
        help="auto: as the program runs by default; locked, tracked: whole-frame masks (default: all)",
    )
    pipeline.add_argument("--bg", metavar="BG", help=f"background, as for the program (default: {DEFAULT_BACKGROUND})")
    results = parser.add_argument_group("results")
    results.add_argument("--json", type=file_to_write, metavar="FILE", help="save everything as JSON")
    results.add_argument(
        "--report", type=_page_to_write, metavar="FILE.html", help="save a report page; needs the extra rtsod[bench]"
    )
    results.add_argument(
        "--check", action="store_true", help="exit with 1 if a network is slower than the paper's rate"
    )
    return parser


def _page_to_write(text: str) -> Path:
    path = file_to_write(text)
    is_other = os.path.exists(path) and not os.path.isfile(path)  # a device; a folder is refused later
    if path.suffix.lower() not in (".html", ".htm") and not is_other:
        raise argparse.ArgumentTypeError(f"{text}: the report is a web page: give it the suffix .html")
    return path


def _plan(options: argparse.Namespace) -> BenchmarkPlan:
    if not 0 < options.seconds <= 3600:
        raise UsageError(f"--seconds {options.seconds:g}: must be more than 0 and at most 3600")
    if options.pipeline:
        _require("psutil", "--pipeline")
    elif unused := [option for option in _PIPELINE_OPTIONS if getattr(options, option) is not None]:
        raise UsageError(f"--{unused[0]}: applies to end-to-end runs only: add --pipeline")
    if options.report is not None:
        _require("matplotlib", "--report")
    config = EngineConfig(
        engine="auto" if options.engine == _CONSTANT else options.engine,
        precision=options.precision,
        device=options.device,
        input_size=options.input_size,
        weights=options.weights,
    )
    models: tuple[str | None, ...] = MODELS if options.model in (None, _BOTH) else (options.model,)
    if options.model is None and options.weights is not None and description.describe(options.weights):
        models = (None,)
    targets = tuple(Target(replace(config, model=model), options.engine == _CONSTANT) for model in models)
    if options.check and (why := targets[0].no_verdict_reason) is not None:
        raise UsageError(f"--check: {why}")
    syncs: tuple[Any, ...] = SYNCS if options.sync in (None, "all") else (options.sync,)
    plan = BenchmarkPlan(
        targets=targets,
        seconds=options.seconds,
        probe_seconds=min(_PROBE_SECONDS, options.seconds),
        sources=_sources(options) if options.pipeline else (),
        paces=_PACES[options.pace or "both"],
        syncs=syncs,
        background=DEFAULT_BACKGROUND if options.bg is None else options.bg,
        json=options.json,
        report=options.report,
    )
    if options.pipeline:
        open_background(plan.background).close()
    _check_results(plan)
    return plan


def _check_results(plan: BenchmarkPlan) -> None:
    """Check that the results can be written and replace no file that is read."""
    read = [Path(plan.background), *(Path(source.spec) for source in plan.sources)]
    read += [target.config.weights for target in plan.targets if target.config.weights is not None]
    for option, path in (("--json", plan.json), ("--report", plan.report)):
        if path is None:
            continue
        check_writable(option, path)
        if any(path.is_file() and other.is_file() and path.samefile(other) for other in read):
            raise UsageError(f"{option} {path}: this run reads that file: choose another name")
    if plan.json is not None and plan.report is not None and plan.json.resolve() == plan.report.resolve():
        raise UsageError(f"--report {plan.report}: is also the --json file: choose another name")


def _sources(options: argparse.Namespace) -> tuple[SourceConfig, ...]:
    from rtsod.bench.end_to_end import open_paceable  # needs the extra rtsod[bench]

    if options.source not in (None, "scene"):
        if options.size:
            raise UsageError(
                f"--size {options.size[0]}: applies to the drawn scene only: {options.source} has its own size"
            )
        source = open_paceable(SourceConfig(options.source))  # report a mistyped name before measuring
        source.close()
        if options.fps is not None and source.info.fps is not None:
            raise UsageError(f"--fps {options.fps}: {options.source} has its own rate: drop --fps")
        return (SourceConfig(options.source, fps=options.fps),)
    sources = []
    for size in options.size or _SCENE_SIZES:
        width, _, height = size.lower().partition("x")
        if not (width.isdecimal() and height.isdecimal()):
            raise UsageError(f"--size {size}: must be WIDTHxHEIGHT, such as 1280x720")
        sources.append(SourceConfig("scene", int(width), int(height), options.fps))
    return tuple(sources)


def _fetch_weights(plan: BenchmarkPlan) -> None:
    """Download the weights before anything is timed, with a progress bar."""
    for target in plan.targets:
        if not target.constant:
            with Reporter().download(f"downloading the {target.model} weights (once)") as progress:
                fetch(resolve(target.config), progress)


def _require(library: str, option: str) -> None:
    if find_spec(library) is None:
        raise UsageError(f"{option} needs {library}: {install_extra('bench')}")
