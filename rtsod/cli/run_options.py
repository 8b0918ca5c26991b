"""The options of ``rtsod run``: their parser, with every default, in the order of the help."""

from __future__ import annotations

import argparse
from typing import Final

from rtsod.cli.common import Parser, model_name
from rtsod.cli.output_names import masks_to_write, output_to_write
from rtsod.config import (
    AUTHORS_SIZE,
    DEFAULT_CONTROL_PORT,
    DEFAULT_MODEL,
    DEVICES,
    ENGINES,
    INPUT_SIZE_RANGE,
    INPUT_SIZE_STEP,
    MIN_FP16_INPUT_SIZE,
    ONNXRUNTIME_DEVICES,
    PRECISIONS,
    QUALITIES,
    REFINES,
    SYNCS,
    AppConfig,
)
from rtsod.system.files import file_to_write
from rtsod.system.names import path_to_read

_DEFAULTS: Final = AppConfig()

_DESCRIPTION: Final = """\
Find the subject of each frame and put it in front of another background.

Without options, %(prog)s reads a camera (or shows a short clip if there
is none), blurs the background, and shows the result in a window.
"""

_EPILOG: Final = """\
examples:
  %(prog)s --lite --bg beach.jpg
      your camera, in a window, in front of a beach
  %(prog)s --lite --bg blur --virtual-camera
      a camera for video calls, with your background blurred
  %(prog)s --source talk.mp4 --bg "#00B140" --output talk-green.mp4
      a video on a green background, with its sound
  %(prog)s --source talk.mp4 --bg transparent --output talk.webm
      the same video with an alpha channel
  ffmpeg -i a.mp4 -f nut - | %(prog)s --source - --output - | ffplay -
      between two other programs, with the time stamps
  %(prog)s --lite --bg beach.jpg --output rtmp://localhost/live/me
      a live stream, for a server on this computer
  %(prog)s --lite --virtual-camera --control --open
      the same, with a page in your browser to change it while it runs
  %(prog)s --model me --bg blur --virtual-camera
      the same with a network of your own, many times as fast
  %(prog)s --model me --keep-learning --virtual-camera
      the same, and what it does not know is learned during the call
  %(prog)s --source photos/ --mask-output masks/
      one 8-bit mask per photograph
  %(prog)s --source scene --duration 10 --no-preview --stats numbers.json
      ten seconds of the drawn scene, measured
  %(prog)s --profile office
      what [profile.office] in rtsod.toml says; see rtsod config

keys in the window:
  q quit   b next background   m mirror   p pause (shows a slate)   s statistics

exit codes:
  0 done   2 usage   3 source   4 weights   5 engine   6 output
  70 internal error   129, 130, 143 ended by SIGHUP, Ctrl-C, SIGTERM
  A recording that a signal ends is complete up to that moment, and plays.
"""


