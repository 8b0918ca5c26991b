"""The command line: fills :class:`rtsod.config.AppConfig`, turns errors into one line and an exit code."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from rtsod.cli.common import Parser, complain
from rtsod.config import (
    ENGINES,
    INPUT_SIZE_RANGE,
    LEAST_HALF_SIZE,
    MODELS,
    PRECISIONS,
    QUALITIES,
    REFINES,
    SYNCS,
    AppConfig,
    EngineConfig,
    OutputConfig,
    PictureConfig,
    QualityConfig,
    RunConfig,
    SourceConfig,
)
from rtsod.errors import ExitCode, RtsodError
from rtsod.system.signals import leave
from rtsod.version import __version__

_DEFAULTS: Final = AppConfig()

_EXAMPLES: Final = """\
examples:
  %(prog)s --lite --bg beach.jpg                      camera, in a window, before a beach
  %(prog)s --lite --bg blur --virtual-camera          for video calls
  %(prog)s --source talk.mp4 --bg "#00B140" --output talk-green.mp4
  %(prog)s --source talk.mp4 --bg transparent --output talk.webm
  %(prog)s --source photos/ --mask-output masks/      one 8-bit mask per photograph
  %(prog)s --source demo --duration 10 --no-preview --stats numbers.json

keys in the window: q quit, b next background, m mirror, p pause to a slate, s statistics

