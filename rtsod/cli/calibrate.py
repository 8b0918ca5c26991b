"""``python -m rtsod.cli.calibrate``: measure the ranges that ``--precision int8`` needs, for weights of one's own.

The authors' weights need no calibration: theirs comes with the program, made by this very command.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

from rtsod.cli.common import Parser, answer, run_command
from rtsod.config import MODELS, EngineConfig
from rtsod.errors import EngineError, OutputError
from rtsod.progress import BuildProgress, Notify
from rtsod.system.files import check_writable, file_to_write, write_text
from rtsod.system.signals import leave

T = TypeVar("T")

MEAN_BOUND: Final = 0.004
"""Of the mean absolute difference from float32 over all pictures."""
WORST_BOUND: Final = 0.02
"""The same, of any one picture."""
_COMPARED: Final = 8
"""Pictures. Comparing in PyTorch takes seconds for each; ranges are measured on all there are."""

_EXAMPLES = """\
examples:
  python -m rtsod.cli.calibrate --model lite --weights mine.pth --images pictures

The pictures should look like what the camera will see; a few dozen are plenty. Afterwards --precision int8 and auto
find the result by the weights' sha256.
Exit codes: 0 done, 2 wrong usage, 4 weights, 5 8 bits are too coarse, 6 cannot be written, 70 internal error,
129, 130, 143 ended by SIGHUP, Ctrl-C, SIGTERM.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit code."""
    return run_command("rtsod.cli.calibrate", lambda _: _calibrate(_parser().parse_args(arguments)))


def _parser() -> Parser:
    parser = Parser(
        "python -m rtsod.cli.calibrate", None, __doc__, _EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=MODELS, default="full")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="your own; without it the authors' are fetched")
    parser.add_argument("--images", type=Path, metavar="FOLDER", required=True, help="pictures to measure on")
    parser.add_argument("--input-size", type=int, default=EngineConfig().input_size, metavar="S", help="to measure at")
    parser.add_argument(
        "--output", type=file_to_write, metavar="FILE", help="default: where --precision int8 looks for it"
    )
    return parser


def _calibrate(options: argparse.Namespace) -> None:
    from rtsod.app.console import Reporter  # late, as below: a mistyped option needs none of it

    if options.output is not None:
        check_writable("--output", options.output)
    reporter = Reporter()
    with reporter.build() as progress:
        done = _calibration(options, reporter.notify, progress)
    answer(done)


def _calibration(options: argparse.Namespace, notify: Notify, progress: BuildProgress) -> str:
    import torch

    from rtsod.export.parity import compare, pictures_in
    from rtsod.model.calibration import Calibration, user_calibration_path
    from rtsod.model.checkpoints import load_network
    from rtsod.model.int8 import int8_from_fp32, left_in_float, measure_ranges
    from rtsod.model.saliency import SaliencyGraph
    from rtsod.model.weights import resolve

    config = EngineConfig(options.model, weights=options.weights, input_size=options.input_size)
    pictures = [torch.from_numpy(picture)[None] for picture in pictures_in(options.images, config.input_size)]
    weights = resolve(config, lambda done, total: progress("fetching the weights (kB)", done // 1000, total // 1000))
    network = load_network(weights.file(), config.model)
    notify(f"measuring the ranges on {len(pictures)} picture(s)")
    maxima, steady = measure_ranges(network, _counted("measuring", pictures, progress))

    floats = left_in_float(network, steady)
    calibration = Calibration(config.model, weights.sha256, maxima, steady, floats, f"{len(pictures)} pictures")
    compared = pictures[:: -(-len(pictures) // _COMPARED)]
    notify(f"comparing with float32 on {len(compared)} picture(s)")
    exact, rounded = SaliencyGraph(network).eval(), int8_from_fp32(network, calibration, "unsigned")
    with torch.inference_mode():
        parity = compare(
            (rounded(each)[0, 0].numpy(), exact(each)[0, 0].numpy())
            for each in _counted("comparing", compared, progress)
        )
    if not (parity.mean_error <= MEAN_BOUND and parity.worst_error <= WORST_BOUND):
        raise EngineError(
            f"8 bits are too coarse for these weights: {parity}, {parity.worst_error:.1e} on one of them, where "
            f"{MEAN_BOUND} and {WORST_BOUND} are allowed; nothing is written. Use --precision fp32"
        )
    path = options.output or user_calibration_path(weights)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path.parent}: cannot be made: {error.strerror or error}") from error
    write_text(path, calibration.text())
    return f"{path}: {parity}; left in float: {', '.join(floats) or 'nothing'}"


def _counted(phase: str, pictures: Sequence[T], progress: BuildProgress) -> Iterator[T]:
    for done, picture in enumerate(pictures):
        progress(phase, done, len(pictures))
        yield picture
    progress(phase, len(pictures), len(pictures))


if __name__ == "__main__":
    leave(main())