def parser(program: str) -> Parser:
    """The parser of all options, with their defaults."""
    parser = Parser(
        prog=program,
        usage="%(prog)s [OPTIONS]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_input_options(parser)
    add_network_options(parser)
    add_speed_options(parser)
    add_picture_options(parser)
    _add_output_options(parser)
    _add_control_options(parser)
    _add_run_options(parser)
    return parser


def _add_input_options(parser: Parser) -> None:
    default = _DEFAULTS.source
    group = parser.add_argument_group("input")
    group.add_argument(
        "--source",
        default=default.spec,
        metavar="SOURCE",
        help="a camera's index, path or name, a video or image file, a folder of photographs, a URL, - (standard "
        "input: every frame; live:-: the newest ones), demo (a short clip of a person), scene (a drawn one, to measure "
        "with), or auto: a camera, or else demo (default: %(default)s)",
    )
    group.add_argument(
        "--size",
        type=_size,
        metavar="WxH",
        help="frame size to request from the camera, or size of the drawn scene "
        f"(default: {default.width}x{default.height})",
    )
    group.add_argument(
        "--fps",
        type=int,
        default=default.fps,
        metavar="N",
        help="frame rate to request from the camera, or rate of the drawn scene "
        f"(default: {default.live_fps}); or of a video made of photographs (default: 1)",
    )
    group.add_argument("--seed", type=int, metavar="N", help=f"seed of the drawn scene (default: {default.seed})")


def add_network_options(parser: Parser) -> None:
    """Add the options that say which network runs, and on what."""
    default = _DEFAULTS.engine
    group = parser.add_argument_group("network")
    model = group.add_mutually_exclusive_group()
    model.add_argument(
        "--model",
        type=model_name,
        metavar="NAME",
        help="full is finer (176 MB), lite is faster (4.6 MB); or a model of your own, or another that rtsod models "
        f"lists (default: what --weights say, or {DEFAULT_MODEL})",
    )
    model.add_argument("--lite", dest="model", action="store_const", const="lite", help="same as --model lite")
    group.add_argument(
        "--engine", choices=ENGINES, default=default.engine, help="inference engine (default: %(default)s)"
    )
    group.add_argument(
        "--precision",
        choices=PRECISIONS,
        default=default.precision,
        help="number format of the computation (default: %(default)s)",
    )
    group.add_argument(
        "--device",
        default=default.device,
        metavar="D",
        help=f"{', '.join(DEVICES)}; gpu and npu are Intel's, the last {len(ONNXRUNTIME_DEVICES)} are ONNX Runtime's "
        "(default: %(default)s)",
    )
    low, high = INPUT_SIZE_RANGE
    group.add_argument(
        "--input-size",
        type=int,
        metavar="S",
        help=f"the network sees SxS pixels, {low} to {high}, a multiple of {INPUT_SIZE_STEP}: smaller is faster and "
        f"coarser; TensorRT in fp16 needs {MIN_FP16_INPUT_SIZE} or more (default: what the weights were trained at, "
        f"{AUTHORS_SIZE} for the authors')",
    )
    group.add_argument(
        "--weights",
        type=path_to_read,
        default=default.weights,
        metavar="FILE",
        help="your own .pth, .safetensors or folded .onnx file; what rtsod train wrote says itself which network it is "
        "of (default: the authors' weights, downloaded once)",
    )


def add_speed_options(parser: Parser) -> None:
    """Add the options that say what may be given up for speed."""
    default = _DEFAULTS.quality
    group = parser.add_argument_group("speed")
    group.add_argument(
        "--quality",
        choices=QUALITIES,
        default=default.quality,
        help="auto: for live input, lower the masks' quality step by step until they keep up, and raise it again "
        "when there is time; fixed: never change it, as for files (default: %(default)s)",
    )
    group.add_argument(
        "--region",
        type=_region,
        default=default.region,
        metavar="R",
        help="show the network only the subject's region, at RxR pixels, and the full frame now and then; auto: if the "
        "full frame is too slow; off: never (default: %(default)s)",
    )
    group.add_argument(
        "--target-fps",
        type=float,
        default=default.target_fps,
        metavar="N",
        help="masks per second to reach, at the best quality that allows it (default: the camera's rate)",
    )


def add_picture_options(
    parser: Parser,
    none: str = "the camera's own background",
    repeated: str = "; repeat to switch with the b key",
    mirror: str = "mirror the camera's picture, but not the background",
) -> None:
    """Add the options that say how pictures look.

    Args:
        parser: of the command.
        none: what its help calls the background none.
        repeated: what its help says of several backgrounds.
        mirror: the help of --mirror.
    """
    default = _DEFAULTS.picture
    group = parser.add_argument_group("picture")
    group.add_argument(
        "--bg",
        action="append",
        metavar="BG",
        help="an image or video file, the name of a bundled background, blur, blur:SIGMA, #RRGGBB, transparent, or "
        f"none ({none}){repeated} (default: {', '.join(default.backgrounds)})",
    )
    _add_switch(group, "mirror", mirror)
    group.add_argument(
        "--refine",
        choices=REFINES,
        default=default.refine,
        help="edges of the mask. off: the network's map, enlarged; fast: edges follow the picture and lose the old "
        "background's colour; best: twice as fine at twice the cost; auto: fast, but off for photographs, whose masks "
        "stay the authors' (default: %(default)s)",
    )
    _add_switch(group, "light-wrap", "let light from the new background fall on the subject's edge")
    group.add_argument(
        "--steady",
        action=argparse.BooleanOptionalAction,
        help="keep masks still where the picture is static, and remove what is not the subject; --no-steady shows the "
        "network's masks as they are (default: --steady, except for photographs)",
    )
    parser.set_defaults(steady=default.steady)  # as an argument, Python 3.11 would add "(default: True)" to the help
    _add_switch(
        group, "subject-lock", "stay with the subject that was there first, even when somebody walks past behind it"
    )


def _add_output_options(parser: Parser) -> None:
    default = _DEFAULTS.output
    group = parser.add_argument_group("outputs")
    group.add_argument(
        "--preview",
        action=argparse.BooleanOptionalAction,
        default=default.preview,
        help="show a window (default: if there is a display and no other output)",
    )
    group.add_argument(
        "--virtual-camera",
        nargs="?",
        const="auto",
        default=default.virtual_camera,
        metavar="DEVICE",
        help="be a camera that video calls can select; needs v4l2loopback on Linux, or pipewire as the DEVICE; "
        "pip install pyvirtualcam elsewhere",
    )
    _add_no(group, "virtual-camera")
    _add_switch(
        group,
        "on-demand",
        "with --virtual-camera: open the real camera only while another program reads the virtual one",
    )
    group.add_argument(
        "--output",
        action="append",
        type=output_to_write,
        metavar="PATH",
        help="a video: .mp4 or .mkv (H.264), .webm (VP9, with alpha if transparent), .mov (ProRes 4444); a folder "
        "for PNG files, or .png for one photograph; - for another program: nut:- (the same as -) has times and alpha, "
        "y4m:- has neither, rgba:- is "
        "nothing but pixels; or rtmp://, rtsp:// or srt:// to publish a live stream; repeat for several outputs",
    )
    group.add_argument(
        "--mask-output",
        action="append",
        type=masks_to_write,
        metavar="PATH",
        help="the alpha alone: a grey video, a folder for 8-bit PNG files, or .png for one photograph; repeat for "
        "several outputs",
    )


def _add_control_options(parser: Parser) -> None:
    default = _DEFAULTS.control
    group = parser.add_argument_group("control while it runs")
    group.add_argument(
        "--control",
        nargs="?",
        const="auto",
        default=default.address,
        metavar="ADDRESS:PORT",
        help="serve a page, on this machine alone, that shows the picture and changes background, camera and edges, "
        f"and shows the slate; rtsod ctl does the same in a terminal (default: off; address: 127.0.0.1:"
        f"{DEFAULT_CONTROL_PORT}, or another port if that is taken)",
    )
    _add_no(group, "control")
    _add_switch(group, "open", "open that page in the browser")
    _add_switch(
        group,
        "control-may-reveal",
        "let the page and rtsod ctl show more of the room: no background, less blur, another camera",
    )


def _add_run_options(parser: Parser) -> None:
    default = _DEFAULTS.run
    group = parser.add_argument_group("run")
    group.add_argument(
        "--sync",
        choices=SYNCS,
        default=default.sync,
        help="locked: show each frame with its own mask; tracked: show each frame at once, with the newest mask "
        "propagated to it; auto: a live frame waits for its own mask while that delays no other frame, else it is "
        "tracked; files are locked (default: %(default)s)",
    )
    group.add_argument(
        "--mask-every",
        type=int,
        default=default.mask_interval,
        metavar="N",
        help="run the network on every Nth frame and track the subject in between (default: %(default)s)",
    )
    group.add_argument(
        "--duration",
        type=float,
        default=default.duration,
        metavar="SECONDS",
        help="stop after this much input (default: no limit)",
    )
    group.add_argument(
        "--max-frames",
        type=int,
        default=default.max_frames,
        metavar="N",
        help="stop after this many input frames (default: no limit)",
    )
    group.add_argument(
        "--max-mask-age",
        type=float,
        default=default.max_mask_age,
        metavar="SECONDS",
        help="live input: show no mask of a frame that was captured longer ago (default: from the engine's speed)",
    )
    group.add_argument(
        "--stats", type=file_to_write, default=default.stats, metavar="FILE", help="write the run's statistics as JSON"
    )
    _add_switch(
        group,
        "keep-learning",
        "with a camera and a network of your own: learn what it does not know while it runs, at the lowest "
        "priority, and save it at the end",
    )
    group.add_argument(
        "--config",
        type=path_to_read,
        metavar="FILE",
        help="options and profiles; the command line is stronger (default: rtsod.toml in the configuration folder; "
        "see rtsod config)",
    )
    group.add_argument("--profile", metavar="NAME", help="use this profile of the file")
    _add_switch(group, "verbose", "log details to stderr")


def _add_switch(group: argparse._ArgumentGroup, name: str, help: str) -> None:
    """Add a switch, and the other way round, which the help leaves out: it takes back what a file says."""
    group.add_argument(f"--{name}", action="store_true", help=help)
    group.add_argument(
        f"--no-{name}", dest=name.replace("-", "_"), action="store_false", default=False, help=argparse.SUPPRESS
    )


def _add_no(group: argparse._ArgumentGroup, name: str) -> None:
    """Add the option that takes back another one that a file has; the help leaves it out."""
    group.add_argument(
        f"--no-{name}", dest=name.replace("-", "_"), action="store_const", const=None, help=argparse.SUPPRESS
    )


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