exit codes: 0 done, 2 usage, 3 source, 4 weights, 5 engine, 6 output, 70 internal error,
129, 130, 143 ended by SIGHUP, Ctrl-C, SIGTERM (outputs are closed and playable all the same)
"""


def main(argv: Sequence[str] | None = None, *, program: str | None = None) -> int:
    """Run a command.

    Args:
        argv: the arguments after the program's name; None takes them from the process.
        program: what ``rtsod run`` is called in its own help, if something else.

    Returns:
        The exit code, one of :class:`rtsod.errors.ExitCode`.
    """
    verbose = False
    try:
        options = _parser(program).parse_args(argv)
        verbose = getattr(options, "verbose", False)
        _set_up_logging(verbose)
        return _COMMANDS[options.command](options)
    except RtsodError as error:
        complain("rtsod", str(error))
        return int(error.exit_code)
    except KeyboardInterrupt:
        complain("rtsod", "interrupted")
        return int(ExitCode.INTERRUPTED)
    except Exception as error:
        if verbose:
            logging.getLogger(__name__).exception("internal error")
        hint = "" if verbose else " (--verbose shows where)"
        complain("rtsod", f"internal error: {type(error).__name__}: {error}{hint}")
        return int(ExitCode.INTERNAL)


def command() -> NoReturn:
    """The installed command."""
    leave(main())


def _run(options: argparse.Namespace) -> int:
    from rtsod.app.run import run  # late, as below: --help and a mistyped option need no OpenCV

    return int(run(_config(options)))


def _devices(options: argparse.Namespace) -> int:
    from rtsod.cli.devices import show

    return show()


def _doctor(options: argparse.Namespace) -> int:
    from rtsod.cli.doctor import show

    return show(as_json=options.json)


_COMMANDS: Final = {"run": _run, "devices": _devices, "doctor": _doctor}


def _parser(program: str | None) -> argparse.ArgumentParser:
    parser = Parser(prog="rtsod", description="Real-time background replacement with U²-Net.")
    parser.add_argument("--version", action="version", version=f"rtsod {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run",
        prog=program,
        help="separate the subject of a camera, a file or a folder and put it before another background",
        description="Separate whatever stands out in the picture and put it before another background.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,  # what is not given stays with the configuration's default
    )
    _add_source_options(run)
    _add_engine_options(run)
    _add_quality_options(run)
    _add_output_options(run)
    _add_run_options(run)
    commands.add_parser("devices", help="list cameras with what they can do, and virtual cameras with who holds them")
    doctor = commands.add_parser("doctor", help="say what is wrong with this machine, and how to mend it")
    doctor.add_argument("--json", action="store_true", help="for programs")
    return parser


def _add_source_options(parser: argparse.ArgumentParser) -> None:
    default = _DEFAULTS.source
    group = parser.add_argument_group("input")
    group.add_argument(
        "--source",
        dest="spec",
        metavar="SOURCE",
        help="auto (a camera, else the demo scene), a camera's index, path or name, a video or picture file, a folder "
        f"of pictures, a URL, or demo (default: {default.spec})",
    )
    group.add_argument(
        "--size",
        type=_size,
        metavar="WxH",
        help=f"asked of the camera and the demo scene (default: {default.width}x{default.height})",
    )
    group.add_argument("--fps", type=int, metavar="N", help=f"likewise, frames per second (default: {default.fps})")
    group.add_argument("--seed", type=int, metavar="N", help=f"of the demo scene (default: {default.seed})")


def _add_engine_options(parser: argparse.ArgumentParser) -> None:
    default = _DEFAULTS.engine
    group = parser.add_argument_group("network")
    model = group.add_mutually_exclusive_group()
    model.add_argument(
        "--model", choices=MODELS, help=f"full: 176 MB, finer; lite: 4.7 MB, faster (default: {default.model})"
    )
    model.add_argument("--lite", dest="model", action="store_const", const="lite", help="short for --model lite")
    group.add_argument("--engine", choices=ENGINES, help=f"what runs the network (default: {default.engine})")
    group.add_argument("--precision", choices=PRECISIONS, help=f"what it computes in (default: {default.precision})")
    group.add_argument(
        "--device", metavar="D", help=f"cpu, cuda, cuda:N, gpu (Intel), auto (default: {default.device})"
    )
    group.add_argument(
        "--input-size",
        type=int,
        metavar="S",
        help=f"the network sees SxS pixels, {INPUT_SIZE_RANGE[0]} to {INPUT_SIZE_RANGE[1]}; smaller is faster and "
        f"coarser; TensorRT in fp16 takes {LEAST_HALF_SIZE} and more (default: {default.input_size})",
    )
    group.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help=".pth, .safetensors or folded .onnx (default: the authors', fetched once)",
    )


def _add_quality_options(parser: argparse.ArgumentParser) -> None:
    default = _DEFAULTS.quality
    group = parser.add_argument_group("speed")
    group.add_argument(
        "--quality",
        choices=QUALITIES,
        help="auto: with live input, give up as much as it takes to keep up, and take it back later; fixed: never "
        f"change; files are always fixed (default: {default.quality})",
    )
    group.add_argument(
        "--region",
        type=_region,
        metavar="R",
        help="let the network see the subject's region at RxR pixels, the whole frame only now and then; auto: where "
        f"the whole frame does not keep up; off: never (default: {default.region})",
    )
    group.add_argument(
        "--target-fps",
        type=float,
        metavar="N",
        help="masks per second: the best that this machine makes so fast is chosen (default: the camera's rate)",
    )


def _add_output_options(parser: argparse.ArgumentParser) -> None:
    default = _DEFAULTS.picture
    group = parser.add_argument_group("picture and outputs")
    group.add_argument(
        "--bg",
        dest="backgrounds",
        action="append",
        metavar="BG",
        help="a picture or video file, a bundled one by name, blur, blur:SIGMA, #RRGGBB, transparent, or none (the "
        f"picture as it is); several times to cycle with the key b (default: {', '.join(default.backgrounds)})",
    )
    group.add_argument("--mirror", action="store_true", help="flip the camera's picture, not the background")
    group.add_argument(
        "--refine",
        choices=REFINES,
        help="edges: off, the map as it is, scaled; fast, guided by the picture, without the old background's colour; "
        "best, twice as fine at twice the cost; "
        f"auto, fast but for photographs, whose masks stay the authors' (default: {default.refine})",
    )
    group.add_argument(
        "--light-wrap", action="store_true", help="let the new background's light fall on the subject's rim"
    )
    group.add_argument(
        "--steady",
        action=argparse.BooleanOptionalAction,
        help="hold masks still where the picture is still, and leave out what is no subject; --no-steady shows them as "
        "the network gives them (default: --steady; photographs are never steadied)",
    )
    group.add_argument(
        "--subject-lock",
        action="store_true",
        help="keep to the subject that was there first, whoever walks past behind",
    )
    group.add_argument(
        "--preview",
        action=argparse.BooleanOptionalAction,
        help="show a window (default: if there is a display and no other output)",
    )
    group.add_argument(
        "--virtual-camera",
        nargs="?",
        const="auto",
        metavar="DEVICE",
        help="be a camera for video calls; needs v4l2loopback on Linux, elsewhere: pip install pyvirtualcam",
    )
    group.add_argument(
        "--on-demand",
        action="store_true",
        help="with --virtual-camera: open the camera only while another program reads",
    )
    group.add_argument(
        "--output",
        dest="outputs",
        action="append",
        type=Path,
        metavar="PATH",
        help=".mp4, .mkv (H.264), .webm (VP9, with alpha if transparent), .mov (ProRes 4444), or a folder of PNGs; "
        "several times for several",
    )
    group.add_argument(
        "--mask-output",
        dest="mask_outputs",
        action="append",
        type=Path,
        metavar="PATH",
        help="the alpha alone, as a grey video or a folder of 8-bit PNGs",
    )


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    default = _DEFAULTS.run
    group = parser.add_argument_group("run")
    group.add_argument(
        "--sync",
        choices=SYNCS,
        help="locked: each mask with the very frame it comes from; tracked: every frame at once, with the newest mask "
        f"carried to it; auto: locked where the network keeps up with the camera (default: {default.sync})",
    )
    group.add_argument(
        "--mask-every",
        dest="mask_interval",
        type=int,
        metavar="N",
        help=f"infer every N-th frame and track between them (default: {default.mask_interval})",
    )
    group.add_argument("--duration", type=float, metavar="SECONDS", help="of input (default: no bound)")
    group.add_argument("--max-frames", type=int, metavar="N", help="of input (default: no bound)")
    group.add_argument(
        "--max-mask-age",
        type=float,
        metavar="SECONDS",
        help="live input: from capture until a frame is too old to be shown (default: from the engine's speed)",
    )
    group.add_argument("--stats", type=Path, metavar="FILE", help="write the run's numbers as JSON")
    group.add_argument("--verbose", action="store_true", default=default.verbose, help="log what happens to stderr")


def _region(text: str) -> str | int:
    try:
        return int(text)
    except ValueError:
        return text


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    try:
        return int(width), int(height)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not WIDTHxHEIGHT, such as 1280x720") from None


def _config(options: argparse.Namespace) -> AppConfig:
    given: dict[str, Any] = vars(options)
    if "size" in given:
        given["width"], given["height"] = given.pop("size")
    for name in ("backgrounds", "outputs", "mask_outputs"):
        if name in given:
            given[name] = tuple(given[name])

    def pick(kind: type[Any]) -> Any:
        return kind(**{name: given[name] for name in kind.__dataclass_fields__ if name in given})

    return AppConfig(
        source=pick(SourceConfig),
        engine=pick(EngineConfig),
        quality=pick(QualityConfig),
        picture=pick(PictureConfig),
        output=pick(OutputConfig),
        run=pick(RunConfig),
    )


def _set_up_logging(verbose: bool) -> None:
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO if verbose else logging.WARNING,
        format="%(levelname)s %(name)s: %(message)s" if verbose else "rtsod: %(message)s",
    )
    if verbose:
        logging.getLogger("rtsod").setLevel(logging.DEBUG)
