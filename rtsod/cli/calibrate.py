"""``rtsod calibrate``: measures the activation ranges that ``--precision int8`` needs, for your own weights."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rtsod.cli.common import Parser, add_weights_options, answer, require, run_command
from rtsod.config import EngineConfig
from rtsod.errors import OutputError
from rtsod.progress import BuildProgress, Notify
from rtsod.system.files import check_writable, file_to_write, write_text
from rtsod.system.names import path_to_read

_PROGRAM: Final = "rtsod calibrate"
_DESCRIPTION: Final = """\
Measure the activation ranges that int8 needs, for your own weights.

The authors' weights need no calibration: theirs comes with the program. For
other weights, the ranges are measured on your pictures, and the 8-bit network
is compared with float32 before the calibration is written.
"""
_EPILOG: Final = """\
examples:
  rtsod calibrate --model lite --weights mine.pth --images pictures
  rtsod calibrate --model me --images pictures

Use pictures that look like what the camera will see; a few dozen are enough.
Afterwards --precision int8 and auto find the calibration by the weights'
SHA-256. That of a model of your own is kept with the model.

exit codes:
  0 done   2 usage   4 weights   5 8 bits are too coarse for these weights
  6 the calibration cannot be written   70 internal error
  129, 130, 143 ended by SIGHUP, Ctrl-C, SIGTERM
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run_command(_PROGRAM, lambda _: _calibrate(parser().parse_args(arguments)))


def parser() -> Parser:
    """The parser of all options."""
    parser = Parser(_PROGRAM, None, _DESCRIPTION, _EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_weights_options(parser)
    parser.add_argument("--images", type=path_to_read, metavar="FOLDER", required=True, help="pictures to measure on")
    parser.add_argument(
        "--output", type=file_to_write, metavar="FILE", help="(default: where --precision int8 looks for it)"
    )
    return parser


def _calibrate(options: argparse.Namespace) -> None:
    from rtsod.app.console import Reporter  # late: --help and a mistyped option must not wait for rich

    if options.output is not None:
        check_writable("--output", options.output)
    require("torch")
    reporter = Reporter()
    with reporter.build() as progress:
        summary = _calibrate_to(options, reporter.notify, progress)
    answer(summary)


def _calibrate_to(options: argparse.Namespace, notify: Notify, progress: BuildProgress) -> str:
    """Write the calibration, and return a line that describes it."""
    from rtsod.export.calibration_from_pictures import calibration_from_pictures
    from rtsod.export.parity import pictures_in
    from rtsod.model.calibration import calibration_path
    from rtsod.model.weights import fetch, resolve, with_size

    config = with_size(EngineConfig(options.model, weights=options.weights, input_size=options.input_size))
    weights = resolve(config)
    pictures = pictures_in(options.images, config.side, weights.description.fitting)
    checkpoint = fetch(
        weights, lambda done, total: progress("downloading the weights (kB)", done // 1000, total // 1000)
    )
    calibration, parity = calibration_from_pictures(weights, checkpoint, pictures, notify, progress)
    try:
        path: Path = options.output or calibration_path(weights)
    except OSError as error:
        raise OutputError(f"the calibration cannot be stored: {error.strerror}; or give --output FILE") from error
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path.parent}: cannot be created: {error.strerror or error}") from error
    write_text(path, calibration.text())
    return f"{path}: {parity}; left in float: {', '.join(calibration.floats) or 'nothing'}"
